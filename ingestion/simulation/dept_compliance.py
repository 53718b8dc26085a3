"""The compliance department's dialect: a quoted CSV with a byte order mark and CRLF, and an empty `.ok`."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl

from ingestion.simulation.dropping import Drop, Spoiler, drop_file, drop_marker, during, join_lines, leave_intact
from ingestion.simulation.world import World

SOURCE = "dept_compliance"
BYTE_ORDER_MARK = "\ufeff"


def deliver(world: World, landing: Path, batch_date: date, since: date | None, spoil: Spoiler = leave_intact) -> None:
    """Write the consent events of a business date."""
    events = (
        world.consents.filter(during("occurred_at", batch_date, since))
        .sort("occurred_at", "event_no")
        .select(
            "event_no",
            "cert_no",
            "event_code",
            "purpose_code",
            "recipient_code",
            "consent_kind_code",
            "text_version",
            "channel_code",
            pl.col("occurred_at").dt.strftime("%Y-%m-%d %H:%M:%S"),
            pl.col("valid_to").dt.strftime("%Y%m%d"),
        )
    )
    drop = Drop(SOURCE, "consents", batch_date, f"consents_{batch_date:%Y%m%d}.csv", heading=1)
    lines = spoil(drop, events, _compose)["line"]
    text = BYTE_ORDER_MARK + ",".join(events.columns) + "\r\n" + join_lines(lines, "\r\n")
    arrived = drop_file(drop, landing, text.encode("utf-8"))
    drop_marker(drop.path(landing).with_suffix(".ok"), arrived)


def _compose(events: pl.DataFrame) -> pl.DataFrame:
    cells = [pl.concat_str(pl.lit('"'), pl.col(c).fill_null(""), pl.lit('"')) for c in events.columns]
    return events.select(line=pl.concat_str(cells, separator=","))
