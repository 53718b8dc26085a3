"""The loan book as rows of datasets, each with the day of its event: what departments and banks have to deliver."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from tests.reference.loan_book import Loan, Payment, Term

REPLANNED_AFTER = 10


@dataclass(frozen=True)
class BookRow:
    """One row of a dataset (`source.name`), and when what it says happened."""

    dataset: str
    happened: date
    loan: str
    values: dict[str, Any]


def list_rows(book: list[Loan]) -> list[BookRow]:
    """Every row that the book gives rise to, loan by loan."""
    return [row for loan in book for row in _list_loan(loan)]


def _list_loan(loan: Loan) -> Iterator[BookRow]:
    if loan.channel is not None:
        yield BookRow("dept_risk.applications", loan.funded, loan.number, _application(loan))
    for status, day in (("RP", loan.funded), ("RV", loan.reversed)):
        if day is not None:
            yield BookRow("dept_loan_core.loans", day, loan.number, _event(loan, status, day))
    for version, plan in enumerate(loan.plans, 1):
        posted = loan.funded + timedelta(days=REPLANNED_AFTER * (version - 1))
        for term in plan:
            yield BookRow("dept_loan_core.plan_terms", posted, loan.number, _term(loan, version, term, posted))
    for place, payment in enumerate(loan.payments):
        is_customer = payment.payer == "customer"
        dataset = "dept_loan_core.repayments" if is_customer else f"{loan.funder}.compensations"
        values = _repayment(loan, place, payment) if is_customer else _compensation(loan, place, payment)
        yield BookRow(dataset, payment.day, loan.number, values)


def _application(loan: Loan) -> dict[str, Any]:
    return {
        "application_no": f"A{loan.number}", "cert_no_token": loan.customer.ljust(64, "0"),
        "channel_code": "APP" if loan.channel == "app_organic" else "TE", "is_test": False,
        "applied_at": f"{loan.funded} 09:00:00",
    }  # fmt: skip


def _event(loan: Loan, status: str, day: date) -> dict[str, Any]:
    return {
        "loan_no": loan.number, "application_no": f"A{loan.number}", "cert_no_token": loan.customer.ljust(64, "0"),
        "fund_loan_no": loan.funder_number, "funder_code": "BKA" if loan.funder == "bank_a" else "BKB",
        "product_code": loan.product, "repay_method_code": "09", "principal_amount": loan.principal,
        "term_count": len(loan.plan), "nominal_annual_rate_percent": 0, "funded_at": f"{loan.funded} 10:00:00",
        "booked_date": loan.booked, "value_date": loan.valued, "status_code": status, "posted_at": f"{day} 10:30:00",
    }  # fmt: skip


def _term(loan: Loan, version: int, term: Term, posted: date) -> dict[str, Any]:
    return {
        "loan_no": loan.number, "term_no": term.number, "plan_version": version, "due_date": term.due,
        "principal_amount": term.principal, "interest_amount": term.interest, "fee_amount": term.fee,
        "posted_at": f"{posted} 11:00:00",
    }  # fmt: skip


def _repayment(loan: Loan, place: int, payment: Payment) -> dict[str, Any]:
    return {
        "repay_no": f"{loan.number}-{place}", "loan_no": loan.number, "term_no": payment.term,
        "paid_at": f"{payment.day} 12:00:00", "principal_amount": payment.principal,
        "interest_amount": payment.interest, "fee_amount": payment.fee, "penalty_amount": 0,
        "payment_method_code": "02", "repay_type_code": "0", "posted_at": f"{payment.day} 12:00:00",
    }  # fmt: skip


def _compensation(loan: Loan, place: int, payment: Payment) -> dict[str, Any]:
    row = {
        "comp_no": f"{place}-{loan.funder_number}", "fund_loan_no": loan.funder_number, "term_no": payment.term,
        "compensated_date": payment.day,
    }  # fmt: skip
    is_bought = payment.payer == "buyback"
    if loan.funder == "bank_a":
        return row | {
            "principal_amount_fen": int(payment.principal * 100), "interest_amount_fen": int(payment.interest * 100),
            "comp_type_code": "02" if is_bought else "01",
        }  # fmt: skip
    return row | {
        "principal_amount": payment.principal, "interest_amount": payment.interest,
        "comp_type_code": "HG" if is_bought else "DC",
    }  # fmt: skip
