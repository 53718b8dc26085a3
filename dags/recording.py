"""One step of an Airflow dag run: do its work, and say in the ledger, the log and the asset event what it did.

The edge of the platform: the only reader of the clock, and of what Airflow knows about the run.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from typing import TYPE_CHECKING

import structlog
from airflow.sdk import Asset, get_current_context

from ingestion.foundation import BUSINESS_TIMEZONE, load_settings

if TYPE_CHECKING:
    from ingestion.foundation.runs import Account

log = structlog.get_logger("dags.recording")
PLATFORM = {"ingestion", "quality", "features", "dags"}


def batch_date_of(partition_key: str | None) -> date:
    """The business date of a run.

    Raises: ValueError when the run was triggered without a partition key, or with one that is not a date.
    """
    try:
        return date.fromisoformat(partition_key or "")
    except ValueError:
        raise ValueError(
            f"The partition key is {partition_key!r}; trigger the dag with a business date (yyyy-mm-dd)."
        ) from None


def perform(work: Callable[[date], Account], sends: Asset | None = None, is_last: bool = True) -> str:
    """Do a step of the current run for its business date, and record what came of it; returns the sentence.

    `sends` gets the figures with its event. A step that is not the last leaves the run running.

    Raises: whatever `work` raises, for the retry policy decides by it.
    """
    from ingestion.foundation.runs import Account, RunState, begin_run, record_step

    context, settings = get_current_context(), load_settings()
    stage, run_id = context["dag_run"].dag_id, context["dag_run"].run_id
    batch_date = batch_date_of(context["dag_run"].partition_key)
    begin_run(stage, batch_date, run_id, _now(), settings)
    try:
        account = work(batch_date)
    except BaseException as error:
        failed = Account(_describe_error(error, context["ti"].task_id), {"error": type(error).__name__})
        record_step(stage, run_id, RunState.FAILED, failed, _now(), settings)
        log.error(failed.sentence)
        raise
    state = RunState.SUCCEEDED if is_last else RunState.RUNNING
    record_step(stage, run_id, state, account, _now(), settings)
    if sends is not None:
        context["outlet_events"][sends].extra = {"batch_date": str(batch_date), **account.figures}
    log.info(account.sentence)
    return account.sentence


def _describe_error(error: BaseException, task_id: str) -> str:
    """The platform's own errors are sentences for people; the words of others may quote data and stay in the log."""
    if type(error).__module__.partition(".")[0] in PLATFORM:
        return str(error)
    return f"{type(error).__name__} stopped the task {task_id}; its log holds the traceback."


def today() -> date:
    """The day in Shanghai on which a step runs: an override of a verdict counts by the calendar."""
    return datetime.now(BUSINESS_TIMEZONE).date()


def _now() -> str:
    return datetime.now(BUSINESS_TIMEZONE).isoformat(timespec="seconds")
