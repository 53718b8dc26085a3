"""The loan core's dialect: one SQLite database to which every business date's postings are added."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from ingestion.simulation.dropping import arrive_at, during, stamp, yuan_text
from ingestion.simulation.world import World

SOURCE = "dept_loan_core"
DATABASE = "loan_core.db"
ROWS_AT_ONCE = 50_000
SCHEMA = """
create table if not exists loan (
    loan_no text not null, application_no text not null, cert_no text not null, fund_loan_no text not null,
    funder_code text not null, guarantor_code text, product_code text not null,
    repay_method_code text not null, principal_amount text not null, term_count integer not null,
    nominal_annual_rate text not null, funded_at text not null, booked_date text not null,
    value_date text not null, status_code text not null, posted_date text not null, posted_at text not null,
    primary key (loan_no, status_code)
);
create index if not exists loan_posted on loan (posted_date);
create table if not exists plan_term (
    loan_no text not null, term_no integer not null, plan_version integer not null, due_date text not null,
    principal_amount text not null, interest_amount text not null, fee_amount text not null,
    posted_date text not null, posted_at text not null, primary key (loan_no, term_no, plan_version)
);
create index if not exists plan_term_posted on plan_term (posted_date);
create table if not exists repayment (
    repay_no text not null, loan_no text not null, term_no integer not null, paid_at text not null,
    principal_amount text not null, interest_amount text not null, fee_amount text not null,
    penalty_amount text not null, payment_method_code text not null, repay_type_code text not null,
    posted_date text not null, posted_at text not null, primary key (repay_no, term_no)
);
create index if not exists repayment_posted on repayment (posted_date);
"""


def deliver(world: World, landing: Path, batch_date: date, since: date | None) -> None:
    """Add the postings of a business date to `loan_core.db`; rows that it holds already stay as they are."""
    path = landing / SOURCE / DATABASE
    path.parent.mkdir(parents=True, exist_ok=True)
    posted = during("posted_at", batch_date, since)
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("pragma journal_mode = memory; pragma synchronous = off; pragma cache_size = -65536;")
        connection.executescript(SCHEMA)
        with connection:
            _insert(connection, "loan", _select_loans(world.loans.filter(posted)))
            _insert(connection, "plan_term", _select_plan_terms(world.plan_terms.filter(posted)))
            _insert(connection, "repayment", _select_repayments(world.repayments.filter(posted)))
    stamp(path, arrive_at(SOURCE, DATABASE, batch_date))


def _insert(connection: sqlite3.Connection, table: str, rows: pl.DataFrame) -> None:
    places = ", ".join("?" * rows.width)
    connection.executemany(f"insert into {table} values ({places}) on conflict do nothing", _stream(rows))


def _stream(rows: pl.DataFrame) -> Iterator[tuple[Any, ...]]:
    for part in rows.iter_slices(ROWS_AT_ONCE):
        yield from part.rows()


def _moment(column: str) -> pl.Expr:
    return pl.col(column).dt.strftime("%Y-%m-%d %H:%M:%S")


def _day(column: str) -> pl.Expr:
    return pl.col(column).cast(pl.Date).dt.strftime("%Y-%m-%d")


POSTED = (_day("posted_at").alias("posted_date"), _moment("posted_at"))


def _select_loans(loans: pl.DataFrame) -> pl.DataFrame:
    return loans.sort("loan_no", "status_code").select(
        "loan_no",
        "application_no",
        "cert_no",
        "fund_loan_no",
        "funder_code",
        "guarantor_code",
        "product_code",
        "repay_method_code",
        yuan_text("principal_amount_fen"),
        "term_count",
        pl.col("nominal_annual_rate_percent").cast(pl.String),
        _moment("funded_at"),
        _day("booked_date"),
        _day("value_date"),
        "status_code",
        *POSTED,
    )


def _select_plan_terms(plan_terms: pl.DataFrame) -> pl.DataFrame:
    return plan_terms.sort("loan_no", "term_no", "plan_version").select(
        "loan_no",
        "term_no",
        "plan_version",
        _day("due_date"),
        yuan_text("principal_amount_fen"),
        yuan_text("interest_amount_fen"),
        yuan_text("fee_amount_fen"),
        *POSTED,
    )


def _select_repayments(repayments: pl.DataFrame) -> pl.DataFrame:
    return repayments.sort("repay_no", "term_no").select(
        "repay_no",
        "loan_no",
        "term_no",
        _moment("paid_at"),
        yuan_text("principal_amount_fen"),
        yuan_text("interest_amount_fen"),
        yuan_text("fee_amount_fen"),
        yuan_text("penalty_amount_fen"),
        "payment_method_code",
        "repay_type_code",
        *POSTED,
    )
