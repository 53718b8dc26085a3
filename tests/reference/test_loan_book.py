"""Every figure of balance, delinquency, disbursement and both bridges equals a plain recomputation, cell by cell."""

from __future__ import annotations

import os
import random
from collections import defaultdict
from datetime import date, timedelta
from typing import Any

import pytest

from tests.conftest import make_settings
from tests.handmade_lake import HandmadeLake
from tests.reference import loan_book as truth
from tests.reference.book_rows import list_rows
from tests.reference.loan_book import END, START, Figures, Loan, draw_book

# `make soak` asks for more loans than a commit can wait for, and may name another seed.
LOANS = int(os.environ.get("REFERENCE_LOANS", "200"))
SEED = int(os.environ.get("REFERENCE_SEED", "15"))
DATES = 45

KINDS = {
    *("in time", "late", "parts", "unpaid", "compensated", "returned", "double", "overpaid", "same day", "twice"),
    *("reversed", "replanned", "bought back"),
}


def deliver_book(lake: HandmadeLake, book: list[Loan]) -> None:
    """All of it by one stock delivery of each dataset, the first half of the repayments on the eve."""
    datasets: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in list_rows(book):
        datasets[row.dataset].append(row.values)
    repayments = datasets["dept_loan_core.repayments"]
    half = len(repayments) // 2
    lake.deliver("dept_loan_core.repayments", str(END - timedelta(days=1)), repayments[:half], f"{END}T06:30:00")
    datasets["dept_loan_core.repayments"] = repayments[half:]
    for dataset, rows in datasets.items():
        lake.deliver(dataset, str(END), rows, f"{END + timedelta(days=1)}T06:30:00")


@pytest.fixture(scope="module")
def book() -> list[Loan]:
    drawn = draw_book(LOANS, SEED)
    assert {kind for loan in drawn for kind in loan.kinds} >= KINDS
    return drawn


@pytest.fixture(scope="module")
def days() -> list[date]:
    span = (END - START).days
    drawn = random.Random(SEED).sample(range(span), DATES - 1)
    return [*sorted(START + timedelta(days=day) for day in drawn), END]


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory, book: list[Loan], days: list[date]) -> HandmadeLake:
    made = HandmadeLake(make_settings(tmp_path_factory.mktemp("book"), go_live=str(END)))
    deliver_book(made, book)
    made.build(str(END), as_of=[str(day) for day in days])
    return made


@pytest.fixture(scope="module")
def held(book: list[Loan], days: list[date]) -> Figures:
    return truth.loan_days(book, days)


@pytest.fixture(scope="module")
def customers(book: list[Loan]) -> dict[str, str]:
    return {loan.number: loan.customer for loan in book}


def agree(lake: HandmadeLake, table: str, keys: str, values: str, expected: Figures) -> None:
    """Every row of the table is expected, every expected row is there, and all their cells are equal."""
    assert expected
    width = len(keys.split(","))
    found = {row[:width]: row[width:] for row in lake.ask(f"select {keys}, {values} from {table}")}
    wrong = {
        key: (found.get(key), expected.get(key))
        for key in found.keys() | expected
        if found.get(key) != expected.get(key)
    }
    first = sorted(wrong.items(), key=lambda item: tuple(str(part) for part in item[0]))[:5]
    assert not wrong, f"{len(wrong)} of {len(expected)} rows: found, expected {first}"


def test_days_of_loans(lake: HandmadeLake, held: Figures) -> None:
    views = ("before_compensation", "after_compensation")
    values = [
        *(f"balance_{view}_amount" for view in views), "overdue_principal_amount",
        *(f"dpd_{view}" for view in views), *(f"dpd_ever_{view}" for view in views),
    ]  # fmt: skip
    agree(lake, "fct_loan_days", "as_of_date, loan_id", ", ".join(values), held)


def test_overdue_rates(lake: HandmadeLake, held: Figures, customers: dict[str, str]) -> None:
    values = (
        "balance_principal_amount, overdue_balance_amount, active_loan_count, active_borrower_count,"
        " overdue_loan_count, overdue_balance_rate"
    )
    expected = truth.delinquency(held, customers)
    agree(lake, "mtr_delinquency__daily", "as_of_date, calibre, threshold", values, expected)


def test_buckets(lake: HandmadeLake, held: Figures, customers: dict[str, str]) -> None:
    expected = truth.buckets(held, customers)
    keys = "as_of_date, calibre, scheme, bucket"
    agree(lake, "mtr_delinquency_buckets__daily", keys, "loan_count, balance_principal_amount", expected)


def test_first_payment_default(lake: HandmadeLake, book: list[Loan], days: list[date]) -> None:
    values = "matured_loan_count, bad_loan_count, first_payment_default_rate"
    expected = truth.first_payment_default(book, days)
    observed = (
        "(select dates.as_of_date, cohorts.* from mtr_first_payment_default__daily as cohorts"
        " join stg_platform__run_dates as dates"
        " on valid_from <= as_of_date and (valid_to is null or as_of_date < valid_to))"
    )
    agree(lake, observed, "as_of_date, due_date, calibre, metric", values, expected)


def test_first_payment_unpaid(lake: HandmadeLake, book: list[Loan]) -> None:
    values = "due_amount, paid_by_due_amount, first_payment_unpaid_rate"
    agree(lake, "mtr_first_payment_unpaid__daily", "due_date", values, truth.first_payment_unpaid(book, END))


def test_disbursement(lake: HandmadeLake, book: list[Loan]) -> None:
    values = "gross_disbursed_amount, reversed_amount, disbursed_amount, restated_disbursed_amount, loan_count"
    keys = "disbursed_date, date_basis, funder, product_code, channel"
    agree(lake, "mtr_disbursement__daily", keys, values, truth.disbursement(book))


def test_the_bridge_between_balances(lake: HandmadeLake, book: list[Loan], days: list[date]) -> None:
    values = (
        "balance_before_compensation_amount, balance_after_compensation_amount, difference_amount,"
        " compensated_outstanding_amount, buyback_outstanding_amount, unexplained_amount"
    )
    agree(lake, "mtr_balance_bridge__daily", "as_of_date", values, truth.balance_bridge(book, days))


def test_the_roll_forward(lake: HandmadeLake, book: list[Loan], days: list[date]) -> None:
    values = (
        "open_amount, disbursed_amount, repaid_amount, compensated_amount, reversed_amount, close_amount,"
        " unexplained_amount, broken_loan_count"
    )
    keys = "as_of_date, calibre, funder"
    agree(lake, "mtr_balance_rollforward__daily", keys, values, truth.rollforward(book, days))
