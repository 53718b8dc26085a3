"""Repayment plans against the vectors of DOMAIN.md Annex C."""

from datetime import date, datetime
from decimal import Decimal

import numpy as np
import polars as pl
import pytest

from ingestion.simulation.plans import amortise, build_plan, divide_half_up, due_dates


def plan_of(method: str, principal_fen: int, rate: str, terms: int, funded_at: datetime) -> pl.DataFrame:
    return build_plan(
        pl.DataFrame(
            {
                "loan_no": ["L"],
                "principal_amount_fen": [principal_fen],
                "term_count": [terms],
                "nominal_annual_rate_percent": [Decimal(rate)],
                "repay_method_code": [method],
                "term_fee_fen": [1_800],
                "funded_at": [funded_at],
                "posted_at": [funded_at],
            }
        )
    )


def test_equal_instalments_match_the_published_vector() -> None:
    plan = plan_of("01", 1_200_000, "18.0000", 12, datetime.fromisoformat("2026-01-15T09:00"))
    principal = [
        92016, 93396, 94797, 96219, 97662, 99127, 100614, 102123, 103655, 105210, 106788, 108393
    ]  # fmt: skip
    interest = [18000, 16620, 15219, 13797, 12354, 10889, 9402, 7893, 6361, 4806, 3228, 1626]
    assert plan["principal_amount_fen"].to_list() == principal
    assert plan["interest_amount_fen"].to_list() == interest
    assert sum(principal) == 1_200_000
    assert sum(interest) == 120_195
    assert plan["fee_amount_fen"].to_list() == [1_800] * 12
    assert plan["due_date"][0] == date(2026, 2, 15)


def test_due_dates_are_clipped_at_the_end_of_the_month() -> None:
    due = due_dates(np.array(["2025-12-31", "2026-01-30"], dtype="datetime64[D]"), 4)
    assert due.astype(str).tolist() == [
        ["2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30"],
        ["2026-02-28", "2026-03-30", "2026-04-30", "2026-05-30"],
    ]


def test_equal_principal_leaves_the_rest_to_the_last_term() -> None:
    plan = plan_of("02", 100_000, "12.0000", 3, datetime.fromisoformat("2026-01-31T23:50"))
    assert plan["principal_amount_fen"].to_list() == [33_333, 33_333, 33_334]
    assert plan["interest_amount_fen"].to_list() == [1_000, 667, 333]
    assert plan["due_date"].to_list() == [date(2026, 2, 28), date(2026, 3, 31), date(2026, 4, 30)]


@pytest.mark.parametrize("is_equal_principal", [False, True])
def test_principal_sums_exactly_for_any_loan(is_equal_principal: bool) -> None:
    stream = np.random.default_rng(3)
    principal = stream.integers(1, 20_000_000, 3_000)
    terms = stream.integers(1, 37, 3_000)
    rate = stream.choice([0, 1, 86_000, 180_000, 360_000], 3_000)
    parts, interest = amortise(principal, rate, terms, np.full(3_000, is_equal_principal))
    assert (parts.sum(axis=1) == principal).all()
    assert (parts >= 0).all()
    assert (interest >= 0).all()


def test_halves_are_rounded_up() -> None:
    assert divide_half_up(np.array([1, 2, 3, 4, 5]), 2).tolist() == [1, 1, 2, 2, 3]


def test_unknown_method_is_refused() -> None:
    with pytest.raises(ValueError, match="09"):
        plan_of("09", 120_000, "0.0000", 3, datetime.fromisoformat("2026-01-10T00:00"))
