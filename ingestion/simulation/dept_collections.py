r"""The collections department's dialect: tabs, no heading, `\N` for nothing, and dates of eight zeros."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl

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

SOURCE = "dept_collections"
NO_VALUE = "\\N"
NO_DATE = "00000000"


def deliver(world: World, landing: Path, batch_date: date, since: date | None, spoil: Spoiler = leave_intact) -> None:
    """Write the cases that changed on a business date, each in its newest version, and the contacts made."""
    for dataset, rows in (
        ("cases", list_cases(world, batch_date, since)),
        ("contacts", list_contacts(world, batch_date, since)),
    ):
        drop = Drop(SOURCE, dataset, batch_date, f"coll_{dataset}_{batch_date:%Y%m%d}.txt")
        lines = spoil(drop, rows, _compose)["line"]
        arrived = drop_file(drop, landing, join_lines(lines).encode("utf-8"))
        drop_marker(drop.path(landing).with_suffix(".ok"), arrived)


def list_cases(world: World, batch_date: date, since: date | None) -> pl.DataFrame:
    """One row per case that was opened, moved or closed, all cells text; the fee of an agency in 千分之."""
    borrowers = world.loans.unique("loan_no", keep="first", maintain_order=True).select(
        "loan_no", "application_no", "cert_no", "customer_name"
    )
    phones = world.applications.select("application_no", "mobile")
    return (
        world.cases.filter(during("changed_date", batch_date, since))
        .sort("case_no", "version")
        .unique("case_no", keep="last", maintain_order=True)
        .join(borrowers, on="loan_no", how="left", maintain_order="left")
        .join(phones, on="application_no", how="left", maintain_order="left")
        .select(
            "case_no",
            pl.col("version").cast(pl.String),
            "loan_no",
            "cert_no",
            "customer_name",
            "mobile",
            "stage_code",
            "agency_code",
            _day("opened_date"),
            _day("closed_date"),
            _day("assigned_until_date"),
            yuan_text("overdue_amount_fen"),
            pl.col("overdue_term_count").cast(pl.String),
            pl.col("commission_per_mille").cast(pl.String),
            _day("changed_date"),
        )
    )


def list_contacts(world: World, batch_date: date, since: date | None) -> pl.DataFrame:
    """One row per contact attempt, all cells text."""
    return (
        world.contacts.filter(during("contacted_at", batch_date, since))
        .sort("contacted_at", "contact_no")
        .select(
            "contact_no",
            "case_no",
            pl.col("contacted_at").dt.strftime("%Y-%m-%d %H:%M:%S"),
            "channel_code",
            "agent_no",
            "result_code",
            pl.col("duration_seconds").cast(pl.String),
            _day("promised_date"),
            yuan_text("promised_amount_fen"),
            "remark",
        )
    )


def _day(column: str) -> pl.Expr:
    return pl.col(column).dt.strftime("%Y%m%d").fill_null(NO_DATE)


def _compose(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select(line=pl.concat_str(pl.all().fill_null(NO_VALUE), separator="\t"))
