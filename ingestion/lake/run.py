"""The run (批次) as data: what dbt is asked to build, as rows of the lake instead of variables of the command line.

A model that reads its business date compiles to the same text every day, so that dbt parses the project once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

import polars as pl

from ingestion.foundation import Settings
from ingestion.foundation.files import replace_atomically

ALWAYS = datetime(9999, 12, 31, tzinfo=UTC)


@dataclass(frozen=True)
class Run:
    """What one build is for.

    `daily_dates` are the business dates that daily tables hold, each with whether a late or restated delivery reopened
    it. `known_at`, with its zone, leaves out what was known later (知悉时点); None: nothing. `project` is the hash of
    all that computes: another one derives every date again.
    """

    batch_date: date
    daily_dates: Mapping[date, bool]
    known_at: datetime | None = None
    project: str = ""


def write_run(run: Run, settings: Settings) -> None:
    """Write `lake/runs.parquet`, one row, and `lake/run_dates.parquet`, one row a date of the daily tables."""
    settings.lake.mkdir(parents=True, exist_ok=True)
    moment = pl.Datetime("us", "UTC")
    row = {"batch_date": [run.batch_date], "known_at": [run.known_at or ALWAYS], "project": [run.project]}
    whole = pl.DataFrame(row, schema={"batch_date": pl.Date, "known_at": moment, "project": pl.String})
    days = sorted(run.daily_dates)
    dates = pl.DataFrame(
        {"as_of_date": days, "is_reopened": [run.daily_dates[day] for day in days]},
        schema={"as_of_date": pl.Date, "is_reopened": pl.Boolean},
    )
    for name, frame in (("runs", whole), ("run_dates", dates)):
        with replace_atomically(settings.lake / f"{name}.parquet") as draft:
            frame.write_parquet(draft)
