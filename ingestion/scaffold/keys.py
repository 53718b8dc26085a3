"""The business key: the smallest combination of columns, of at most three, that identifies each sampled row."""

from __future__ import annotations

import re
from itertools import combinations

from ingestion.scaffold.column_draft import ColumnDraft
from ingestion.scaffold.table import Table

NAMED_KEY = re.compile(r"(^|_)(no|id|number|serial|key|seq)$|号")
LINE_NUMBER = re.compile(r"^(line_no|row_no|row_num(ber)?|seq|seq_no|rn|n)$|^(序号|行号|行次)$")
MOST_CANDIDATES = 10
FEW_ROWS = 20


def mark_key(drafts: list[ColumnDraft], table: Table) -> None:
    """Mark the key's columns, and say how sure that is; a contract without a key cannot be used."""
    frame, rows = table.frame, table.frame.height
    places = {draft.name: f"c{number}" for number, draft in enumerate(drafts, 1)}
    candidates = sorted(
        (draft for draft in drafts if draft.required and _can_identify(draft)),
        key=lambda draft: (_rank(draft), list(places).index(draft.name)),
    )
    for size in (1, 2, 3):
        pool = candidates if size == 1 else candidates[:MOST_CANDIDATES]
        unique = [
            group
            for group in combinations(pool, size)
            if _could_be(group, rows) and frame.select(places[draft.name] for draft in group).is_unique().all()
        ]
        if unique:
            _mark(unique[0])
            reported = f"unique in {rows} sampled rows" + ("" if rows >= FEW_ROWS else ", which are few")
            others = [" + ".join(draft.name for draft in group) for group in unique[1:4]]
            unique[0][0].checks.append(f"key: {reported}" + (f"; so is {', '.join(others)}" if others else ""))
            return
    chosen = candidates[0] if candidates else max(drafts, key=lambda draft: (not draft.is_refused, draft.distinct))
    chosen.required = True
    _mark((chosen,))
    chosen.checks.append(
        f"key: no combination of up to three columns is unique in {rows} sampled rows; marked only so that the draft"
        " can be checked"
    )


def _mark(group: tuple[ColumnDraft, ...]) -> None:
    for position, draft in enumerate(group, 1):
        draft.key_position = position


def _could_be(group: tuple[ColumnDraft, ...], rows: int) -> bool:
    combined = 1
    for draft in group:
        combined *= draft.distinct
    return combined >= rows


def _can_identify(draft: ColumnDraft) -> bool:
    return not draft.is_refused and not draft.type.startswith(("DECIMAL", "DOUBLE", "BOOLEAN"))


def _rank(draft: ColumnDraft) -> int:
    """Numbers of things first; people, moments, quantities and the numbers of lines last."""
    if LINE_NUMBER.search(draft.name) or LINE_NUMBER.search(draft.physical.strip()):
        return 5  # counts within one file: the same numbers come again tomorrow
    if draft.protect:
        return 3
    if draft.type == "VARCHAR" and not draft.codes:
        return 0 if NAMED_KEY.search(draft.name) or draft.name.startswith("column_") else 1
    if draft.type in ("INTEGER", "BIGINT", "VARCHAR"):
        return 1 if NAMED_KEY.search(draft.name) else 2
    return 4
