"""From one sample file to the files of a new partner, written beside the others or into a tenant of their own."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ingestion.contract import ContractInvalid, load_registry
from ingestion.contract.reading import read_contract
from ingestion.foundation import Files, Settings, list_files, load_settings
from ingestion.foundation.tenant import DECLARED, FILE_KINDS
from ingestion.identifiers.sensitive import find_forbidden_names
from ingestion.scaffold.additions import add_dataset
from ingestion.scaffold.column_draft import ColumnDraft
from ingestion.scaffold.columns import draft_columns
from ingestion.scaffold.containers import open_sample
from ingestion.scaffold.drafting import render_contract, render_dataset, render_model
from ingestion.scaffold.gating import add_to_set, render_suite
from ingestion.scaffold.hints import NO_HINTS, Hints
from ingestion.scaffold.keys import mark_key
from ingestion.scaffold.surroundings import Surroundings, read_companions, read_surroundings
from ingestion.scaffold.table import SampleUnusable, Table
from ingestion.scaffold.vocabulary import OPEN_ENDED

NAME = re.compile(r"[a-z][a-z0-9_]*")
STANDS_ALONE = """\
# A tenant of its own: nothing of the product's parties is part of it, but its code tables (seeds) are.
without = ["contracts", "models", "suites", "sets", "views"]
"""
PLACEHOLDER_DATE = "2026-03-02"
RECORDED = re.compile(
    r"posted|recorded|created|updated|applied|decided|occurred|funded|(^|_)(ts|time|timestamp|at)($|_)|登记|创建|更新|时间|过账"
)


@dataclass(frozen=True)
class ContractDraft:
    """The written files, and how many places a person must look at; a suite only where the tenant has its own.

    `is_added` says that the contract was there and got one dataset more.
    """

    contract: Path
    model: Path
    suite: Path | None
    checks: int
    is_added: bool = False


def draft_contract(
    path: Path,
    settings: Settings,
    source: str | None = None,
    dataset: str | None = None,
    into: Path | None = None,
    hints: Hints = NO_HINTS,
) -> ContractDraft:
    """Draft a contract and a staging model from one sample file, and where the tenant has its own gates a suite.

    Without `into`, they stand among the tenant's own; with it, in a tenant folder that can be landed, built and
    published by itself. Nothing is written outside that tenant, or without one outside the product's own folders.
    A contract that the tenant has of the source gets one dataset more and keeps all else, comments too.
    The sample is read in a few pieces, never whole when it is large; the same sample gives the same bytes.

    Raises:
        SampleUnusable: no draft can be made of the file, a name is not lower snake, or a file would be overwritten.
        ContractInvalid: a contract that is there already has problems.
    """
    table = _open_sample(path, hints)
    place = read_surroundings(path)
    source, dataset = source or place.source, dataset or place.dataset
    for name in (source, dataset):
        if not NAME.fullmatch(name):
            raise SampleUnusable(f"{name!r} is not a lower snake name; give another with --source or --dataset.")
    if into is not None:
        settings = _prepare_tenant(into)
    model_name = f"stg_{source}__{dataset}"
    contract_path = _place_contract(settings, source)
    model_path = _place(settings, "models", f"staging/{source}/{model_name}.sql")
    suite_path = _place(settings, "suites", f"core/{model_name}.yml") if _has_own_gates(settings) else None
    if into is None:
        load_registry(settings)
    drafts = _draft_rows(table, path)
    read_companions(path, place, table, drafts)
    _date_member(table, place)
    doubts = _merge(table, place)
    delivery = {**place.delivery, **table.delivery, **_guess_habits(table, place, drafts, doubts)}
    before = contract_path.read_text(encoding="utf-8") if contract_path.exists() else None
    if before is None:
        go_live = f"{place.day[:4]}-{place.day[4:6]}-{place.day[6:]}" if place.day else PLACEHOLDER_DATE
        contract = render_contract(source, dataset, place.physical, go_live, delivery, doubts, drafts)
    else:
        contract = add_dataset(
            contract_path, dataset, render_dataset(dataset, place.physical, delivery, doubts, drafts)
        )
    model = render_model(source, dataset, drafts)
    _write_valid(contract_path, contract, before)
    _write(model_path, model)
    checks = contract.count("# check:") - (before or "").count("# check:") + model.count("-- check:")
    if suite_path is not None:
        suite = render_suite(model_name, drafts)
        _write(suite_path, suite)
        add_to_set(_folder(settings, "sets") / "warehouse.yml", model_name)
        checks += suite.count("# check:")
    return ContractDraft(contract_path, model_path, suite_path, checks, before is not None)


def _open_sample(path: Path, hints: Hints) -> Table:
    """The table of a sample; what makes it unusable is reported with its name."""
    try:
        return open_sample(path, hints)
    except SampleUnusable as unusable:
        reported = str(unusable)
        raise SampleUnusable(reported if path.name in reported else f"{path.name} {reported}") from None


def _draft_rows(table: Table, path: Path) -> list[ColumnDraft]:
    """Every column with the key that the rows show; SampleUnusable for what may never land."""
    drafts = draft_columns(table)
    if forbidden := find_forbidden_names([drafted.physical for drafted in drafts]):
        raise SampleUnusable(
            f"{path.name} has columns of authentication data (C3), which never land: {', '.join(forbidden)}; ask the"
            " party to leave them out."
        )
    mark_key(drafts, table)
    return drafts


def _write_valid(path: Path, contract: str, before: str | None) -> None:
    """Write a contract that can be read; of any other the file is left as it was, and ContractInvalid says why."""
    _write(path, contract)
    try:
        read_contract(path)
    except ContractInvalid:
        if before is None:
            path.unlink()
        else:
            _write(path, before)
        raise


def _prepare_tenant(into: Path) -> Settings:
    """A tenant folder for drafts; one that is there already is used as it is."""
    if into.exists() and not into.is_dir():
        raise SampleUnusable(f"{into} is not a folder; give another --into.")
    into.mkdir(parents=True, exist_ok=True)
    if not (into / DECLARED).exists():
        (into / DECLARED).write_text(STANDS_ALONE, encoding="utf-8")
    return load_settings(tenant=into)


def _folder(settings: Settings, kind: str) -> Path:
    """Where new files of a kind are laid: in the tenant's folder, which may not be there yet, or in the product's."""
    return FILE_KINDS[kind].product if settings.tenant is None else settings.tenant / kind


def _place(settings: Settings, kind: str, name: str) -> Path:
    """Where a new file is laid; SampleUnusable where the tenant, or the product below it, has one of that name."""
    files: dict[str, Files] = {"contracts": settings.contracts, "models": settings.models, "suites": settings.suites}
    if taken := list_files(files[kind]).get(name):
        raise SampleUnusable(f"{taken} exists; give another --source, or draft --into a folder and copy it over.")
    return _folder(settings, kind) / name


def _place_contract(settings: Settings, source: str) -> Path:
    """Where the contract of a source is laid: the tenant's own that is there, or as a new file."""
    own = _folder(settings, "contracts") / f"{source}.yml"
    return own if settings.tenant is not None and own.is_file() else _place(settings, "contracts", own.name)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _has_own_gates(settings: Settings) -> bool:
    """True for a tenant without the product's core: nothing else would gate and publish what it drafts."""
    cores = FILE_KINDS["models"].product / "core"
    return settings.tenant is not None and not any(
        path.is_relative_to(cores) for path in list_files(settings.models, "core/**/*").values()
    )


