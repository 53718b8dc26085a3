"""Labelled defects: extra corrupted rows on the way to the landing folder, and the record of each of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta

import numpy as np
import polars as pl

from ingestion.simulation import bank_a, dept_marketing
from ingestion.simulation.dropping import Compose, Drop
from ingestion.simulation.horizon import GO_LIVE
from ingestion.simulation.identities import CHECK_CHARACTERS
from ingestion.simulation.streams import Integers, open_stream

SHARE = 0.004
MOST_OF_A_KIND = 25
FEWEST_ROWS = 125
CONFUSED_DATE = GO_LIVE + timedelta(days=2)
RESENT_WITH = CONFUSED_DATE + timedelta(days=1)
LABELS = {
    "source": pl.String(),
    "dataset": pl.String(),
    "batch_date": pl.Date(),
    "file": pl.String(),
    "line_number": pl.Int64(),
    "column": pl.String(),
    "kind": pl.String(),
    "expected": pl.String(),
}


@dataclass(frozen=True)
class Defect:
    """One way in which a row goes wrong: in a cell, before the row is composed, or in its finished line."""

    source: str
    dataset: str
    kind: str
    column: str | None
    key: str
    prefix: str
    in_cell: pl.Expr | None = None
    in_line: pl.Expr | None = None


def _break_check_character() -> pl.Expr:
    following = dict(zip(CHECK_CHARACTERS, CHECK_CHARACTERS[1:] + CHECK_CHARACTERS[0], strict=True))
    cert_no = pl.col("cert_no")
    return cert_no.str.head(17) + cert_no.str.tail(1).replace_strict(following, default="0", return_dtype=pl.String)


DEFECTS = (
    Defect(
        "dept_marketing",
        "clicks",
        "wrong_grouping",
        "daily_budget",
        "click_no",
        "CKX",
        pl.lit("1,23,456.00"),
    ),
    Defect("dept_marketing", "clicks", "unknown_code", "platform_code", "click_no", "CKZ", pl.lit("??")),
    Defect("dept_marketing", "ad_costs", "impossible_date", "Date", "Campaign ID", "AX-", pl.lit("2026/02/30")),
    Defect(
        "dept_marketing",
        "ad_costs",
        "undefined_byte",
        "Campaign",
        "Campaign ID",
        "AZ-",
        pl.col("Campaign") + dept_marketing.FOREIGN,
    ),
    Defect("dept_app", "registrations", "malformed_json", None, "user_id", "UX", in_line=pl.col("line").str.head(-9)),
    Defect("dept_app", "registrations", "short_mobile", "phone", "user_id", "UZ", pl.col("phone").str.head(10)),
    Defect("dept_app", "logins", "negative_epoch", "ts", "login_no", "LGX", -pl.col("ts")),
    Defect("dept_app", "logins", "unknown_code", "result_code", "login_no", "LGZ", pl.lit("9")),
    Defect("dept_finance", "postings", "impossible_date", "posted_date", "voucher_no", "记X-", pl.lit("2026-02-30")),
    Defect(
        "dept_finance",
        "postings",
        "letter_in_amount",
        "debit_amount",
        "voucher_no",
        "记Z-",
        pl.coalesce("debit_amount", "credit_amount").str.replace(r".$", "O"),
    ),
    Defect("dept_collections", "cases", "impossible_date", "opened_date", "case_no", "CCX", pl.lit("20260230")),
    Defect(
        "dept_collections",
        "cases",
        "letter_in_amount",
        "overdue_amount",
        "case_no",
        "CCZ",
        pl.col("overdue_amount").str.replace(r".$", "O"),
    ),
    Defect(
        "dept_collections", "contacts", "extra_field", None, "contact_no", "CTX", in_line=pl.col("line") + "\t备注二"
    ),
    Defect("dept_collections", "contacts", "unknown_code", "result_code", "contact_no", "CTZ", pl.lit("???")),
    Defect("dept_service", "tickets", "short_mobile", "mobile", "ticket_no", "TKX", pl.col("mobile").str.head(10)),
    Defect("dept_service", "tickets", "unknown_code", "category_code", "ticket_no", "TKZ", pl.lit("OTHER?")),
    Defect(
        "dept_risk",
        "applications",
        "wrong_id_checksum",
        "cert_no",
        "application_no",
        "APX",
        _break_check_character(),
    ),
    Defect("dept_risk", "decisions", "unknown_code", "decision_code", "application_no", "APZ", pl.lit("Z")),
    Defect(
        "dept_compliance",
        "consents",
        "impossible_date",
        "occurred_at",
        "event_no",
        "CEX",
        pl.lit("2026-02-30") + pl.col("occurred_at").str.slice(10),
    ),
    Defect("dept_compliance", "consents", "unknown_code", "event_code", "event_no", "CEZ", pl.lit("X")),
    Defect(
        "bank_a",
        "loans",
        "missing_field",
        None,
        "fund_loan_no",
        "BKAX",
        in_line=pl.col("line").str.replace(r"\|\+\|[^|]*$", ""),
    ),
    Defect(
        "bank_a",
        "loans",
        "letter_in_amount",
        "principal_fen",
        "fund_loan_no",
        "BKAZ",
        pl.col("principal_fen").str.replace(r"0$", "O"),
    ),
    Defect(
        "bank_a",
        "compensations",
        "letter_in_amount",
        "principal_fen",
        "comp_no",
        "CPZ",
        pl.col("principal_fen").str.replace(r".$", "O"),
    ),
    Defect("bank_b", "loans", "wrong_id_checksum", "cert_no", "fund_loan_no", "BKBX", _break_check_character()),
    Defect("bank_b", "loans", "impossible_date", "value_date", "fund_loan_no", "BKBZ", pl.lit("2026-02-30")),
    Defect("bank_b", "compensations", "unknown_code", "comp_type_code", "comp_no", "CPY", pl.lit("ZZ")),
    Defect(
        "guarantor_c", "guarantees", "wrong_id_checksum", "cert_no", "guarantee_no", "GCX", _break_check_character()
    ),
    Defect("guarantor_c", "guarantees", "impossible_date", "start_date", "guarantee_no", "GCZ", pl.lit("20260230")),
    Defect("guarantor_c", "compensations", "unknown_code", "comp_type_code", "pay_no", "GPZ", pl.lit("9")),
    Defect("bureau_d", "reports", "malformed_json", None, "query_no", "BQX", in_line=pl.col("line").str.head(-17)),
    Defect("bureau_d", "reports", "short_hash", "id_sm3", "query_no", "BQZ", pl.col("id_sm3").str.head(63)),
    Defect(
        "payment_f",
        "settlements",
        "letter_in_amount",
        "amount",
        "channel_txn_no",
        "PFX",
        pl.col("amount").str.replace(r".$", "O"),
    ),
    Defect("payment_f", "settlements", "unknown_code", "status", "channel_txn_no", "PFZ", pl.lit("处理中")),
    Defect(
        "traffic_e",
        "leads",
        "malformed_json",
        None,
        "lead_id",
        "TEX",
        in_line=pl.col("line").str.head(-14),
    ),
    Defect(
        "traffic_e",
        "leads",
        "short_hash",
        "phone_sha256",
        "lead_id",
        "TEZ",
        pl.col("phone_sha256").str.head(63),
    ),
)


@dataclass
class DefectInjector:
    """A spoiler that adds corrupted copies of good rows, under new keys, and notes where they went.

    `SHARE` of a file's rows per kind, at least one where the file has `FEWEST_ROWS`, none in smaller ones:
    all good rows stay and the bad ones are less than 2 %. The funder's payouts of `CONFUSED_DATE` are 100 times
    too high (分 taken for 元), and that file has no other defect.
    """

    seed: int
    labels: list[pl.DataFrame] = field(default_factory=list)

    def __call__(self, drop: Drop, rows: pl.DataFrame, compose: Compose) -> pl.DataFrame:
        """Compose the rows with the defects of this file."""
        is_confused = drop.source == bank_a.SOURCE and drop.dataset == "loans" and drop.batch_date == CONFUSED_DATE
        if is_confused:
            return self._confuse(drop, rows, compose)
        kinds = [defect for defect in DEFECTS if (defect.source, defect.dataset) == (drop.source, drop.dataset)]
        count = min(int(rows.height * SHARE), MOST_OF_A_KIND)
        count = max(count, 1) if rows.height >= FEWEST_ROWS else 0
        if not kinds or not count:
            return compose(rows)
        stream = open_stream(self.seed, "defects", drop.source, drop.dataset, drop.batch_date)
        parts = [_place(compose(rows), np.arange(rows.height), None)]
        for order, defect in enumerate(kinds):
            victims = rows[stream.choice(rows.height, size=count, replace=False)]
            places = stream.integers(rows.height, size=count)
            parts.append(_place(_corrupt(defect, victims, drop.batch_date, compose), places, order))
        mixed = pl.concat(parts).sort("_place", "_defect", nulls_last=False, maintain_order=True)
        mixed = mixed.with_columns(_row=_count_lines(mixed))
        for order, defect in enumerate(kinds):
            found = mixed.filter(pl.col("_defect") == order)["_row"].to_numpy().astype(np.int64)
            self._note(drop, defect.column, defect.kind, "quarantined", found)
        return mixed.drop("_row", "_place", "_defect")

    def list_labels(self) -> pl.DataFrame:
        """List one row per defect; `line_number` is the physical line from 1, in Parquet the row from 0."""
        return pl.concat([pl.DataFrame(schema=LABELS), *self.labels]).sort(
            "batch_date", "source", "file", "line_number", "kind"
        )

    def _confuse(self, drop: Drop, rows: pl.DataFrame, compose: Compose) -> pl.DataFrame:
        if rows.height:
            self._note(drop, "principal_fen", "amounts_times_100", "refused_at_core", None)
        return compose(rows.with_columns(pl.col("principal_fen") + "00"))

    def _note(self, drop: Drop, column: str | None, kind: str, expected: str, rows: Integers | None) -> None:
        file = f"{drop.source}/{drop.batch_date:%Y%m%d}/{drop.name}"
        first = drop.heading + (0 if drop.name.endswith(".parquet") else 1)
        lines = [None] if rows is None else (rows + first).tolist()
        label = {
            "source": drop.source,
            "dataset": drop.dataset,
            "batch_date": drop.batch_date,
            "file": file,
            "column": column,
            "kind": kind,
            "expected": expected,
        }
        constants = [pl.lit(value, dtype=LABELS[name]).alias(name) for name, value in label.items()]
        numbers = pl.DataFrame({"line_number": pl.Series(lines, dtype=pl.Int64)})
        self.labels.append(numbers.with_columns(constants).select(*LABELS))


def _corrupt(defect: Defect, victims: pl.DataFrame, batch_date: date, compose: Compose) -> pl.DataFrame:
    number = pl.int_range(1, pl.len() + 1).cast(pl.String).str.zfill(5)
    rows = victims.with_columns(pl.concat_str(pl.lit(f"{defect.prefix}{batch_date:%Y%m%d}"), number).alias(defect.key))
    if defect.in_cell is not None and defect.column is not None:
        rows = rows.with_columns(defect.in_cell.alias(defect.column))
    composed = compose(rows)
    return composed if defect.in_line is None else composed.with_columns(defect.in_line.alias("line"))


def _count_lines(composed: pl.DataFrame) -> pl.Expr:
    """How many lines come before each row; a value may hold line feeds."""
    before = pl.int_range(pl.len())
    if "line" not in composed.columns:
        return before
    inner = pl.col("line").str.count_matches("\n", literal=True).cast(pl.Int64)
    return before + inner.cum_sum() - inner


def _place(rows: pl.DataFrame, places: Integers, defect: int | None) -> pl.DataFrame:
    return rows.with_columns(
        pl.Series("_place", places, dtype=pl.Int64), pl.lit(defect, dtype=pl.Int64).alias("_defect")
    )
