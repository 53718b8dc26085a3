"""Consent events (授权与撤回) of the simulated customers."""

from __future__ import annotations

import numpy as np
import polars as pl

from ingestion.simulation.applications import END
from ingestion.simulation.streams import as_moments, open_stream

GRANTS = (
    ("UNDERWRITE", "3"),
    ("SERVICING", "1"),
    ("MODEL_DEV", "2"),
    ("LIMIT_MGMT", "2"),
    ("MARKETING", "2"),
)
MARKETING_SHARE = 0.85
WITHDRAWAL_SHARE = 0.04


def draw_consents(persons: pl.DataFrame, applications: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Draw one row per consent event: grants minutes before the first application, and some withdrawals."""
    stream = open_stream(seed, "consents")
    first = applications.filter("is_first").select("person", "applied_at", "channel_code")
    size = first.height
    kinds = len(GRANTS)
    granted = first["applied_at"].to_numpy().astype("datetime64[s]") - stream.integers(60, 840, size).astype(
        "timedelta64[s]"
    )
    keeps = np.ones((size, kinds), dtype=np.bool_)
    keeps[:, kinds - 1] = stream.random(size) < MARKETING_SHARE
    withdrawn_purpose = stream.integers(2, kinds, size)
    withdraws = (stream.random(size) < WITHDRAWAL_SHARE) & keeps[np.arange(size), withdrawn_purpose]
    span = (END - granted).astype(np.int64)
    withdrawn = granted + (span * stream.uniform(0.02, 1.0, size)).astype("timedelta64[s]")
    row, purpose = np.nonzero(keeps)
    leaving = np.flatnonzero(withdraws)
    who = np.concatenate([row, leaving])
    what = np.concatenate([purpose, withdrawn_purpose[leaving]])
    is_grant = np.arange(who.size) < row.size
    events = pl.DataFrame(
        {
            "person": first["person"].gather(who),
            "event_code": pl.Series(np.where(is_grant, "G", "W"), dtype=pl.String),
            "purpose_code": pl.Series([name for name, _ in GRANTS]).gather(what),
            "consent_kind_code": pl.Series([kind for _, kind in GRANTS]).gather(what),
            "order": what,
            "occurred_at": as_moments(np.concatenate([granted[row], withdrawn[leaving]])),
            "channel_code": first["channel_code"].gather(who),
        }
    ).sort("occurred_at", "person", "order")
    yearly = (pl.col("purpose_code") == "MARKETING") & (pl.col("event_code") == "G")
    return events.select(
        pl.concat_str(
            pl.lit("CE"),
            pl.col("occurred_at").dt.strftime("%y%m%d"),
            pl.int_range(1, pl.len() + 1).cast(pl.String).str.zfill(8),
        ).alias("event_no"),
        persons["person_id"].gather(events["person"]),
        persons["cert_no"].gather(events["person"]),
        "event_code",
        "purpose_code",
        pl.lit("PLATFORM").alias("recipient_code"),
        "consent_kind_code",
        pl.lit("v2025.1").alias("text_version"),
        "channel_code",
        "occurred_at",
        pl.when(yearly)
        .then(pl.col("occurred_at").dt.date().dt.offset_by("1y"))
        .otherwise(pl.date(9999, 12, 31))
        .alias("valid_to"),
    )
