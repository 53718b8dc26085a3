"""Runs of one business date on the running Airflow: ask for what is missing, wait for it, and say what came of it.

What ran, with what result and why not, is read from the platform's own ledger, which also answers while Airflow is
stopped. Airflow is asked for one thing only: whether a run has ended, for a run that was killed, or that never started
a task, is not in the ledger.
"""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass
from datetime import date

from dags.local_airflow.lake_rows import Lake, count_lake_rows, describe_changes
from dags.local_airflow.progress import Progress
from dags.local_airflow.stack import Stack, StackFailed
from ingestion.contract import read_cards
from ingestion.foundation import Settings
from ingestion.foundation.runs import Run, RunState, list_newest_runs, read_runs

CHAIN = ("warehouse", "features", "scoring")
REFUSALS = {"PublicationRefused"}
STEP_SECONDS = 3600.0


@dataclass(frozen=True)
class RunFailure:
    """Why a run failed: the kind of its error, and the sentence that the ledger holds."""

    kind: str
    sentence: str

    @property
    def refused(self) -> bool:
        return self.kind in REFUSALS


@dataclass(frozen=True)
class AirflowRun:
    """A run as Airflow lists it."""

    dag_id: str
    run_id: str
    state: str

    @property
    def ended(self) -> bool:
        return self.state in ("success", "failed")


def read_outcome(settings: Settings, sources: list[str], batch_date: date) -> str | None:
    """How a business date ended by the ledger, 'scored' or 'refused'; None while it needs anything more."""
    runs = list_newest_runs(settings, batch_date)
    done = {stage for stage, run in runs.items() if run.state is RunState.SUCCEEDED}
    if not done.issuperset(f"ingest_{source}" for source in sources):
        return None
    if "warehouse" in runs and runs["warehouse"].extras.get("error") in REFUSALS:
        return "refused"
    return "scored" if done.issuperset(CHAIN) else None


def run_date(
    stack: Stack, settings: Settings, sources: list[str], batch_date: date, progress: Progress
) -> RunFailure | None:
    """Bring one business date through ingestion, warehouse, features and scoring; None when nothing failed.

    Only what is missing or failed is asked for, so an interrupted date continues where it stopped. A
    refused publication is a RunFailure whose `refused` is true; the date ends there.
    """
    lake = count_lake_rows(settings)
    before = _list_runs(stack, batch_date)
    ledger = list_newest_runs(settings, batch_date)
    done = {stage for stage, run in ledger.items() if run.state is RunState.SUCCEEDED}
    wanted = [f"ingest_{source}" for source in sources]
    for stage in wanted:
        if stage not in done and not _is_under_way(before.get(stage)):
            _trigger(stack, stage, batch_date)
    for stage in (*wanted, *CHAIN):
        if stage in done:
            _say_result(settings, ledger[stage], lake, progress)
            continue
        old = before.get(stage)
        if stage in CHAIN and old and old.ended and not _comes_by_its_assets(stack, old, batch_date):
            _trigger(stack, stage, batch_date)
        passed = None if old and not old.ended else old
        with progress.doing(f"{stage} of {batch_date} is running"):
            run = _await_end(stack, stage, batch_date, passed)
        held = _find_run(settings, run, batch_date)
        if run.state == "failed":
            return _explain(stack, run, held, batch_date)
        if held:
            _say_result(settings, held, lake, progress)
    return None


def list_dags(settings: Settings) -> set[str]:
    """Every dag that the declarations make."""
    return {*(f"ingest_{card.source}" for card in read_cards(settings)), *CHAIN}


def _say_result(settings: Settings, run: Run, lake: Lake, progress: Progress) -> None:
    """What stands of a source by the count of the summary, or what a stage below the lake said of itself."""
    if run.stage in CHAIN:
        progress.say(f"  {run.stage}: {run.detail}")
        return
    for line in describe_changes(lake, count_lake_rows(settings), run.stage.removeprefix("ingest_"), run.batch_date):
        progress.say(line)


def _is_under_way(run: AirflowRun | None) -> bool:
    return run is not None and not run.ended


def _list_runs(stack: Stack, batch_date: date) -> dict[str, AirflowRun]:
    """The newest run of every dag for a business date, by dag id."""
    query = f"partition_key_pattern={batch_date}&order_by=-id&limit=100"
    listed = stack.ask(f"dags/~/dagRuns?{query}")["dag_runs"]
    return {run["dag_id"]: AirflowRun(run["dag_id"], run["dag_run_id"], run["state"]) for run in reversed(listed)}


def _comes_by_its_assets(stack: Stack, old: AirflowRun, batch_date: date) -> bool:
    """Whether an upstream run that was just repeated has made a new run by its asset."""
    time.sleep(1.0)
    return _list_runs(stack, batch_date)[old.dag_id].run_id != old.run_id


def _trigger(stack: Stack, dag_id: str, batch_date: date) -> None:
    """Ask for a run whose id begins with its business date; asking twice by one id makes one run."""
    run_id = f"{batch_date}__{uuid.uuid4().hex[:8]}"
    body = {"logical_date": None, "partition_key": str(batch_date), "dag_run_id": run_id}
    stack.ask(f"dags/{dag_id}/dagRuns", "POST", body)


def _await_end(stack: Stack, dag_id: str, batch_date: date, passed: AirflowRun | None) -> AirflowRun:
    until = time.monotonic() + STEP_SECONDS
    while True:
        run = _list_runs(stack, batch_date).get(dag_id)
        if run and run.ended and (passed is None or run.run_id != passed.run_id):
            return run
        stack.check()
        if time.monotonic() > until:
            raise StackFailed(f"{dag_id} of {batch_date} has not ended in {STEP_SECONDS:.0f} s; see {stack.url}.")
        time.sleep(0.3)


def _find_run(settings: Settings, run: AirflowRun, batch_date: date) -> Run | None:
    """What the ledger holds of a run of Airflow."""
    held = (held for held in read_runs(settings, batch_date) if held.stage == run.dag_id)
    return next((found for found in held if found.run_id == run.run_id), None)


def _explain(stack: Stack, run: AirflowRun, held: Run | None, batch_date: date) -> RunFailure:
    if held and held.state is RunState.FAILED:
        return RunFailure(str(held.extras["error"]), " ".join(held.detail.split()))
    where = f"{stack.url}/dags/{run.dag_id}/runs/{run.run_id}"
    return RunFailure("", f"{run.dag_id} of {batch_date} was stopped before it could say why; see {where}.")
