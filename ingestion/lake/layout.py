"""The lake (数据湖): typed, tokenised, immutable Parquet, one file set a delivery, and what dbt may see of it."""

from __future__ import annotations

from pathlib import Path

import duckdb

from ingestion.contract import Dataset
from ingestion.foundation import BUSINESS_TIMEZONE, Settings
from ingestion.protection import derive_output_types

LINEAGE = {
    "_delivery_id": "VARCHAR",
    "_line_number": "BIGINT",
    "_batch_date": "DATE",
    "_sequence": "INTEGER",
    "_known_at": "TIMESTAMPTZ",
}
ROW_GROUP = 122_880  # DuckDB's


def open_connection(settings: Settings, memory_limit: str, spill: Path) -> duckdb.DuckDBPyConnection:
    """A DuckDB connection within the given limits, on Beijing time."""
    connection = duckdb.connect(
        ":memory:",
        config={"threads": settings.threads, "memory_limit": memory_limit, "temp_directory": str(spill)},
    )
    connection.execute(f"set TimeZone = '{BUSINESS_TIMEZONE.key}'").fetchall()
    connection.execute("set enable_progress_bar = false").fetchall()
    return connection


def choose_parquet_options(dataset: Dataset) -> str:
    """How `copy` writes a dataset.

    A higher level of compression costs more than it saves, and so does a dictionary of more values than a tenth of a
    row group. Version 2 is smaller and read in half the time. Its form of DOUBLE is one that not every Spark reads.
    """
    version = "v1" if "DOUBLE" in derive_lake_schema(dataset).values() else "v2"
    words = f"dictionary_size_limit {ROW_GROUP // 10}"
    return f"format parquet, parquet_version {version}, compression zstd, compression_level 1, {words}"


def derive_lake_schema(dataset: Dataset) -> dict[str, str]:
    """Columns of a dataset in the lake, in order, with their DuckDB types; the last ones are the lineage."""
    schema: dict[str, str] = {}
    for column in dataset.columns:
        if column.profile.drop:
            continue
        schema.update(derive_output_types(column) if column.profile.protect else {column.name: column.type})
    return schema | LINEAGE
