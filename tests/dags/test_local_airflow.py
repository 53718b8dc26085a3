"""The commands of the local Airflow: what a user meets when something is wrong, and what the demo counts and shows."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest
import sqlalchemy as sa

from dags.local_airflow.home import AirflowHome
from dags.local_airflow.lake_rows import LakeRows, count_lake_rows, describe_changes
from dags.local_airflow.progress import Progress
from dags.local_airflow.runs import read_outcome
from dags.local_airflow.simulated_group import SimulationFailed, deliver_days, describe_group
from dags.local_airflow.stack import COMPONENTS, Stack, StackFailed
from dags.local_airflow.summary import announce, summarise
from ingestion.foundation import PROJECT, Settings
from ingestion.foundation.ledger import deliveries, open_ledger
from ingestion.foundation.runs import Account, RunState, begin_run, record_step
from ingestion.foundation.verdict import Failure, Verdict, record_verdicts
from quality.override import override_verdict

DAY, NEXT = date(2026, 3, 4), date(2026, 3, 5)
AT = "2026-03-05T09:00:00+08:00"


def run(home: Path, *arguments: str, port: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "PLATFORM"))}
    environment |= {"PLATFORM_HOME": str(home)} | ({"PLATFORM_AIRFLOW_PORT": port} if port else {})
    command = [sys.executable, "-m", "dags.local_airflow", *arguments]
    return subprocess.run(
        command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False, timeout=120
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "python -m dags.local_airflow wants a command; it knows demo, up, down, airflow."),
        (["demmo"], "python -m dags.local_airflow does not know demmo; the nearest that it knows is demo."),
        (["demo", "--days", "0"], "--days: '0' is not a whole number from 1"),
        (["demo", "--customers", "many"], "--customers: 'many' is not a whole number from 1"),
        (["up", "--now"], "python -m dags.local_airflow up does not take --now; it knows "),
        (["demo", "--days", "1000"], "The simulated group delivers"),
        (["airflow", "dags", "list"], "There is no Airflow in"),
        (["airflow", "--help"], "There is no Airflow in"),
        (["airflow", "--verbose", "dags", "-h"], "There is no Airflow in"),
        (["airflow", "backfill", "create", "--dag-id", "x"], "Airflow is not running, so nothing would run"),
    ],
)
def test_a_wrong_command_is_answered_in_one_sentence(tmp_path: Path, arguments: list[str], sentence: str) -> None:
    done = run(tmp_path / "home", *arguments)
    assert done.returncode in (1, 2)
    assert done.stderr.startswith(sentence)
    assert len(done.stderr.splitlines()) == 1, done.stderr


def test_a_port_that_cannot_be_had_is_named(tmp_path: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        taken = str(holder.getsockname()[1])
        done = run(tmp_path / "home", "up", port=taken)
    assert done.returncode == 1
    assert done.stderr.startswith(f"Port {taken} is in use or not allowed; stop the program that holds it")
    assert len(done.stderr.splitlines()) == 1
    for nonsense in ("http", "70000", "0", "-1"):
        done = run(tmp_path / "home", "up", port=nonsense)
        assert done.stderr.startswith(f"PLATFORM_AIRFLOW_PORT is {nonsense!r}; set a port ")
        assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("command", ["demo", "up", "down"])
def test_a_home_that_cannot_be_written_is_named(tmp_path: Path, command: str) -> None:
    (tmp_path / "file").write_text("")
    done = run(tmp_path / "file" / "home", command)
    assert done.returncode == 1
    assert done.stderr.startswith(f"PLATFORM_HOME {tmp_path / 'file' / 'home'} cannot be written (")
    assert len(done.stderr.splitlines()) == 1


def test_a_silent_step_shows_that_it_lives_and_a_talking_one_does_not(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress(silent_seconds=0.2) as progress:
        with progress.doing("the warehouse is built"):
            time.sleep(0.7)
        between = capsys.readouterr().out.splitlines()
        with progress.doing("sources land"):
            for _ in range(10):
                progress.say("a source landed")
                time.sleep(0.05)
        talking = capsys.readouterr().out.splitlines()
        time.sleep(0.5)
    assert 2 <= len(between) <= 4
    assert all(line.startswith("    … the warehouse is built (") for line in between)
    assert talking == ["a source landed"] * 10
    assert capsys.readouterr().out == ""
    assert not any(thread.name == "progress" for thread in threading.enumerate())


@contextmanager
def answering(*codes: int) -> Iterator[tuple[str, list[str]]]:
    """A server that answers one code after the other, and what it was asked."""
    left, asked = list(codes), []

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            asked.append(f"{self.command} {self.path}")
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(left.pop(0))
            self.end_headers()
            self.wfile.write(b'{"answer": 1}')

        do_GET = do_POST = answer  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()


def stack_at(home: Path, url: str) -> Stack:
    """A stack whose processes all live, at an address."""
    home.mkdir()
    me = [os.getpid(), psutil.Process().create_time()]
    (home / "processes.json").write_text(json.dumps({"url": url, "processes": dict.fromkeys(COMPONENTS, me)}))
    return Stack(AirflowHome(home))


def test_a_busy_airflow_is_asked_again_and_a_run_that_it_took_is_not_asked_for_twice(tmp_path: Path) -> None:
    with answering(500, 409, 503, 200) as (url, asked):
        stack = stack_at(tmp_path / "airflow", url)
        assert stack.ask("dags/x/dagRuns", "POST", {"dag_run_id": "1"}) is None
        assert stack.ask("pools") == {"answer": 1}
    assert asked == ["POST /api/v2/dags/x/dagRuns"] * 2 + ["GET /api/v2/pools"] * 2


def test_an_airflow_that_refuses_or_is_gone_is_named_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with answering(404) as (url, _):
        stack = stack_at(tmp_path / "airflow", url)
        with pytest.raises(StackFailed, match=r"^Airflow refused GET dags/x \(HTTP Error 404: Not Found\); see "):
            stack.ask("dags/x")
    monkeypatch.setattr("time.sleep", lambda _: None)
    with pytest.raises(StackFailed, match=r"^Airflow does not answer GET dags/x .*; read the logs in "):
        stack.ask("dags/x")
    stack.file.write_text(json.dumps({"url": url, "processes": {}}))
    with pytest.raises(StackFailed, match="ended by itself; read the logs in"):
        stack.ask("dags/x")


def deliver(settings: Settings, version: int, day: date, rows: int, superseded: bool = False) -> None:
    ledger = open_ledger(settings)
    with ledger.begin() as connection:
        connection.execute(
            sa.insert(deliveries).values(
                delivery_id=f"{day}-{version}",
                source="bank_a",
                dataset="loans",
                batch_date=day,
                sequence=version,
                version=version,
                content_hash=f"{version}",
                contract_version="1",
                state="landed",
                received_at=AT,
                superseded_at=AT if superseded else None,
                file_name="f",
                file_size=1,
                file_mtime_ns=1,
                rows_in=rows + 1,
                rows_landed=rows,
                rows_quarantined=1,
            )
        )
    ledger.dispose()


def test_a_line_of_the_demo_and_the_summary_count_what_stands(settings: Settings) -> None:
    before = count_lake_rows(settings)
    deliver(settings, 1, DAY, 1000)
    first = count_lake_rows(settings)
    assert list(describe_changes(before, first, "bank_a", DAY)) == ["  2026-03-04  bank_a                 1,000 (1)"]
    ledger = open_ledger(settings)
    with ledger.begin() as connection:
        connection.execute(sa.update(deliveries).values(superseded_at=AT))
    ledger.dispose()
    deliver(settings, 2, DAY, 990)
    deliver(settings, 1, NEXT, 7)
    second = count_lake_rows(settings)
    assert second == {(DAY, "bank_a"): LakeRows(990, 1, 1), (NEXT, "bank_a"): LakeRows(7, 1, 0)}
    assert list(describe_changes(first, second, "bank_a", NEXT)) == [
        "  2026-03-05  bank_a                     7 (1)",
        "  2026-03-04  bank_a                  990 (1)*  a corrected file superseded the first one; before: 1,000 (1)",
    ]


def test_how_a_date_ended_is_read_from_the_ledger_alone(settings: Settings) -> None:
    def end(stage: str, day: date, state: RunState, **figures: object) -> None:
        begin_run(stage, day, f"{stage}-{day}", AT, settings)
        record_step(stage, f"{stage}-{day}", state, Account("Said.", figures), AT, settings)

    assert read_outcome(settings, ["bank_a"], DAY) is None
    end("ingest_bank_a", DAY, RunState.SUCCEEDED)
    end("warehouse", DAY, RunState.FAILED, error="WarehouseBuildFailed")
    assert read_outcome(settings, ["bank_a"], DAY) is None, "a fault is not an end"
    end("warehouse", DAY, RunState.FAILED, error="PublicationRefused")
    assert read_outcome(settings, ["bank_a"], DAY) == "refused"
    for stage in ("warehouse", "features", "scoring"):
        end(stage, DAY, RunState.SUCCEEDED)
    assert read_outcome(settings, ["bank_a"], DAY) == "scored"
    assert read_outcome(settings, ["bank_a", "bank_b"], DAY) is None
    assert not (settings.home / "airflow").exists()


def finish(settings: Settings, stage: str, day: date, state: RunState, **figures: object) -> None:
    begin_run(stage, day, f"{stage}-{day}", AT, settings)
    record_step(stage, f"{stage}-{day}", state, Account("Said.", figures), AT, settings)


def test_the_simulation_is_known_through_its_command_alone(settings: Settings) -> None:
    group = describe_group(settings, 30, 4, 5)
    assert (group.customers, group.days_delivered, group.dates[-1]) == (30, 0, NEXT)
    assert "Watch 2026-03-04: bank_a sends its payouts 100 times too high (分 as 元). The gate\n" in announce(group)
    assert "The corrected file comes with 2026-03-05." in announce(group)
    assert "The corrected file comes" not in announce(describe_group(settings, 30, 3, 5))
    assert "Watch" not in announce(describe_group(settings, 30, 2, 5))
    assert not settings.landing.exists()
    deliver_days(settings, group, 1)
    assert [folder.name for folder in (settings.landing / "bank_a").iterdir()] == ["20260302"]
    held = describe_group(settings, 30, 4, 5)
    before = sorted(settings.landing.rglob("*"))
    deliver_days(settings, held, held.days_delivered)
    assert sorted(settings.landing.rglob("*")) == before
    with pytest.raises(SimulationFailed, match=r"^This home holds the simulation of 30 customers with seed 5; "):
        deliver_days(settings, describe_group(settings, 31, 4, 5), 2)


def test_the_summary_explains_each_planted_fault_by_the_ledger(settings: Settings) -> None:
    group = describe_group(settings, 30, 4, 5)
    assert "2026-03-04  was not refused, although bank_a sent its payouts 100" in summarise(settings, group, "", NEXT)
    finish(settings, "warehouse", DAY, RunState.FAILED, error="PublicationRefused")
    waiting = summarise(settings, group, "", NEXT)
    assert "2026-03-04  refused: bank_a sent its payouts 100 times too high (分 as 元)" in waiting
    assert "2026-03-05  not run yet: it brings the corrected file of 2026-03-04" in waiting
    deliver(settings, 1, DAY, 10, superseded=True)
    deliver(settings, 2, DAY, 10)
    finish(settings, "warehouse", NEXT, RunState.SUCCEEDED, version="v7")
    corrected = summarise(settings, group, "", NEXT)
    assert "2026-03-05  put right: its corrected file of 2026-03-04 superseded" in corrected
    assert "warehouse v7 holds 2026-03-04 as it should be" in corrected


def test_the_summary_judges_overrides_by_the_day_on_which_it_is_written(settings: Settings) -> None:
    failure = Failure(check="every_loan_matches", severity="fail", rule="X63", observed="1 row", because="")
    verdict = Verdict("metrics", "rec_loans__funder", DAY, "1" * 32, "s1", rows=5, checks=1, failures=(failure,))
    record_verdicts([verdict], settings)
    override_verdict(verdict.verdict_id, "li.wei", "confirmed by letter", NEXT, AT, settings)
    group = describe_group(settings, 30, 4, 5)
    assert "rec_loans__funder OVERRIDDEN" in summarise(settings, group, "", NEXT)
    ended = summarise(settings, group, "", date(2026, 3, 6))
    assert "REFUSED by every_loan_matches (was overridden: rec_loans__funder until 2026-03-05)" in ended


def test_no_sql_runs_on_airflows_database_and_no_log_is_read() -> None:
    """Airflow's tables and logs are its own; only the journal mode of the file that it made is set."""
    for path in sorted((PROJECT / "dags").rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        for word in ("dag_run ", "task_instance ", "xcom ", "error_detail", "attempt="):
            assert f"from {word}" not in text and f'"{word}' not in text, (path, word)
