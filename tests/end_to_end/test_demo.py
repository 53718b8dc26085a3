"""`make demo`, small: the real scheduler and LocalExecutor run the real DAGs on simulated dates."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from dags.local_airflow.stack import call
from ingestion.foundation import PROJECT, load_settings
from ingestion.foundation.runs import read_runs
from ingestion.simulation import simulate

CUSTOMERS = 800


def start(home: Path, *arguments: str) -> subprocess.Popen[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    port = os.environ.get("PLATFORM_AIRFLOW_PORT", "18080")
    return subprocess.Popen(
        [sys.executable, "-m", "dags.local_airflow", *arguments],
        cwd=PROJECT,
        env={**kept, "PLATFORM_HOME": str(home), "PLATFORM_AIRFLOW_PORT": port},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def local_airflow(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    process = start(home, *arguments)
    out, err = process.communicate(timeout=900)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def demo(home: Path, days: int) -> tuple[subprocess.CompletedProcess[str], float]:
    """Run the demo; also the longest silence between two of its lines, in seconds."""
    process = start(home, "demo", "--customers", str(CUSTOMERS), "--days", str(days))
    assert process.stdout is not None and process.stderr is not None
    lines, silence, last = [], 0.0, 0.0
    for line in process.stdout:
        now = time.monotonic()
        silence, last = max(silence, now - last if lines else 0.0), now
        lines.append(line)
    error = process.stderr.read()
    return subprocess.CompletedProcess(process.args, process.wait(), "".join(lines), error), silence


def processes_of(home: Path) -> list[int]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("PLATFORM_HOME") == str(home):
                found.append(process.pid)
        except (psutil.AccessDenied, psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
    return found


@pytest.mark.slow
def test_a_broken_delivery_stops_the_demo_and_its_repair_lets_it_go_on_to_a_refusal(tmp_path: Path) -> None:
    home = tmp_path / "home"
    simulate(CUSTOMERS, 1, 1, home, progress=lambda _: None)
    payouts = home / "landing" / "bank_a" / "20260302" / "LOAN_20260302.txt"
    sound = payouts.read_bytes()
    payouts.write_bytes(sound.rsplit(b"\n", 2)[0] + b"\n")

    broken, _ = demo(home, 1)
    assert broken.returncode == 1
    assert "FAILED: bank_a.loans of 2026-03-02 (LOAN_20260302.txt): line 1 announces" in broken.stdout
    assert "nothing of it was landed, the previous data stays" in broken.stdout
    assert "Traceback" not in broken.stdout + broken.stderr
    assert processes_of(home) == []

    payouts.write_bytes(sound)
    repaired, silence = demo(home, 3)
    assert repaired.returncode == 0, repaired.stdout + repaired.stderr
    assert repaired.stdout.count("scored with scorecard-") == 2
    assert "2026-03-04  metrics   11 tables: REFUSED by every_loan_matches_the_bank" in repaired.stdout
    for said in ("2026-03-03  features   8 tables: all passed", "unexplained 0.00", "客户360"):
        assert said in repaired.stdout
    assert any(page.stat().st_size > 100_000 for page in (home / "reports" / "dbt").rglob("index.html"))
    assert processes_of(home) == []

    assert silence < 15
    assert repaired.stdout.index("Watch 2026-03-04: bank_a sends its payouts 100 times") < repaired.stdout.index(
        "14 sources"
    )
    assert "2026-03-04  refused: bank_a sent its payouts 100 times too high (分 as 元)" in repaired.stdout
    lines, _, summary = repaired.stdout.partition("Rows landed (quarantined), by business date and source")
    assert last_counts(lines) == summary_counts(summary)
    assert len(last_counts(lines)) == 3 * 14
    places = summary.partition("Where to look next")[2].partition("Done in")[0]
    for path in re.findall(r" (/\S+)$", places, re.MULTILINE):
        assert Path(path).exists(), path

    again, _ = demo(home, 3)
    assert again.returncode == 0, again.stdout + again.stderr
    before = [f"2026-03-0{day}  {how} before" for day, how in ((2, "scored"), (3, "scored"), (4, "refused"))]
    assert again.stdout.splitlines()[:3] == before

    up = local_airflow(home, "up")
    try:
        assert up.returncode == 0, up.stderr
        url = re.findall(r"http://127\.0\.0\.1:\d+", up.stdout)[0]
        check_pages(url)
        run_documented_backfills(home)
    finally:
        assert local_airflow(home, "down").returncode == 0
    assert processes_of(home) == []


def last_counts(lines: str) -> dict[tuple[str, str], str]:
    """What the demo said last of each business date and source."""
    found = re.findall(r"^  (2026-\d\d-\d\d)  (\w+) +([\d,]+ \(\d+\)\**)", lines, re.MULTILINE)
    return {(day, source): count for day, source, count in found}


def summary_counts(summary: str) -> dict[tuple[str, str], str]:
    table = summary.partition("Gates and publications")[0].splitlines()
    dates = re.findall(r"2026-\d\d-\d\d", summary)[:3]
    rows = [re.match(r"^  (\w+) +(.+)$", line) for line in table[2:]]
    cells = {row[1]: re.findall(r"[\d,]+ \(\d+\)\**", row[2]) for row in rows if row}
    return {(day, source): count for source, counts in cells.items() for day, count in zip(dates, counts, strict=True)}


def check_pages(url: str) -> None:
    """What Airflow's pages show: nothing red that is not wrong, whole sentences, the date of every run, its result."""
    health = call(f"{url}/api/v2/monitor/health")
    until = time.monotonic() + 60
    while health["triggerer"]["status"] != "healthy" and time.monotonic() < until:
        time.sleep(0.5)
        health = call(f"{url}/api/v2/monitor/health")
    assert {part: state["status"] for part, state in health.items()} == dict.fromkeys(health, "healthy")
    assert call(f"{url}/ui/config")["default_wrap"] is True
    assert [call(f"{url}/api/v2/{path}")["total_entries"] for path in ("importErrors", "dagWarnings")] == [0, 0]
    runs = call(f"{url}/api/v2/dags/~/dagRuns?limit=100")["dag_runs"]
    assert len(runs) >= 3 * 14
    for run in runs:
        key = run["partition_key"]
        assert key in run["dag_run_id"] or run["conf"] == {"batch_date": key}, run["dag_run_id"]
    ended = {(run["dag_id"], run["partition_key"]): run["note"] for run in runs if run["state"] != "queued"}
    assert "every_loan_matches_the_bank" in ended["warehouse", "2026-03-04"]
    assert "Published warehouse 2026-03-03-" in ended["warehouse", "2026-03-03"]
    events = call(f"{url}/api/v2/assets/events?limit=100&order_by=-timestamp")["asset_events"]
    for event in events:
        if event["group"] == "published":
            assert event["extra"]["version"].startswith(event["extra"]["batch_date"]), event
    published = next(event for event in events if event["name"] == "published/warehouse")
    assert (published["group"], published["extra"]["batch_date"]) == ("published", "2026-03-03")
    assert published["extra"]["version"].startswith("2026-03-03-") and published["extra"]["rows"] > 1000
    landed = [event["extra"]["rows_landed"] for event in events if event["group"] == "lake"]
    assert sum(landed) > 1000


def run_documented_backfills(home: Path) -> None:
    """Each backfill command of the READMEs, as written, on the Airflow that runs; the ledger says what it ran."""
    commands = set()
    for name in ("README.md", "README.zh-CN.md", "dags/README.md"):
        text = (PROJECT / name).read_text(encoding="utf-8")
        found = re.findall(r"^\.venv/bin/python -m dags\.local_airflow (airflow .+)$", text, re.MULTILINE)
        assert found, name
        commands |= set(found)
    settings = load_settings({"PLATFORM_HOME": str(home)})
    for command in commands:
        done = local_airflow(home, *command.split())
        assert done.returncode == 0, done.stdout + done.stderr
    days = [f"2026-03-0{day}" for day in range(2, 6)]
    until = time.monotonic() + 180
    ran: dict[str, str] = {}
    while time.monotonic() < until and list(ran) != days:
        time.sleep(1)
        ran = {
            str(run.batch_date): run.state
            for run in read_runs(settings)
            if run.stage == "ingest_bank_a" and run.run_id.startswith("backfill__") and run.ended_at
        }
    assert ran == {**dict.fromkeys(days[:3], "succeeded"), days[3]: "failed"}, "the last date was not delivered yet"
