"""From one sample file to the two files of a new partner, written beside the others or into a folder of their own."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ingestion.contract import ContractInvalid, load_registry, read_contract
from ingestion.foundation import Settings, load_settings
from ingestion.identifiers.sensitive import forbidden_names
from ingestion.lake import write_sources
from ingestion.scaffold.columns import OPEN_ENDED, Draft, draft_columns
from ingestion.scaffold.containers import open_sample
from ingestion.scaffold.drafting import render_contract, render_model
from ingestion.scaffold.keys import mark_key
from ingestion.scaffold.surroundings import Surroundings, look_around, read_companions
from ingestion.scaffold.table import SampleUnusable, Table

NAME = re.compile(r"[a-z][a-z0-9_]*")
PLACEHOLDER_DATE = "2026-03-02"
RECORDED = re.compile(
    r"posted|recorded|created|updated|applied|decided|occurred|funded|(^|_)(ts|time|timestamp|at)($|_)|登记|创建|更新|时间|过账"
)


@dataclass(frozen=True)
class Scaffold:
    """The written files, and how many places a person must look at."""

    contract: Path
    model: Path
    checks: int


def scaffold(
    path: Path, settings: Settings, source: str | None = None, dataset: str | None = None, into: Path | None = None
) -> Scaffold:
    """Draft a contract and a staging model from one sample file.

    Without `into`, they stand among the tenant's own; with it, in a tenant folder that can be checked by itself.
    The sample is read in a few pieces, never whole when it is large; the same sample gives the same bytes.

    Raises:
        SampleUnusable: no draft can be made of the file, a name is not lower snake, or a file would be overwritten.
        ContractInvalid: a contract that is there already has problems.
    """
    try:
        table = open_sample(path)
    except SampleUnusable as unusable:
        told = str(unusable)
        raise SampleUnusable(told if path.name in told else f"{path.name} {told}") from None
    place = look_around(path)
    source, dataset = source or place.source, dataset or place.dataset
    for name in (source, dataset):
        if not NAME.fullmatch(name):
            raise SampleUnusable(f"{name!r} is not a lower snake name; give another with --source or --dataset.")
    if into is not None:
        settings = _prepare_tenant(into)
    contract_path = settings.contracts / f"{source}.yml"
    model_path = settings.models / source / f"stg_{source}__{dataset}.sql"
    for target in (contract_path, model_path):
        if target.exists():
            raise SampleUnusable(f"{target} exists; give another --source, or draft --into a folder and copy it over.")
    if into is None:
        load_registry(settings)
    drafts = draft_columns(table)
    if forbidden := forbidden_names([drafted.physical for drafted in drafts]):
        raise SampleUnusable(
            f"{path.name} has columns of authentication data (C3), which never land: {', '.join(forbidden)}; ask the"
            " party to leave them out."
        )
    mark_key(drafts, table)
    read_companions(path, place, table, drafts)
    _date_member(table, place)
    doubts = _merge(table, place)
    delivery = {**place.delivery, **table.delivery, **_guess_habits(table, place, drafts, doubts)}
    go_live = f"{place.day[:4]}-{place.day[4:6]}-{place.day[6:]}" if place.day else PLACEHOLDER_DATE
    contract = render_contract(source, dataset, place.physical, go_live, delivery, doubts, drafts)
    model = render_model(source, dataset, drafts)
    model_path.parent.mkdir(parents=True, exist_ok=True)
    contract_path.write_text(contract, encoding="utf-8")
    model_path.write_text(model, encoding="utf-8")
    try:
        read_contract(contract_path)
    except ContractInvalid:
        contract_path.unlink()
        model_path.unlink()
        raise
    write_sources(load_registry(settings), settings.models)
    return Scaffold(contract_path, model_path, contract.count("# check:") + model.count("-- check:"))


def _prepare_tenant(into: Path) -> Settings:
    """A tenant folder for drafts; one that is there already is used as it is."""
    if into.exists() and not into.is_dir():
        raise SampleUnusable(f"{into} is not a folder; give another --into.")
    for folder in ("contracts", "models"):
        (into / folder).mkdir(parents=True, exist_ok=True)
    if not (into / "tenant.toml").exists():
        (into / "tenant.toml").write_text('contracts = "contracts"\nmodels = "models"\n', encoding="utf-8")
    return load_settings({"PLATFORM_TENANT": str(into)})


def _date_member(table: Table, place: Surroundings) -> None:
    archive = table.delivery.get("archive")
    if archive and place.day:
        archive["member"] = archive["member"].replace(place.day, "{yyyymmdd}")


def _merge(table: Table, place: Surroundings) -> dict[str, list[str]]:
    return {key: [*place.doubts.get(key, []), *table.doubts.get(key, [])] for key in {**place.doubts, **table.doubts}}


def _guess_habits(
    table: Table, place: Surroundings, drafts: list[Draft], doubts: dict[str, list[str]]
) -> dict[str, Any]:
    """Mode, business date, clock and volume: what one sample hardly tells."""
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
        habits["recorded_at"] = moments[0].name
        others = ", ".join(draft.name for draft in moments[1:])
        doubts.setdefault("recorded_at", []).append(
            "is it when the party itself recorded the row?" + (f" or is {others}?" if others else "")
        )
    doubts.setdefault("conforms_to", []).append(
        "name the canonical entity (dbt_project.yml, vars: canonical) once the staging model yields its columns"
    )
    habits["volume"] = {"maximum": _round_up(10 * table.rows)}
    doubts.setdefault("volume", []).append(
        f"ten times {'the' if table.is_complete else 'an estimated'} {table.rows} rows of the file"
    )
    return habits


def _business_date(table: Table, place: Surroundings, drafts: list[Draft]) -> Draft | None:
    """The first date column that holds the date of the file's name, and nothing else."""
    for number, draft in enumerate(drafts, 1):
        if place.day and draft.type == "DATE" and draft.required and draft.distinct == 1:
            value = table.frame[f"c{number}"].head(1).str.replace_all(r"\D", "").str.head(8)
            if value.to_list() == [place.day]:
                return draft
    return None


def _moments(drafts: list[Draft], business: Draft | None) -> list[Draft]:
    """Columns that could say when the row was recorded, the likeliest first."""

    def rank(draft: Draft) -> tuple[bool, bool]:
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
