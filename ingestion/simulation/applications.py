"""Applications (申请) and what becomes of them: decision, drawing, and the refusal of people in default."""

from __future__ import annotations

import numpy as np
import polars as pl

from ingestion.simulation.horizon import FIRST_DATE, HISTORY_DAYS, HORIZON_DAYS, LAST_DATE
from ingestion.simulation.plans import due_dates
from ingestion.simulation.streams import Clock, Flags, Integers, Reals, as_moments, draw_daytimes, open_stream

APPLICATIONS_PER_HISTORY = 1.6
TERM_COUNTS = (3, 6, 12)
REFUSED_BELOW = 543
NEVER = np.datetime64("9999-12-31", "D")
END = np.datetime64(LAST_DATE, "s") + np.timedelta64(86_399, "s")


def draw_applications(persons: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Draw every application over the whole horizon with its outcome, one row per application.

    Riskier persons apply more often. `first_missed_term` is 0 for a borrower who keeps paying.
    Decision and payout are drawn for every application; `is_decided` and `is_lent` say whether they come.
    """
    person, applied = _draw_submissions(persons, seed)
    stream = open_stream(seed, "applications", "contents")
    size = person.size
    risk = persons["latent_risk"].to_numpy()[person]
    income = persons["monthly_income_amount_fen"].to_numpy()[person]
    term_count = np.array(TERM_COUNTS)[stream.choice(3, size=size, p=[0.35, 0.4, 0.25])]
    requested = np.clip(income / 100 * stream.uniform(0.4, 3.5, size), 1_000, 50_000)
    requested = (np.round(requested / 100) * 10_000).astype(np.int64)
    frame = pl.DataFrame(
        {
            "person": person,
            "applied_at": as_moments(applied),
            "term_count": pl.Series(term_count, dtype=pl.Int32),
            "requested_amount_fen": requested,
            "declares_income": stream.random(size) >= 0.08,
            "income_factor": np.round(stream.normal(1.0, 0.06, size), 2),
            "is_first": np.diff(person, prepend=-1) != 0,
            "channel_draw": stream.random(size),
        }
    )
    frame = frame.with_columns(persons["comes_by_traffic"].gather(person), persons["is_tester"].gather(person))
    frame = frame.with_columns(
        leads_by_traffic=pl.col("comes_by_traffic") & (pl.col("is_first") | (pl.col("channel_draw") < 0.15)),
    ).with_columns(has_lead=pl.col("is_first") | pl.col("leads_by_traffic"))
    outcome = _decide(frame, risk, income, seed)
    return frame.hstack(outcome)


def _draw_submissions(persons: pl.DataFrame, seed: int) -> tuple[Integers, Clock]:
    stream = open_stream(seed, "applications", "submissions")
    risk = persons["latent_risk"].to_numpy()
    rate = APPLICATIONS_PER_HISTORY * HORIZON_DAYS / HISTORY_DAYS * np.exp(0.45 * risk - 0.1)
    counts = np.where(persons["is_customer"].to_numpy(), stream.poisson(rate), 0)
    person = np.repeat(np.arange(persons.height), counts)
    days = stream.integers(HORIZON_DAYS, size=person.size).astype("timedelta64[D]")
    applied: Clock = np.datetime64(FIRST_DATE, "s") + days + draw_daytimes(stream, person.size)
    order = np.lexsort((applied, person))
    return person[order], applied[order]


def _decide(applications: pl.DataFrame, risk: Reals, income: Integers, seed: int) -> pl.DataFrame:
    stream = open_stream(seed, "applications", "decisions")
    size = applications.height
    applied: Clock = applications["applied_at"].to_numpy().astype("datetime64[s]")
    score = np.clip(np.round(600 - 42 * risk + 34 * stream.standard_normal(size)), 300, 900).astype(np.int64)
    wait = np.where(
        stream.random(size) < 0.8, stream.integers(60, 1_800, size), stream.integers(1_800, 3 * 86_400, size)
    )
    decided = applied + wait.astype("timedelta64[s]")
    cancels = stream.random(size) < 0.05
    refused = (score < REFUSED_BELOW) | (stream.random(size) < 0.04)
    granted = np.minimum(applications["requested_amount_fen"].to_numpy(), income * 2)
    granted = np.maximum(granted // 10_000, 5) * 10_000
    draws = stream.random(size) < 0.9
    funded = decided + np.where(
        stream.random(size) < 0.75,
        stream.integers(120, 7_200, size),
        stream.integers(7_200, 2 * 86_400, size),
    ).astype("timedelta64[s]")
    funded = _keep_before_cut_off(funded)
    missed_term, missed_due = _draw_defaults(risk, funded, applications["term_count"].to_numpy(), seed)
    tester = applications["is_tester"].to_numpy()
    pardons = stream.random(size) < 0.1
    wants = ~cancels & ~refused & ~tester
    in_default = _find_in_default(applications["person"].to_numpy(), applied, wants & draws, pardons, missed_due)
    approved = wants & ~in_default
    code = np.where(cancels, "C", np.where(approved, "A", "R"))
    reason = np.where(
        code != "R",
        "",
        np.where(tester, "R90", np.where(in_default, "R20", np.where(score < REFUSED_BELOW, "R10", "R30"))),
    )
    known = decided <= END
    lent = approved & draws & (funded <= END)
    whole = (granted // 10_000 * stream.uniform(0.5, 1.0, size)).astype(np.int64)
    drawn = np.where(stream.random(size) < 0.8, granted, np.maximum(whole, 5) * 10_000)
    return pl.DataFrame(
        {
            "risk_score": pl.Series(score, dtype=pl.Int32),
            "is_scored": (stream.random(size) >= np.where(cancels, 0.5, 0.02)),
            "decision_code": pl.Series(code),
            "reason_code": pl.Series(reason),
            "decided_at": as_moments(decided),
            "is_decided": known,
            "approved_amount_fen": granted,
            "is_lent": lent,
            "funded_at": as_moments(funded),
            "drawn_amount_fen": drawn,
            "first_missed_term": missed_term,
        }
    )


def _keep_before_cut_off(funded: Clock) -> Clock:
    """Move payouts after 23:30 and in the night to the first batch of the next morning."""
    day = funded.astype("datetime64[D]").astype("datetime64[s]")
    second = (funded - day).astype(np.int64)
    morning = np.timedelta64(7 * 3600, "s") + (second % 5_400).astype("timedelta64[s]")
    late, early = second >= 23 * 3600 + 1_800, second < 7 * 3600
    next_day = day + np.timedelta64(86_400, "s")
    kept: Clock = np.where(late, next_day + morning, np.where(early, day + morning, funded))
    return kept


def _draw_defaults(risk: Reals, funded: Clock, term_count: Integers, seed: int) -> tuple[Integers, Clock]:
    """First instalment a would-be borrower never pays on time again (0: none), and its due date."""
    stream = open_stream(seed, "applications", "defaults")
    chance = 1 / (1 + np.exp(2.4 - 1.6 * risk))
    defaults = stream.random(risk.size) < chance
    latest = np.maximum(term_count // 2, 2)
    term = np.minimum(stream.geometric(0.55, risk.size), latest)
    missed = np.where(defaults, term, 0)
    due = due_dates(funded.astype("datetime64[D]"), int(latest.max(initial=1)))
    chosen = due[np.arange(risk.size), np.maximum(missed, 1) - 1]
    missed_due: Clock = np.where(missed > 0, chosen, NEVER)
    return missed, missed_due


def _find_in_default(person: Integers, applied: Clock, borrows: Flags, pardons: Flags, missed_due: Clock) -> Flags:
    """Mark applications of persons with an earlier loan more than ten days past a missed due date.

    Goes by ordinal, all first applications, then all second ones: a refusal means no loan to default on.
    """
    starts = np.flatnonzero(np.diff(person, prepend=-1))
    ordinal = np.arange(person.size) - np.repeat(starts, np.diff(np.append(starts, person.size)))
    since = np.full(int(person.max(initial=0)) + 1, NEVER)
    found = np.zeros(person.size, dtype=np.bool_)
    for turn in range(int(ordinal.max(initial=-1)) + 1):
        rows = np.flatnonzero(ordinal == turn)
        who = person[rows]
        found[rows] = (applied[rows].astype("datetime64[D]") > since[who] + np.timedelta64(10, "D")) & ~pardons[rows]
        lends = borrows[rows] & ~found[rows]
        since[who] = np.where(lends, np.minimum(since[who], missed_due[rows]), since[who])
    return found
