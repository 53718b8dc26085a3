"""Loans (借据) that a funder pays out and the loan core books."""

from __future__ import annotations

import numpy as np
import polars as pl

from ingestion.simulation.horizon import FIRST_DATE
from ingestion.simulation.plans import divide_half_up
from ingestion.simulation.streams import open_stream

GUARANTEED_SHARE = 0.7
REVERSED_SHARE = 0.004
FUNDERS = ("BKA", "BKB")
SECOND_FUNDER_SHARE = 0.3
CUT_OFF_EVERY_DAYS = 3
CUT_OFF_LOANS = 2
GUARANTEED_RATES = ("9.6", "12.0", "14.4", "16.2")
OTHER_RATES = ("14.4", "18.0", "21.6", "23.4")


def draw_loans(persons: pl.DataFrame, applications: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Draw one row per loan paid out, status `RP`; `is_reversed` loans are to be undone on the same day.

    Every third day two loans are paid out between 23:45 and midnight; booked and valued the next day.
    """
    stream = open_stream(seed, "loans")
    lent = applications.filter("is_lent").sort("funded_at", "application_no")
    size = lent.height
    is_second = open_stream(seed, "loans", "funder").random(size) < SECOND_FUNDER_SHARE
    guaranteed = stream.random(size) < GUARANTEED_SHARE
    grade = np.clip(3 - (lent["risk_score"].to_numpy() - 560) // 40, 0, 3).astype(np.int64)
    percent = (
        pl.Series(GUARANTEED_RATES).gather(grade).zip_with(pl.Series(guaranteed), pl.Series(OTHER_RATES).gather(grade))
    )
    day = pl.col("funded_at").dt.date()
    loans = (
        lent.with_columns(
            is_guaranteed=pl.Series(guaranteed),
            funder_code=pl.Series(FUNDERS).gather(is_second.astype(np.int64)),
            nominal_annual_rate_percent=percent.cast(pl.Decimal(9, 4)),
            repay_method_code=pl.Series(np.where(stream.random(size) < 0.8, "01", "02")),
            draws_reversal=pl.Series(stream.random(size) < REVERSED_SHARE),
            reversed_after=pl.Series(stream.integers(600, 5_400, size)),
            late_second=pl.Series(stream.integers(15 * 60 - 1, size=size)) + 23 * 3600 + 45 * 60,
        )
        .with_columns(
            is_late=((day - pl.lit(FIRST_DATE)).dt.total_days() % CUT_OFF_EVERY_DAYS == 0)
            & (pl.int_range(pl.len()).over(day) < CUT_OFF_LOANS)
        )
        .with_columns(
            funded_at=pl.when("is_late")
            .then(day.cast(pl.Datetime("us")) + pl.duration(seconds="late_second"))
            .otherwise("funded_at"),
            booked_date=pl.when("is_late").then(day.dt.offset_by("1d")).otherwise(day),
            is_reversed=pl.col("draws_reversal") & ~pl.col("is_late"),
        )
        .sort("funded_at", "application_no")
    )
    person = loans["person"]
    number = pl.concat_str(
        pl.col("funded_at").dt.strftime("%Y%m%d"), pl.int_range(1, pl.len() + 1).cast(pl.String).str.zfill(8)
    )
    fee = divide_half_up(loans["drawn_amount_fen"].to_numpy() * 15, 10_000)
    return loans.select(
        pl.concat_str(pl.lit("LN"), number).alias("loan_no"),
        "application_no",
        persons["person_id"].gather(person),
        persons["cert_no"].gather(person),
        persons["customer_name"].gather(person),
        pl.concat_str(pl.col("funder_code"), number).alias("fund_loan_no"),
        "funder_code",
        pl.when("is_guaranteed").then(pl.lit("GTC")).alias("guarantor_code"),
        pl.format("CASH{}", pl.col("term_count").cast(pl.String).str.zfill(2)).alias("product_code"),
        "repay_method_code",
        pl.col("drawn_amount_fen").alias("principal_amount_fen"),
        "term_count",
        "nominal_annual_rate_percent",
        pl.when("is_guaranteed").then(pl.Series(fee)).otherwise(0).alias("term_fee_fen"),
        "funded_at",
        "booked_date",
        pl.col("booked_date").alias("value_date"),
        pl.lit("RP").alias("status_code"),
        pl.col("funded_at").alias("posted_at"),
        "is_reversed",
        "reversed_after",
        "first_missed_term",
        persons["latent_risk"].gather(person),
        persons["lateness_habit"].gather(person),
    )


def append_reversals(loans: pl.DataFrame) -> pl.DataFrame:
    """Add a second row, status `RV`, for each reversed loan, posted on the day of its payout."""
    reversals = loans.filter("is_reversed").with_columns(
        status_code=pl.lit("RV"),
        posted_at=pl.min_horizontal(
            pl.col("funded_at") + pl.duration(seconds="reversed_after"),
            pl.col("funded_at").dt.truncate("1d") + pl.duration(seconds=86_399),
        ),
    )
    return pl.concat([loans, reversals]).sort("posted_at", "loan_no", "status_code")
