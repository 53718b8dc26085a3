"""The draft in the layout of the shipped contracts and staging models, with a `check:` wherever a person must look."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

from ingestion.protection import derive_output_types
from ingestion.scaffold.column_draft import ColumnDraft
from ingestion.scaffold.trials import trial_column
from ingestion.scaffold.vocabulary import MONEY, RATE

LINEAGE = ("_delivery_id", "_line_number", "_batch_date", "_sequence", "_known_at")
LOGICAL = {"BIGINT": "integer", "INTEGER": "integer", "DATE": "date", "TIMESTAMPTZ": "timestamp", "BOOLEAN": "boolean"}
DELIVERY = (
    "reader", "files", "resend", "parts", "ready", "archive", "checksum", "signature", "mode", "no_data",
    "business_date", "encoding", "separator", "quote", "trailing_separator", "preamble", "header", "sheet", "missing",
    "recorded_at", "conforms_to", "volume",
)  # fmt: skip
DEFAULTS = {"encoding": "utf-8", "separator": ",", "header": "names"}


def render_contract(
    source: str, dataset: str, physical: str, go_live: str, delivery: dict[str, Any], doubts: dict[str, list[str]],
    drafts: list[ColumnDraft],
) -> str:  # fmt: skip
    """The YAML text of a contract with one dataset."""
    return "\n".join(
        [
            "apiVersion: v3.2.0",
            "kind: DataContract",
            f"id: {source}",
            "# check: who is this, in Chinese and English?",
            f"name: {_flow(source)}",
            "version: 1.0.0",
            "status: active",
            "# check: which domain of the group?",
            "domain: lending",
            "description:",
            "  # check: what does this party deliver, and why does the platform take it?",
            f"  purpose: {_flow(f'Drafted from one sample of {dataset}.')}",
            "# check: which team answers for this source?",
            "team: {name: unknown_team}",
            "customProperties:",
            "  - property: source",
            "    # check: the timetable is a placeholder, and go_live the sample's date where its name holds one",
            f'    value: {{cron: "0 7 * * *", available_at: "07:00", go_live: "{go_live}"}}',
            "schema:",
            *(f"  {line}" for line in render_dataset(dataset, physical, delivery, doubts, drafts)),
            "",
        ]
    )


def render_dataset(
    dataset: str,
    physical: str,
    delivery: dict[str, Any],
    doubts: dict[str, list[str]],
    drafts: list[ColumnDraft],
) -> list[str]:
    """The lines of one entry of a contract's `schema`."""
    return [
        f"- name: {dataset}",
        f"  physicalName: {_flow(physical)}",
        "  # check: what is one row?",
        "  description: One row per …",
        "  customProperties:",
        "    - property: delivery",
        "      value:",
        *(f"        {line}" for line in _delivery_lines(delivery, doubts)),
        "  properties:",
        *(f"    {line}" for draft in drafts for line in _column_lines(draft)),
    ]


def _delivery_lines(delivery: dict[str, Any], doubts: dict[str, list[str]]) -> Iterator[str]:
    for key in DELIVERY:
        for doubt in doubts.get(key, []):
            yield f"# check: {_comment(key)}: {_comment(doubt)}"
        if key in delivery and DEFAULTS.get(key) != delivery[key]:
            yield f"{key}: {_flow(delivery[key])}"


def _column_lines(draft: ColumnDraft) -> Iterator[str]:
    for check in draft.checks:
        yield f"# check: {_comment(check)}"
    entry: dict[str, Any] = {"name": draft.name}
    if draft.physical != draft.name and not draft.path:
        entry["physicalName"] = draft.physical
    entry["logicalType"] = LOGICAL.get(draft.type, "number" if draft.is_number else "string")
    entry["physicalType"] = draft.type
    if draft.key_position:
        entry |= {"primaryKey": True, "primaryKeyPosition": draft.key_position}
    if draft.required:
        entry["required"] = True
    if draft.protect:
        entry["classification"] = "C2"
    if draft.description:
        entry["description"] = draft.description
    if draft.codes:
        entry["enum"] = [{"value": code} for code in draft.codes]
    profile = _profile(draft)
    if not profile and not draft.codes:
        yield f"- {_flow(entry)}"
        return
    if profile:
        entry["customProperties"] = [{"property": "column", "value": profile}]
    for number, (key, value) in enumerate(entry.items()):
        yield f"{'  ' if number else '- '}{key}: {_flow(value)}"


