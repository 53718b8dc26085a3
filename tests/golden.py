"""The golden portfolio (DOMAIN.md annex B) as a world that the simulated parties can deliver."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from ingestion.simulation import World
from ingestion.simulation.identities import complete_cert_numbers

PRINCIPAL_FEN = 120_000
MOMENT = "%Y-%m-%d %H:%M:%S"


def golden_world(case: Path) -> World:
    """Ten loans, their plans, payments and compensations; every loan has its own borrower and application."""
    loans = pl.read_csv(case / "loans.csv").with_row_index("place")
    stems = [f"11010519{70 + place:02d}0101{place + 1:03d}" for place in loans["place"]]
    borrowers = loans.with_columns(
        cert_no=complete_cert_numbers(pl.Series(stems)),
        funded_at=pl.col("funded_at").str.to_datetime(MOMENT),
        loan_no=pl.col("loan"),
        fund_loan_no="F" + pl.col("loan"),
        application_no="A" + pl.col("loan"),
        customer_name=pl.lit("张三丰"),
        mobile=pl.format("138000000{}", pl.col("place").cast(pl.String).str.zfill(2)),
        principal_amount_fen=pl.lit(PRINCIPAL_FEN),
        product_code=pl.lit("CASH03"),
        term_count=pl.lit(3),
    )
    booked = borrowers.with_columns(
        funder_code=pl.lit("BKA"),
        guarantor_code=pl.when(pl.col("guaranteed").cast(pl.String) == "true").then(pl.lit("GTC")),
        repay_method_code=pl.lit("09"),
        nominal_annual_rate_percent=pl.lit("0.0000").cast(pl.Decimal(9, 4)),
        booked_date=pl.col("booked_date").str.to_date(),
        value_date=pl.col("value_date").str.to_date(),
        status_code=pl.lit("RP"),
        posted_at=pl.col("funded_at"),
    )
    reversed_loans = booked.filter(pl.col("reversed_at").is_not_null()).with_columns(
        status_code=pl.lit("RV"), posted_at=pl.col("reversed_at").str.to_datetime(MOMENT)
    )
    loan_columns = [
        *("loan_no", "application_no", "cert_no", "customer_name", "fund_loan_no", "funder_code", "guarantor_code"),
        *("product_code", "repay_method_code", "principal_amount_fen", "term_count", "nominal_annual_rate_percent"),
        *("funded_at", "booked_date", "value_date", "status_code", "posted_at"),
    ]
    plan = (
        booked.select("loan_no", "posted_at", "due_1", "due_2", "due_3")
        .unpivot(index=["loan_no", "posted_at"], variable_name="term", value_name="due_date")
        .select(
            "loan_no",
            pl.col("term").str.strip_prefix("due_").cast(pl.Int32).alias("term_no"),
            pl.lit(1).alias("plan_version"),
            pl.col("due_date").str.to_date(),
            pl.lit(PRINCIPAL_FEN // 3).alias("principal_amount_fen"),
            pl.lit(0).alias("interest_amount_fen"),
            pl.lit(0).alias("fee_amount_fen"),
            "posted_at",
        )
    )
    payments = pl.read_csv(case / "payments.csv").with_row_index("place")
    paid_at = pl.col("paid_date").str.to_date().dt.combine(pl.time(12))
    repayments = payments.select(
        pl.format("R{}", pl.col("place").cast(pl.String).str.zfill(3)).alias("repay_no"),
        pl.col("loan").alias("loan_no"),
        pl.col("term").alias("term_no"),
        paid_at.alias("paid_at"),
        pl.col("amount_fen").alias("principal_amount_fen"),
        pl.lit(0).alias("interest_amount_fen"),
        pl.lit(0).alias("fee_amount_fen"),
        pl.lit(0).alias("penalty_amount_fen"),
        pl.lit("02").alias("payment_method_code"),
        pl.lit("0").alias("repay_type_code"),
        paid_at.alias("posted_at"),
    )
    compensations = pl.read_csv(case / "compensations.csv", schema_overrides={"type_code": pl.String}).select(
        pl.format("C{}", pl.col("term")).alias("comp_no"),
        pl.col("loan").alias("loan_no"),
        ("F" + pl.col("loan")).alias("fund_loan_no"),
        pl.col("term").alias("term_no"),
        pl.col("compensated_date").str.to_date(),
        pl.col("amount_fen").alias("principal_amount_fen"),
        pl.lit(0).alias("interest_amount_fen"),
        pl.col("type_code").alias("comp_type_code"),
    )
    applications = borrowers.select(
        "application_no", "cert_no", "customer_name", "mobile", "product_code", "term_count",
        pl.lit("APP").alias("channel_code"),
        pl.lit(PRINCIPAL_FEN).alias("requested_amount_fen"),
        pl.lit(False).alias("is_test"),
        (pl.col("funded_at") - pl.duration(hours=2)).alias("applied_at"),
    )  # fmt: skip
    consents = borrowers.select(
        pl.format("E{}", pl.col("loan")).alias("event_no"),
        "cert_no",
        pl.lit("G").alias("event_code"),
        pl.lit("MODEL_DEV").alias("purpose_code"),
        pl.lit("PLATFORM").alias("recipient_code"),
        pl.lit("2").alias("consent_kind_code"),
        pl.lit("V1").alias("text_version"),
        (pl.col("funded_at") - pl.duration(hours=3)).alias("occurred_at"),
        pl.lit("9999-12-31").str.to_date().alias("valid_to"),
    )
    decisions = borrowers.select(
        "application_no",
        pl.lit("A").alias("decision_code"),
        pl.lit(PRINCIPAL_FEN).alias("approved_amount_fen"),
        pl.lit(600).alias("risk_score"),
        pl.lit("S1").alias("strategy_version"),
        (pl.col("funded_at") - pl.duration(hours=1)).alias("decided_at"),
    )
    return World.assemble(
        applications=applications,
        decisions=decisions,
        loans=pl.concat([booked.select(loan_columns), reversed_loans.select(loan_columns)]),
        plan_terms=plan,
        repayments=repayments,
        compensations=compensations,
        consents=consents,
    )
