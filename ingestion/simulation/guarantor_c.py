"""Guarantor C's dialect: fixed-width records in GB18030, counted in bytes, with a control file of labelled totals."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

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
from ingestion.simulation.streams import Integers
from ingestion.simulation.world import World

SOURCE = "guarantor_c"
ENCODING = "gb18030"
NO_DATE = "00000000"
OPEN_END = "99991231"
UNTIL_PAID_OFF = 12
MONTHS_AFTER_MATURITY = 24
COMPENSATION_TYPE = {"01": "1", "02": "2"}
WIDTHS = {
    "guarantees": {
        "guarantee_no": 20,
        "loan_no": 20,
        "bank_code": 3,
        "fund_loan_no": 20,
        "cert_no": 18,
        "customer_name": 30,
        "guaranteed_amount": 15,
        "fee_rate": 10,
        "fee_rate_unit_code": 1,
        "overdue_daily_rate": 10,
        "start_date": 8,
        "valid_to": 8,
        "released_date": 8,
        "status_code": 1,
        "updated_date": 8,
    },
    "compensations": {
        "pay_no": 20,
        "guarantee_no": 20,
        "bank_code": 3,
        "fund_loan_no": 20,
        "term_no": 3,
        "paid_date": 8,
        "principal_amount": 15,
        "interest_amount": 15,
        "comp_type_code": 1,
    },
    "recoveries": {
        "recovery_no": 20,
        "pay_no": 20,
        "guarantee_no": 20,
        "term_no": 3,
        "received_date": 8,
        "principal_fen": 15,
        "interest_fen": 15,
        "penalty_fen": 15,
        "channel_code": 2,
    },
}
NUMBERS = ("_amount", "_fen", "_rate", "term_no")


def deliver(world: World, landing: Path, batch_date: date, since: date | None, spoil: Spoiler = leave_intact) -> None:
    """Write `GUAR` of a business date, and `COMP` and `RECV` where there is something to report."""
    guarantees = list_guarantees(world, batch_date, since)
    _write("GUAR", "guarantees", batch_date, guarantees, landing, spoil)
    for kind, dataset, rows in (
        ("COMP", "compensations", list_compensations(world, batch_date, since)),
        ("RECV", "recoveries", list_recoveries(world, batch_date, since)),
    ):
        if rows.height:
            _write(kind, dataset, batch_date, rows, landing, spoil)


def list_guarantees(world: World, batch_date: date, since: date | None) -> pl.DataFrame:
    """One row per guarantee contract signed or ended, as it stands at the end of the date.

    Cells are text but `control_fen`, the amount that the control file sums.
    """
    has_ended = (pl.col("ended_date") <= batch_date).fill_null(False)
    maturity = pl.col("funded_at").dt.date().dt.offset_by(pl.format("{}mo", pl.col("term_count")))
    return (
        world.guarantees.filter(during("signed_at", batch_date, since) | during("ended_date", batch_date, since))
        .filter(pl.col("signed_at").dt.date() <= batch_date)
        .sort("loan_no")
        .select(
            _guarantee_no(),
            "loan_no",
            pl.col("funder_code").alias("bank_code"),
            "fund_loan_no",
            "cert_no",
            "customer_name",
            yuan_text("principal_amount_fen").alias("guaranteed_amount"),
            pl.lit("0.1500").alias("fee_rate"),
            pl.lit("2").alias("fee_rate_unit_code"),
            pl.lit("0.000500").alias("overdue_daily_rate"),
            pl.col("value_date").dt.strftime("%Y%m%d").alias("start_date"),
            pl.when(pl.col("term_count") == UNTIL_PAID_OFF)
            .then(pl.lit(OPEN_END))
            .otherwise(maturity.dt.offset_by(f"{MONTHS_AFTER_MATURITY}mo").dt.strftime("%Y%m%d"))
            .alias("valid_to"),
            pl.when(has_ended)
            .then(pl.col("ended_date").dt.strftime("%Y%m%d"))
            .otherwise(pl.lit(NO_DATE))
            .alias("released_date"),
            pl.when(has_ended).then("end_code").otherwise(pl.lit("1")).alias("status_code"),
            pl.when(has_ended)
            .then("ended_date")
            .otherwise(pl.col("signed_at").dt.date())
            .dt.strftime("%Y%m%d")
            .alias("updated_date"),
            pl.col("principal_amount_fen").alias("control_fen"),
        )
    )


def list_compensations(world: World, batch_date: date, since: date | None) -> pl.DataFrame:
    """One row per instalment that the guarantor says it paid to a bank."""
    return (
        world.compensations.filter(during("compensated_date", batch_date, since))
        .join(world.guarantees.select("loan_no", "funder_code"), on="loan_no")
        .sort("compensated_date", "comp_no", "term_no")
        .select(
            _pay_no(),
            _guarantee_no(),
            pl.col("funder_code").alias("bank_code"),
            "fund_loan_no",
            pl.col("term_no").cast(pl.String),
            pl.col("compensated_date").dt.strftime("%Y%m%d").alias("paid_date"),
            yuan_text("principal_amount_fen"),
            yuan_text("interest_amount_fen"),
            pl.col("comp_type_code").replace_strict(COMPENSATION_TYPE),
            pl.col("principal_amount_fen").alias("control_fen"),
        )
    )


def list_recoveries(world: World, batch_date: date, since: date | None) -> pl.DataFrame:
    """One row per receipt from a customer on an instalment that was compensated before, in fen."""
    return (
        world.recoveries.filter(during("posted_at", batch_date, since))
        .sort("posted_at", "repay_no", "term_no")
        .select(
            pl.col("repay_no").str.replace("^RP", "ZC").alias("recovery_no"),
            _pay_no(),
            _guarantee_no(),
            pl.col("term_no").cast(pl.String),
            pl.col("posted_at").dt.strftime("%Y%m%d").alias("received_date"),
            pl.col("principal_amount_fen").cast(pl.String).alias("principal_fen"),
            pl.col("interest_amount_fen").cast(pl.String).alias("interest_fen"),
            pl.col("penalty_amount_fen").cast(pl.String).alias("penalty_fen"),
            pl.col("payment_method_code").alias("channel_code"),
            pl.col("principal_amount_fen").alias("control_fen"),
        )
    )


def _guarantee_no() -> pl.Expr:
    return pl.col("loan_no").str.replace("^LN", "GC").alias("guarantee_no")


def _pay_no() -> pl.Expr:
    return pl.col("comp_no").str.replace("^CP", "GP").alias("pay_no")


def _write(kind: str, dataset: str, batch_date: date, rows: pl.DataFrame, landing: Path, spoil: Spoiler) -> None:
    drop = Drop(SOURCE, dataset, batch_date, f"{kind}_{batch_date:%Y%m%d}.TXT")
    composed = spoil(drop, rows, lambda frame: _compose(frame, WIDTHS[dataset]))
    arrived = drop_file(drop, landing, join_lines(composed["line"]).encode(ENCODING))
    total = int(composed["control_fen"].sum())
    amount = str(total) if dataset == "recoveries" else fen_text(total)
    control = f"FILE={drop.name}\nROWS={composed.height}\nAMT={amount}\n"
    drop_marker(drop.path(landing).with_suffix(".CTL"), arrived, control)


def _compose(rows: pl.DataFrame, widths: dict[str, int]) -> pl.DataFrame:
    cells = [
        pl.col(name).str.zfill(width)
        if name.endswith(NUMBERS)
        else pl.concat_str(
            pl.col(name), pl.lit(" " * width).str.head(pl.lit(pl.Series(width - measure(rows[name]), dtype=pl.Int64)))
        )
        for name, width in widths.items()
    ]
    return rows.select(pl.concat_str(cells).alias("line"), "control_fen")


def measure(texts: pl.Series) -> Integers:
    """Bytes that each text without line feeds takes in GB18030."""
    content = np.frombuffer(join_lines(texts).encode(ENCODING), dtype=np.uint8)
    ends = np.flatnonzero(content == ord("\n"))
    lengths: Integers = np.diff(ends, prepend=-1) - 1
    return lengths
