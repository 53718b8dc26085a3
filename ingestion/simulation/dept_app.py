"""The App department's dialect: nested JSON lines, split into numbered parts that a list file names."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl

from ingestion.simulation.dropping import (
    BUSINESS_TIMEZONE,
    Compose,
    Drop,
    Spoiler,
    drop_file,
    drop_marker,
    during,
    join_lines,
    leave_intact,
)
from ingestion.simulation.world import World

SOURCE = "dept_app"
ROWS_A_PART = 1_500


def deliver(world: World, landing: Path, batch_date: date, since: date | None, spoil: Spoiler = leave_intact) -> None:
    """Write the registrations and logins of a business date, each in parts of `ROWS_A_PART` lines, one at least."""
    registrations = list_registrations(world, batch_date, since)
    logins = list_logins(world, batch_date, since)
    _write("REGISTER", "registrations", registrations, _compose_registrations, landing, batch_date, spoil)
    _write("LOGIN", "logins", logins, _compose_logins, landing, batch_date, spoil)


def list_registrations(world: World, batch_date: date, since: date | None) -> pl.DataFrame:
    """One row per user; `ts` in milliseconds since 1970."""
    return (
        world.registrations.filter(during("registered_at", batch_date, since))
        .sort("registered_at", "user_id")
        .select(
            "user_id",
            _milliseconds("registered_at"),
            pl.col("mobile").alias("phone"),
            "channel_code",
            "device_id",
            "device_os",
            "device_model",
            "app_store",
            "app_version",
        )
    )


def list_logins(world: World, batch_date: date, since: date | None) -> pl.DataFrame:
    """One row per login; `ts` in milliseconds since 1970."""
    return (
        world.logins.filter(during("logged_in_at", batch_date, since))
        .sort("logged_in_at", "login_no")
        .select(
            "login_no",
            "user_id",
            _milliseconds("logged_in_at"),
            "device_id",
            "method_code",
            "result_code",
            "ip_address",
            "city",
        )
    )


def _milliseconds(column: str) -> pl.Expr:
    return pl.col(column).dt.replace_time_zone(str(BUSINESS_TIMEZONE)).dt.epoch("ms").alias("ts")


def _write(
    kind: str,
    dataset: str,
    rows: pl.DataFrame,
    compose: Compose,
    landing: Path,
    batch_date: date,
    spoil: Spoiler,
) -> None:
    """Lines are counted through all parts, in the order of the list."""
    stem = f"EVENT_{kind}_{batch_date:%Y%m%d}"
    listing = Drop(SOURCE, dataset, batch_date, f"{stem}.lst")
    lines = spoil(listing, rows, compose)["line"]
    starts = range(0, max(lines.len(), 1), ROWS_A_PART)
    parts = [Drop(SOURCE, dataset, batch_date, f"{stem}_{order:03d}.jsonl") for order in range(1, len(starts) + 1)]
    arrivals = [
        drop_file(part, landing, join_lines(lines.slice(start, ROWS_A_PART)).encode("utf-8"))
        for part, start in zip(parts, starts, strict=True)
    ]
    names = "".join(f"{part.name}\n" for part in parts)
    arrivals.append(drop_file(listing, landing, names.encode("utf-8")))
    drop_marker(listing.path(landing).with_suffix(".ok"), max(arrivals))


def _compose_registrations(rows: pl.DataFrame) -> pl.DataFrame:
    event = pl.struct(
        pl.lit("register").alias("event"),
        "ts",
        pl.struct(pl.col("user_id").alias("id"), "phone", pl.col("channel_code").alias("channel")).alias("user"),
        pl.struct(
            pl.col("device_id").alias("id"), pl.col("device_os").alias("os"), pl.col("device_model").alias("model")
        ).alias("device"),
        pl.struct(pl.col("app_version").alias("version"), pl.col("app_store").alias("store")).alias("app"),
    )
    return rows.select(line=event.struct.json_encode())


def _compose_logins(rows: pl.DataFrame) -> pl.DataFrame:
    event = pl.struct(
        pl.lit("login").alias("event"),
        pl.col("login_no").alias("id"),
        "ts",
        pl.struct(pl.col("user_id").alias("id")).alias("user"),
        pl.struct(pl.col("device_id").alias("id")).alias("device"),
        pl.struct(pl.col("method_code").alias("method"), pl.col("result_code").alias("result")).alias("auth"),
        pl.struct(pl.col("ip_address").alias("ip"), pl.struct("city").alias("geo")).alias("net"),
    )
    return rows.select(line=event.struct.json_encode())
