"""`make demo`, small: the real scheduler and LocalExecutor run the real DAGs on simulated dates."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from dags.local_airflow.home import AirflowHome
from ingestion.foundation import PROJECT
from ingestion.simulation import simulate

CUSTOMERS = 800


def demo(home: Path, days: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "dags.local_airflow", "demo", "--customers", str(CUSTOMERS), "--days", str(days)],
        cwd=PROJECT,
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")},
            "PLATFORM_HOME": str(home),
            "PLATFORM_AIRFLOW_PORT": "18080",
        },
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )


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

    broken = demo(home, 1)
    assert broken.returncode == 1
    assert "FAILED: bank_a.loans of 2026-03-02 (LOAN_20260302.txt): line 1 announces" in broken.stdout
    assert "nothing of it was landed, the previous data stays" in broken.stdout
    assert "Traceback" not in broken.stdout + broken.stderr
    assert processes_of(home) == []

    payouts.write_bytes(sound)
    repaired = demo(home, 3)
    assert repaired.returncode == 0, repaired.stdout + repaired.stderr
    assert repaired.stdout.count("scored with scorecard-") == 2
    assert "2026-03-04  metrics    9 tables: REFUSED by every_loan_matches_the_bank" in repaired.stdout
    for told in ("2026-03-03  features   8 tables: all passed", "unexplained 0.00", "客户360"):
        assert told in repaired.stdout
    assert (home / "reports" / "dbt" / "index.html").stat().st_size > 100_000
    assert processes_of(home) == []

    again = demo(home, 3)
    assert again.returncode == 0, again.stdout + again.stderr
    before = [f"2026-03-0{day}  {how} before" for day, how in ((2, "scored"), (3, "scored"), (4, "refused"))]
    assert again.stdout.splitlines()[:3] == before

    documented = re.findall(r"^airflow (.+)$", (PROJECT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(documented) == 1
    environment = AirflowHome(home / "airflow").environment()
    for command in documented:
        arguments = [sys.executable, "-m", "airflow", *command.split()]
        done = subprocess.run(arguments, env=environment, input="y\n", capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    with sqlite3.connect(home / "airflow" / "airflow.db") as database:
        runs = "select partition_key from dag_run where dag_id = 'ingest_bank_a' and state = 'queued' order by 1"
        assert database.execute(runs).fetchall() == [(f"2026-03-0{day}",) for day in range(2, 7)]
