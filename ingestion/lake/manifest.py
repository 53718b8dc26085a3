"""The manifest (交付清单): what dbt may see of the lake, one row a landed delivery."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import sqlalchemy as sa

from ingestion.contract import load_registry
from ingestion.foundation import Settings
from ingestion.foundation.files import replace_atomically
from ingestion.foundation.ledger import deliveries, use_ledger
from ingestion.foundation.settings import claim_home
from ingestion.foundation.sql import quote_name, quote_text
from ingestion.lake.layout import derive_lake_schema
from ingestion.protection.equivalents import write_equivalents_schema


def write_manifest(settings: Settings) -> Path:
    """Write what dbt may see of the lake: `lake/deliveries.parquet`, one row a landed delivery.

    A zero-row file for every dataset makes one without deliveries an empty table and not an error.
    """
    claim_home(settings)
    registry = load_registry(settings)
    landed = sa.select(deliveries).where(deliveries.c.state == "landed").order_by(deliveries.c.delivery_id)
    with use_ledger(settings) as connection:
        rows = [dict(row._mapping) for row in connection.execute(landed)]
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
            columns = ", ".join(
                f"null::{kind} as {quote_name(name)}" for name, kind in derive_lake_schema(dataset).items()
            )
            file = quote_text(folder / "part-00.parquet")
            connection.execute(f"copy (select {columns} limit 0) to {file} (format parquet)").fetchall()
    write_equivalents_schema(settings)
    path = settings.lake / "deliveries.parquet"
    with replace_atomically(path) as draft:
        frame.write_parquet(draft)
    return path