def _date_member(table: Table, place: Surroundings) -> None:
    archive = table.delivery.get("archive")
    if archive and place.day:
        archive["member"] = archive["member"].replace(place.day, "{yyyymmdd}")


def _merge(table: Table, place: Surroundings) -> dict[str, list[str]]:
    return {key: [*place.doubts.get(key, []), *table.doubts.get(key, [])] for key in {**place.doubts, **table.doubts}}


def _guess_habits(
    table: Table, place: Surroundings, drafts: list[ColumnDraft], doubts: dict[str, list[str]]
) -> dict[str, Any]:
    """Mode, business date, clock and volume: what one sample hardly shows."""
    habits: dict[str, Any] = {}
    business = _business_date(table, place, drafts)
    if business:
        habits["business_date"] = business.name
        doubts.setdefault("business_date", []).append("the same as in the file's name in every sampled row; always?")
    if "{yyyymmdd}" not in place.delivery["files"] or (business and not _moments(drafts, business)):
        habits["mode"] = "snapshot"
    elif any(re.search(r"updated|modified|更新|修改", f"{draft.name} {draft.physical}") for draft in drafts):
        habits["mode"] = "upsert"
    else:
        habits["mode"] = "append"
    doubts.setdefault("mode", []).append("all rows every day, new ones, new or changed ones, or replacements?")
    doubts.setdefault("no_data", []).append(
        "how is a day without rows said: absent, marker_only, empty_file, header_only?"
    )
    moments = _moments(drafts, business)
    if moments:
        named = ", ".join(draft.name for draft in moments)
        doubts.setdefault("recorded_at", []).append(
            f"does one of {named} say when the party itself recorded the row? only then name it here: it moves what"
            " was known when"
        )
    doubts.setdefault("conforms_to", []).append(
        "name the canonical entity (dbt_project.yml, vars: canonical) once the staging model yields its columns"
    )
    habits["volume"] = {"maximum": _round_up(10 * table.rows)}
    doubts.setdefault("volume", []).append(
        f"ten times {'the' if table.is_complete else 'an estimated'} {table.rows} rows of the file"
    )
    return habits


def _business_date(table: Table, place: Surroundings, drafts: list[ColumnDraft]) -> ColumnDraft | None:
    """The first date column that holds the date of the file's name, and nothing else."""
    for number, draft in enumerate(drafts, 1):
        if place.day and draft.type == "DATE" and draft.required and draft.distinct == 1:
            value = table.frame[f"c{number}"].head(1).str.replace_all(r"\D", "").str.head(8)
            if value.to_list() == [place.day]:
                return draft
    return None


def _moments(drafts: list[ColumnDraft], business: ColumnDraft | None) -> list[ColumnDraft]:
    """Columns that could say when the row was recorded, the likeliest first."""

    def rank(draft: ColumnDraft) -> tuple[bool, bool]:
        called = f"{draft.name} {draft.physical.lower()}"
        return draft.type != "TIMESTAMPTZ", not RECORDED.search(called)

    candidates = [
        draft
        for draft in drafts
        if draft.type in ("DATE", "TIMESTAMPTZ")
        and draft.required
        and draft is not business
        and not OPEN_ENDED.search(f"{draft.name} {draft.physical.lower()}")
        and not re.search(r"birth|due|出生|应还", f"{draft.name} {draft.physical.lower()}")
    ]
    return sorted(candidates, key=rank)


def _round_up(number: int) -> int:
    """The next of 1, 2 or 5 with zeros behind it."""
    power: int = 10 ** max(len(str(number)) - 1, 0)
    return next(step * power for step in (1, 2, 5, 10) if step * power >= number)
