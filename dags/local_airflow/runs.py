"""Dag runs of one business date: what is done, what failed and why, and asking Airflow for the rest.

Runs are asked for over REST; their states are read from the metadata database (SQLite in WAL mode, so
a reader disturbs nobody), which also works while Airflow is stopped.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from http import HTTPStatus
from typing import Any
from urllib.error import HTTPError

from dags.local_airflow.home import AirflowHome
from dags.local_airflow.stack import Stack, StackFailed, call

CHAIN = ("warehouse", "features", "scoring")
REFUSALS = {"PublicationRefused"}
STEP_SECONDS = 3600.0
TRIGGERS = 6


@dataclass(frozen=True)
class Run:
    """The newest run of a dag for one business date."""

    number: int
    dag_id: str
    run_id: str
    state: str

    @property
    def ended(self) -> bool:
        return self.state in ("success", "failed")


@dataclass(frozen=True)
class Failure:
    """Why a run failed: the exception's name and its sentence, as the task logged them."""

    kind: str
    sentence: str

    @property
    def refused(self) -> bool:
        return self.kind in REFUSALS


def newest_runs(home: AirflowHome, batch_date: date) -> dict[str, Run]:
    """The newest run of every dag for a business date, by dag id."""
    rows = _query(
        home,
        "select id, dag_id, run_id, state from dag_run where partition_key = ? order by id",
        str(batch_date),
    )
    return {row[1]: Run(*row) for row in rows}


def results(home: AirflowHome, run: Run) -> list[str]:
    """What the tasks of a run returned, in the order in which they ended."""
    rows = _query(
        home,
        "select x.value from xcom x join task_instance t using (dag_id, run_id, task_id, map_index)"
        " where x.dag_id = ? and x.run_id = ? and x.key = 'return_value' order by t.end_date",
        run.dag_id,
        run.run_id,
    )
    return [str(json.loads(value) if isinstance(value, str) else value) for (value,) in rows]


def failure(home: AirflowHome, run: Run) -> Failure:
    """The first exception in the log of the task that failed."""
    for task, attempt in _query(
        home,
        "select task_id, try_number from task_instance where dag_id = ? and run_id = ? and state = 'failed'",
        run.dag_id,
        run.run_id,
    ):
        log = home.logs / f"dag_id={run.dag_id}/run_id={run.run_id}/task_id={task}/attempt={attempt}.log"
        for line in log.read_text(encoding="utf-8").splitlines() if log.exists() else []:
            if '"error_detail"' in line:
                error = json.loads(line)["error_detail"][0]
                return Failure(error["exc_type"], " ".join(str(error["exc_value"]).split()))
    return Failure("", f"{run.dag_id} ended without an exception in its log; read the logs in {home.logs}.")


def outcome(home: AirflowHome, sources: list[str], batch_date: date) -> str | None:
    """How a business date ended, 'scored' or 'refused'; None while it needs anything more."""
    runs = newest_runs(home, batch_date)
    done = {dag_id for dag_id, run in runs.items() if run.state == "success"}
    if not done.issuperset(f"ingest_{source}" for source in sources):
        return None
    if "warehouse" in runs and runs["warehouse"].state == "failed":
        return "refused" if failure(home, runs["warehouse"]).refused else None
    return "scored" if done.issuperset(CHAIN) else None


def run_date(
    stack: Stack, sources: list[str], batch_date: date, again: bool, show: Callable[[str], None]
) -> Failure | None:
    """Bring one business date through ingestion, warehouse, features and scoring; None when nothing failed.

    Only what is missing or failed is asked for, so an interrupted date continues where it stopped; `again`
    asks for everything. A refused publication is a Failure whose `refused` is true; the date ends there.
    """
    before = newest_runs(stack.home, batch_date)
    ingest = [f"ingest_{source}" for source in sources]
    for dag_id in ingest:
        if again or dag_id not in before or before[dag_id].state == "failed":
            _trigger(stack, dag_id, batch_date)
    for dag_id in (*ingest, *CHAIN):
        old = before.get(dag_id)
        failed_before = dag_id in CHAIN and not again and old is not None and old.state == "failed"
        if failed_before and old == _newest_after_a_moment(stack, dag_id, batch_date):
            _trigger(stack, dag_id, batch_date)
        run = _await_end(stack, dag_id, batch_date, _threshold(old, again))
        if run.state == "failed":
            return failure(stack.home, run)
        for result in results(stack.home, run):
            show(f"{dag_id.removeprefix('ingest_')}: {result}")
    return None


def _threshold(old: Run | None, again: bool) -> int:
    """The run number above which a run counts: a failed run does not, nor any old one when run again."""
    return old.number if old and (again or old.state == "failed") else 0


def _newest_after_a_moment(stack: Stack, dag_id: str, batch_date: date) -> Run:
    """The newest run, once an upstream run that was just repeated had the time to make one by its asset."""
    time.sleep(1.0)
    return newest_runs(stack.home, batch_date)[dag_id]


def _trigger(stack: Stack, dag_id: str, batch_date: date) -> None:
    """Ask for a run; Airflow on SQLite answers 500 while another of its processes writes, so ask again then."""
    body = {"logical_date": None, "partition_key": str(batch_date)}
    before = newest_runs(stack.home, batch_date).get(dag_id)
    for attempt in range(1, TRIGGERS + 1):
        try:
            call(f"{stack.url}/api/v2/dags/{dag_id}/dagRuns", "POST", body)
        except OSError as error:
            is_busy = isinstance(error, HTTPError) and error.code >= HTTPStatus.INTERNAL_SERVER_ERROR
            if not is_busy or attempt == TRIGGERS:
                raise StackFailed(f"Airflow did not take the run of {dag_id} for {batch_date}: {error}.") from error
            time.sleep(attempt)
            if newest_runs(stack.home, batch_date).get(dag_id) != before:
                return
        else:
            return


def _await_end(stack: Stack, dag_id: str, batch_date: date, above: int) -> Run:
    until = time.monotonic() + STEP_SECONDS
    while True:
        run = newest_runs(stack.home, batch_date).get(dag_id)
        if run and run.number > above and run.ended:
            return run
        stack.check()
        if time.monotonic() > until:
            raise StackFailed(f"{dag_id} of {batch_date} has not ended in {STEP_SECONDS:.0f} s; see {stack.url}.")
        time.sleep(0.2)


def _query(home: AirflowHome, sql: str, *values: str) -> Iterator[tuple[Any, ...]]:
    if not home.database.exists():
        return iter(())
    database = sqlite3.connect(f"file:{home.database}?mode=ro", uri=True, timeout=30)
    try:
        return iter(database.execute(sql, values).fetchall())
    finally:
        database.close()
