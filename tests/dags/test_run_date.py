"""One business date on an Airflow that a test plays: what is asked for, what is waited for, and what is said."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, cast

import pytest

from dags.local_airflow.progress import Progress
from dags.local_airflow.runs import CHAIN, RunFailure, run_date
from dags.local_airflow.stack import Stack
from ingestion.foundation import Settings
from ingestion.foundation.runs import Account, RunState, begin_run, record_step

DAY = date(2026, 3, 2)
AT = "2026-03-03T09:00:00+08:00"
SOURCES = ["bank_a", "bank_b"]
INGEST = ["ingest_bank_a", "ingest_bank_b"]


class PlayedAirflow:
    """Ends every run at once, as `ends` says of its dag, and starts the next stage when the one before succeeded."""

    url = "http://played"

    def __init__(self, settings: Settings, ends: Mapping[str, str] | None = None) -> None:
        self.settings, self.ends = settings, dict(ends or {})
        self.runs: list[dict[str, str]] = []
        self.asked: list[str] = []

    def ask(self, path: str, method: str = "GET", body: Mapping[str, Any] | None = None) -> Any:
        if method == "GET":
            return {"dag_runs": self.runs[::-1]}
        assert body is not None
        assert body["dag_run_id"].startswith(f"{DAY}__") and body["partition_key"] == str(DAY)
        dag_id = path.split("/")[1]
        self.asked.append(dag_id)
        self._end(dag_id, body["dag_run_id"])
        return {}

    def check(self) -> None:
        raise AssertionError("a run was waited for that nobody asked for")

    def _end(self, stage: str, run_id: str) -> None:
        how = self.ends.get(stage, "succeeded")
        self.runs.append(
            {"dag_id": stage, "dag_run_id": run_id, "state": "success" if how == "succeeded" else "failed"}
        )
        begin_run(stage, DAY, run_id, AT, self.settings)
        if how == "killed":
            return
        state = RunState.SUCCEEDED if how == "succeeded" else RunState.FAILED
        figures = {} if how == "succeeded" else {"error": how}
        record_step(stage, run_id, state, Account(f"{stage} says {how}.", figures), AT, self.settings)
        done = {run["dag_id"] for run in self.runs if run["state"] == "success"}
        if stage in INGEST and done >= set(INGEST):
            self._end("warehouse", f"asset_triggered__{len(self.runs)}")
        elif stage in CHAIN[:-1] and how == "succeeded":
            self._end(CHAIN[CHAIN.index(stage) + 1], f"asset_triggered__{len(self.runs)}")


def run(airflow: PlayedAirflow) -> RunFailure | None:
    airflow.asked.clear()
    with Progress() as progress:
        return run_date(cast("Stack", airflow), airflow.settings, SOURCES, DAY, progress)


def test_sources_are_asked_for_and_the_rest_comes_by_assets(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    airflow = PlayedAirflow(settings)
    assert run(airflow) is None
    assert airflow.asked == INGEST
    said = capsys.readouterr().out
    assert [stage for stage in CHAIN if f"  {stage}: {stage} says succeeded." in said] == list(CHAIN)

    assert run(airflow) is None
    assert airflow.asked == [], "what the ledger holds as done is not asked for"
    assert capsys.readouterr().out == said, "and is said in the same words"


def test_a_refusal_is_reported_by_the_sentence_of_the_ledger(settings: Settings) -> None:
    failure = run(PlayedAirflow(settings, {"warehouse": "PublicationRefused"}))
    assert failure == RunFailure("PublicationRefused", "warehouse says PublicationRefused.")
    assert failure.refused


def test_a_run_that_was_killed_is_named_and_asked_for_again(settings: Settings) -> None:
    airflow = PlayedAirflow(settings, {"features": "killed"})
    failure = run(airflow)
    assert failure is not None and not failure.refused
    assert failure.sentence.startswith("features of 2026-03-02 was stopped before it could say why; see http://played")

    airflow.ends.clear()
    assert run(airflow) is None
    assert airflow.asked == ["features"]


def test_a_source_that_failed_is_asked_for_again_and_the_others_are_not(settings: Settings) -> None:
    airflow = PlayedAirflow(settings, {"ingest_bank_a": "DeliveryRefused"})
    failure = run(airflow)
    assert failure == RunFailure("DeliveryRefused", "ingest_bank_a says DeliveryRefused.")
    airflow.ends.clear()
    assert run(airflow) is None
    assert airflow.asked == ["ingest_bank_a"]
