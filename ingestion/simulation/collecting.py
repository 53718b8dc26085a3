"""Collection (催收): a case for each spell of a loan in arrears, its changes of queue, and the contacts made."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl

from ingestion.simulation.horizon import LAST_DATE
from ingestion.simulation.numbering import number_in_order
from ingestion.simulation.streams import as_moments, open_stream

CASE_DPD = 4
QUEUES = ((0, "S1", 0), (27, "S2", 180), (57, "S3", 300))
ASSIGNMENT_DAYS = 90
CONTACTED_DAYS = 60
OPEN_END = date(9999, 12, 31)
RESULTS = ("PTP", "NOANS", "REFUSE", "PAID", "WRONG")
REMARKS = {
    "PTP": "客户承诺还款，已告知逾期影响",
    "NOANS": "无人接听",
    "REFUSE": "客户称资金困难，暂无法还款",
    "PAID": "客户表示已还款，待核实",
    "WRONG": "非本人接听，未透露欠款信息",
}


def list_cases(loans: pl.DataFrame, plan_terms: pl.DataFrame, repayments: pl.DataFrame) -> pl.DataFrame:
    """List one row per case and version: opened four days past a due date, moved between queues, closed.

    A case covers all instalments of a loan that are in arrears without a break; only the customer's own payments
    close it. The amount is what is overdue at the end of `changed_date`, in fen.
    """
    terms = _list_arrears(loans, plan_terms, repayments)
    spells = (
        terms.group_by("loan_no", "spell")
        .agg(opened_date=pl.col("entered_date").min(), closed_date=pl.col("cleared_date").max())
        .sort("opened_date", "loan_no")
        .with_columns(
            ordinal=pl.int_range(1, pl.len() + 1),
            closed_date=pl.when(pl.col("closed_date") <= LAST_DATE).then("closed_date"),
        )
    )
    moves = [
        spells.with_columns(
            changed_date=pl.col("opened_date").dt.offset_by(f"{days}d"),
            stage_code=pl.lit(stage),
            commission_per_mille=pl.lit(commission),
            is_closed=pl.lit(False),
        ).filter(pl.col("changed_date") < pl.col("closed_date").fill_null(OPEN_END))
        for days, stage, commission in QUEUES
    ]
    closings = (
        pl.concat(moves)
        .sort("changed_date", maintain_order=True)
        .unique(["loan_no", "spell"], keep="last", maintain_order=True)
        .filter(pl.col("closed_date").is_not_null())
        .with_columns(changed_date=pl.col("closed_date"), is_closed=pl.lit(True))
    )
    versions = (
        pl.concat([*moves, closings])
        .filter(pl.col("changed_date") <= LAST_DATE)
        .sort("ordinal", "changed_date", "is_closed")
        .with_columns(version=pl.int_range(1, pl.len() + 1).over("ordinal"))
    )
    is_overdue = (pl.col("due_date") < pl.col("changed_date")) & (pl.col("cleared_date") > pl.col("changed_date"))
    overdue = (
        versions.select("loan_no", "spell", "version", "changed_date")
        .join(terms, on=["loan_no", "spell"])
        .filter(is_overdue)
        .group_by("loan_no", "spell", "version")
        .agg(overdue_amount_fen=pl.col("amount_fen").sum(), overdue_term_count=pl.len())
    )
    is_inside = pl.col("stage_code") == "S1"
    outside = pl.format("OC{}", pl.col("ordinal") % 3 + 1)
    return (
        versions.join(overdue, on=["loan_no", "spell", "version"], how="left")
        .sort("ordinal", "version")
        .select(
            number_in_order("CC", "opened_date", pl.col("ordinal")).alias("case_no"),
            "version",
            "loan_no",
            "stage_code",
            pl.when(is_inside).then(pl.lit("IN")).otherwise(outside).alias("agency_code"),
            "opened_date",
            pl.when("is_closed").then("closed_date").alias("closed_date"),
            pl.when(is_inside)
            .then(pl.lit(OPEN_END))
            .otherwise(pl.col("changed_date").dt.offset_by(f"{ASSIGNMENT_DAYS}d"))
            .alias("assigned_until_date"),
            pl.col("overdue_amount_fen").fill_null(0),
            pl.col("overdue_term_count").fill_null(0),
            "commission_per_mille",
            "changed_date",
        )
    )


def _list_arrears(loans: pl.DataFrame, plan_terms: pl.DataFrame, repayments: pl.DataFrame) -> pl.DataFrame:
    """List instalments that were still open on the fourth day past due, numbered by spell of their loan."""
    key = ["loan_no", "term_no"]
    paid = repayments.group_by(key).agg(
        pl.col("principal_amount_fen").sum().alias("paid_fen"), pl.col("posted_at").max().dt.date().alias("paid_date")
    )
    reversed_loans = loans.filter(pl.col("status_code") == "RV")
    is_paid = pl.col("paid_fen") >= pl.col("principal_amount_fen")
    late = (
        plan_terms.sort("plan_version")
        .unique(key, keep="last", maintain_order=True)
        .join(reversed_loans, on="loan_no", how="anti")
        .join(paid, on=key, how="left")
        .with_columns(
            entered_date=pl.col("due_date").dt.offset_by(f"{CASE_DPD}d"),
            cleared_date=pl.when(is_paid).then("paid_date").fill_null(OPEN_END),
            amount_fen=pl.sum_horizontal("principal_amount_fen", "interest_amount_fen", "fee_amount_fen"),
        )
        .filter((pl.col("cleared_date") > pl.col("entered_date")) & (pl.col("entered_date") <= LAST_DATE))
        .sort(key)
    )
    before = pl.col("cleared_date").cum_max().shift(1).over("loan_no")
    begins = before.is_null() | (before < pl.col("entered_date"))
    return late.with_columns(begins=begins).with_columns(spell=pl.col("begins").cum_sum().over("loan_no"))


def draw_contacts(cases: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Draw one row per contact attempt while a case is open, in its first sixty days at most."""
    stream = open_stream(seed, "contacts")
    spans = (
        cases.group_by("case_no", maintain_order=True)
        .agg(
            pl.col("opened_date").first(),
            pl.col("closed_date").max(),
            pl.col("overdue_amount_fen").first(),
        )
        .with_columns(until=pl.min_horizontal(pl.col("closed_date").fill_null(LAST_DATE), pl.lit(LAST_DATE)))
    )
    days = (spans["until"] - spans["opened_date"]).dt.total_days().to_numpy().clip(1, CONTACTED_DAYS)
    counts = np.minimum(stream.geometric(0.35, spans.height), days)
    case = np.repeat(np.arange(spans.height), counts)
    size = case.size
    opened = spans["opened_date"].gather(case).to_numpy().astype("datetime64[s]")
    day = (stream.random(size) * days[case]).astype(np.int64).astype("timedelta64[D]")
    second = stream.integers(8 * 3600, 20 * 3600, size).astype("timedelta64[s]")
    result = pl.Series(RESULTS).gather(stream.choice(len(RESULTS), size=size, p=[0.25, 0.4, 0.15, 0.1, 0.1]))
    contacts = pl.DataFrame(
        {
            "case_no": spans["case_no"].gather(case),
            "contacted_at": as_moments(opened + day + second),
            "result_code": result,
            "channel_code": pl.Series(["PHONE", "SMS", "AI", "VISIT"]).gather(
                stream.choice(4, size=size, p=[0.55, 0.2, 0.22, 0.03])
            ),
            "agent_no": pl.Series(stream.integers(101, 160, size)).cast(pl.String),
            "duration_seconds": stream.integers(5, 420, size),
            "promised_days": stream.integers(1, 8, size),
            "overdue_amount_fen": spans["overdue_amount_fen"].gather(case),
        }
    ).sort("contacted_at", "case_no")
    promises = pl.col("result_code") == "PTP"
    return contacts.select(
        number_in_order("CT", "contacted_at").alias("contact_no"),
        "case_no",
        "contacted_at",
        "channel_code",
        "agent_no",
        "result_code",
        pl.when(pl.col("channel_code") != "SMS").then("duration_seconds").alias("duration_seconds"),
        pl.when(promises)
        .then(pl.col("contacted_at").dt.date() + pl.duration(days="promised_days"))
        .alias("promised_date"),
        pl.when(promises).then("overdue_amount_fen").alias("promised_amount_fen"),
        pl.when(pl.col("channel_code") != "SMS")
        .then(pl.col("result_code").replace_strict(REMARKS, return_dtype=pl.String))
        .alias("remark"),
    )
