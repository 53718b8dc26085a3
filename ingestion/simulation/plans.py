"""Repayment plans (还款计划) in fen, exact to the principal."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from ingestion.simulation.streams import Clock, Flags, Integers, Reals

EQUAL_INSTALMENTS = "01"
EQUAL_PRINCIPAL = "02"
RATE_SCALE = 12 * 100 * 10_000


def build_plan(loans: pl.DataFrame) -> pl.DataFrame:
    """Build version 1 of each loan's plan, one row per instalment, due monthly from the funding date.

    Reads `loan_no, principal_amount_fen, term_count, nominal_annual_rate_percent, repay_method_code,
    term_fee_fen, funded_at, posted_at`. EPI 等额本息 and EP 等额本金, HALF_UP, the last instalment absorbs
    the rounding (DOMAIN.md Annex C).

    Raises:
        ValueError: a repay method other than 01 or 02.
    """
    unknown = set(loans["repay_method_code"].unique()) - {EQUAL_INSTALMENTS, EQUAL_PRINCIPAL}
    if unknown:
        raise ValueError(f"No plan can be built for repay methods {sorted(unknown)}; use 01 or 02.")
    terms = loans["term_count"].to_numpy().astype(np.int64)
    principal, interest = amortise(
        loans["principal_amount_fen"].to_numpy(),
        rate_units(loans["nominal_annual_rate_percent"]),
        terms,
        (loans["repay_method_code"] == EQUAL_PRINCIPAL).to_numpy(),
    )
    due = due_dates(loans["funded_at"].dt.date().to_numpy().astype("datetime64[D]"), principal.shape[1])
    loan, term = np.nonzero(np.arange(principal.shape[1]) < terms[:, None])
    return pl.DataFrame(
        {
            "loan_no": loans["loan_no"].gather(loan),
            "term_no": pl.Series(term + 1, dtype=pl.Int32),
            "plan_version": pl.Series(np.ones(loan.size), dtype=pl.Int32),
            "due_date": pl.Series(due[loan, term], dtype=pl.Date),
            "principal_amount_fen": principal[loan, term],
            "interest_amount_fen": interest[loan, term],
            "fee_amount_fen": loans["term_fee_fen"].gather(loan),
            "posted_at": loans["posted_at"].gather(loan),
        }
    )


def rate_units(percent: pl.Series) -> Integers:
    """Annual rates in percent as whole ten-thousandths of a percent."""
    return (percent.cast(pl.Decimal(18, 4)) * 10_000).cast(pl.Int64).to_numpy()


def amortise(
    principal_fen: Integers, rate: Integers, term_count: Integers, is_equal_principal: Flags
) -> tuple[Integers, Integers]:
    """Split loans into principal and interest in fen: two matrices, loan by term, 0 past the last term.

    `rate` is the nominal annual rate in ten-thousandths of a percent.
    """
    width = int(term_count.max(initial=1))
    shape = (principal_fen.size, width)
    principal, interest = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
    balance = principal_fen.astype(np.int64)
    payment = _level_payment(balance, rate, term_count)
    share = balance // np.maximum(term_count, 1)
    for term in range(width):
        interest[:, term] = divide_half_up(balance * rate, RATE_SCALE)
        regular = np.where(is_equal_principal, share, payment - interest[:, term])
        principal[:, term] = np.where(term + 1 < term_count, np.minimum(regular, balance), balance)
        balance = balance - principal[:, term]
    return principal, interest


def _level_payment(principal_fen: Integers, rate: Integers, term_count: Integers) -> Integers:
    monthly: Reals = np.asarray(rate, dtype=np.float64) / RATE_SCALE
    terms = np.maximum(term_count, 1)
    discount = -np.expm1(-terms * np.log1p(monthly))
    payment = np.where(rate > 0, principal_fen * monthly / np.where(rate > 0, discount, 1.0), principal_fen / terms)
    rounded: Integers = np.floor(payment + 0.5).astype(np.int64)
    return rounded


def divide_half_up(amount: Integers, divisor: int | Integers) -> Integers:
    """Divide non-negative integers, rounding halves up."""
    quotient: Integers = (2 * amount + divisor) // (2 * np.asarray(divisor))
    return quotient


def due_dates(start: Clock, width: int) -> Clock:
    """Dates 1 to `width` months after each `start`, clipped at month end: a matrix, loan by term."""
    month = start.astype("datetime64[M]")
    day = start - month.astype("datetime64[D]")
    target = month[:, None] + np.arange(1, width + 1).astype("timedelta64[M]")
    last = (target + np.timedelta64(1, "M")).astype("datetime64[D]") - np.timedelta64(1, "D")
    due: npt.NDArray[np.datetime64] = np.minimum(target.astype("datetime64[D]") + day[:, None], last)
    return due
