"""Closed sets of codes (码值): listed unless they could be people."""

from __future__ import annotations

import re

import polars as pl

from ingestion.scaffold.column_draft import ColumnDraft, describe_number
from ingestion.scaffold.sensitivity import HUMAN, is_surname_first
from ingestion.scaffold.vocabulary import MANY_ROWS

CODE_VALUE = re.compile(r"[\w./ #+%()&'-]{1,24}")
MOST_CODES = 12


def find_codes(draft: ColumnDraft, present: pl.DataFrame, rows: int) -> None:
    """List a closed set of codes, unless they could be people."""
    values = sorted({value.strip() for value in present["value"].to_list()})
    if draft.type != "VARCHAR" or len(values) > MOST_CODES or rows < MANY_ROWS or len(values) * 4 > present["n"].sum():
        return
    human = sum(is_surname_first(value) for value in values) * 2 > len(values)
    if HUMAN.search(f"{draft.name} {draft.physical}") or human:
        draft.checks.append(f"{len(values)} distinct values in {rows} rows, not listed: they could be people's names")
    elif all(CODE_VALUE.fullmatch(value) and not re.search(r"\d{6,}|@", value) for value in values):
        draft.codes = values
        draft.checks.append(
            f"{describe_number(len(values), 'distinct value')} in {int(present['n'].sum())}; all of them, meaning what?"
        )
