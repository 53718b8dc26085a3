"""Search files for clear identifiers: a known set of them (`ClearIdentifiers`), or whatever has their shape (`Shapes`).

Parquet, DuckDB and SQLite are read as tables, because they compress or store numbers, gzip and zip are unpacked, and
every other file is read as bytes. A known set is searched for in the bytes of tables as well, in which what was deleted
may linger. Memory is bounded by one chunk and by what is found in one column.
"""

from __future__ import annotations

import gzip
import re
import sqlite3
import zipfile
import zlib
from collections.abc import Collection, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

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
    kind: str = "clear identifiers"

    def __str__(self) -> str:
        return f"{self.path} holds {self.count} {self.kind} ({self.place})"


class FileUnsearchable(Exception):
    """A file cannot be opened, so that nobody knows what it holds."""


class SearchPatterns(Protocol):
    """What to search for: `pattern` gives candidates, in Python and in DuckDB alike."""

    pattern: str
    has_names: bool

    def find_within(self, text: str, is_begun: bool = False, is_cut: bool = False) -> set[str]: ...
    def find_among(self, candidates: Iterable[str]) -> set[str]: ...
    def count_kinds(self, found: set[str]) -> dict[str, int]: ...
    def is_searched(self, kind: str) -> bool: ...
    def is_counted(self, kind: str, found: int, values: int) -> bool: ...


class ClearIdentifiers:
    """Clear identifiers to search for: numbers of 11 digits and more, names of 4 characters and more, e-mails.

    Shorter ones are left out: they occur by chance.
    """

    def __init__(self, values: Iterable[str]) -> None:
        given = {_fold_case(value) for value in values}
        sought = {form: {value for value in given if re.fullmatch(form, value)} for form in (NUMBER, NAME, EMAIL)}
        self.values = frozenset().union(*sought.values())
        self.pattern = "|".join(form for form, found in sought.items() if found) or NUMBER
        self.has_names = bool(sought[NAME])
        self.lengths = {form: sorted({len(value) for value in sought[form]}) for form in (NUMBER, NAME)}
        self.compiled = re.compile(self.pattern)

    def find_within(self, text: str, is_begun: bool = False, is_cut: bool = False) -> set[str]:
        """Those that occur in a text, whether it was cut out of a longer one or not."""
        return self.find_among(self.compiled.findall(text))

    def find_among(self, candidates: Iterable[str]) -> set[str]:
        """Those that are, or are within, one of the candidates that the pattern gives."""
        found: set[str] = set()
        for candidate in set(candidates):
            text = _fold_case(candidate)
            if "@" in text:
                found |= {text} & self.values
                continue
            for length in self.lengths[NUMBER if text[0].isdigit() else NAME]:
                for start in range(len(text) - length + 1):
                    if text[start : start + length] in self.values:
                        found.add(text[start : start + length])
        return found

    def count_kinds(self, found: set[str]) -> dict[str, int]:
        """How many different ones were found in one place."""
        return {"clear identifiers": len(found)} if found else {}

    def is_searched(self, kind: str) -> bool:
        """A column of any type is searched, and all that is found counts."""
        return True

    def is_counted(self, kind: str, found: int, values: int) -> bool:
        """See `is_searched`."""
        return True


def find_clear(roots: Iterable[Path], sought: SearchPatterns, outside: Collection[Path] = ()) -> list[Finding]:
    """Search every file below the roots, except below `outside`; one finding a file, place and kind, in order of path.

    Raises:
        FileUnsearchable: a file is damaged or locked by another process.
    """
    findings: list[Finding] = []
    with duckdb.connect() as memory:
        for path in list_searched(roots, outside):
            try:
                findings.extend(_search(path, sought, memory))
            except (OSError, EOFError, zlib.error, zipfile.BadZipFile, sqlite3.Error, duckdb.Error) as error:
                raise FileUnsearchable(
                    f"{path} cannot be searched ({type(error).__name__}); close what holds it open, or remove it"
                    " where it is damaged, and search again."
                ) from None
    return findings


def list_searched(roots: Iterable[Path], outside: Collection[Path] = ()) -> Iterator[Path]:
    """Every file below the roots, except below `outside`, in order of path; links are not followed."""
    for root in roots:
        for path in sorted(root.rglob("*") if root.is_dir() else [root]):
            is_inside = not any(path.is_relative_to(folder) for folder in outside)
            if is_inside and path.is_file() and not path.is_symlink():
                yield path


