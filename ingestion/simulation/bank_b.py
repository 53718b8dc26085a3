"""Bank B's dialect: UTF-8, no heading, `|` after every value, yuan; totals, digest and signature beside each file."""

from __future__ import annotations

import base64
import hashlib
from datetime import date
from pathlib import Path

import polars as pl
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ingestion.simulation.dropping import (
    Drop,
    Spoiler,
    drop_file,
    drop_marker,
    during,
    fen_text,
    join_lines,
    leave_intact,
    yuan_text,
)
from ingestion.simulation.world import World

SOURCE = "bank_b"
FUNDER_CODE = "BKB"
SEPARATOR = "|"
SIGNING_KEY = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"signing key of the simulated bank_b").digest())
LOAN_STATUS = {"RP": "S", "RV": "C"}
REPAY_METHOD = {"01": "11", "02": "12", "09": "19"}
COMPENSATION_TYPE = {"01": "DC", "02": "HG"}


def deliver(world: World, landing: Path, batch_date: date, since: date | None, spoil: Spoiler = leave_intact) -> None:
    """Write `LOAN`, `BAL` and `COMP` of a business date; a day without compensation has its control file only."""
    _write("LOAN", "loans", batch_date, list_loans(world, batch_date, since), landing, spoil)
    _write("BAL", "balances", batch_date, list_balances(world, batch_date), landing, spoil)
    _write("COMP", "compensations", batch_date, list_compensations(world, batch_date, since), landing, spoil)


def list_loans(world: World, batch_date: date, since: date | None) -> pl.DataFrame:
    """One row per payout and per reversal, all cells text but `control_fen`, the amount that the control file sums."""
    rate = (pl.col("nominal_annual_rate_percent").cast(pl.Decimal(18, 4)) * 10_000).cast(pl.Int64)
    maturity = pl.col("funded_at").dt.date().dt.offset_by(pl.format("{}mo", "term_count"))
    return (
        world.loans.filter(during("posted_at", batch_date, since) & (pl.col("funder_code") == FUNDER_CODE))
        .sort("posted_at", "fund_loan_no", "status_code")
        .select(
            "fund_loan_no",
            "loan_no",
            "customer_name",
            "cert_no",
            yuan_text("principal_amount_fen"),
            pl.col("term_count").cast(pl.String),
            pl.format("{}.{}", rate // 1_000_000, (rate % 1_000_000).cast(pl.String).str.zfill(6)).alias("annual_rate"),
            pl.col("repay_method_code").replace_strict(REPAY_METHOD),
            pl.col("funded_at").dt.strftime("%Y-%m-%d %H:%M:%S"),
            pl.col("value_date").dt.strftime("%Y-%m-%d"),
            maturity.dt.strftime("%Y-%m-%d").alias("maturity_date"),
            pl.col("status_code").replace_strict(LOAN_STATUS),
            pl.col("principal_amount_fen").alias("control_fen"),
        )
    )


def list_balances(world: World, batch_date: date) -> pl.DataFrame:
    """One row per loan with principal outstanding at the bank at the end of the date."""
    return world.balances_at(batch_date, FUNDER_CODE).select(
        pl.lit(f"{batch_date:%Y-%m-%d}").alias("balance_date"),
        "fund_loan_no",
        yuan_text("balance_fen").alias("balance_amount"),
        pl.col("balance_fen").alias("control_fen"),
    )


def list_compensations(world: World, batch_date: date, since: date | None) -> pl.DataFrame:
    """One row per compensated instalment."""
    return (
        world.compensations_to(FUNDER_CODE)
        .filter(during("compensated_date", batch_date, since))
        .sort("compensated_date", "comp_no", "term_no")
        .select(
            "comp_no",
            "fund_loan_no",
            pl.col("term_no").cast(pl.String),
            pl.col("compensated_date").dt.strftime("%Y-%m-%d"),
            yuan_text("principal_amount_fen"),
            yuan_text("interest_amount_fen"),
            pl.col("comp_type_code").replace_strict(COMPENSATION_TYPE),
            pl.col("principal_amount_fen").alias("control_fen"),
        )
    )


def _write(kind: str, dataset: str, batch_date: date, rows: pl.DataFrame, landing: Path, spoil: Spoiler) -> None:
    drop = Drop(SOURCE, dataset, batch_date, f"BKB_{kind}_{batch_date:%Y%m%d}.dat")
    composed = spoil(drop, rows, _compose)
    path, content = drop.path(landing), join_lines(composed["line"]).encode()
    arrived = drop.arrival
    if composed.height or dataset != "compensations":
        drop_file(drop, landing, content)
        drop_marker(
            path.with_name(f"{drop.name}.sha256"), arrived, f"{hashlib.sha256(content).hexdigest()}  {drop.name}\n"
        )
        drop_marker(path.with_name(f"{drop.name}.sig"), arrived, base64.b64encode(SIGNING_KEY.sign(content)).decode())
    totals = (drop.name, str(composed.height), fen_text(int(composed["control_fen"].sum())))
    drop_marker(path.with_suffix(".ctl"), arrived, SEPARATOR.join(totals) + "\n")


def _compose(rows: pl.DataFrame) -> pl.DataFrame:
    cells = pl.exclude("control_fen").fill_null("")
    return rows.select(pl.concat_str(cells, separator=SEPARATOR).add(SEPARATOR).alias("line"), "control_fen")
