"""The traffic partner's dialect: JSON lines in which a person is only the SHA-256 of a phone."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import duckdb
import polars as pl

from ingestion.simulation.dropping import (
    BUSINESS_TIMEZONE,
    Drop,
    Spoiler,
    drop_file,
    drop_marker,
    during,
    join_lines,
    leave_intact,
)
from ingestion.simulation.world import World

SOURCE = "traffic_e"


def deliver(world: World, landing: Path, batch_date: date, since: date | None, spoil: Spoiler = leave_intact) -> None:
    """Write the partner's own leads of a business date; organic ones are not its business."""
    leads = world.leads.filter(during("clicked_at", batch_date, since) & (pl.col("channel_code") == "TE")).sort(
        "clicked_at", "lead_id"
    )
    rows = leads.select(
        "lead_id",
        pl.col("clicked_at").dt.replace_time_zone(str(BUSINESS_TIMEZONE)).dt.epoch("ms").cast(pl.String).alias("ts"),
        hash_mobiles(leads["mobile"]),
        "channel_code",
        "campaign",
        pl.col("cost_fen").cast(pl.String),
        "device_os",
    )
    drop = Drop(SOURCE, "leads", batch_date, f"leads_{batch_date:%Y%m%d}.jsonl")
    lines = spoil(drop, rows, _compose)["line"]
    arrived = drop_file(drop, landing, join_lines(lines).encode("utf-8"))
    path = drop.path(landing)
    drop_marker(path.with_name(f"{path.name}.done"), arrived)


def hash_mobiles(mobiles: pl.Series) -> pl.Series:
    """SHA-256, in hexadecimal, of the eleven digits of each phone."""
    numbered = mobiles.alias("mobile").to_frame().with_row_index()
    with duckdb.connect() as connection:
        connection.register("mobiles", numbered)
        hashed: pl.DataFrame = connection.sql("select sha256(mobile) as phone_sha256 from mobiles order by index").pl()
    return hashed["phone_sha256"]


def _compose(rows: pl.DataFrame) -> pl.DataFrame:
    click = (
        '"channel":',
        _quoted("channel_code"),
        ',"campaign":',
        _quoted("campaign"),
        ',"cost_fen":',
        _bare("cost_fen"),
    )
    parts = (
        '{"lead_id":',
        _quoted("lead_id"),
        ',"ts":',
        _bare("ts"),
        ',"phone_sha256":',
        _quoted("phone_sha256"),
        ',"click":{',
        *click,
        '},"device":{"os":',
        _quoted("device_os"),
        "}}",
    )
    return rows.select(line=pl.concat_str(pl.lit(part) if isinstance(part, str) else part for part in parts))


def _bare(column: str) -> pl.Expr:
    return pl.col(column).fill_null("null")


def _quoted(column: str) -> pl.Expr:
    return pl.concat_str(pl.lit('"'), pl.col(column), pl.lit('"')).fill_null("null")
