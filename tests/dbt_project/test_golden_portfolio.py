"""The golden portfolio of DOMAIN.md annex B, delivered, landed and built, gives the dossier's figures exactly."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import duckdb
import polars as pl
import pytest

CASE = Path(__file__).parent.parent / "cases" / "golden_portfolio"


@pytest.fixture(scope="module")
def warehouse(golden) -> duckdb.DuckDBPyConnection:
    return golden[1]


def expected(name: str) -> list[tuple[str, ...]]:
    frame = pl.read_csv(CASE / f"expected_{name}.csv", infer_schema=False)
    assert frame.height > 0
    return frame.rows()


def text(rows: list[tuple[object, ...]]) -> list[tuple[str, ...]]:
    return [tuple(str(value) for value in row) for row in rows]


def test_balances_and_their_bridge(warehouse):
    found = warehouse.execute(
        """
        select as_of_date, balance_before_compensation_amount, balance_after_compensation_amount, difference_amount,
            compensated_outstanding_amount, buyback_outstanding_amount
        from mtr_balance_bridge__daily where as_of_date <> date '2026-03-12' order by as_of_date
        """
    ).fetchall()
    assert text(found) == expected("balances")
    unexplained = warehouse.execute("select distinct unexplained_amount from mtr_balance_bridge__daily").fetchall()
    assert unexplained == [(Decimal("0.00"),)]


def test_dpd_of_every_loan(warehouse):
    found = warehouse.execute(
        """
        unpivot (select as_of_date, loan_id, dpd_before_compensation, dpd_after_compensation,
                dpd_ever_before_compensation from fct_loan_days)
        on dpd_before_compensation, dpd_after_compensation, dpd_ever_before_compensation into name measure value days
        """
    ).fetchall()
    wanted = expected("dpd")
    reported = {(day, measure) for day, measure, _, _ in wanted}
    late = [(day, measure, loan, days) for day, loan, measure, days in text(found) if days != "0"]
    assert sorted(row for row in late if (row[0], row[1]) in reported) == sorted(wanted)
    assert len(found) == 5 * 9 * 3, "nine standing loans on five dates, none of them the reversed L9"


def test_first_payment_default_by_count(warehouse):
    found = warehouse.execute(
        "select as_of_date, calibre, metric, sum(matured_loan_count), sum(bad_loan_count)"
        " from mtr_first_payment_default__daily join stg_platform__run_dates"
        " on valid_from <= as_of_date and (valid_to is null or as_of_date < valid_to) group by all"
    ).fetchall()
    by_cell = {row[:3]: row[3:] for row in text(found)}
    for *cell, matured, bad in expected("first_payment_default"):
        assert by_cell[tuple(cell)] == (matured, bad)


def test_a_cohort_has_a_rate_once_it_has_matured(warehouse):
    found = warehouse.execute(
        "select due_date, matured_loan_count, bad_loan_count, first_payment_default_rate"
        " from mtr_first_payment_default__daily"
        " where valid_from <= date '2026-03-31' and (valid_to is null or date '2026-03-31' < valid_to)"
        " and calibre = 'before_compensation' and metric = 'FPD1_cnt' order by due_date"
    ).fetchall()
    assert text(found) == [("2026-02-10", "8", "5", "0.625000000"), ("2026-02-28", "1", "0", "0E-9")]
    immature = warehouse.execute(
        "select distinct first_payment_default_rate from mtr_first_payment_default__daily where matured_loan_count = 0"
    ).fetchall()
    assert immature == [(None,)], "an immature cohort has no rate, not 0"


def test_first_payment_unpaid_by_amount(warehouse):
    found = warehouse.execute(
        "select due_date, due_amount, paid_by_due_amount, round(first_payment_unpaid_rate, 4)"
        " from mtr_first_payment_unpaid__daily where due_date <= date '2026-02-28' order by due_date"
    ).fetchall()
    assert text(found) == [
        ("2026-02-10", "3200.00", "1300.00", "0.5938"),
        ("2026-02-28", "400.00", "400.00", "0.0000"),
    ]
    due, paid = (sum(row[place] for row in found) for place in (1, 2))
    assert round((due - paid) / due * 100, 2) == Decimal("52.78")


def test_overdue_rates(warehouse):
    found = warehouse.execute(
        "select as_of_date, calibre, threshold, overdue_balance_amount, balance_principal_amount, overdue_balance_rate"
        " from mtr_delinquency__daily"
    ).fetchall()
    for row in expected("overdue"):
        assert row in text(found)


def test_exactly_thirty_days_is_thirty_plus_by_one_operator_only(warehouse):
    found = dict(
        warehouse.execute(
            "select threshold, overdue_loan_count from mtr_delinquency__daily"
            " where as_of_date = date '2026-03-12' and calibre = 'before_compensation' and threshold like '%30'"
        ).fetchall()
    )
    assert found == {">=30": 2, ">30": 0}


def test_active_borrowers_depend_on_the_view(warehouse):
    found = warehouse.execute(
        "select distinct calibre, active_borrower_count from mtr_delinquency__daily"
        " where as_of_date = date '2026-04-30'"
    ).fetchall()
    assert dict(found) == {"before_compensation": 3, "after_compensation": 2}


def test_buckets(warehouse):
    found = warehouse.execute(
        "select as_of_date, calibre, scheme, bucket, loan_count, balance_principal_amount"
        " from mtr_delinquency_buckets__daily"
    ).fetchall()
    wanted = expected("buckets")
    late = {row[:3] for row in wanted}
    reported = sorted(row for row in text(found) if row[:3] in late and (row[3] != "C" or row in wanted))
    assert reported == sorted(wanted)


def test_disbursement_by_date_basis(warehouse):
    found = warehouse.execute(
        "select date_basis, sum(disbursed_amount), sum(gross_disbursed_amount), sum(reversed_amount),"
        " sum(restated_disbursed_amount)"
        " from mtr_disbursement__daily where disbursed_date between date '2026-01-01' and date '2026-01-31'"
        " group by date_basis order by date_basis"
    ).fetchall()
    assert text(found) == [
        ("booked", "9600.00", "10800.00", "1200.00", "9600.00"),
        ("t0", "10800.00", "12000.00", "1200.00", "10800.00"),
        ("value", "9600.00", "10800.00", "1200.00", "9600.00"),
    ]


def test_the_funder_agrees_loan_by_loan(warehouse):
    for table in ("rec_loans__funder", "rec_balances__funder"):
        found = warehouse.execute(f"select break_type, count(*) from {table} group by break_type").fetchall()
        assert dict(found) == {"matched": 9 if table == "rec_loans__funder" else 2}
