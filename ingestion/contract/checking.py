"""Checks a resolved contract for what only makes sense across keys, and for what DuckDB has to understand."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from functools import cache

from ingestion.contract.profiles import Column, Contract, Dataset, DeliveryProfile
from ingestion.contract.value_checks import NAMED_LAYOUTS, check_clock, check_layout, check_values
from ingestion.foundation.declarations import Problem
from ingestion.identifiers.sensitive import (
    classify_identifying_name,
    classify_identifying_pattern,
    find_forbidden_names,
)

LAKE_TYPE = re.compile(r"VARCHAR|BOOLEAN|INTEGER|BIGINT|DOUBLE|DATE|TIMESTAMPTZ|DECIMAL\(\d{1,2},\d{1,2}\)")
NAME = re.compile(r"[a-z][a-z0-9_]*")
LAYOUT_TRIAL = "select try_strptime('', $1), strftime(timestamp '2026-03-02', $1)"
DATE_PARTS = ("{yyyymmdd}", "{yyyymm}", "{yyyy}", "{mm}", "{dd}", "{q}")
WHOLE_DATES = ({"{yyyymmdd}"}, {"{yyyymm}"}, {"{yyyy}", "{mm}", "{dd}"}, {"{yyyy}", "{mm}"}, {"{yyyy}", "{q}"})
XML_PATH = re.compile(r"[^/@${}]+(/[^/@${}]+)*(/@[^/@${}]+)?|@[^/@${}]+")
RECORDS = re.compile(r"[$]([.]\w+)*")
SUBSTITUTES = ("token", "masked", "birth_date")


def check_contract(contract: Contract, file: str) -> Iterator[Problem]:
    """What only makes sense across keys."""
    connection = contract.profile.connection or ""
    yield from _check_placeholders(file, "customProperties.source.connection", connection, {"landing"})
    yield from check_clock(contract.profile.timezone, "customProperties.source", file)
    yield from _check_names(contract, file)
    for dataset in contract.datasets:
        key = f"schema.{dataset.name}"
        yield from _check_key(dataset, key, file)
        yield from _check_origin(contract, dataset, f"{key}.delivery", file)
        yield from _check_file_names(dataset.delivery, f"{key}.delivery", file)
        yield from _check_form(dataset, f"{key}.delivery", file)
        yield from _check_proofs(dataset, f"{key}.delivery", file)
        yield from _check_clocks(dataset, f"{key}.delivery", file)
        for column in dataset.columns:
            yield from _check_column(column, dataset, f"{key}.{column.name}", file)
        yield from _check_surroundings(dataset, f"{key}.delivery", file)


def _check_names(contract: Contract, file: str) -> Iterator[Problem]:
    """Names of the source, its datasets and their columns: well formed, and each given once."""
    if not NAME.fullmatch(contract.source):
        yield Problem(file, "id", "not a lower snake name", "rename it")
    names = [dataset.name for dataset in contract.datasets]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield Problem(file, f"schema.{name}", "declared twice", "one entry a dataset")
    for dataset in contract.datasets:
        key, columns = f"schema.{dataset.name}", dataset.columns
        if not NAME.fullmatch(dataset.name):
            yield Problem(file, key, "not a lower snake name", "rename it")
        if len({column.name for column in columns}) != len(columns):
            yield Problem(file, f"{key}.properties", "a column name occurs twice", "name each column once")
        if len({column.physical_name for column in columns}) != len(columns):
            yield Problem(file, f"{key}.properties", "a physicalName occurs twice", "name each column of the file once")


def _check_key(dataset: Dataset, key: str, file: str) -> Iterator[Problem]:
    """The business key: there is one, its columns are ordered, kept and never missing."""
    columns = {column.name: column for column in dataset.columns}
    if not dataset.key and dataset.delivery.key == "columns":
        yield Problem(file, f"{key}.properties", "no primaryKey", "mark the business key")
    if dataset.delivery.key == "none" and (dataset.key or dataset.delivery.mode != "append"):
        yield Problem(
            file,
            f"{key}.delivery.key",
            "none is for mode: append without a primaryKey",
            "declare the key, or remove it",
        )
    if len({column.key_position for column in dataset.columns if column.key_position}) < len(dataset.key):
        yield Problem(file, f"{key}.properties", "a primaryKeyPosition occurs twice", "number the key columns")
    for name in dataset.key:
        if columns[name].profile.drop:
            yield Problem(file, f"{key}.{name}", "a key column that is dropped", "keep it, or choose another key")
        if not columns[name].required:
            yield Problem(file, f"{key}.{name}", "a key column that may be missing", "set required: true")


def _check_origin(contract: Contract, dataset: Dataset, key: str, file: str) -> Iterator[Problem]:
    """Where rows come from, a database or files, and how many."""
    delivery = dataset.delivery
    is_query = delivery.reader == "database"
    if is_query != bool(delivery.query) or is_query == bool(delivery.files):
        yield Problem(file, key, "wants `query` for a database, `files` otherwise", "give one")
    if delivery.look_back_days and (not delivery.query or ":until" not in delivery.query):
        yield Problem(
            file,
            f"{key}.look_back_days",
            "wants a `query` whose window :until closes",
            "correct the query, or remove it",
        )
    if is_query and not contract.profile.connection:
        yield Problem(file, "customProperties.source.connection", "missing", "give the database's URL")
    if delivery.volume.minimum > delivery.volume.maximum:
        yield Problem(file, f"{key}.volume", "minimum exceeds maximum", "swap them")


def _check_file_names(delivery: DeliveryProfile, key: str, file: str) -> Iterator[Problem]:
    """Patterns of names: with the placeholders that they need, and no others."""
    dates = {word for word in DATE_PARTS if word in (delivery.files or "")}
    if delivery.files and not dates and delivery.mode != "snapshot":
        yield Problem(file, f"{key}.files", "no {yyyymmdd}", "the business date is part of the name")
    if dates and dates not in WHOLE_DATES:
        yield Problem(
            file,
            f"{key}.files",
            f"{', '.join(sorted(dates))} is no whole date",
            "one of {yyyymmdd}; {yyyymm}; {yyyy}, {mm}, {dd}; {yyyy}, {mm}; {yyyy}, {q}",
        )
    if delivery.calendar and delivery.calendar.on and delivery.calendar.every in ("day", "weekday"):
        yield Problem(file, f"{key}.calendar.on", "has no meaning here", "remove it")
    if delivery.calendar and delivery.calendar.every == "week" and (delivery.calendar.on or 7) > 7:
        yield Problem(file, f"{key}.calendar.on", "is no day of the week", "1 (Monday) to 7")
    if delivery.resend and "{nn}" not in delivery.resend:
        yield Problem(file, f"{key}.resend", "no {nn}", "a re-send carries its number")
    for place, pattern, allowed in _list_patterns(delivery):
        yield from _check_placeholders(file, f"{key}.{place}", pattern, allowed)


def _check_form(dataset: Dataset, key: str, file: str) -> Iterator[Problem]:
    """What the forms of a file ask of each other: dialect, parts, sheets and archives."""
    delivery = dataset.delivery
    is_text = delivery.reader in ("delimited", "fixed_width", "json_lines")
    if delivery.separator == delivery.quote:
        yield Problem(file, f"{key}.quote", "is the separator too", "correct it")
    if delivery.parts and (not is_text or "{part}" not in (delivery.files or "") or delivery.resend):
        yield Problem(file, f"{key}.parts", "wants a text file with {part} in `files` and no `resend`", "correct it")
    if delivery.sheet and delivery.reader != "excel":
        yield Problem(file, f"{key}.sheet", "belongs to excel, and only there", "remove it")
    if delivery.archive and (delivery.archive.format == "gzip") == bool(delivery.archive.member):
        yield Problem(file, f"{key}.archive.member", "belongs to zip and tar, and only there", "add or remove it")
    if delivery.archive and delivery.archive.password and delivery.archive.format != "zip":
        yield Problem(file, f"{key}.archive.password", "belongs to zip", "remove it")
    if delivery.line_end != "lf" and (
        not is_text or (delivery.line_end == "none" and delivery.reader != "fixed_width")
    ):
        yield Problem(file, f"{key}.line_end", "cr is for text, none for fixed_width", "correct it")
    if delivery.encoding == "utf-16" and (delivery.reader not in ("delimited", "json_lines", "xml") or delivery.parts):
        yield Problem(file, f"{key}.encoding", "utf-16 is for delimited and json_lines in one file", "correct it")
    if delivery.line_end != "lf" and delivery.parts:
        yield Problem(file, f"{key}.line_end", "cannot be combined with parts", "remove one")
    if delivery.trimmed and delivery.reader != "fixed_width":
        yield Problem(file, f"{key}.trimmed", "belongs to fixed_width, and only there", "remove it")
    dates = {"yyyymmdd", "yyyymm", "yyyy", "mm", "dd"}
    yield from _check_placeholders(file, f"{key}.sheet", delivery.sheet or "", dates | {"*"})
    if delivery.escape and not delivery.quote:
        yield Problem(file, f"{key}.escape", "belongs to a quote", "declare it, or remove the escape")
    if delivery.records is None and delivery.reader == "xml":
        yield Problem(file, f"{key}.records", "is missing", "name the elements that are rows: Document/Stmt/Ntry")
    if delivery.records is not None and (delivery.reader not in ("json_lines", "xml") or delivery.parts):
        yield Problem(file, f"{key}.records", "belongs to json_lines and xml in one file", "remove it")
    elif delivery.records is not None and not (XML_PATH if delivery.reader == "xml" else RECORDS).fullmatch(
        delivery.records
    ):
        yield Problem(file, f"{key}.records", f"{delivery.records!r} is no path of members", "write $.data.list")
    if delivery.archive and (delivery.parts or delivery.reader == "database"):
        yield Problem(file, f"{key}.archive", "cannot be combined with parts or a database", "remove one")


def _check_proofs(dataset: Dataset, key: str, file: str) -> Iterator[Problem]:
    """What the sender says beside a file: control totals that mean something, and a key that is one."""
    delivery = dataset.delivery
    columns = {column.name: column for column in dataset.columns}
    ready = delivery.ready
    if (ready is not None and ready.content == "control") != bool(ready and ready.control):
        yield Problem(file, f"{key}.ready.control", "belongs to content: control, and only there", "add or remove it")
    for meaning in ready.control.fields.values() if ready and ready.control else ():
        name = meaning.removeprefix("sum:")
        is_sum = meaning != name and name in columns and columns[name].type.startswith(("DECIMAL", "BIGINT", "INTEGER"))
        if not is_sum and meaning not in ("file_name", "bytes", "rows", "business_date"):
            yield Problem(file, f"{key}.ready.control.fields", f"{meaning!r} means nothing", "see class Control")
    if delivery.signature and len(_decode(delivery.signature.public_key)) != 32:
        yield Problem(file, f"{key}.signature.public_key", "not 32 bytes in base64", "ask the sender for its key")


def _check_surroundings(dataset: Dataset, key: str, file: str) -> Iterator[Problem]:
    """Lines that are no rows: only lines of text are, a trailer is recognised, and totals are about columns."""
    delivery = dataset.delivery
    trailer, columns = delivery.trailer, {column.name: column for column in dataset.columns}
    if delivery.reader not in ("delimited", "fixed_width"):
        for place in ("skip", "trailer", "totals"):
            if getattr(delivery, place):
                yield Problem(file, f"{key}.{place}", "belongs to delimited and fixed_width", "remove it")
    if trailer and not trailer.begins and not (trailer.lines and {"rows"} & set(delivery.totals)):
        yield Problem(
            file,
            f"{key}.trailer",
            "a row could pass for it",
            "give `begins`, or `lines` and the total `rows` it states",
        )
    if (trailer or delivery.skip or delivery.totals) and delivery.parts:
        yield Problem(file, f"{key}.parts", "cannot be combined with skip, trailer or totals", "remove one")
    for number, pattern in enumerate(delivery.skip):
        if not _runs("select regexp_full_match('', $1)", pattern):
            yield Problem(file, f"{key}.skip[{number}]", f"{pattern!r} cannot be used", "correct it")
    for meaning, pattern in delivery.totals.items():
        name = meaning.removeprefix("sum:")
        is_sum = meaning != name and name in columns and columns[name].type.startswith(("DECIMAL", "BIGINT", "INTEGER"))
        if not is_sum and meaning not in ("rows", "business_date"):
            yield Problem(file, f"{key}.totals", f"{meaning!r} means nothing", "see class Control")
        if _count_groups(pattern) != 1:
            yield Problem(file, f"{key}.totals.{meaning}", f"{pattern!r} cannot be used", "give it one group")


def _count_groups(pattern: str) -> int:
    """Groups of a pattern; 0 where it is none."""
    try:
        return re.compile(pattern).groups
    except re.error:
        return 0


def _check_clocks(dataset: Dataset, key: str, file: str) -> Iterator[Problem]:
    """The columns that say of which date a row is and when it was recorded."""
    delivery = dataset.delivery
    columns = {column.name: column for column in dataset.columns}
    if delivery.business_date is not None:
        stated = columns.get(delivery.business_date)
        if stated is None or stated.type not in ("DATE", "TIMESTAMPTZ"):
            yield Problem(file, f"{key}.business_date", "not a DATE or TIMESTAMPTZ column", "name one")
    if delivery.recorded_at is not None:
        stamp = columns.get(delivery.recorded_at)
        if stamp is None or stamp.type not in ("TIMESTAMPTZ", "DATE") or stamp.profile.drop:
            yield Problem(file, f"{key}.recorded_at", "not a kept DATE or TIMESTAMPTZ column", "name one")


def _check_column(column: Column, dataset: Dataset, key: str, file: str) -> Iterator[Problem]:
    if not NAME.fullmatch(column.name):
        yield Problem(file, key, "not a lower snake name", "give the source's spelling in physicalName")
    yield from _check_type(column, key, file)
    for place, value, sql in _list_trials(column):
        if value is not None and not _runs(sql, str(value)):
            yield Problem(file, f"{key}.{place}", f"{value!r} cannot be used", "correct it")
    if (dataset.delivery.reader in ("json_lines", "xml")) != bool(column.profile.path):
        yield Problem(file, f"{key}.column.path", "belongs to json_lines, and only there", "add or remove it")
    if column.profile.fill_down and dataset.delivery.reader != "excel":
        yield Problem(file, f"{key}.column.fill_down", "belongs to excel, and only there", "remove it")
    implied, scale = column.profile.implied_decimals, column.type.rstrip(")").rpartition(",")[2]
    if implied and not (column.type.startswith("DECIMAL") and scale.isdigit() and implied <= int(scale)):
        yield Problem(file, f"{key}.column.implied_decimals", f"has no meaning for {column.type}", "set DECIMAL")
    if dataset.delivery.reader == "xml" and not XML_PATH.fullmatch(column.profile.path or ""):
        yield Problem(file, f"{key}.column.path", "is no path of elements", "write Stmt/Id or Amt/@Ccy")
    if (dataset.delivery.reader == "fixed_width") != bool(column.profile.width):
        yield Problem(file, f"{key}.column.width", "belongs to fixed_width, and only there", "add or remove it")
    yield from _check_protection(column, dataset, key, file)
    yield from _check_clear(column, key, file)


def _check_type(column: Column, key: str, file: str) -> Iterator[Problem]:
    """The type of a column, and what has a meaning for some types only."""
    if not LAKE_TYPE.fullmatch(column.type):
        yield Problem(file, f"{key}.physicalType", f"{column.type!r} is unknown", f"one of {LAKE_TYPE.pattern}")
    if column.profile.protect and column.type != "VARCHAR":
        yield Problem(file, f"{key}.column.protect", "an identifier that is not text", "set VARCHAR")
    if column.accepted and column.type != "VARCHAR":
        yield Problem(file, f"{key}.enum", "codes that are not text", "set VARCHAR")
    yield from check_values(column, key, file)
    if column.profile.formats and column.type not in ("DATE", "TIMESTAMPTZ"):
        yield Problem(file, f"{key}.column.format", f"has no meaning for {column.type}", "remove it")
    else:
        for layout in column.profile.formats:
            if layout in NAMED_LAYOUTS or _runs(LAYOUT_TRIAL, layout):
                yield from check_layout(layout, column, f"{key}.column.format", file)
    if column.profile.thousands and not column.type.startswith(("DECIMAL", "BIGINT", "INTEGER")):
        yield Problem(file, f"{key}.column.thousands", f"has no meaning for {column.type}", "remove it")


def _check_protection(column: Column, dataset: Dataset, key: str, file: str) -> Iterator[Problem]:
    """How an identifier is protected: classified, no C3, and replaced by columns that no other one is called."""
    for other in dataset.columns:
        clash = _list_substitutes(column) & (_list_substitutes(other) | {other.name})
        if clash and len(other.name) > len(column.name):
            reported = f"{min(clash)} is a lake column of {other.name} too"
            yield Problem(file, f"{key}.column.protect", reported, "rename one")
    if column.profile.protect and not column.classification:
        yield Problem(file, f"{key}.classification", "an identifier without class", "give C1, C2 or C3 (JR/T 0171)")
    if column.classification == "C3":
        yield Problem(file, f"{key}.classification", "C3 data is refused at the door", "remove it from the delivery")
    elif find_forbidden_names([column.physical_name]):
        yield Problem(file, key, "is named like authentication data (C3)", "remove it from the delivery")


def _check_clear(column: Column, key: str, file: str) -> Iterator[Problem]:
    """What stays in clear: nothing that is called or shaped like an identifier, unless a reason is given."""
    profile = column.profile
    if profile.protect or profile.drop:
        if profile.clear or profile.identifiers:
            yield Problem(file, f"{key}.column", "`clear` or `identifiers` beside `protect` or `drop`", "remove them")
        return
    if profile.identifiers and (column.type != "VARCHAR" or profile.clear or column.accepted):
        yield Problem(file, f"{key}.column.identifiers", "wants a text without `clear` and enum", "remove it")
    if profile.identifiers == "mask" and column.key_position:
        yield Problem(file, f"{key}.column.identifiers", "masks make different keys one", "quarantine, or protect it")
    if profile.clear or column.accepted or column.type in ("BOOLEAN", "DATE", "TIMESTAMPTZ"):
        return
    kind = classify_identifying_name(column.physical_name) or classify_identifying_name(column.name)
    place, reported = key, "is named like an identifier of a person and not protected"
    if kind is None and column.pattern and (kind := classify_identifying_pattern(column.pattern)):
        place, reported = f"{key}.logicalTypeOptions.pattern", "is that of an identifier, which nothing protects"
    if kind is not None:
        remedy = f"set `protect: {kind}` (or opaque) and a class, or say in `clear` why it stays as it is"
        yield Problem(file, place, reported, remedy)


def _list_patterns(delivery: DeliveryProfile) -> Iterator[tuple[str, str, set[str]]]:
    """Key, pattern and the placeholders that it may hold."""
    beside, dates = {"name", "stem"}, {"yyyymmdd", "yyyymm", "yyyy", "mm", "dd", "q"}
    made = {"hhmmss", "yyyymmddhhmmss", "*"}
    yield "files", delivery.files or "", dates | {"part"} if delivery.parts else dates | made
    yield "resend", delivery.resend or "", dates | made | {"nn"}
    yield "parts", delivery.parts or "", dates
    yield "ready.marker", delivery.ready.marker if delivery.ready else "", beside
    yield "checksum.file", delivery.checksum.file if delivery.checksum else "", beside
    yield "signature.file", delivery.signature.file if delivery.signature else "", beside
    if delivery.archive:
        yield "archive.member", delivery.archive.member or "", dates
        yield "archive.password", delivery.archive.password or "", {"yyyymmdd", "secret"}


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return b""


def _list_substitutes(column: Column) -> set[str]:
    """Lake columns that may replace an identifier."""
    return {f"{column.name}_{suffix}" for suffix in SUBSTITUTES} if column.profile.protect else set()


def _check_placeholders(file: str, key: str, pattern: str, allowed: set[str]) -> Iterator[Problem]:
    for unknown in sorted(set(re.findall(r"{([^}]*)}", pattern)) - allowed):
        yield Problem(
            file, key, f"{{{unknown}}} is unknown", f"use {', '.join(f'{{{name}}}' for name in sorted(allowed))}"
        )


def _list_trials(column: Column) -> Iterator[tuple[str, str | None, str]]:
    """What DuckDB has to understand: key, declared text and the SQL that uses it, so that no run finds out first."""
    yield "logicalTypeOptions.pattern", column.pattern, "select regexp_full_match('', $1)"
    for layout in column.profile.formats:
        if layout not in NAMED_LAYOUTS:
            yield "column.format", layout, LAYOUT_TRIAL
    is_json = (column.profile.path or "").startswith("$")
    yield "column.path", column.profile.path if is_json else None, "select json_extract_string('{}', $1)"
    if LAKE_TYPE.fullmatch(column.type):
        yield "physicalType", column.type, f"select $1, null::{column.type}"
        yield "logicalTypeOptions.minimum", column.minimum, f"select cast($1 as {column.type})"
        yield "logicalTypeOptions.maximum", column.maximum, f"select cast($1 as {column.type})"


@cache
def _runs(sql: str, value: str) -> bool:
    import duckdb  # DAG files are parsed without it

    try:
        duckdb.cursor().execute(sql, [value]).fetchall()
    except duckdb.Error:
        return False
    return True
