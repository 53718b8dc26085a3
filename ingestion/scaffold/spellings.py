"""Everyday spellings (日常写法) of dates and numbers that no drafted type reads, so that a person is asked."""

from __future__ import annotations

import re

import polars as pl

from ingestion.scaffold.column_draft import ColumnDraft

ENOUGH = 0.8
TEXTS = {
    "dates or times with an offset or zone": r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)",
    "dates or times": (
        r"\d{4}[-/.年]\d{1,2}[-/.月]\d{1,2}日?([ T]?\d{1,2}[:时]\d{1,2}分?(:?\d{1,2}([.]\d+)?秒?)?)?"
        r"|\d{1,2}[- ]?[A-Za-z]{3}[- ]?\d{2,4}|\d{1,2}[./]\d{1,2}[./]\d{2,4}"
    ),
    "percentages": r"[+-]?[\d,]*\.?\d+ ?[%％‰]",
    "amounts with a sign of money or a unit": r"[+-]?[¥￥$] ?[+-]?[\d,]*\.?\d+|[+-]?[\d,]*\.?\d+ ?[元万]+",
    "amounts in brackets or with the minus behind": r"[(（][\d,]*\.?\d+[)）]|[\d,]*\.?\d+-",
    "numbers in full-width digits": r"[０-９．，]+",
}
NUMBERS = {
    "seconds since 1970, a moment": (
        (0.95e9, 4.1e9),
        re.compile(r"(^|_)(at|ts|time|timestamp)($|_)|时间"),
    ),
    "days since 1900 of a spreadsheet, a date": ((20_000, 80_000), re.compile(r"(^|_)(date|day)($|_)|日期|日$|时间")),
}


def report_spellings(draft: ColumnDraft, present: pl.DataFrame) -> None:
    """Note on a column that stayed text or a bare number what its values look like, in counts."""
    total = int(present["n"].sum())
    text = pl.col("value").str.strip_chars()
    if draft.type == "VARCHAR" and not draft.codes:
        for what, shape in TEXTS.items():
            found = int(present.filter(text.str.contains(f"^(?:{shape})$"))["n"].sum())
            if found >= ENOUGH * total:
                draft.checks.append(f"{found} of {total} values look like {what}; kept as text until a format is given")
                return
    if draft.type in ("INTEGER", "BIGINT"):
        called = f"{draft.name} {draft.physical.lower()}"
        numbers = present.select(x=text.cast(pl.Float64, strict=False), n="n")
        for what, ((low, high), named) in NUMBERS.items():
            found = int(numbers.filter(pl.col("x").is_between(low, high))["n"].sum())
            if found >= ENOUGH * total and (named.search(called) or low > 1e8):
                draft.checks.append(f"{found} of {total} values could be {what}; a number until a format is given")
                return
