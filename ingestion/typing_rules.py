"""From delivered text to typed values: SQL expressions and the row rules (行级规则) that a contract declares.

A value that is present but cannot be read exactly (a fraction in an integer, a third decimal, 30 February) is a
broken rule, never a rounded or missing value.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ingestion.contract import Column, Dataset
from ingestion.protection import normalise_sql, valid_sql


@dataclass(frozen=True)
class RowRule:
    """One condition on one row: `violated` is SQL over the present text of `column` and its typed value."""

    column: str
    rule: str
    violated: str


def present_sql(dataset: Dataset, column: Column) -> str:
    """SQL of the delivered text, NULL where it is (but for blanks around it) one of the spellings of "no value"."""
    raw = _json_sql(column.profile.path) if column.profile.path else quoted(column.physical_name)
    missing = sorted({text.strip() for text in [*dataset.delivery.missing, *column.profile.missing]})
    listed = ", ".join(_literal(text) for text in missing)
    return f"case when trim({raw}) in ({listed}) then null else {raw} end" if missing else raw


def _json_sql(path: str) -> str:
    """SQL of the text at a path of a JSON line; NULL where the line is no JSON."""
    return f"case when json_valid(line) then json_extract_string(line, {_literal(path)}) end"


def typed_sql(column: Column, text: str) -> str:
    """SQL of the typed value of a present text; NULL where it cannot be read exactly."""
    value = f"trim({text})"
    match column.type:
        case "VARCHAR":
            return value if column.accepted else text
        case "INTEGER" | "BIGINT":
            return f"case when regexp_full_match({value}, '[+-]?[0-9]+') then try_cast({value} as {column.type}) end"
        case "DOUBLE":
            return f"case when isfinite(try_cast({value} as double)) then try_cast({value} as double) end"
        case "BOOLEAN":
            return f"try_cast({value} as boolean)"
        case "DATE":
            return _moment_sql(value, column.profile.format or "%Y-%m-%d", "date")
        case "TIMESTAMPTZ":
            if column.profile.format == "epoch_ms":
                return (
                    f"case when regexp_full_match({value}, '[0-9]{{1,15}}')"
                    f" then make_timestamptz(cast({value} as bigint) * 1000) end"
                )
            return _moment_sql(value, column.profile.format or "%Y-%m-%d %H:%M:%S", "timestamptz")
        case decimal:
            scale = int(decimal.rstrip(")").split(",")[1])
            exact = f"[+-]?[0-9]+([.][0-9]{{0,{scale}}}0*)?"
            return f"case when regexp_full_match({value}, '{exact}') then try_cast({value} as {decimal}) end"


def _moment_sql(value: str, layout: str, kind: str) -> str:
    """Parse by layout, and accept only what the layout would print again: no lenient dates."""
    parsed = f"try_strptime({value}, '{layout}')"
    return f"case when strftime({parsed}, '{layout}') = {value} then cast({parsed} as {kind}) end"


def row_rules(dataset: Dataset) -> Iterator[RowRule]:
    """Every row rule of a dataset, in column order; refers to `t_<column>` (text) and `v_<column>` (typed)."""
    for column in dataset.columns:
        text, value = quoted(f"t_{column.name}"), quoted(f"v_{column.name}")
        if column.type == "VARCHAR":
            yield RowRule(column.name, "encoding", f"contains({text}, '\ufffd')")
        else:
            yield RowRule(column.name, f"type {column.type}", f"{text} is not null and {value} is null")
        if column.required:
            yield RowRule(column.name, "required", f"{text} is null")
        if column.accepted:
            codes = ", ".join(_literal(code) for code in column.accepted)
            yield RowRule(column.name, "accepted codes", f"{value} not in ({codes})")
        if column.pattern:
            yield RowRule(column.name, "pattern", f"not regexp_full_match({value}, {_literal(column.pattern)})")
        if column.minimum is not None:
            yield RowRule(
                column.name, f"minimum {column.minimum}", f"{value} < cast({_literal(column.minimum)} as {column.type})"
            )
        if column.maximum is not None:
            yield RowRule(
                column.name, f"maximum {column.maximum}", f"{value} > cast({_literal(column.maximum)} as {column.type})"
            )
        if column.profile.protect:
            valid = valid_sql(column, normalise_sql(column, value))
            if valid:
                yield RowRule(column.name, f"identifier {column.profile.protect}", f"not ({valid})")


def quoted(name: str) -> str:
    """An SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