def _profile(draft: ColumnDraft) -> dict[str, Any]:
    profile: dict[str, Any] = {}
    if draft.path:
        profile["path"] = draft.path
    if draft.width:
        profile["width"] = draft.width
    if draft.formats:
        profile["format"] = draft.formats[0] if len(draft.formats) == 1 else draft.formats
    if draft.thousands:
        profile["thousands"] = True
    if draft.missing:
        profile["missing"] = draft.missing
    if draft.protect:
        profile["protect"] = draft.protect
    if draft.masks_identifiers and not draft.key_position:
        profile["identifiers"] = "mask"
    if draft.is_refused:
        profile["drop"] = True
    return profile


def render_model(source: str, dataset: str, drafts: list[ColumnDraft]) -> str:
    """The SQL text of a staging model that renames, converts units and keeps the lineage."""
    lines: list[str] = []
    taken = {draft.name for draft in drafts}
    for draft in drafts:
        if not draft.is_refused:
            lines += _select_lines(draft, taken)
    lines += [f"source.{name}" for name in LINEAGE]
    body = [f"    {line}" + ("" if line.startswith("--") else ",") for line in lines]
    body[-1] = body[-1].rstrip(",")
    opening = [
        "with",
        "",
        "source as (",
        "",
        f"    select * from {{{{ source('{source}', '{dataset}') }}}}",
        "",
        ")",
        "",
    ]
    return "\n".join([*opening, "select", *body, "from source", ""])


def list_model_columns(drafts: list[ColumnDraft]) -> dict[str, str]:
    """Names in the staging model by the columns they stand for; of several, the one that stands for the value."""
    taken = {draft.name for draft in drafts}
    outputs = {}
    for draft in drafts:
        if not draft.is_refused:
            line = next(line for line in _select_lines(draft, taken) if not line.startswith("--"))
            outputs[draft.name] = line.rsplit(" as ", 1)[-1].removeprefix("source.")
    return outputs


def _select_lines(draft: ColumnDraft, taken: set[str]) -> list[str]:
    """Lines of one column; a new name that is `taken` already is not given again."""
    name = draft.name
    if draft.protect:
        renamed = {"cert_no_token": "anchor_token", "cert_no_birth_date": "birth_date"}
        outputs = derive_output_types(trial_column(name, protect=draft.protect))
        return [_select(output, renamed.get(output, output), taken) for output in outputs]
    called = f"{name} {draft.physical.lower()}"
    if re.search(r"(^|_)fen$", name) and draft.type in ("BIGINT", "INTEGER"):
        stem = name.removesuffix("_fen")
        target = stem if stem.endswith("_amount") else f"{stem}_amount"
        yuan = f"cast(source.{name} as decimal(18, 0)) * 0.01"
        return [f"{yuan} as {name if target in taken else target}"]
    checks = []
    if draft.is_number and RATE.search(called):
        checks = [f"-- check: {name} in percent, per mille or per ten thousand becomes a fraction of 1: * 0.01, …"]
    elif draft.type in ("BIGINT", "INTEGER") and MONEY.search(called):
        checks = [f"-- check: {name} in 分 becomes 元: cast(source.{name} as decimal(18, 0)) * 0.01"]
    elif draft.codes:
        checks = [f"-- check: {name} through ref_codes and join_code, once its codes are known"]
    target = "term_number" if name == "term_no" else re.sub(r"(?<=.)_no$", "_id", name)
    return [*checks, _select(name, name if draft.codes else target, taken)]


def _select(name: str, target: str, taken: set[str]) -> str:
    if name == target or target in taken:
        return f"source.{name}"
    taken.add(target)
    return f"source.{name} as {target}"


def _flow(value: Any) -> str:
    """One line of YAML."""
    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, sort_keys=False, width=1_000_000)
    return text.strip().removesuffix("\n...").strip()


def _comment(text: str) -> str:
    """Text that stays on its line and shows what cannot be printed."""
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)
