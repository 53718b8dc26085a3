"""What borrowers pay and what the guarantor pays for them, instalment by instalment.

All of it is worked out on matrices, loan by term: the date an instalment is cleared, an optional part paid
before, and an optional settlement of everything that is left.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from ingestion.simulation.applications import NEVER
from ingestion.simulation.horizon import LAST_DATE
from ingestion.simulation.plans import EQUAL_PRINCIPAL, amortise, divide_half_up, due_dates, rate_units
from ingestion.simulation.streams import Clock, Flags, Integers, Reals, Spans, as_moments, draw_daytimes, open_stream

COMPENSATION_DPD = 20
BUYBACK_DPD = 60
LONGEST_LATENESS = 28
ONE_DAY = np.timedelta64(1, "D")
LAST = np.datetime64(LAST_DATE, "D")


@dataclass(frozen=True)
class Course:
    """How each instalment goes: matrices loan by term; dates are `NEVER` where the thing does not happen."""

    exists: Flags
    due: Clock
    principal: Integers
    interest: Integers
    fee: Integers
    cleared: Clock
    part_date: Clock
    part_share: Reals
    settled: Flags

    @property
    def part(self) -> tuple[Integers, Integers, Integers]:
        """Principal, interest and fee of a part paid first: it goes to interest, then fee, then principal."""
        total = self.principal + self.interest + self.fee
        paid = np.where(self.part_date < NEVER, (total * self.part_share).astype(np.int64), 0)
        interest = np.minimum(self.interest, paid)
        fee = np.minimum(self.fee, paid - interest)
        return paid - interest - fee, interest, fee


def draw_course(loans: pl.DataFrame, seed: int) -> Course:
    """Draw how each instalment of `loans` (none of them reversed) goes.

    Early settlement waives the interest of days not used (民法典 677) and later fees; `interest` and `fee`
    are what is then due.
    """
    stream = open_stream(seed, "repayments", "course")
    terms = loans["term_count"].to_numpy().astype(np.int64)
    funded = _funded_dates(loans)
    principal, interest = amortise(
        loans["principal_amount_fen"].to_numpy(),
        rate_units(loans["nominal_annual_rate_percent"]),
        terms,
        (loans["repay_method_code"] == EQUAL_PRINCIPAL).to_numpy(),
    )
    width = principal.shape[1]
    exists = np.arange(width) < terms[:, None]
    due = due_dates(funded, width)
    fee = np.where(exists, loans["term_fee_fen"].to_numpy()[:, None], 0)
    cleared = _draw_cleared(loans, due, stream)
    part_date, part_share = _draw_parts(loans, due, cleared, stream)
    settled = _draw_settlements(loans, due, cleared, stream)
    start = np.concatenate([funded[:, None], due[:, :-1]], axis=1)
    period = (due - start).astype(np.int64)
    used = np.clip((cleared - start).astype(np.int64), 0, period)
    interest = np.where(settled, divide_half_up(interest * used, period), interest)
    fee = np.where(settled & (used == 0), 0, fee)
    return Course(
        exists,
        due,
        principal,
        interest,
        fee,
        cleared,
        np.where(settled | ~exists, NEVER, part_date),
        part_share,
        settled,
    )


def _funded_dates(loans: pl.DataFrame) -> Clock:
    dates: Clock = loans["funded_at"].dt.date().to_numpy().astype("datetime64[D]")
    return dates


def _draw_cleared(loans: pl.DataFrame, due: Clock, stream: np.random.Generator) -> Clock:
    shape = due.shape
    risk, habit = loans["latent_risk"].to_numpy()[:, None], loans["lateness_habit"].to_numpy()[:, None]
    late_chance = 1 / (1 + np.exp(2.3 - 1.1 * risk - 0.5 * habit))
    is_late = stream.random(shape) < late_chance
    lateness = np.minimum(stream.geometric(0.16, shape), LONGEST_LATENESS)
    earliness = np.where(stream.random(shape) < 0.2, stream.integers(1, 6, shape), 0)
    delay = np.where(is_late, lateness, -earliness)
    cleared = due + delay.astype("timedelta64[D]")
    missed = loans["first_missed_term"].to_numpy()[:, None]
    term = np.arange(1, shape[1] + 1)
    stops = (missed > 0) & (term >= missed)
    onset = np.take_along_axis(due, np.maximum(missed, 1) - 1, axis=1)
    cures = stream.random((shape[0], 1)) < 0.2
    cured = np.maximum(cleared, onset + stream.integers(32, 100, (shape[0], 1)).astype("timedelta64[D]"))
    cleared = np.where(stops, np.where(cures, cured, NEVER), cleared)
    in_order: Clock = np.maximum.accumulate(cleared, axis=1)
    return in_order


def _draw_parts(loans: pl.DataFrame, due: Clock, cleared: Clock, stream: np.random.Generator) -> tuple[Clock, Reals]:
    shape = due.shape
    share = stream.uniform(0.3, 0.7, shape)
    splits = (stream.random(shape) < 0.04) & (cleared < NEVER)
    ahead = cleared - stream.integers(1, 7, shape).astype("timedelta64[D]")
    part_date = np.where(splits, ahead, NEVER)
    gives = (stream.random((shape[0], 1)) < 0.15) & (cleared == NEVER)
    is_onset = np.arange(1, shape[1] + 1) == loans["first_missed_term"].to_numpy()[:, None]
    belated = due + stream.integers(61, 111, shape).astype("timedelta64[D]")
    part_date = np.where(gives & is_onset, belated, part_date)
    return part_date, share


def _draw_settlements(loans: pl.DataFrame, due: Clock, cleared: Clock, stream: np.random.Generator) -> Flags:
    """Choose early settlements and write their date into `cleared`; returns which instalments they cover."""
    size, width = due.shape
    funded = _funded_dates(loans)
    terms = loans["term_count"].to_numpy().astype(np.int64)
    chance = 0.12 / (1 + np.exp(0.5 * loans["latent_risk"].to_numpy()))
    settles = (stream.random(size) < chance) & (loans["first_missed_term"].to_numpy() == 0)
    first = stream.integers(1, np.maximum(terms, 2))
    row = np.arange(size)
    period_start = np.where(first > 1, due[row, np.maximum(first - 2, 0)], funded)
    period_end = due[row, first - 1]
    date = (
        period_start
        + 1
        + (stream.random(size) * ((period_end - period_start).astype(np.int64) - 8)).astype("timedelta64[D]")
    )
    previous = np.where(first > 1, cleared[row, np.maximum(first - 2, 0)], funded)
    settles &= previous < date
    covered: Flags = settles[:, None] & (np.arange(1, width + 1) >= first[:, None])
    cleared[:] = np.where(covered, date[:, None], cleared)
    return covered


def replan_settled(loans: pl.DataFrame, plan: pl.DataFrame, course: Course, repayments: pl.DataFrame) -> pl.DataFrame:
    """Version 2 of the whole plan of loans settled early, with less interest, posted with the payment."""
    settlements = repayments.filter(pl.col("repay_type_code") == "2").group_by("loan_no").agg(pl.col("posted_at").min())
    loan, term = np.nonzero(course.exists)
    reduced = pl.DataFrame(
        {
            "loan_no": loans["loan_no"].gather(loan),
            "term_no": pl.Series(term + 1, dtype=pl.Int32),
            "interest_amount_fen": course.interest[loan, term],
            "fee_amount_fen": course.fee[loan, term],
        }
    )
    return (
        plan.drop("interest_amount_fen", "fee_amount_fen", "posted_at")
        .join(settlements, on="loan_no")
        .join(reduced, on=["loan_no", "term_no"])
        .with_columns(plan_version=pl.lit(2, dtype=pl.Int32))
        .select(plan.columns)
        .sort("loan_no", "term_no")
    )


def list_repayments(loans: pl.DataFrame, course: Course, seed: int) -> pl.DataFrame:
    """List the customers' payments up to the horizon, one row per payment and instalment.

    Penalty is 0.05 % a day of the principal paid late. A settlement is one payment over several instalments.
    """
    stream = open_stream(seed, "repayments", "payments")
    part_principal, part_interest, part_fee = course.part
    first_loan, first_term = np.nonzero(course.exists & (course.part_date <= LAST))
    last_loan, last_term = np.nonzero(course.exists & (course.cleared <= LAST))
    loan, term = np.concatenate([first_loan, last_loan]), np.concatenate([first_term, last_term])
    is_part = np.arange(loan.size) < first_loan.size
    at = (loan, term)
    paid = np.where(is_part, course.part_date[at], course.cleared[at])
    due = course.due[at]
    settled = course.settled[at]
    principal = np.where(is_part, part_principal[at], course.principal[at] - part_principal[at])
    days_late = np.maximum((paid - due).astype(np.int64), 0)
    kind = np.select([is_part, settled, paid < due, paid == due], ["3", "2", "4", "0"], "1")
    frame = pl.DataFrame(
        {
            "row": loan,
            "term_no": pl.Series(term + 1, dtype=pl.Int32),
            "paid_at": as_moments(paid.astype("datetime64[s]") + _daytimes_by_loan(loan, settled, stream)),
            "principal_amount_fen": principal,
            "interest_amount_fen": np.where(is_part, part_interest[at], course.interest[at] - part_interest[at]),
            "fee_amount_fen": np.where(is_part, part_fee[at], course.fee[at] - part_fee[at]),
            "penalty_amount_fen": divide_half_up(principal * days_late * 5, 10_000),
            "payment_method_code": pl.Series(["01", "02", "03"]).gather(
                stream.choice(3, size=loans.height, p=[0.75, 0.2, 0.05])[loan]
            ),
            "repay_type_code": pl.Series(kind),
        }
    )
    return (
        frame.with_columns(loans["loan_no"].gather(loan))
        .sort("paid_at", "loan_no", "term_no", "repay_type_code")
        .with_columns(posted_at=pl.col("paid_at"), payment=pl.struct("paid_at", "loan_no").rle_id() + 1)
        .with_columns(repay_no=_number("RP", pl.col("paid_at"), pl.col("payment")))
        .drop("row", "payment")
    )


def _daytimes_by_loan(loan: Integers, settled: Flags, stream: np.random.Generator) -> Spans:
    """One time of day per payment; the instalments of a settlement share theirs."""
    own = draw_daytimes(stream, loan.size)
    shared = draw_daytimes(stream, int(loan.max(initial=-1)) + 1)
    times: Spans = np.where(settled, shared[loan], own)
    return times


def list_compensations(loans: pl.DataFrame, course: Course) -> pl.DataFrame:
    """List what the guarantor pays for guaranteed loans up to the horizon, one row per instalment.

    代偿 on the day an instalment reaches DPD 20, 回购 of all that is left when one reaches DPD 60.
    What the customer paid before counts; interest not due yet is not bought.
    """
    guaranteed = loans["guarantor_code"].is_not_null().to_numpy()[:, None]
    open_terms = course.exists & guaranteed
    trigger = course.due + BUYBACK_DPD
    reached = open_terms & (course.cleared > trigger)
    bought = np.where(reached, trigger, NEVER).min(axis=1)[:, None]
    compensated = course.due + COMPENSATION_DPD
    by_instalment = open_terms & (course.cleared > compensated) & (compensated < bought)
    by_buyback = open_terms & (bought < NEVER) & (course.cleared > bought) & ~by_instalment
    date = np.where(by_instalment, compensated, bought)
    loan, term = np.nonzero((by_instalment | by_buyback) & (date <= LAST))
    at = (loan, term)
    part_principal, part_interest, _ = course.part
    before = course.part_date[at] <= date[at]
    interest_due = course.due[at] <= date[at]
    frame = pl.DataFrame(
        {
            "loan_no": loans["loan_no"].gather(loan),
            "fund_loan_no": loans["fund_loan_no"].gather(loan),
            "term_no": pl.Series(term + 1, dtype=pl.Int32),
            "compensated_date": pl.Series(date[at].astype("datetime64[D]"), dtype=pl.Date),
            "principal_amount_fen": course.principal[at] - np.where(before, part_principal[at], 0),
            "interest_amount_fen": np.where(
                interest_due, course.interest[at] - np.where(before, part_interest[at], 0), 0
            ),
            "comp_type_code": pl.Series(np.where(by_instalment[at], "01", "02"), dtype=pl.String),
        }
    )
    return (
        frame.sort("compensated_date", "loan_no", "term_no")
        .with_columns(payment=pl.struct("compensated_date", "loan_no").rle_id() + 1)
        .with_columns(comp_no=_number("CP", pl.col("compensated_date"), pl.col("payment")))
        .drop("payment")
    )


def _number(prefix: str, when: pl.Expr, order: pl.Expr) -> pl.Expr:
    return pl.concat_str(pl.lit(prefix), when.dt.strftime("%y%m%d"), order.cast(pl.String).str.zfill(8))
