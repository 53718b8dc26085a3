"""Transactions of the payment channel (支付通道流水) through which some borrowers repay."""

from __future__ import annotations

import numpy as np
import polars as pl

from ingestion.simulation.plans import divide_half_up
from ingestion.simulation.streams import open_stream

THIRD_PARTY = "02"
CHARGED_TWICE_SHARE = 0.012
FEE_RATES = (2_000, 2_500, 3_800)
CHARGE, SECOND_CHARGE, REVERSAL = 0, 1, 2


def draw_channel_payments(
    persons: pl.DataFrame, loans: pl.DataFrame, repayments: pl.DataFrame, seed: int
) -> pl.DataFrame:
    """Draw one row per transaction: each payment by the third party, some of them charged twice and then reversed.

    A reversal has a negative amount and fee and names the second charge, so a payment's transactions sum to what the
    loan core books. Settlement is on the day after.
    """
    stream = open_stream(seed, "channel_payments")
    paid = (
        repayments.filter(pl.col("payment_method_code") == THIRD_PARTY)
        .group_by("repay_no", "loan_no", "paid_at")
        .agg(pl.sum_horizontal(pl.col("^(principal|interest|fee|penalty)_amount_fen$").sum()).alias("amount_fen"))
        .filter(pl.col("amount_fen") > 0)
        .sort("repay_no")
        .join(loans.select("loan_no", "person_id"), on="loan_no")
        .join(persons.select("person_id", "customer_name", "bank_card"), on="person_id")
        .sort("repay_no")
    )
    size = paid.height
    rates = np.array(FEE_RATES)[stream.integers(len(FEE_RATES), size=size)]
    paid = paid.with_columns(
        fee_rate_per_million=pl.Series(rates),
        fee_fen=divide_half_up(paid["amount_fen"].to_numpy() * rates, 1_000_000),
        is_charged_twice=pl.Series(stream.random(size) < CHARGED_TWICE_SHARE),
        again_after=pl.Series(stream.integers(20, 180, size)),
        reversed_after=pl.Series(stream.integers(1_800, 30 * 3_600, size)),
    )
    twice = paid.filter("is_charged_twice")
    again = pl.col("paid_at") + pl.duration(seconds="again_after")
    transactions = pl.concat(
        [
            paid.with_columns(kind=CHARGE, traded_at="paid_at"),
            twice.with_columns(kind=SECOND_CHARGE, traded_at=again),
            twice.with_columns(
                -pl.col("amount_fen", "fee_fen"),
                kind=REVERSAL,
                traded_at=again + pl.duration(seconds="reversed_after"),
            ),
        ]
    )
    numbered = transactions.sort("traded_at", "repay_no", "kind").with_columns(
        channel_txn_no=pl.concat_str(
            pl.lit("PF"),
            pl.col("traded_at").dt.strftime("%Y%m%d%H%M%S"),
            pl.int_range(1, pl.len() + 1).cast(pl.String).str.zfill(8),
        )
    )
    reversed_charges = numbered.filter(pl.col("kind") == SECOND_CHARGE).select(
        "repay_no", pl.lit(REVERSAL).alias("kind"), pl.col("channel_txn_no").alias("original_txn_no")
    )
    return numbered.join(reversed_charges, on=["repay_no", "kind"], how="left").with_columns(
        payer_name="customer_name",
        status_code=pl.when(pl.col("kind") == REVERSAL).then(pl.lit("RV")).otherwise(pl.lit("OK")),
        settled_date=pl.col("traded_at").dt.date().dt.offset_by("1d"),
    )
