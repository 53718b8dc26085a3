"""Units (单位): 分 or 元, percent or a fraction, asked of a person with what speaks for it."""

from __future__ import annotations

import re

import polars as pl

from ingestion.scaffold.column_draft import ColumnDraft
from ingestion.scaffold.vocabulary import MONEY, RATE, UNITS


def suggest_unit(draft: ColumnDraft, present: pl.DataFrame) -> None:
    """Put the unit of an amount or a rate as a question into the description."""
    called = f"{draft.name} {draft.physical.lower()}"
    if not draft.is_number:
        return
    head = draft.description or draft.physical
    said = bool(UNITS.search(called))
    if RATE.search(called):
        draft.description = f"{head}; in {_rate_unit(present)}?"
        draft.checks.append("fraction, percent, per mille or per ten thousand, and a year, month or day?")
    elif MONEY.search(called) or re.search("元|yuan", called):
        unit = "分" if draft.type == "BIGINT" else "元"
        if said:
            unit = "万元" if "万元" in called else "分" if re.search(r"fen|分", called) else "元"
        draft.description = f"{head}; in {unit}?"
        draft.checks.append(
            f"unit {unit} by its name"
            if said
            else f"unit {unit} only because its numbers {'are whole' if unit == '分' else 'have decimals'}"
        )
    elif not (draft.name.startswith("column_") or len(draft.name) <= 3):
        return
    elif draft.type in ("DECIMAL(18,2)", "BIGINT"):
        unit = "分" if draft.type == "BIGINT" else "元"
        draft.description = f"{draft.description}; an amount, in {unit}?".lstrip("; ")
        draft.checks.append(f"nothing but its numbers says that it could be an amount in {unit}")
    elif draft.type == "DECIMAL(9,4)":
        draft.description = f"{draft.description}; a rate, in {_rate_unit(present)}?".lstrip("; ")
        draft.checks.append("nothing but its decimals says that it could be a rate")


def _rate_unit(present: pl.DataFrame) -> str:
    numbers = present["value"].str.strip_chars().cast(pl.Float64, strict=False).drop_nulls().abs()
    middle = numbers.median() if len(numbers) else 0.0
    middle = middle if isinstance(middle, float) else 0.0
    return "a fraction of 1" if middle <= 1 else "percent" if middle <= 60 else "per mille or per ten thousand"
