"""An Airflow plugin that shows the business date of every run where runs are listed, and what came of the run.

Airflow 3.3 names a run that assets asked for by the clock alone, and hides the column of partition keys. So the date is
put where a list shows it: in the run's configuration (unless its id holds the date), and first in its note.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.listeners import hookimpl
from airflow.plugins_manager import AirflowPlugin

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun

LONGEST = 1000


class RunNotes:
    """Called by the scheduler, inside its own transaction, when a run starts and ends."""

    @hookimpl
    def on_dag_run_running(self, dag_run: DagRun, msg: str) -> None:
        """Write the business date; a note that somebody wrote by hand is kept."""
        key = dag_run.partition_key
        if key and not dag_run.note:
            dag_run.note = _heading(key)
        if key and key not in dag_run.run_id and not dag_run.conf:
            dag_run.conf = {"batch_date": key}

    @hookimpl
    def on_dag_run_success(self, dag_run: DagRun, msg: str) -> None:
        """Add what the run did, as the ledger has it."""
        _add_account(dag_run)

    @hookimpl
    def on_dag_run_failed(self, dag_run: DagRun, msg: str) -> None:
        """Add the sentence by which the run failed, as the ledger has it."""
        _add_account(dag_run)


def _heading(key: str) -> str:
    return f"**{key}** 业务日期 business date"


def _add_account(dag_run: DagRun) -> None:
    from datetime import date

    from ingestion.foundation import load_settings
    from ingestion.foundation.runs import read_runs

    key = dag_run.partition_key
    if not key or not (dag_run.note or "").startswith(_heading(key)):
        return
    for run in read_runs(load_settings(), date.fromisoformat(key)):
        if (run.stage, run.run_id) == (dag_run.dag_id, dag_run.run_id):
            dag_run.note = f"{_heading(key)}\n\n{run.detail}"[:LONGEST]


class PlatformPlugin(AirflowPlugin):
    """Registers the listener with every Airflow process whose plugins folder is this one."""

    name = "loan_data_platform"
    listeners = [RunNotes()]
