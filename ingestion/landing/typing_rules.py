"""From delivered text to typed values: SQL expressions and the row rules (行级规则) that a contract declares.

A value that is present but cannot be read exactly (a fraction in an integer, a third decimal, 30 February) is a
broken rule, never a rounded or missing value. What is written in a type's own canonical form is read by one cast and
compared with what the value would print; only other spellings pay for patterns.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ingestion.contract import Dataset
from ingestion.contract.profiles import Column
from ingestion.delivery.extracted_text import UNSURE
from ingestion.foundation.sql import quote_name, quote_text
from ingestion.identifiers import well_formed_sql
from ingestion.identifiers.sensitive import forbidden_sql
from ingestion.identifiers.within import holds_identifier_sql, masked_text_sql
from ingestion.landing.instants import ISO, instant_sql, moment_sql
from ingestion.landing.spellings import (
    boolean_sql,
    looked_up_sql,
    number_text_sql,
    rounded_sql,
    stripped_sql,
    surroundings_sql,
)
from ingestion.readers.json_numbers import member_sql

USUAL = {"DATE": "%Y-%m-%d", "TIMESTAMPTZ": "%Y-%m-%d %H:%M:%S"}
DIRECT = {USUAL["DATE"]: ("date", 10), USUAL["TIMESTAMPTZ"]: ("timestamp", 19)}  # what one cast reads, and its length
BLANK = " \t\r\n"
JSON_RULE = "valid JSON"
TOTAL_RULE = "total row"
TOTAL_BEGINS = "人合总小累本当共制复审经打TtSsGg"
TOTAL_ROW = (
    r"\s*(人民币)?((本页|本日|当日|本期|本月)?(合|总|小|累)\s*计(金额|笔数|数)?([(（].*[)）])?\s*[:：]?.{0,30}"
    r"|总\s*(笔数|金额|条数|额)\s*[:：]?.{0,30}|共\s*[0-9,]+\s*(笔|条|行|户|人|件).{0,30}"
    r"|(制表|制单|复核|审核|经办|打印)(人|员|日期|时间)?\s*[:：].{0,30}|(?i:(sub|grand)?\s*total)\s*[:：]?)\s*"
)
FORBIDDEN_RULE = "authentication data (C3)"
ROUNDED_RULE = "number rounded by a spreadsheet"
CELL_RULE = "value of the cell"
TYPED_CELLS = ("excel", "parquet", "database")  # readers whose cells have types of their own, which are read as text
EXPONENT = r"[+-]?[0-9]{1,18}([.][0-9]{0,17})?[eE][+-]?[0-9]{1,2}"
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
    """SQL of the text of a column as it was delivered."""
    if is_json:
        return member_sql(str(column.profile.path), column.type == "VARCHAR")
    return quote_name(column.physical_name)


def bare_sql(column: Column, text: str) -> str:
    """SQL of `r_<column>`: the delivered text but for what surrounds it, and with what the contract looks up.

    `text` is the name of a column, for it is written several times.
    """
    if column.is_stripped and column.accepted:
        listed = ", ".join(map(quote_text, column.accepted))
        text = f"case when {text} in ({listed}) then {text} else {stripped_sql(text)} end"
    elif column.is_stripped:
        text = surroundings_sql(text)
    return looked_up_sql(column, text)


def cast_sql(dataset: Dataset, column: Column) -> str | None:
    """SQL of `c_<column>`: what a canonical spelling of `r_<column>` means; None where there is no such short cut."""
    raw = quote_name(f"r_{column.name}")
    if _reads_missing(dataset, column) or column.profile.number or column.profile.implied_decimals:
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
    has_cells, has_exponents = _describe_reader(dataset)
    exact = exact_sql(column, f"({present_sql(dataset, column)})" if reads_missing else raw, has_cells, has_exponents)
    sentinels = _sentinels(column)
    if sentinels:
        return f"case when ({exact}) in ({', '.join(sentinels)}) then null else {exact} end"
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
    return f"case when {canonical} then {instant_sql(f'cast({cast} as timestamp)', column.timezone)} else {exact} end"


def _describe_reader(dataset: Dataset) -> tuple[bool, bool]:
    """Whether cells have types of their own, and whether a number may be written with an exponent."""
    has_cells = dataset.delivery.reader in TYPED_CELLS
    return has_cells, has_cells or dataset.delivery.reader == "json_lines"


def _reads_missing(dataset: Dataset, column: Column) -> bool:
    """Whether a spelling of "no value" could be read as a number or a date."""
    return any(character.isdigit() for text in _missing(dataset, column) for character in text)


def _sentinels(column: Column) -> list[str]:
    """SQL of the values that mean no value, however they are spelled; those of them that are no value are NULL."""
    if column.type in ("VARCHAR", "BOOLEAN"):
        return []
    return [exact_sql(column, quote_text(text)) for text in column.profile.missing if any(map(str.isdigit, text))]


def _layouts(column: Column) -> tuple[str, ...]:
    return column.profile.formats or (USUAL[column.type],)


def present_sql(dataset: Dataset, column: Column) -> str:
    """SQL of the delivered text, NULL where it is (but for blanks around it) one of the spellings of "no value"."""
    raw, is_missing = quote_name(f"r_{column.name}"), _missing_sql(dataset, column)
    return f"case when {is_missing} then null else {raw} end" if is_missing else raw


def _absent_sql(dataset: Dataset, column: Column) -> str:
    """SQL that is true where there is no value: none was delivered, or one that means none; and else not."""
    raw, is_missing = quote_name(f"r_{column.name}"), _missing_sql(dataset, column)
    absent = f"{raw} is null or {is_missing}" if is_missing else f"{raw} is null"
    sentinels = _sentinels(column)
    if sentinels:
        exact = exact_sql(column, raw, *_describe_reader(dataset))
        absent += f" or coalesce(({exact}) in ({', '.join(sentinels)}), false)"
    return f"({absent})"


def _missing_sql(dataset: Dataset, column: Column) -> str:
    """SQL that is true where a delivered text means no value; empty where none does."""
    raw, missing = quote_name(f"r_{column.name}"), _missing(dataset, column)
    listed = ", ".join(map(quote_text, missing))
    is_suspect = f"{raw} < '!'"  # begins with a blank or is empty; trimming every value is expensive
    if missing != [""]:
        is_suspect += f" or {raw} in ({listed}) or ends_with({raw}, ' ') or ends_with({raw}, chr(9))"
    return f"({is_suspect}) and trim(trim({raw}), {quote_text(BLANK)}) in ({listed})" if missing else ""


def _missing(dataset: Dataset, column: Column) -> list[str]:
    return sorted({text.strip() for text in [*dataset.delivery.missing, *column.profile.missing]})


def exact_sql(column: Column, text: str, has_cells: bool = False, has_exponents: bool = False) -> str:
    """SQL of the typed value of any spelling of a present text; NULL where it cannot be read exactly.

    `has_cells` says that the text was made of a typed cell, `has_exponents` that a number may have an exponent. What is
    not read as it stands is read again without tabs, quotation marks and the like around it.
    """
    if column.type == "VARCHAR":
        kept = f"trim({text})" if column.accepted and not column.is_stripped else text
        return masked_text_sql(kept) if column.on_identifiers == "mask" else kept
    if column.profile.strip is False:
        return _typed_sql(column, f"trim({text})", has_cells, has_exponents)
    values = (f"trim({text})", stripped_sql(text))
    return _first_sql(_typed_sql(column, value, has_cells, has_exponents) for value in values)


def _typed_sql(column: Column, value: str, has_cells: bool, has_exponents: bool) -> str:
    match column.type:
        case "BOOLEAN":
            words = column.profile.booleans
            return boolean_sql(words, value) if words else f"try_cast({value} as boolean)"
        case "DATE" | "TIMESTAMPTZ":
            layouts = [*_layouts(column), *([ISO] if has_cells else [])]
            return _first_sql(
                moment_sql(value, layout, column.type, column.timezone) for layout in dict.fromkeys(layouts)
            )
        case _:
            return _number_sql(column, value, has_cells, has_exponents)


def _number_sql(column: Column, value: str, has_cells: bool, has_exponents: bool) -> str:
    form = column.profile.number
    if (implied := column.profile.implied_decimals) is not None:
        return _implied_sql(value, implied, column.type)
    if form:
        value = number_text_sql(form, value)
    if column.profile.thousands:
        grouped = f"regexp_full_match({value}, '[+-]?[0-9]{{1,3}}(,[0-9]{{3}})*([.][0-9]*)?(e-?[0-9]+)?')"
        value = f"case when {grouped} then replace({value}, ',', '') else {value} end"
    if column.type == "DOUBLE":
        return f"case when isfinite(try_cast({value} as double)) then try_cast({value} as double) end"
    if column.type in ("INTEGER", "BIGINT"):
        exact = f"[+-]?[0-9]+{'([.]0*)?' if has_exponents else ''}"
        plain = f"regexp_replace({value}, '[.]0*$', '')" if has_exponents else value
    else:
        scale = int(column.type.rstrip(")").split(",")[1])
        exact = f"[+-]?([0-9]+([.][0-9]{{0,{scale}}}0*)?|[.][0-9]{{1,{scale}}}0*)" if scale else "[+-]?[0-9]+([.]0*)?"
        plain = value
    read = f"case when regexp_full_match({value}, '{exact}') then try_cast({plain} as {column.type}) end"
    if not (has_exponents or (form and (form.exponent or form.units))):
        return read
    wide = f"try_cast({value} as decimal(38,18))"
    whole = f"try_cast({wide} as {column.type})"
    return _first_sql(
        [read, f"case when regexp_full_match({value}, '{EXPONENT}') and {whole} = {wide} then {whole} end"]
    )


def _implied_sql(value: str, digits: int, kind: str) -> str:
    """SQL of a number whose last digits are decimals, though no point is written; with one it is broken."""
    padded = f"regexp_replace({value}, '^([+-]?)', '\\1{'0' * digits}')"
    pointed = f"regexp_replace({padded}, '([0-9]{{{digits}}})$', '.\\1')"
    return f"case when regexp_full_match({value}, '[+-]?[0-9]+') then try_cast({pointed} as {kind}) end"


def _first_sql(readings: Iterable[str]) -> str:
    return f"coalesce({', '.join(readings)})"


def derive_row_rules(dataset: Dataset, may_hold_replacements: bool) -> Iterator[RowRule]:
    """Every row rule of a dataset, in column order.

    `may_hold_replacements` says whether U+FFFD, the mark of a byte that was no character, or what else is no text (NUL,
    a byte-order mark) occurs in the file at all.
    """
    if dataset.delivery.reader == "json_lines":
        yield RowRule("", JSON_RULE, "not _is_json")
    yield from _total_rules(dataset)
    for column in dataset.columns:
        raw, value = quote_name(f"r_{column.name}"), quote_name(f"v_{column.name}")
        absent = _absent_sql(dataset, column)
        if column.type != "VARCHAR":
            is_wrong = f"case when {value} is null then not {absent} else false end"
            yield RowRule(column.name, f"type {column.type}", is_wrong)
        elif may_hold_replacements or dataset.delivery.reader == "json_lines":  # which can escape what is no text
            text = value if column.is_stripped and not column.profile.protect else raw
            marks = ("'\ufffd'", "'\ufeff'", "chr(0)")
            yield RowRule(column.name, "encoding", " or ".join(f"contains({text}, {mark})" for mark in marks))
        if column.type == "VARCHAR" and not column.accepted:
            yield RowRule(column.name, ROUNDED_RULE, rounded_sql(raw))
            if dataset.delivery.reader in TYPED_CELLS:
                yield RowRule(column.name, CELL_RULE, f"ends_with({raw}, '{UNSURE}')")
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


def _total_rules(dataset: Dataset) -> Iterator[RowRule]:
    """A row that sums up others (合计) or says who made the file is no fact, whatever reader brought it.

    Its words stand in the key or in the first column; the first character is compared before any pattern.
    """
    if dataset.delivery.reader in ("parquet", "database"):
        return
    for place, column in enumerate(dataset.columns):
        is_free = column.type == "VARCHAR" and not (column.accepted or column.pattern or column.profile.protect)
        if is_free and (column.key_position or place == 0):
            raw = quote_name(f"r_{column.name}")
            begins = f"left(ltrim({raw}), 1) in ({', '.join(map(quote_text, TOTAL_BEGINS))})"
            yield RowRule(column.name, TOTAL_RULE, f"{begins} and regexp_full_match({raw}, {quote_text(TOTAL_ROW)})")