def _search(path: Path, sought: SearchPatterns, memory: duckdb.DuckDBPyConnection) -> Iterator[Finding]:
    with path.open("rb") as handle:
        head = handle.read(16)
        handle.seek(0)
        is_table = head[:4] == PARQUET or head[8:12] == DUCKDB_MAGIC or head == SQLITE
        if not is_table or isinstance(sought, ClearIdentifiers):  # a table's neighbours without a gap have any shape
            yield from _report(path, "bytes", _in_stream(handle, sought), sought)
    if head[:4] == PARQUET:
        yield from _in_tables(path, memory, {"": f"read_parquet({quote_text(path)})"}, sought)
    elif head[8:12] == DUCKDB_MAGIC:
        with duckdb.connect(str(path), read_only=True) as connection:
            tables = connection.execute("select schema_name, table_name from duckdb_tables() order by all").fetchall()
            named = {f"{schema}.{table}": f'"{schema}"."{table}"' for schema, table in tables}
            yield from _in_tables(path, connection, named, sought)
    elif head == SQLITE:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            yield from _in_sqlite(path, database, sought)
    elif head[:2] == b"\x1f\x8b":
        with gzip.open(path) as handle:
            yield from _report(path, "gzip", _in_stream(handle, sought), sought)
    elif head[:4] == b"PK\x03\x04":
        with zipfile.ZipFile(path) as archive:
            for number, member in enumerate(archive.infolist(), 1):  # its name could be anybody's
                if not member.flag_bits & 1:  # an encrypted member shows nothing without its password
                    with archive.open(member) as handle:
                        yield from _report(path, f"member {number}", _in_stream(handle, sought), sought)


def _report(path: Path, place: str, found: set[str], sought: SearchPatterns) -> Iterator[Finding]:
    for kind, count in sought.count_kinds(found).items():
        yield Finding(path, place, count, kind)


def _in_stream(handle: IO[bytes] | gzip.GzipFile, sought: SearchPatterns) -> set[str]:
    found: set[str] = set()
    kept, is_begun = b"", False
    chunk = handle.read(CHUNK)
    while chunk:
        text, chunk = kept + chunk, handle.read(CHUNK)
        encodings = ["utf-8" if sought.has_names else "latin-1"]
        if sought.has_names and not text.isascii():
            encodings.append("gb18030")
        for encoding in encodings:
            found |= sought.find_within(text.decode(encoding, "replace"), is_begun, bool(chunk))
        if b"\0" in text:  # UTF-16
            found |= sought.find_within(text.replace(b"\0", b"").decode("latin-1"), is_begun, bool(chunk))
        kept = text[-OVERLAP:]
        is_begun = re.match(rb"[\w.]", text[-OVERLAP - 1 :][:1]) is not None and len(text) > OVERLAP
    return found


def _in_tables(
    path: Path, connection: duckdb.DuckDBPyConnection, tables: dict[str, str], sought: SearchPatterns
) -> Iterator[Finding]:
    """Search tables, given as what to call and how to read them: all columns at once, then those of a bad table."""
    for table, relation in tables.items():
        described = connection.execute(f"describe from {relation}").fetchall()
        kinds = {name: kind for name, kind, *_ in described if sought.is_searched(kind)}
        if not kinds or not _in_columns(connection, relation, list(kinds), sought):
            continue
        for name, kind in kinds.items():
            found = _in_columns(connection, relation, [name], sought)
            query = f"select approx_count_distinct({quote_name(name)}) from {relation}"
            if found and sought.is_counted(kind, len(found), connection.execute(query).fetchall()[0][0]):
                yield from _report(path, f"column {table}.{name}" if table else f"column {name}", found, sought)


def _in_columns(
    connection: duckdb.DuckDBPyConnection, relation: str, names: list[str], sought: SearchPatterns
) -> set[str]:
    texts = ", ".join(f"cast({quote_name(name)} as varchar)" for name in names)
    found: set[str] = set()
    candidates = connection.execute(
        f"select distinct unnest(regexp_extract_all(concat_ws(chr(10), {texts}), {quote_text(sought.pattern)}))"
        f" from {relation}"
    )
    while rows := candidates.fetchmany(100_000):
        found |= sought.find_among(text for (text,) in rows)
    return found


def _in_sqlite(path: Path, database: sqlite3.Connection, sought: SearchPatterns) -> Iterator[Finding]:
    database.text_factory = lambda data: data.decode("utf-8", "replace")
    tables = database.execute("select name from sqlite_master where type = 'table' order by name").fetchall()
    for (table,) in tables:
        rows = database.execute(f"select * from {quote_name(table)}")
        found: dict[str, set[str]] = {}
        names = [described[0] for described in rows.description]
        while part := rows.fetchmany(10_000):
            for name, values in zip(names, zip(*part, strict=True), strict=True):
                texts = "\n".join(_as_text(value) for value in values if value is not None)
                found.setdefault(name, set()).update(sought.find_within(texts))
        for name, seen in found.items():
            yield from _report(path, f"column {table}.{name}", seen, sought)


def _fold_case(value: str) -> str:
    return value.lower() if "@" in value else value.upper()


def _as_text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
