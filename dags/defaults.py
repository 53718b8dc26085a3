"""What every dag shares: its retries, its lateness deadline and its business date (Airflow partition key).

Retries: only a passing fault is worth a second try. Whatever else a stage raises (a refused publication, a
broken delivery, a bug) is the same the second time, so the task fails at once. A killed worker is not an
exception: the scheduler gives its task the ordinary retries.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import (
    DAG,
    Asset,
    AssetAll,
    ExceptionRetryPolicy,
    IdentityMapper,
    PartitionedAssetTimetable,
    RetryAction,
    RetryRule,
)
from airflow.sdk.definitions.callback import SyncCallback
from airflow.sdk.definitions.deadline import DeadlineAlert, DeadlineReference

PASSING_FAULTS: list[type[BaseException] | str] = [
    ConnectionError,
    TimeoutError,
    InterruptedError,
    "sqlalchemy.exc.OperationalError",
]

ARGUMENTS: dict[str, Any] = {
    "owner": "data-platform",
    "do_xcom_push": False,  # what a step did is in the ledger, the log and the event; no step reads another's result
    "retries": 2,
    "retry_delay": timedelta(minutes=1),
    "retry_policy": ExceptionRetryPolicy(
        rules=[RetryRule(exception=PASSING_FAULTS, action=RetryAction.RETRY)],
        default=RetryAction.FAIL,
    ),
}

# PLATFORM_SCHEDULE=off (the local demo): runs come from requests and assets only. A past end date stops the
# clock and nothing else; Airflow's `use_job_schedule = False` would also stop the runs that assets ask for.
CLOCK_ENDS = datetime(2000, 1, 1, tzinfo=UTC) if os.environ.get("PLATFORM_SCHEDULE") == "off" else None


def late_after(interval: timedelta) -> DeadlineAlert:
    """A deadline counted from when the run was queued, for a partitioned run has no logical date."""
    return DeadlineAlert(
        reference=DeadlineReference.DAGRUN_QUEUED_AT,
        interval=interval,
        callback=SyncCallback("dags.lateness.record_lateness"),
    )


def stage_dag(dag_id: str, after: Asset | AssetAll, late: timedelta, words: dict[str, Any], **task: Any) -> DAG:
    """A dag that runs once a business date, when all of `after` was sent; `task` adds to its tasks' arguments."""
    return DAG(
        dag_id=dag_id,
        schedule=PartitionedAssetTimetable(assets=after, default_partition_mapper=IdentityMapper()),
        catchup=False,
        max_active_runs=1,
        default_args={**ARGUMENTS, **task},
        deadline=late_after(late),
        **words,
    )
