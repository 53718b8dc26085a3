"""What a task leaves behind: a row in the ledger, figures on its asset event, and a note on its run."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from contextlib import closing
from datetime import date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.models.dagrun import DagRun
from airflow.sdk import Asset

from dags import recording
from dags.accounts import account_for_landing
from dags.ingest import land_and_account
from dags.plugins.run_notes import RunNotes
from ingestion.delivery import DeliveryRefused, list_dates_to_build
from ingestion.foundation import BUSINESS_TIMEZONE, PROJECT, Settings, load_settings
from ingestion.foundation.runs import Account, RunState, read_runs
from ingestion.foundation.verdict import LANDING, Failure, Verdict, record_verdicts
from ingestion.landing import LandingReport
from ingestion.landing.sources import Arrival
from ingestion.simulation import simulate
from quality.publication import PublicationRefused

DAY = date(2026, 3, 2)
LAKE = Asset("lake/bank_a", group="lake")
RUN_ID = "asset_triggered__2026-11-28T16:08:07+00:00_x"


@pytest.fixture
def platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("PLATFORM_HOME", str(tmp_path / "home"))
    return load_settings()


@pytest.fixture
def context(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    run = SimpleNamespace(dag_id="ingest_bank_a", run_id=RUN_ID, partition_key=str(DAY))
    events: dict[Asset, Any] = defaultdict(SimpleNamespace)
    held = {"dag_run": run, "ti": SimpleNamespace(task_id="land"), "outlet_events": events}
    monkeypatch.setattr(recording, "get_current_context", lambda: held)
    return held


def landed(day: date, rows: int, outcome: str = "landed") -> Arrival:
    return Arrival("bank_a", "loans", day, 1, rows + 2, rows, 2, outcome)


def test_a_success_says_what_it_did_and_sends_its_figures(platform: Settings, context: dict[str, Any]) -> None:
    report = LandingReport("bank_a", DAY, (landed(DAY, 1000), landed(DAY, 5, "unchanged")), ("loans never came.",))
    said = recording.perform(lambda day: account_for_landing(report) if day == DAY else Account("?"), sends=LAKE)
    assert said.startswith("bank_a up to 2026-03-02: 1,000 rows of 1 delivery landed, 2 quarantined; 1 delivery known")
    assert "loans never came." in said
    (run,) = read_runs(platform, DAY)
    assert (run.stage, run.run_id, run.state, run.detail) == ("ingest_bank_a", RUN_ID, RunState.SUCCEEDED, said)
    assert context["outlet_events"][LAKE].extra == {"batch_date": "2026-03-02", **run.extras}
    assert (run.extras["rows_landed"], run.extras["rows_quarantined"], run.extras["deliveries"]) == (1000, 2, 1)
    assert run.started_at.endswith("+08:00")


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (PublicationRefused("Set warehouse is not published."), "Set warehouse is not published."),
        (ValueError("could not parse 110101199003071234"), "ValueError stopped the task land"),
        (KeyboardInterrupt(), "KeyboardInterrupt stopped the task land"),
    ],
)
def test_a_failure_is_recorded_by_its_sentence_and_raised(
    platform: Settings, context: dict[str, Any], error: BaseException, sentence: str
) -> None:
    def fail(_day: date) -> Account:
        raise error

    with pytest.raises(type(error)) as raised:
        recording.perform(fail, sends=LAKE)
    assert raised.value is error, "the retry policy decides by the error itself"
    (run,) = read_runs(platform, DAY)
    assert (run.state, run.extras) == (RunState.FAILED, {"error": type(error).__name__})
    assert run.detail.startswith(sentence)
    assert "1990" not in run.detail, "the words of an unforeseen error may quote data"
    assert LAKE not in context["outlet_events"]


def test_a_run_without_a_business_date_says_what_to_do(platform: Settings, context: dict[str, Any]) -> None:
    context["dag_run"].partition_key = None
    with pytest.raises(ValueError, match=r"trigger the dag with a business date \(yyyy-mm-dd\)"):
        recording.perform(lambda _day: Account("?"))
    assert read_runs(platform) == []


def test_every_listed_run_shows_its_business_date_and_what_came_of_it(
    platform: Settings, context: dict[str, Any]
) -> None:
    notes = RunNotes()
    run = DagRun(dag_id="ingest_bank_a", run_id=RUN_ID, run_type="asset_triggered", partition_key=str(DAY))
    notes.on_dag_run_running(run, "")
    assert run.conf == {"batch_date": "2026-03-02"}
    assert run.note.startswith("**2026-03-02**")
    recording.perform(lambda _day: Account("Landed it. " + "x" * 2000), sends=LAKE)
    notes.on_dag_run_success(run, "")
    assert "Landed it." in run.note
    assert len(run.note) <= 1000, "Airflow takes no longer note"


def test_a_note_or_a_configuration_that_somebody_wrote_is_kept(platform: Settings) -> None:
    notes = RunNotes()
    run = DagRun(dag_id="features", run_id=f"backfill__{DAY}", run_type="backfill", partition_key=str(DAY))
    run.note = "asked for by finance"
    notes.on_dag_run_running(run, "")
    notes.on_dag_run_failed(run, "")
    assert (run.note, run.conf) == ("asked for by finance", {}), "its id holds the date already"


@pytest.mark.parametrize(
    ("dag_id", "task_id", "stage", "word"),
    [
        ("warehouse", "gate_and_publish", "quality.publication.audit_and_publish", "as_of"),
        ("features", "build_features", "features.publish.build_features", "overrides_as_of"),
        ("scoring", "score", "features.scorecard.score", "overrides_as_of"),
    ],
)
def test_a_gate_of_a_dag_judges_overrides_by_the_calendar(
    platform: Settings,
    context: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    dag_id: str,
    task_id: str,
    stage: str,
    word: str,
) -> None:
    """A business date is as old as it likes: an override that ended yesterday lets nothing pass today."""
    asked: list[date] = []

    def refuse(*_given: object, **named: date) -> None:
        asked.append(named[word])
        raise PublicationRefused("Set is not published.")

    monkeypatch.setattr(stage, refuse)
    task = DagBag(PROJECT / "dags" / f"{dag_id}.py").dags[dag_id].get_task(task_id)
    with pytest.raises(PublicationRefused):
        task.python_callable()  # type: ignore[attr-defined]
    assert asked == [datetime.now(BUSINESS_TIMEZONE).date()]


def test_a_refused_delivery_has_its_page_when_its_task_ends(
    platform: Settings, context: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    failure = Failure("control_totals", "fail", "L6", "12.00, allowed 11.00", "the totals are not those of the sender")

    def refuse(source: str, batch_date: date, settings: Settings) -> LandingReport:
        refused = Verdict(LANDING, f"{source}.loans", batch_date, "f" * 32, "1.0.0+00000000", 3, 1, (failure,))
        record_verdicts([refused], settings)
        raise DeliveryRefused("bank_a.loans of 2026-03-02 was refused.")

    monkeypatch.setattr("ingestion.landing.land_source", refuse)
    with pytest.raises(DeliveryRefused):
        recording.perform(lambda day: land_and_account("bank_a", day), sends=LAKE)
    page = platform.reports / "quality" / "landing" / str(DAY) / "index.html"
    assert "control_totals" in page.read_text(encoding="utf-8")


def test_a_run_lands_what_its_look_back_found(platform: Settings, context: dict[str, Any]) -> None:
    """A receipt that reaches a closed window of a database is landed by the next date's run, which says so."""
    simulate(500, 2, 5, platform.home, progress=lambda _: None)
    land = DagBag(PROJECT / "dags" / "ingest.py").dags["ingest_dept_loan_core"].get_task("land")
    changes = (
        "delete from repayment where (repay_no, term_no) in (select repay_no, term_no from late)",
        "insert into repayment select * from late",
    )
    database = platform.locate_source("dept_loan_core") / "loan_core.db"
    said: list[str] = []
    with closing(sqlite3.connect(database)) as connection:
        connection.execute(f"create table late as select * from repayment where posted_date = '{DAY}' limit 1")
        for number, change in enumerate(changes):
            with connection:
                connection.execute(change)
            day = DAY + timedelta(days=number)
            context["dag_run"] = SimpleNamespace(
                dag_id="ingest_dept_loan_core", run_id=f"{RUN_ID}{number}", partition_key=str(day)
            )
            said.append(land.python_callable())  # type: ignore[attr-defined]
    assert "of 3 deliveries landed" in said[0] and "of 4 deliveries landed" in said[1]
    assert "dept_loan_core.repayments of 2026-03-02" in said[1]
    assert [day for day, is_reopened in list_dates_to_build(day, platform).items() if is_reopened] == [DAY]
