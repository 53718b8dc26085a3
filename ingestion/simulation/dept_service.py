r"""The service department's dialects: `\x01` after every field, and complaints that come only when there are some."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl

from ingestion.simulation.dropping import (
    Drop,
    Spoiler,
    arrive_at,
    drop_file,
    drop_marker,
    during,
    join_lines,
    leave_intact,
    yuan_text,
)
from ingestion.simulation.world import World

SOURCE = "dept_service"
SEPARATOR = "\x01"
COMPLAINT_SEPARATOR = "||"
NIL_RETURN_WEEKDAY = 2


def deliver(world: World, landing: Path, batch_date: date, since: date | None, spoil: Spoiler = leave_intact) -> None:
    """Write the tickets of a business date and, where there were any, its complaints.

    On a Wednesday without complaints the marker alone comes (零报告); on other days without them, nothing.
    """
    drop = Drop(SOURCE, "tickets", batch_date, f"ticket_{batch_date:%Y%m%d}.dat")
    lines = spoil(drop, list_tickets(world, batch_date, since), _compose_tickets)["line"]
    arrived = drop_file(drop, landing, join_lines(lines).encode("utf-8"))
    drop_marker(drop.path(landing).with_suffix(".ok"), arrived)
    _write_complaints(list_complaints(world, batch_date, since), landing, batch_date, spoil)


def list_tickets(world: World, batch_date: date, since: date | None) -> pl.DataFrame:
    """One row per ticket that was opened or closed, in its newest state, all cells text; score 0 is no score."""
    return (
        world.tickets.filter(during("changed_at", batch_date, since))
        .sort("changed_at", "ticket_no")
        .unique("ticket_no", keep="last", maintain_order=True)
        .select(
            "ticket_no",
            "cert_no",
            "customer_name",
            "mobile",
            "channel_code",
            "category_code",
            "content",
            _moment("opened_at"),
            _moment("closed_at").fill_null("null"),
            pl.col("satisfaction_score").cast(pl.String),
            "status_code",
            _moment("changed_at"),
        )
    )


def list_complaints(world: World, batch_date: date, since: date | None) -> pl.DataFrame:
    """One row per complaint, all cells text."""
    return (
        world.complaints.filter(during("received_date", batch_date, since))
        .sort("received_date", "complaint_no")
        .select(
            "complaint_no",
            "ticket_no",
            "cert_no",
            "customer_name",
            "mobile",
            pl.col("received_date").dt.strftime("%Y-%m-%d"),
            "source_code",
            "category_code",
            yuan_text("demanded_amount_fen"),
            "description",
            pl.col("reply_due_date").dt.strftime("%Y-%m-%d"),
        )
    )


def _moment(column: str) -> pl.Expr:
    return pl.col(column).dt.strftime("%Y-%m-%d %H:%M:%S")


def _compose_tickets(rows: pl.DataFrame) -> pl.DataFrame:
    fields = [pl.concat_str(pl.col(column).fill_null("NULL"), pl.lit(SEPARATOR)) for column in rows.columns]
    return rows.select(line=pl.concat_str(fields))


def _write_complaints(rows: pl.DataFrame, landing: Path, batch_date: date, spoil: Spoiler) -> None:
    drop = Drop(SOURCE, "complaints", batch_date, f"complaint_{batch_date:%Y%m%d}.txt", heading=1)
    marker = drop.path(landing).with_suffix(".ok")
    if rows.height:
        lines = spoil(drop, rows, _compose_complaints)["line"]
        text = COMPLAINT_SEPARATOR.join(rows.columns) + "\n" + join_lines(lines)
        drop_marker(marker, drop_file(drop, landing, text.encode("utf-8")))
    elif batch_date.weekday() == NIL_RETURN_WEEKDAY:
        drop_marker(marker, arrive_at(SOURCE, drop.name, batch_date))


def _compose_complaints(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select(line=pl.concat_str(pl.all().fill_null(""), separator=COMPLAINT_SEPARATOR))
