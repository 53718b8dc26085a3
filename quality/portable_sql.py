"""Models are written once for two engines: compiled SQL is held to the subset that answers the same on both.

Every model is compiled with the Spark forms of the dispatched macros, parsed as Spark SQL by sqlglot, and searched for
what runs on both engines and answers differently, or runs on one only. The list is measured; each entry says why.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

# What the adapter, not the model, writes for an external source.
EXTERNAL = re.compile(r"read_parquet\('[^)]*\)")
BACKTICKED = re.compile(r'"(\w+)"\."(\w+)"\."(\w+)"')

NODES: tuple[tuple[type[exp.Expr], str], ...] = (
    (exp.Concat, "concat skips NULL on DuckDB and gives NULL on Spark; use || with coalesce"),
    (exp.Qualify, "qualify is not Spark SQL; number rows in a CTE and filter"),
    (exp.Interval, "date arithmetic differs in type; use a macro of macros/engine.sql"),
    (exp.DateTrunc, "date_trunc gives a zoned timestamp on Spark; use a macro"),
    (exp.TimestampTrunc, "date_trunc gives a zoned timestamp on Spark; use a macro"),
    (exp.RegexpReplace, "regexp_replace replaces once on DuckDB and everywhere on Spark; use a macro"),
    (exp.Split, "split takes a literal on DuckDB and a pattern on Spark; use a macro"),
    (exp.ArgMax, "max_by skips NULL on DuckDB only; number rows and filter"),
    (exp.ArgMin, "min_by skips NULL on DuckDB only; number rows and filter"),
    (exp.AnyValue, "any_value is not deterministic and treats NULL differently; use min or max"),
    (exp.First, "first depends on order; number rows and filter"),
    (exp.Lambda, "lambdas are written differently"),
    (exp.Unnest, "unnest is not Spark SQL"),
    (exp.ArrayAgg, "arrays are ordered differently"),
    (exp.GroupConcat, "string_agg is not Spark SQL"),
    (exp.Array, "array literals are written differently"),
    (exp.Bracket, "arrays count from 1 on DuckDB and from 0 on Spark"),
    (exp.JSONExtract, "JSON operators are not Spark SQL"),
    (exp.JSONExtractScalar, "JSON operators are not Spark SQL"),
    (exp.DayOfWeek, "the week begins elsewhere; use a macro"),
    (exp.Log, "log is base 10 on DuckDB and natural on Spark; use ln"),
    (exp.Left, "left of a negative count differs; use substr"),
    (exp.Right, "right of a negative count differs; use substr"),
    (exp.CurrentDate, "models do not read the clock; use batch_date()"),
    (exp.CurrentTimestamp, "models do not read the clock; use batch_date()"),
    (exp.Pivot, "pivot fills empty cells differently"),
)
FUNCTIONS = {
    "hash": "hash differs; use md5",
    "now": "models do not read the clock",
    "list_filter": "is not Spark SQL",
    "monthname": "differs",
    "skewness": "differs",
    "kurtosis": "differs",
}


@dataclass(frozen=True, order=True)
class Unportable:
    """One construct of one model that would not answer the same everywhere."""

    model: str
    construct: str
    why: str

    def __str__(self) -> str:
        return f"{self.model}: {self.construct}: {self.why}"


def find_unportable(model: str, sql: str) -> list[Unportable]:
    """Everything in one compiled model that the list forbids."""
    text = BACKTICKED.sub(r"\1.\2.\3", EXTERNAL.sub("external_table", sql))
    found = [Unportable(model, *finding) for finding in _in_text(text)]
    try:
        tree = sqlglot.parse_one(text, read="spark")
    except SqlglotError as error:
        return [*found, Unportable(model, "syntax", f"not Spark SQL: {' '.join(str(error).split())[:200]}")]
    return sorted({*found, *(Unportable(model, *finding) for finding in _in_tree(tree))})


def _in_text(text: str) -> Iterator[tuple[str, str]]:
    code = re.sub(r"--[^\n]*", "", text)
    without_literals = re.sub(r"'[^']*'", "''", code)
    if re.search(r"\btry_cast\b", without_literals, re.IGNORECASE):
        yield "try_cast", "reads other values on Spark; type at the door"
    if "::" in without_literals:
        yield "::", "write cast(x as type)"
    if '"' in without_literals:
        yield '"identifier"', "is a string on Spark; use bare identifiers"
    if any("\\" in literal for literal in re.findall(r"'[^']*'", code)):
        yield "backslash in a literal", "is an escape on Spark"
    if re.search(r"\bdistinct\s+on\b|\bgroup\s+by\s+all\b|\bfetch\s+first\b", without_literals, re.IGNORECASE):
        yield "distinct on, group by all, fetch first", "are DuckDB only"
    if re.search(r"\bas\s+(varchar|text|timestamptz|hugeint)\b", without_literals, re.IGNORECASE):
        yield "type name", "cast as string, or a macro for instants"


def _in_tree(tree: exp.Expr) -> Iterator[tuple[str, str]]:
    for kind, why in NODES:
        if any(True for _ in tree.find_all(kind)):
            yield kind.__name__, why
    for function in tree.find_all(exp.Anonymous):
        if function.name.lower() in FUNCTIONS:
            yield function.name, FUNCTIONS[function.name.lower()]
    for division in tree.find_all(exp.Div):
        if not isinstance(division.expression, exp.Nullif | exp.Literal):
            yield "/", "x/0 is inf on DuckDB and an error on Spark; divide by nullif(x, 0)"
    for average in tree.find_all(exp.Avg):
        if not isinstance(average.this, exp.Cast):
            yield "avg", "of a decimal is double on DuckDB only; cast its argument to double"
    for substring in tree.find_all(exp.Substring):
        start = substring.args.get("start")
        if (isinstance(start, exp.Literal) and start.this == "0") or isinstance(start, exp.Neg):
            yield "substr", "starts at 1"
    for term in tree.find_all(exp.Ordered):
        if term.args.get("nulls_first"):
            yield "order by", "NULL sorts last on DuckDB and first on Spark; say nulls last"
