"""Every figure of balance, delinquency, disbursement and both bridges equals a plain recomputation, cell by cell."""

from __future__ import annotations

import os
import random
from datetime import date, timedelta
from typing import Any

import pytest

from tests.conftest import make_settings
from tests.handmade_lake import HandmadeLake
from tests.reference import loan_book as truth
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
    """All of it by one stock delivery of each dataset, the payments of the last week by the next."""
    repayments: list[dict[str, Any]] = []
    compensations: dict[str, list[dict[str, Any]]] = {"bank_a": [], "bank_b": []}
    for loan in book:
        for place, payment in enumerate(loan.payments):
            row = {"term_no": payment.term}
            if payment.payer == "customer":
                repayments.append(
                    row | {
                        "repay_no": f"{loan.number}-{place}", "loan_no": loan.number,
                        "paid_at": f"{payment.day} 12:00:00",
                        "principal_amount": payment.principal, "interest_amount": payment.interest,
                        "fee_amount": payment.fee, "penalty_amount": 0, "payment_method_code": "02",
                        "repay_type_code": "0", "posted_at": f"{payment.day} 12:00:00",
                    }
                )  # fmt: skip
                continue
            row |= {
                "comp_no": f"{place}-{loan.funder_number}", "fund_loan_no": loan.funder_number,
                "compensated_date": payment.day,
            }  # fmt: skip
            is_bought = payment.payer == "buyback"
            if loan.funder == "bank_a":
                row |= {
                    "principal_amount_fen": int(payment.principal * 100),
                    "interest_amount_fen": int(payment.interest * 100),
                    "comp_type_code": "02" if is_bought else "01",
                }  # fmt: skip
            else:
                row |= {
                    "principal_amount": payment.principal, "interest_amount": payment.interest,
                    "comp_type_code": "HG" if is_bought else "DC",
                }  # fmt: skip
            compensations[loan.funder].append(row)
    stock, received = str(END), f"{END + timedelta(days=1)}T06:30:00"
    events = [
        {
            "loan_no": loan.number, "application_no": f"A{loan.number}", "cert_no_token": loan.customer.ljust(64, "0"),
            "fund_loan_no": loan.funder_number, "funder_code": "BKA" if loan.funder == "bank_a" else "BKB",
            "product_code": loan.product, "repay_method_code": "09", "principal_amount": loan.principal,
            "term_count": len(loan.plan), "nominal_annual_rate_percent": 0, "funded_at": f"{loan.funded} 10:00:00",
            "booked_date": loan.booked, "value_date": loan.valued, "status_code": status,
            "posted_at": f"{day} 10:30:00",
        }
        for loan in book
        for status, day in (("RP", loan.funded), ("RV", loan.reversed))
        if day is not None
    ]  # fmt: skip
    terms = [
        {
            "loan_no": loan.number, "term_no": term.number, "plan_version": version, "due_date": term.due,
            "principal_amount": term.principal, "interest_amount": term.interest, "fee_amount": term.fee,
            "posted_at": f"{loan.funded} 11:00:00",
        }
        for loan in book
        for version, plan in enumerate(loan.plans, 1)
        for term in plan
    ]  # fmt: skip
    applications = [
        {
            "application_no": f"A{loan.number}", "cert_no_token": loan.customer.ljust(64, "0"),
            "channel_code": "APP" if loan.channel == "app_organic" else "TE", "is_test": False,
            "applied_at": f"{loan.funded} 09:00:00",
        }
        for loan in book
        if loan.channel is not None
    ]  # fmt: skip
    half = len(repayments) // 2
    eve = str(END - timedelta(days=1))
    lake.deliver("dept_loan_core.repayments", eve, repayments[:half], f"{END}T06:30:00")
    lake.deliver("dept_loan_core.repayments", stock, repayments[half:], received)
    lake.deliver("dept_loan_core.loans", stock, events, received)
    lake.deliver("dept_loan_core.plan_terms", stock, terms, received)
    lake.deliver("dept_risk.applications", stock, applications, received)
    for bank, rows in compensations.items():
        lake.deliver(f"{bank}.compensations", stock, rows, received)


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
    agree(lake, "mtr_first_payment_default__daily", "as_of_date, due_date, calibre, metric", values, expected)


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
