"""The lake (数据湖): typed, tokenised, immutable Parquet, one file set a delivery, and what dbt may see of it."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import sqlalchemy as sa

from ingestion.contract import Dataset
from ingestion.equivalents import write_schema
from ingestion.ledger import deliveries, open_ledger
from ingestion.protection import output_types
from ingestion.registry import load_registry
from ingestion.settings import BUSINESS_TIMEZONE, Settings
from ingestion.typing_rules import quoted

LINEAGE = {
    "_delivery_id": "VARCHAR",
    "_line_number": "BIGINT",
    "_batch_date": "DATE",
    "_sequence": "INTEGER",
    "_known_at": "TIMESTAMPTZ",
}
ROW_GROUP = 122_880  # DuckDB's


def connect(settings: Settings, memory_limit: str, spill: Path) -> duckdb.DuckDBPyConnection:
    """A DuckDB connection within the given limits, on Beijing time."""
    connection = duckdb.connect(
        ":memory:",
        config={"threads": settings.threads, "memory_limit": memory_limit, "temp_directory": str(spill)},
    )
    connection.execute(f"set TimeZone = '{BUSINESS_TIMEZONE.key}'").fetchall()
    connection.execute("set enable_progress_bar = false").fetchall()
    return connection


def parquet_options(dataset: Dataset) -> str:
    """How `copy` writes a dataset: a higher level of compression costs more than it saves, and so does a dictionary of
    more values than a tenth of a row group; version 2 is smaller and read in half the time, but its form of DOUBLE is
    one that not every Spark reads.
    """
    version = "v1" if "DOUBLE" in lake_schema(dataset).values() else "v2"
    words = f"dictionary_size_limit {ROW_GROUP // 10}"
    return f"format parquet, parquet_version {version}, compression zstd, compression_level 1, {words}"


def lake_schema(dataset: Dataset) -> dict[str, str]:
    """Columns of a dataset in the lake, in order, with their DuckDB types; the last ones tell the lineage."""
    schema: dict[str, str] = {}
    for column in dataset.columns:
        if column.profile.drop:
            continue
        schema.update(output_types(column) if column.profile.protect else {column.name: column.type})
    return schema | LINEAGE


def write_manifest(settings: Settings) -> Path:
    """Write what dbt may see of the lake: `lake/deliveries.parquet`, one row a landed delivery, and a zero-row file
    for every dataset, so that a dataset without deliveries is an empty table and not an error.
    """
    registry = load_registry(settings)
    ledger = open_ledger(settings)
    landed = sa.select(deliveries).where(deliveries.c.state == "landed").order_by(deliveries.c.delivery_id)
    with ledger.connect() as connection:
        rows = [dict(row._mapping) for row in connection.execute(landed)]
    ledger.dispose()
    moment = pl.Datetime("us", "UTC")
    schema: dict[str, Any] = {
        "delivery_id": pl.String, "source": pl.String, "dataset": pl.String, "batch_date": pl.Date,
        "sequence": pl.Int32, "version": pl.Int32, "token_key": pl.String,
        "received_at": moment, "superseded_at": moment, "rows_in": pl.Int64, "rows_landed": pl.Int64,
        "rows_quarantined": pl.Int64,
    }  # fmt: skip
    moments = {"received_at", "superseded_at"}
    frame = pl.DataFrame(
        {
            name: [datetime.fromisoformat(row[name]) if name in moments and row[name] else row[name] for row in rows]
            for name in schema
        },
        schema=schema,
    )
    settings.lake.mkdir(parents=True, exist_ok=True)
    with duckdb.cursor() as connection:
        for dataset in registry.datasets:
            folder = settings.lake / dataset.source / dataset.name / "batch_date=0001-01-01" / "schema"
            folder.mkdir(parents=True, exist_ok=True)
            columns = ", ".join(f"null::{kind} as {quoted(name)}" for name, kind in lake_schema(dataset).items())
            connection.execute(
                f"copy (select {columns} limit 0) to '{folder / 'part-00.parquet'}' (format parquet)"
            ).fetchall()
    write_schema(settings)
    draft, path = settings.lake / f".deliveries.{os.getpid()}", settings.lake / "deliveries.parquet"
    frame.write_parquet(draft)
    draft.replace(path)
    return path
