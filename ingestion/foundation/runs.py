"""Runs (运行台账): what each stage did for which business date, as the stage itself reported it to the ledger.

The orchestrator's own tables say when it started what; this says what came of it, in words and figures, and stays
readable while the orchestrator is stopped.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from ingestion.foundation.ledger import open_ledger
from ingestion.foundation.ledger.tables import runs
from ingestion.foundation.settings import Settings


class RunState(StrEnum):
    """What the ledger knows of a run; a killed one stays `running`."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True)
class Account:
    """What a step did: sentences for people, without identifiers, and figures for programs."""

    sentence: str
    figures: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Run:
    """One run of a stage for a business date; times are ISO 8601 with zone."""

    sequence: int
    stage: str
    batch_date: date
    run_id: str
    state: RunState
    detail: str
    extras: Mapping[str, Any]
    started_at: str
    ended_at: str | None


def begin_run(stage: str, batch_date: date, run_id: str, at: str, settings: Settings) -> None:
    """Record that a run works on a business date from `at` on.

    A further step of a running run changes nothing. A run that had ended (a retry, a cleared task) begins again, as
    the newest.
    """
    engine = open_ledger(settings)
    mine = sa.and_(runs.c.stage == stage, runs.c.run_id == run_id)
    with engine.begin() as ledger:
        state = ledger.execute(sa.select(runs.c.state).where(mine)).scalar()
        if state != RunState.RUNNING:
            ledger.execute(sa.delete(runs).where(mine))
            ledger.execute(
                sa.insert(runs).values(
                    stage=stage,
                    batch_date=batch_date,
                    run_id=run_id,
                    state=RunState.RUNNING.value,
                    detail="",
                    extras={},
                    started_at=at,
                )
            )
    engine.dispose()


def record_step(stage: str, run_id: str, state: RunState, account: Account, at: str, settings: Settings) -> None:
    """Add what a step did to its run, which ends at `at` unless `state` says that more steps follow.

    A failed step's sentence replaces those of the steps before it.
    """
    engine = open_ledger(settings)
    mine = sa.and_(runs.c.stage == stage, runs.c.run_id == run_id)
    with engine.begin() as ledger:
        before = ledger.execute(sa.select(runs.c.detail, runs.c.extras).where(mine)).one()
        is_sequel = before.detail and state is not RunState.FAILED
        ledger.execute(
            sa.update(runs)
            .where(mine)
            .values(
                state=state.value,
                detail=f"{before.detail} {account.sentence}" if is_sequel else account.sentence,
                extras={**before.extras, **account.figures},
                ended_at=None if state is RunState.RUNNING else at,
            )
        )
    engine.dispose()


def read_runs(settings: Settings, batch_date: date | None = None) -> list[Run]:
    """Every run, or those of a business date, in the order in which they began."""
    query = sa.select(runs).order_by(runs.c.sequence)
    if batch_date is not None:
        query = query.where(runs.c.batch_date == batch_date)
    engine = open_ledger(settings)
    with engine.connect() as ledger:
        found = [Run(**{**row, "state": RunState(row["state"])}) for row in ledger.execute(query).mappings()]
    engine.dispose()
    return found


def list_newest_runs(settings: Settings, batch_date: date) -> dict[str, Run]:
    """The newest run of every stage for a business date, by stage."""
    return {run.stage: run for run in read_runs(settings, batch_date)}
