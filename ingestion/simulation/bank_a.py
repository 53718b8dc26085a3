"""Bank A's dialect: end-of-day files in GB18030, `|+|` between fields, a count line, amounts in fen."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl

from ingestion.simulation.dropping import Drop, Spoiler, drop_file, drop_marker, during, join_lines, leave_intact
from ingestion.simulation.world import World

SOURCE = "bank_a"
FUNDER_CODE = "BKA"
SEPARATOR = "|+|"
ENCODING = "gb18030"


def deliver(world: World, landing: Path, batch_date: date, since: date | None, spoil: Spoiler = leave_intact) -> None:
    """Write `LOAN`, `BAL` and, on days with compensation, `COMP` of a business date."""
    _write(_name("LOAN", "loans", batch_date), list_loans(world, batch_date, since), landing, spoil)
    _write(_name("BAL", "balances", batch_date), list_balances(world, batch_date), landing, spoil)
    compensations = list_compensations(world, batch_date, since)
    if compensations.height:
        _write(_name("COMP", "compensations", batch_date), compensations, landing, spoil)


def resend_loans(world: World, landing: Path, batch_date: date, since: date | None, night_of: date) -> None:
    """Write the corrected second `LOAN` file of `batch_date`, arriving in the night after `night_of`."""
    rows = list_loans(world, batch_date, since)
    _write(_name("LOAN", "loans", batch_date, "_02"), rows, landing, leave_intact, night_of)


def list_loans(world: World, batch_date: date, since: date | None) -> pl.DataFrame:
    """One row per payout and per reversal, all cells text."""
    return (
        world.loans.filter(during("posted_at", batch_date, since) & (pl.col("funder_code") == FUNDER_CODE))
        .sort("posted_at", "fund_loan_no", "status_code")
        .select(
            "fund_loan_no",
            "loan_no",
            "cert_no",
            "customer_name",
            pl.col("principal_amount_fen").cast(pl.String).alias("principal_fen"),
            pl.col("term_count").cast(pl.String),
            pl.col("nominal_annual_rate_percent").cast(pl.String).alias("annual_rate_percent"),
            pl.col("funded_at").dt.strftime("%Y%m%d%H%M%S"),
            pl.col("value_date").dt.strftime("%Y%m%d"),
            pl.when(pl.col("status_code") == "RV").then(pl.lit("3")).otherwise(pl.lit("1")).alias("status_code"),
        )
    )


def list_balances(world: World, batch_date: date) -> pl.DataFrame:
    """One row per loan with principal outstanding at the bank at the end of the date, all cells text."""
    return world.balances_at(batch_date, FUNDER_CODE).select(
        "fund_loan_no", pl.col("balance_fen").cast(pl.String), balance_date=pl.lit(f"{batch_date:%Y%m%d}")
    )


def list_compensations(world: World, batch_date: date, since: date | None) -> pl.DataFrame:
    """One row per compensated instalment, all cells text."""
    return (
        world.compensations_to(FUNDER_CODE)
        .filter(during("compensated_date", batch_date, since))
        .sort("compensated_date", "comp_no", "term_no")
        .select(
            "comp_no",
            "fund_loan_no",
            pl.col("term_no").cast(pl.String),
            pl.col("compensated_date").dt.strftime("%Y%m%d"),
            pl.col("principal_amount_fen").cast(pl.String).alias("principal_fen"),
            pl.col("interest_amount_fen").cast(pl.String).alias("interest_fen"),
            "comp_type_code",
        )
    )


def _name(kind: str, dataset: str, batch_date: date, suffix: str = "") -> Drop:
    return Drop(SOURCE, dataset, batch_date, f"{kind}_{batch_date:%Y%m%d}{suffix}.txt", heading=1)


def _write(drop: Drop, rows: pl.DataFrame, landing: Path, spoil: Spoiler, night_of: date | None = None) -> None:
    lines = spoil(drop, rows, _compose)["line"]
    text = f"dataRowCount{SEPARATOR}{lines.len()}\n" + join_lines(lines)
    arrived = drop_file(drop, landing, text.encode(ENCODING), night_of)
    drop_marker(drop.path(landing).with_suffix(".ok"), arrived, drop.name)


def _compose(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select(line=pl.concat_str(pl.all().fill_null(""), separator=SEPARATOR))
