"""Search files for clear identifiers: shows that none of a known set occurs past the door.

Every file is read as bytes; Parquet, DuckDB and SQLite are read as tables too, because they compress or store numbers,
and so are gzip and zip. Memory is bounded by one chunk and by the distinct candidates of one column.
"""

from __future__ import annotations

import gzip
import re
import sqlite3
import zipfile
from collections.abc import Collection, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import duckdb

from ingestion.foundation.sql import quote_name, quote_text

CHUNK = 8 * 2**20
OVERLAP = 256
# What an identifier can be a part of: a run of digits, of Chinese characters, or an e-mail address.
NUMBER = "[0-9]{11,}[Xx]?"
NAME = "[\u3400-\u9fff·]{4,}"
EMAIL = "[0-9A-Za-z._+-]+@[0-9A-Za-z.-]+"
PARQUET, SQLITE, DUCKDB_MAGIC = b"PAR1", b"SQLite format 3\0", b"DUCK"


@dataclass(frozen=True)
class Finding:
    """Where clear identifiers were found and how many different ones; never which."""

    path: Path
    place: str
    count: int

    def __str__(self) -> str:
        return f"{self.path} holds {self.count} clear identifiers ({self.place})"


class Identifiers:
    """Clear identifiers to search for: numbers of 11 digits and more, names of 4 characters and more, e-mails.

    Shorter ones are left out: they occur by chance.
    """

    def __init__(self, values: Iterable[str]) -> None:
        given = {_usual(value) for value in values}
        sought = {form: {value for value in given if re.fullmatch(form, value)} for form in (NUMBER, NAME, EMAIL)}
        self.values = frozenset().union(*sought.values())
        self.pattern = "|".join(form for form, found in sought.items() if found) or NUMBER
        self.has_names = bool(sought[NAME])
        self.lengths = {form: sorted({len(value) for value in sought[form]}) for form in (NUMBER, NAME)}
        self.compiled = re.compile(self.pattern)

    def within(self, text: str) -> set[str]:
        """Those that occur in a text."""
        return self.among(self.compiled.findall(text))

    def among(self, candidates: Iterable[str]) -> set[str]:
        """Those that are, or are within, one of the candidates that the pattern gives."""
        found: set[str] = set()
        for candidate in set(candidates):
            text = _usual(candidate)
            if "@" in text:
                found |= {text} & self.values
                continue
            for length in self.lengths[NUMBER if text[0].isdigit() else NAME]:
                for start in range(len(text) - length + 1):
                    if text[start : start + length] in self.values:
                        found.add(text[start : start + length])
        return found


def find_clear(roots: Iterable[Path], identifiers: Identifiers, outside: Collection[Path] = ()) -> list[Finding]:
    """Search every file below the roots, except below `outside`; one finding a file and place, in order of path."""
    findings: list[Finding] = []
    with duckdb.connect() as memory:
        for root in roots:
            for path in sorted(root.rglob("*") if root.is_dir() else [root]):
                is_inside = not any(path.is_relative_to(folder) for folder in outside)
                if is_inside and path.is_file() and not path.is_symlink():
                    findings.extend(_search(path, identifiers, memory))
    return findings


def _search(path: Path, identifiers: Identifiers, memory: duckdb.DuckDBPyConnection) -> Iterator[Finding]:
    with path.open("rb") as handle:
        head = handle.read(16)
        handle.seek(0)
        yield from _told(path, "bytes", _in_stream(handle, identifiers))
    if head[:4] == PARQUET:
        yield from _in_tables(path, memory, {"": f"read_parquet({quote_text(path)})"}, identifiers)
    elif head[8:12] == DUCKDB_MAGIC:
        with duckdb.connect(str(path), read_only=True) as connection:
            tables = connection.execute("select schema_name, table_name from duckdb_tables() order by all").fetchall()
            named = {f"{schema}.{table}": f'"{schema}"."{table}"' for schema, table in tables}
            yield from _in_tables(path, connection, named, identifiers)
    elif head == SQLITE:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            yield from _in_sqlite(path, database, identifiers)
    elif head[:2] == b"\x1f\x8b":
        with gzip.open(path) as handle:
            yield from _told(path, "gzip", _in_stream(handle, identifiers))
    elif head[:4] == b"PK\x03\x04":
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                if not member.flag_bits & 1:  # an encrypted member shows nothing without its password
                    with archive.open(member) as handle:
                        yield from _told(path, f"member {member.filename}", _in_stream(handle, identifiers))


def _told(path: Path, place: str, found: set[str]) -> Iterator[Finding]:
    if found:
        yield Finding(path, place, len(found))


def _in_stream(handle: IO[bytes] | gzip.GzipFile, identifiers: Identifiers) -> set[str]:
    found: set[str] = set()
    kept = b""
    while chunk := handle.read(CHUNK):
        text = kept + chunk
        found |= identifiers.within(text.decode("utf-8" if identifiers.has_names else "latin-1", "replace"))
        if b"\0" in text:  # UTF-16
            found |= identifiers.within(text.replace(b"\0", b"").decode("latin-1"))
        if identifiers.has_names and not text.isascii():
            found |= identifiers.within(text.decode("gb18030", "replace"))
        kept = text[-OVERLAP:]
    return found


def _in_tables(
    path: Path, connection: duckdb.DuckDBPyConnection, tables: dict[str, str], identifiers: Identifiers
) -> Iterator[Finding]:
    """Search tables, given as what to call and how to read them: all columns at once, then those of a bad table."""
    for table, relation in tables.items():
        described = connection.execute(f"describe from {relation}").fetchall()
        columns = {name: quote_name(name) for name, *_ in described}
        if _in_columns(connection, relation, list(columns.values()), identifiers):
            for name, column in columns.items():
                place = f"column {table}.{name}" if table else f"column {name}"
                yield from _told(path, place, _in_columns(connection, relation, [column], identifiers))


def _in_columns(
    connection: duckdb.DuckDBPyConnection, relation: str, columns: list[str], identifiers: Identifiers
) -> set[str]:
    texts = ", ".join(f"cast({column} as varchar)" for column in columns)
    found: set[str] = set()
    candidates = connection.execute(
        f"select distinct unnest(regexp_extract_all(concat_ws(chr(10), {texts}), '{identifiers.pattern}'))"
        f" from {relation}"
    )
    while rows := candidates.fetchmany(100_000):
        found |= identifiers.among(text for (text,) in rows)
    return found


def _in_sqlite(path: Path, database: sqlite3.Connection, identifiers: Identifiers) -> Iterator[Finding]:
    database.text_factory = lambda data: data.decode("utf-8", "replace")
    tables = database.execute("select name from sqlite_master where type = 'table' order by name").fetchall()
    for (table,) in tables:
        rows = database.execute(f"select * from {quote_name(table)}")
        found: dict[str, set[str]] = {}
        names = [described[0] for described in rows.description]
        while part := rows.fetchmany(10_000):
            for name, values in zip(names, zip(*part, strict=True), strict=True):
                texts = "\n".join(_text(value) for value in values if value is not None)
                found.setdefault(name, set()).update(identifiers.within(texts))
        for name, seen in found.items():
            yield from _told(path, f"column {table}.{name}", seen)


def _usual(value: str) -> str:
    return value.lower() if "@" in value else value.upper()


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
