"""Events are structured lines for whoever listens, and cost nothing where nobody does."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
import typing

import pytest

from ingestion.commands import main
from ingestion.foundation import PROJECT
from ingestion.foundation.command_line import NO, WRONG
from ingestion.foundation.events import report_event
from tests.ingestion.broken import Party, column

IDENTITY = "11010519491231002X"
DAY = "2026-03-02"


@pytest.fixture
def delivered(party: Party) -> Party:
    party.declare(
        column("id", "BIGINT", key=True),
        column("cert_no", classification="C2", protect="cert_no"),
        max_quarantine_share=0.6,
    ).deliver(f"id,cert_no\n1,{IDENTITY}\nx,{IDENTITY}\n")
    return party


def land(party: Party, log: str | None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **party.environment, **({"PLATFORM_LOG": log} if log is not None else {})}
    command = [sys.executable, "-m", "ingestion", "land", "party", "--date", DAY]
    return subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)


def test_a_landing_is_one_json_line_with_its_counts_and_no_identifier(delivered: Party) -> None:
    done = land(delivered, "json")
    assert done.stdout == "party: 1 landed, 1 quarantined\n"
    [line] = [json.loads(line) for line in done.stderr.splitlines()]
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "delivery_landed", "level": "info", "batch_date": DAY, "source": "party", "dataset": "rows",
        "sequence": 1, "rows_in": 2, "rows_landed": 1, "rows_quarantined": 1,
    }  # fmt: skip
    assert IDENTITY not in done.stderr


def test_a_refusal_is_a_line_beside_its_sentence(delivered: Party) -> None:
    delivered.deliver(f"id,cert_no\ny,{IDENTITY}\nx,{IDENTITY}\n")
    done = land(delivered, "json")
    lines = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    assert [(line["event"], line["rows_in"]) for line in lines] == [("delivery_refused", 0)]
    assert done.returncode == NO and IDENTITY not in done.stderr


def test_text_is_for_eyes(delivered: Party) -> None:
    [line] = land(delivered, "text").stderr.splitlines()
    assert line.startswith("timestamp=") and "level=info event=delivery_landed batch_date=2026-03-02" in line


@pytest.mark.parametrize("log", [None, "", "off"])
def test_a_command_is_quiet_unless_somebody_listens(log: str | None, delivered: Party) -> None:
    done = land(delivered, log)
    assert (done.stdout, done.stderr) == ("party: 1 landed, 1 quarantined\n", "")


def test_a_log_that_does_not_exist_is_a_sentence(
    party: Party, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {**party.environment, "PLATFORM_LOG": "xml"}.items():
        monkeypatch.setenv(name, value)
    assert main(["land", "--date", DAY]) == WRONG
    assert capsys.readouterr().err == "PLATFORM_LOG is 'xml'; set off, json or text.\n"


def test_whoever_configured_structlog_gets_the_events(monkeypatch: pytest.MonkeyPatch) -> None:
    """As an Airflow task does, whose log then holds them."""
    import structlog

    try:
        with structlog.testing.capture_logs() as captured:  # which configures it
            report_event("set_published", set_name="warehouse", version="v1")
            monkeypatch.setattr(structlog, "is_configured", lambda: False)
            report_event("set_published", set_name="warehouse", version="v2")
    finally:
        structlog.reset_defaults()  # or every later test of this process is listened to
    assert captured == [{"event": "set_published", "set_name": "warehouse", "version": "v1", "log_level": "info"}]


def test_an_event_has_no_place_for_free_text() -> None:
    words = typing.get_type_hints(report_event)
    assert not {"reason", "message", "detail", "error", "value", "token", "subject"} & set(words)
    assert all(
        parameter.kind is inspect.Parameter.KEYWORD_ONLY
        for name, parameter in inspect.signature(report_event).parameters.items()
        if name != "event"
    )
