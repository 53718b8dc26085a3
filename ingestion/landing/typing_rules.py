"""From delivered text to typed values: SQL expressions and the row rules (行级规则) that a contract declares.

A value that is present but cannot be read exactly (a fraction in an integer, a third decimal, 30 February) is a
broken rule, never a rounded or missing value. What is written in a type's own canonical form is read by one cast and
compared with what the value would print; only other spellings pay for patterns.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from ingestion.contract import Dataset
from ingestion.contract.profiles import Column
from ingestion.foundation import BUSINESS_TIMEZONE
from ingestion.foundation.sql import quote_name, quote_text
from ingestion.identifiers import well_formed_sql
from ingestion.identifiers.sensitive import forbidden_sql
from ingestion.identifiers.within import holds_identifier_sql, masked_text_sql

USUAL = {"DATE": "%Y-%m-%d", "TIMESTAMPTZ": "%Y-%m-%d %H:%M:%S"}
DIRECT = {USUAL["DATE"]: ("date", 10), USUAL["TIMESTAMPTZ"]: ("timestamp", 19)}  # what one cast reads, and its length
FIXED_SINCE = datetime(1992, 1, 1, tzinfo=BUSINESS_TIMEZONE)  # China has had no summer time since September 1991
FIXED_OFFSET = FIXED_SINCE.utcoffset() or timedelta()
JSON_RULE = "valid JSON"
FORBIDDEN_RULE = "authentication data (C3)"
IDENTIFIER_RULE, REFUSED_IDENTIFIER_RULE = "identifier in clear", "identifiers in clear"
REFUSING_RULES = (FORBIDDEN_RULE, REFUSED_IDENTIFIER_RULE)
SEARCHING_RULES = (*REFUSING_RULES, IDENTIFIER_RULE)  # costly, so evaluated once


@dataclass(frozen=True)
class RowRule:
    """One condition on one row: `violated` is SQL over `r_<column>` (delivered), `v_<column>` (typed)."""

    column: str
    rule: str
    violated: str


def delivered_sql(column: Column, is_json: bool) -> str:
    """SQL of `r_<column>`, the text as it was delivered."""
    if is_json:
        path = quote_text(str(column.profile.path))
        return f"case when _is_json then json_extract_string(line, {path}) end"
    return quote_name(column.physical_name)


def cast_sql(dataset: Dataset, column: Column) -> str | None:
    """SQL of `c_<column>`: what a canonical spelling of `r_<column>` means; None where there is no such short cut."""
    raw = quote_name(f"r_{column.name}")
    if _reads_missing(dataset, column):
        return None
    match column.type:
        case "INTEGER" | "BIGINT":
            return f"try_cast({raw} as {column.type})"
        case "DATE" | "TIMESTAMPTZ":
            kind, _ = DIRECT.get(_layouts(column)[0], (None, 0))
            return kind and f"try_cast({raw} as {kind})"
        case decimal if decimal.startswith("DECIMAL"):
            return f"try_cast({raw} as {decimal})"
        case _:
            return None


def value_sql(dataset: Dataset, column: Column) -> str:
    """SQL of `v_<column>`, the typed value; NULL where it is missing or cannot be read exactly."""
    raw, cast = quote_name(f"r_{column.name}"), quote_name(f"c_{column.name}")
    reads_missing = column.type in ("VARCHAR", "BOOLEAN") or _reads_missing(dataset, column)
    exact = exact_sql(column, f"({present_sql(dataset, column)})" if reads_missing else raw)
    if cast_sql(dataset, column) is None:
        return exact
    canonical = f"cast({cast} as varchar) = {raw}"
    if column.type not in USUAL:
        return f"case when {canonical} then {cast} else {exact} end"
    kind, length = DIRECT[_layouts(column)[0]]
    canonical = f"strlen({raw}) = {length} and {canonical}"
    if column.type == "DATE":
        canonical += "" if kind == "date" else f" and {cast} = date_trunc('day', {cast})"
        return f"case when {canonical} then cast({cast} as date) else {exact} end"
    return f"case when {canonical} then {_instant_sql(f'cast({cast} as timestamp)')} else {exact} end"


def _reads_missing(dataset: Dataset, column: Column) -> bool:
    """Whether a spelling of "no value" could be read as a number or a date."""
    return any(character.isdigit() for text in _missing(dataset, column) for character in text)


def _layouts(column: Column) -> tuple[str, ...]:
    return column.profile.formats or (USUAL[column.type],)


def _instant_sql(local: str) -> str:
    """SQL of the instant of a local timestamp: arithmetic where the business time zone has had one offset."""
    fixed = f"make_timestamptz(epoch_us({local}) - {FIXED_OFFSET // timedelta(microseconds=1)})"
    return f"case when {local} >= timestamp '{FIXED_SINCE:%Y-%m-%d}' then {fixed} else cast({local} as timestamptz) end"


def present_sql(dataset: Dataset, column: Column) -> str:
    """SQL of the delivered text, NULL where it is (but for blanks around it) one of the spellings of "no value"."""
    raw, is_missing = quote_name(f"r_{column.name}"), _missing_sql(dataset, column)
    return f"case when {is_missing} then null else {raw} end" if is_missing else raw


def _absent_sql(dataset: Dataset, column: Column) -> str:
    """SQL that is true where `present_sql` is NULL, and else not."""
    raw, is_missing = quote_name(f"r_{column.name}"), _missing_sql(dataset, column)
    return f"({raw} is null or {is_missing})" if is_missing else f"({raw} is null)"


def _missing_sql(dataset: Dataset, column: Column) -> str:
    """SQL that is true where a delivered text means no value; empty where none does."""
    raw, missing = quote_name(f"r_{column.name}"), _missing(dataset, column)
    listed = ", ".join(map(quote_text, missing))
    is_suspect = f"{raw} < '!'"  # begins with a blank or is empty; trimming every value is expensive
    if missing != [""]:
        is_suspect += f" or {raw} in ({listed}) or ends_with({raw}, ' ')"
    return f"({is_suspect}) and trim({raw}) in ({listed})" if missing else ""


def _missing(dataset: Dataset, column: Column) -> list[str]:
    return sorted({text.strip() for text in [*dataset.delivery.missing, *column.profile.missing]})


def exact_sql(column: Column, text: str) -> str:
    """SQL of the typed value of any spelling of a present text; NULL where it cannot be read exactly."""
    value = f"trim({text})"
    if column.profile.thousands:
        grouped = f"regexp_full_match({value}, '[+-]?[0-9]{{1,3}}(,[0-9]{{3}})*([.][0-9]*)?')"
        value = f"case when {grouped} then replace({value}, ',', '') else {value} end"
    match column.type:
        case "VARCHAR":
            kept = value if column.accepted else text
            return masked_text_sql(kept) if column.on_identifiers == "mask" else kept
        case "INTEGER" | "BIGINT":
            return f"case when regexp_full_match({value}, '[+-]?[0-9]+') then try_cast({value} as {column.type}) end"
        case "DOUBLE":
            return f"case when isfinite(try_cast({value} as double)) then try_cast({value} as double) end"
        case "BOOLEAN":
            return f"try_cast({value} as boolean)"
        case "DATE" | "TIMESTAMPTZ":
            return _first_sql(_moment_sql(value, layout, column.type) for layout in _layouts(column))
        case decimal:
            scale = int(decimal.rstrip(")").split(",")[1])
            exact = f"[+-]?[0-9]+([.][0-9]{{0,{scale}}}0*)?"
            return f"case when regexp_full_match({value}, '{exact}') then try_cast({value} as {decimal}) end"


def _first_sql(readings: Iterable[str]) -> str:
    return f"coalesce({', '.join(readings)})"


def _moment_sql(value: str, layout: str, kind: str) -> str:
    """Parse by layout, and accept only what the layout would print again: no lenient dates."""
    if layout == "epoch_ms":
        return (
            f"case when regexp_full_match({value}, '[0-9]{{1,15}}')"
            f" then make_timestamptz(cast({value} as bigint) * 1000) end"
        )
    parsed = f"try_strptime({value}, {quote_text(layout)})"
    whole_day = f" and {parsed} = date_trunc('day', {parsed})" if kind == "DATE" else ""
    return f"case when strftime({parsed}, {quote_text(layout)}) = {value}{whole_day} then cast({parsed} as {kind}) end"


def derive_row_rules(dataset: Dataset, may_hold_replacements: bool) -> Iterator[RowRule]:
    """Every row rule of a dataset, in column order.

    `may_hold_replacements` says whether U+FFFD, the mark of a byte that was no character, occurs in the file at all.
    """
    if dataset.delivery.reader == "json_lines":
        yield RowRule("", JSON_RULE, "not _is_json")
    for column in dataset.columns:
        raw, value = quote_name(f"r_{column.name}"), quote_name(f"v_{column.name}")
        absent = _absent_sql(dataset, column)
        if column.type != "VARCHAR":
            is_wrong = f"case when {value} is null then not {absent} else false end"
            yield RowRule(column.name, f"type {column.type}", is_wrong)
        elif may_hold_replacements:
            yield RowRule(column.name, "encoding", f"contains({raw}, '\ufffd')")
        if column.type == "VARCHAR" and not (column.accepted or column.pattern or column.profile.protect):
            yield RowRule(column.name, FORBIDDEN_RULE, forbidden_sql(raw))
        if column.on_identifiers in ("quarantine", "refuse"):
            is_refused = column.on_identifiers == "refuse"
            rule = REFUSED_IDENTIFIER_RULE if is_refused else IDENTIFIER_RULE
            yield RowRule(column.name, rule, holds_identifier_sql(raw))
        if column.required:
            yield RowRule(column.name, "required", f"{value} is null and {absent}")
        if column.accepted:
            codes = ", ".join(quote_text(code) for code in column.accepted)
            yield RowRule(column.name, "accepted codes", f"{value} not in ({codes})")
        if column.pattern:
            yield RowRule(column.name, "pattern", f"not regexp_full_match({value}, {quote_text(column.pattern)})")
        if column.minimum is not None:
            limit = f"cast({quote_text(column.minimum)} as {column.type})"
            yield RowRule(column.name, f"minimum {column.minimum}", f"{value} < {limit}")
        if column.maximum is not None:
            limit = f"cast({quote_text(column.maximum)} as {column.type})"
            yield RowRule(column.name, f"maximum {column.maximum}", f"{value} > {limit}")
        if column.profile.protect:
            valid = well_formed_sql(column.profile.protect, value)
            if valid:
                yield RowRule(column.name, f"identifier {column.profile.protect}", f"not ({valid})")
