"""The ledger of runs: one row a run, whatever its steps, retries and failures."""

from __future__ import annotations

from datetime import date

from ingestion.foundation import Settings
from ingestion.foundation.runs import Account, RunState, begin_run, list_newest_runs, read_runs, record_step

DAY = date(2026, 3, 2)
NINE, TEN, ELEVEN = (f"2026-03-03T{hour}:00:00+08:00" for hour in ("09", "10", "11"))


def test_steps_of_a_run_add_up_to_one_row(settings: Settings) -> None:
    begin_run("warehouse", DAY, "run-1", NINE, settings)
    record_step("warehouse", "run-1", RunState.RUNNING, Account("Built.", {"models": 3}), TEN, settings)
    begin_run("warehouse", DAY, "run-1", TEN, settings)
    record_step("warehouse", "run-1", RunState.SUCCEEDED, Account("Published.", {"version": "v"}), ELEVEN, settings)
    (run,) = read_runs(settings)
    assert (run.stage, run.batch_date, run.state) == ("warehouse", DAY, RunState.SUCCEEDED)
    assert (run.detail, run.extras) == ("Built. Published.", {"models": 3, "version": "v"})
    assert (run.started_at, run.ended_at) == (NINE, ELEVEN)


def test_a_failure_says_only_why_and_a_retry_is_the_newest_run(settings: Settings) -> None:
    begin_run("features", DAY, "run-1", NINE, settings)
    record_step("features", "run-1", RunState.FAILED, Account("Refused.", {"error": "E"}), TEN, settings)
    begin_run("features", DAY, "run-2", TEN, settings)
    (failed, other) = read_runs(settings, DAY)
    assert (failed.state, failed.detail) == (RunState.FAILED, "Refused.")
    assert list_newest_runs(settings, DAY) == {"features": other}

    begin_run("features", DAY, "run-1", ELEVEN, settings)
    retried = list_newest_runs(settings, DAY)["features"]
    assert (retried.run_id, retried.state, retried.detail, retried.ended_at) == ("run-1", RunState.RUNNING, "", None)
    assert retried.sequence > other.sequence
    record_step("features", "run-1", RunState.FAILED, Account("Refused.", {"error": "E"}), ELEVEN, settings)
    begin_run("features", DAY, "run-1", ELEVEN, settings)
    assert list_newest_runs(settings, DAY)["features"].sequence > retried.sequence, "a number is never given twice"
    assert len(read_runs(settings, DAY)) == 2
    assert read_runs(settings, date(2026, 3, 3)) == []


def test_a_killed_run_stays_running(settings: Settings) -> None:
    begin_run("scoring", DAY, "run-1", NINE, settings)
    (run,) = read_runs(settings)
    assert (run.state, run.ended_at) == (RunState.RUNNING, None)
