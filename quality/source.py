"""Where the rows of a table to be audited or published come from, and how they are brought before DuckDB."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, TypeAlias

import duckdb
import pyarrow as pa

from ingestion.foundation import Settings
from ingestion.foundation.sql import quote_name, quote_text

RUNS = "stg_platform__runs"


@dataclass(frozen=True)
class WarehouseTable:
    """A table of schema `main` of a DuckDB file, which is opened read-only."""

    database: Path
    table: str


class WarehouseUnusable(Exception):
    """The warehouse file cannot be read."""


@dataclass(frozen=True)
class ParquetFiles:
    """Parquet files that together hold one table."""

    paths: tuple[Path, ...]


Rows: TypeAlias = WarehouseTable | ParquetFiles | pa.Table
"""Rows of one table: in a warehouse file, in Parquet files, or as an Arrow table (of a frame: `frame.to_arrow()`)."""


def connect(path: Path | str, settings: Settings, *, read_only: bool = False) -> duckdb.DuckDBPyConnection:
    """Open a DuckDB file within the limits of threads and memory, in UTC; it spills under the home."""
    connection = duckdb.connect(
        str(path),
        read_only=read_only,
        config={"threads": settings.threads, "memory_limit": settings.memory_limit},
    )
    spill = settings.home / "spill"
    run(connection, f"set temp_directory = {quote_text(str(spill))}")
    run(connection, "set preserve_insertion_order = true")
    run(connection, "set TimeZone = 'UTC'")
    return connection


def open_warehouse(settings: Settings) -> duckdb.DuckDBPyConnection:
    """Open the warehouse file for reading.

    Raises:
        WarehouseUnusable: it is missing, being written, or no DuckDB file.
    """
    path = settings.warehouse
    if not path.exists():
        raise WarehouseUnusable(f"There is no warehouse at {path}; run `python -m quality build --date yyyy-mm-dd`.")
    try:
        return connect(path, settings, read_only=True)
    except duckdb.Error as error:
        if isinstance(error, duckdb.ConnectionException) or "lock" in str(error):
            raise WarehouseUnusable(f"{path} is being written; wait for its writer, then try again.") from None
        raise WarehouseUnusable(
            f"{path} is no warehouse that this DuckDB can read; remove the file and build again, for all of it is"
            " derived from the lake."
        ) from None


def demand_built_for(batch_date: date, connection: duckdb.DuckDBPyConnection, catalogue: str | None = None) -> None:
    """Refuse a warehouse that dbt has built for another business date; a file that dbt has not built says none.

    Raises:
        WarehouseUnusable: it is of another date; nothing is recorded, and no version is touched.
    """
    if RUNS not in list_tables(connection, catalogue):
        return
    table = f"{catalogue}.main.{RUNS}" if catalogue else RUNS
    built = run(connection, f"select batch_date from {table}")[0][0]
    if built != batch_date:
        raise WarehouseUnusable(
            f"The warehouse is built for {built} and not for {batch_date}; run `python -m quality build --date"
            f" {batch_date}` first."
        )


def run(connection: duckdb.DuckDBPyConnection, sql: str) -> list[tuple[Any, ...]]:
    """Execute a statement and read its result to the end: an unread result blocks the connection."""
    rows: list[tuple[Any, ...]] = connection.execute(sql).fetchall()
    return rows


def list_tables(connection: duckdb.DuckDBPyConnection, catalogue: str | None = None) -> frozenset[str]:
    """Names of the tables and views in schema `main` of the connection's own file, or of an attached one."""
    where = "current_database()" if catalogue is None else quote_text(catalogue)
    listed = f"select table_name from information_schema.tables where table_schema = 'main' and table_catalog = {where}"
    return frozenset(str(name) for (name,) in run(connection, listed))


def expose(connection: duckdb.DuckDBPyConnection, name: str, rows: Rows) -> None:
    """Make rows readable as the temporary view `name` of the connection; none is copied."""
    match rows:
        case WarehouseTable(database, table):
            attached = attach(connection, database)
            held = f"{quote_name(attached)}.main.{quote_name(table)}"
            run(connection, f"create or replace temp view {quote_name(name)} as select * from {held}")
        case ParquetFiles(paths):
            run(connection, f"create or replace temp view {quote_name(name)} as select * from {parquet_sql(paths)}")
        case arrow:
            connection.register(f"arrow_{name}", arrow)
            run(
                connection,
                f"create or replace temp view {quote_name(name)} as select * from {quote_name(f'arrow_{name}')}",
            )


def parquet_sql(paths: tuple[Path, ...]) -> str:
    """SQL that reads Parquet files as one relation."""
    listed = ", ".join(quote_text(str(path)) for path in paths)
    return f"read_parquet([{listed}], hive_partitioning = false)"


def attach(connection: duckdb.DuckDBPyConnection, database: Path) -> str:
    """Attach a DuckDB file read-only, once, and return its alias."""
    held = {path: name for name, path in run(connection, "select database_name, path from duckdb_databases()")}
    if str(database) not in held:
        alias = f"source_{len(held)}"
        run(connection, f"attach {quote_text(str(database))} as {alias} (read_only)")
        return alias
    return str(held[str(database)])
