"""The marketing department's dialects: a quoted CSV from its own desk, and an overseas platform's file in cp1252."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl

from ingestion.simulation.advertising import PLATFORM_TIMEZONE
from ingestion.simulation.dropping import (
    Drop,
    Spoiler,
    drop_file,
    drop_marker,
    during,
    join_lines,
    leave_intact,
    yuan_text,
)
from ingestion.simulation.world import World

SOURCE = "dept_marketing"
BYTE_ORDER_MARK = "\ufeff"
NO_VALUE = "-"
# Stands for a byte that cp1252 does not know, until the file is encoded.
FOREIGN, FOREIGN_BYTE = "\ue081", b"\x81"


def deliver(world: World, landing: Path, batch_date: date, since: date | None, spoil: Spoiler = leave_intact) -> None:
    """Write the clicks of a business date, and what the overseas platform charged for its last finished day."""
    _write_clicks(list_clicks(world, batch_date, since), landing, batch_date, spoil)
    _write_ad_costs(list_ad_costs(world, batch_date, since), landing, batch_date, spoil)


def list_clicks(world: World, batch_date: date, since: date | None) -> pl.DataFrame:
    """One row per click, all cells text; amounts in yuan with thousands separators, the commission in 万分之."""
    return (
        world.clicks.filter(during("clicked_at", batch_date, since))
        .sort("clicked_at", "click_no")
        .select(
            "click_no",
            pl.col("clicked_at").dt.strftime("%Y/%m/%d %H:%M:%S"),
            "platform_code",
            "campaign",
            "ad_copy",
            pl.col("mobile").alias("phone"),
            "lead_id",
            _grouped_yuan("cost_fen").alias("cost"),
            _grouped_yuan("budget_amount_fen").alias("daily_budget"),
            pl.col("commission_per_ten_thousand").cast(pl.String).alias("commission_wan"),
        )
    )


def list_ad_costs(world: World, batch_date: date, since: date | None) -> pl.DataFrame:
    """One row per campaign and platform day, all cells text; a day ends in Los Angeles when it is noon in Beijing."""
    return (
        world.ad_costs.filter(during("closed_date", batch_date, since))
        .sort("report_date", "campaign_code")
        .select(
            pl.col("report_date").dt.strftime("%Y/%m/%d").alias("Date"),
            pl.lit(PLATFORM_TIMEZONE).alias("Account time zone"),
            pl.col("campaign_code").alias("Campaign ID"),
            pl.col("campaign_name").alias("Campaign"),
            pl.col("impression_count").cast(pl.String).alias("Impressions"),
            pl.col("click_count").cast(pl.String).alias("Clicks"),
            yuan_text("cost_cents").alias("Cost (USD)"),
        )
    )


def _write_clicks(rows: pl.DataFrame, landing: Path, batch_date: date, spoil: Spoiler) -> None:
    drop = Drop(SOURCE, "clicks", batch_date, f"clicks_{batch_date:%Y%m%d}.csv", heading=1)
    lines = spoil(drop, rows, _compose_clicks)["line"]
    text = BYTE_ORDER_MARK + ",".join(rows.columns) + "\r\n" + join_lines(lines, "\r\n")
    arrived = drop_file(drop, landing, text.encode("utf-8"))
    drop_marker(drop.path(landing).with_suffix(".ok"), arrived)


def _compose_clicks(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select(line=pl.concat_str([_quote_if_needed(column) for column in rows.columns], separator=","))


def _quote_if_needed(column: str) -> pl.Expr:
    text = pl.col(column).fill_null(NO_VALUE)
    doubled = pl.concat_str(pl.lit('"'), text.str.replace_all('"', '""', literal=True), pl.lit('"'))
    return pl.when(text.str.contains('[,"\n]')).then(doubled).otherwise(text)


def _grouped_yuan(column: str) -> pl.Expr:
    """Fen below a million yuan as text in yuan, thousands set off by a comma."""
    fen = pl.col(column)
    thousands = fen // 100_000
    rest = pl.concat_str(
        (fen // 100 % 1_000).cast(pl.String).str.zfill(3), pl.lit("."), (fen % 100).cast(pl.String).str.zfill(2)
    )
    return (
        pl.when(thousands > 0)
        .then(pl.concat_str(thousands.cast(pl.String), pl.lit(","), rest))
        .otherwise(yuan_text(column))
    )


def _write_ad_costs(rows: pl.DataFrame, landing: Path, batch_date: date, spoil: Spoiler) -> None:
    drop = Drop(SOURCE, "ad_costs", batch_date, f"ad_costs_{batch_date:%Y%m%d}.tsv", heading=1)
    lines = spoil(drop, rows, _compose_ad_costs)["line"]
    total = lines.str.split("\t").list.last().cast(pl.Decimal(18, 2)).sum()
    text = "\t".join(rows.columns) + "\n" + join_lines(lines)
    content = FOREIGN_BYTE.join(part.encode("cp1252") for part in text.split(FOREIGN))
    arrived = drop_file(drop, landing, content)
    path = drop.path(landing)
    control = f"FILE={drop.name}\nROWS={lines.len()}\nSUM_COST={total:.2f}\n"
    drop_marker(path.with_name(f"{path.name}.ctl"), arrived, control)


def _compose_ad_costs(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select(line=pl.concat_str(pl.all(), separator="\t"))
