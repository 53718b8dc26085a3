"""The risk department's dialect: a Parquet file per table and a `_SUCCESS` marker."""

from __future__ import annotations

import io
from datetime import date
from pathlib import Path

import polars as pl

from ingestion.simulation.dropping import Drop, Spoiler, drop_file, drop_marker, during, leave_intact, yuan
from ingestion.simulation.world import World

SOURCE = "dept_risk"


def deliver(world: World, landing: Path, batch_date: date, since: date | None, spoil: Spoiler = leave_intact) -> None:
    """Write applications and decisions of a business date; -1 and -999 stand for missing values."""
    applications = (
        world.applications.filter(during("applied_at", batch_date, since))
        .sort("applied_at", "application_no")
        .select(
            "application_no",
            "cert_no",
            "customer_name",
            "mobile",
            "channel_code",
            "lead_id",
            "product_code",
            yuan("requested_amount_fen"),
            "term_count",
            yuan("monthly_income_amount_fen").fill_null(pl.lit("-1.00").cast(pl.Decimal(18, 2))),
            pl.col("is_test").fill_null(False),
            "applied_at",
        )
    )
    decisions = (
        world.decisions.filter(during("decided_at", batch_date, since))
        .sort("decided_at", "application_no")
        .select(
            "application_no",
            "decision_code",
            yuan("approved_amount_fen"),
            pl.col("risk_score").fill_null(-999),
            "strategy_version",
            "reason_code",
            "decided_at",
        )
    )
    arrivals = []
    for dataset, rows in (("applications", applications), ("decisions", decisions)):
        drop = Drop(SOURCE, dataset, batch_date, f"{dataset}.parquet")
        arrivals.append(drop_file(drop, landing, _encode(spoil(drop, rows, lambda frame: frame))))
    drop_marker(Drop(SOURCE, "", batch_date, "_SUCCESS").path(landing), max(arrivals))


def _encode(rows: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    rows.write_parquet(buffer, compression="zstd")
    return buffer.getvalue()
