"""The files of a version (版本文件): each table sorted once, written as Parquet, and read again before it is visible.

The bytes of the Parquet files depend on content and layout only, not on threads or time.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import duckdb

from ingestion.foundation import Settings
from ingestion.foundation.sql import quote_name, quote_text
from quality.explained_database import explain_database
from quality.fingerprint import fingerprint_relation, fingerprint_table
from quality.layout import bucket_sql, order_sql
from quality.parts import Held, link_unchanged
from quality.sets import GatedSet
from quality.source import parquet_sql, run
from quality.suite import Suite

ROW_GROUP = 122_880
STAGED = "staged"
OPENED_SINCE = "v1.4.0"  # the oldest DuckDB that opens a published file
_INEXACT = ("HUGEINT", "UHUGEINT", "BIGNUM", "INTERVAL", "BIT", "TIME WITH TIME ZONE")


def find_inexact_columns(connection: duckdb.DuckDBPyConnection, tables: Sequence[str]) -> list[str]:
    """Columns whose values Parquet would not give back exactly, each as a reason against publication."""
    reasons = []
    for name in tables:
        for column, kind, *_ in run(connection, f"describe {quote_name(name)}"):
            if kind in _INEXACT:
                reasons.append(f"{name}.{column} has type {kind}, inexact in Parquet; cast it in its model")
    return reasons


def write_tables(
    connection: duckdb.DuckDBPyConnection,
    declared: GatedSet,
    version: str,
    folder: Path,
    layouts: Mapping[str, Suite],
    entries: Mapping[str, Mapping[str, Any]],
    held: Held,
    settings: Settings,
) -> None:
    """Write every table of a version into its folder; of the warehouse the DuckDB file stays beside them.

    Files of parts that the version before holds, by what `entries` of the manifest say, are linked.
    """
    database = folder / f"{declared.set}-{version}.duckdb"
    run(connection, f"attach {quote_text(str(database))} as {STAGED} (storage_version '{OPENED_SINCE}')")
    is_kept = declared.rows == "warehouse"
    copies = []
    for name, suite in sorted(layouts.items()):
        (folder / name).mkdir()
        linked = link_unchanged(held, entries[name], name, folder / name)
        if is_kept or "" not in linked:
            sort_table(connection, name, suite)
        if "" not in linked:
            copies.append(_plan_files(connection, folder / name, suite, set(entries[name].get("parts", {})) - linked))
    run(connection, "set threads = 1")
    with ThreadPoolExecutor(max_workers=settings.threads) as pool:
        for writing in [write_table(connection, of_table, pool) for of_table in copies]:
            for each in writing:
                each.result()
    run(connection, f"set threads = {settings.threads}")
    if is_kept:
        explain_database(connection, STAGED, declared, settings)
    run(connection, f"checkpoint {STAGED}")
    run(connection, f"detach {STAGED}")
    if not is_kept:
        database.unlink()


def sort_table(connection: duckdb.DuckDBPyConnection, name: str, suite: Suite) -> None:
    """Sort one table into the attached file by all threads; what does not fit into memory spills."""
    order = order_sql(suite.layout, suite.key)
    run(
        connection,
        f"create table {STAGED}.main.{quote_name(name)} as select * from {quote_name(name)} order by {order}",
    )


def write_table(connection: duckdb.DuckDBPyConnection, copies: Sequence[str], pool: Executor) -> list[Future[None]]:
    """Begin to write the Parquet files of one sorted table, several at a time.

    Each is written by one thread (`set threads = 1`): a file that several write has other bytes where there are other
    cores.
    """
    return [pool.submit(_copy, connection, sql) for sql in copies]


def fingerprint_files(connection: duckdb.DuckDBPyConnection, folder: Path) -> str:
    """Hash the content of one table as it was written to a folder."""
    paths = tuple(sorted(folder.glob("*.parquet")))
    return fingerprint_relation(connection, parquet_sql(paths))


def _copy(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    with connection.cursor() as cursor:
        run(cursor, sql)


def _plan_files(connection: duckdb.DuckDBPyConnection, folder: Path, suite: Suite, parts: Collection[str]) -> list[str]:
    """One COPY per file; a bucket is a range of row ids, because the staged rows lie in bucket order."""
    staged, layout = f"{STAGED}.main.{quote_name(suite.table)}", suite.layout
    if suite.part_by is not None:
        day = quote_name(suite.part_by)
        return [
            _copy_sql(f"{staged} where {day} = date {quote_text(part)}", folder / f"{part}.parquet")
            for part in sorted(parts)
        ]
    if layout is None or layout.bucket_by is None:
        return [_copy_sql(staged, folder / "part-00.parquet")]
    bucket = bucket_sql(layout.bucket_by)
    counted = f"select {bucket}, min(rowid), max(rowid) from {staged} group by all"
    ranges = {int(number): (low, high) for number, low, high in run(connection, counted) if number is not None}
    copies = []
    for number in range(layout.buckets):
        low, high = ranges.get(number, (0, -1))
        rows = f"{staged} where rowid between {low} and {high}"
        copies.append(_copy_sql(rows, folder / f"bucket-{number:02d}.parquet"))
    return copies


def _copy_sql(rows: str, target: Path) -> str:
    options = f"(format parquet, compression zstd, row_group_size {ROW_GROUP})"
    return f"copy (select * from {rows}) to {quote_text(str(target))} {options}"


def find_changes(connection: duckdb.DuckDBPyConnection, contents: Mapping[str, str], written: Path) -> list[str]:
    """Tables whose content, as written to a folder, is not the one that was audited.

    The source is read again only to say where a difference arose.
    """
    changed = []
    for name, content in contents.items():
        if fingerprint_files(connection, written / name) == content:
            continue
        if fingerprint_table(connection, name) != content:
            changed.append(f"{name} has changed since its verdict")
        else:
            changed.append(f"{name} was written with other content than its verdict saw")
    return changed
