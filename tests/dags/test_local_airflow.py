"""The local runner with a real scheduler, over stub stages in a checkout of its own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
STUBS = Path(__file__).parent / "stubs"
PORT = "18080"


def run(checkout: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "dags.local_airflow", *arguments],
        cwd=checkout,
        env={
            **{k: v for k, v in os.environ.items() if not k.startswith("AIRFLOW")},
            "PYTHONPATH": str(checkout),
            "PLATFORM_HOME": str(checkout / "var"),
            "PLATFORM_AIRFLOW_PORT": PORT,
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def processes_of(checkout: Path) -> list[int]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("PLATFORM_HOME") == str(checkout / "var"):
                found.append(process.pid)
        except (psutil.AccessDenied, psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
    return found


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    shutil.copytree(REPOSITORY / "dags", tmp_path / "dags", ignore=shutil.ignore_patterns("__pycache__"))
    for package in STUBS.iterdir():
        shutil.copytree(package, tmp_path / package.name)
    (tmp_path / "var").mkdir()
    return tmp_path


@pytest.mark.slow
def test_demo_runs_the_chain_shows_a_refusal_goes_on_and_leaves_nothing_behind(checkout: Path) -> None:
    dates = ("demo", "--first", "2026-03-04", "--days", "2")
    first = run(checkout, *dates, STUB_REFUSE="2026-03-04")
    assert first.returncode == 0, first.stdout + first.stderr
    assert "2026-03-04  refused: warehouse of 2026-03-04 refused: 1 of 25 checks failed" in first.stdout
    calls = [line.rsplit(" ", 1)[0] for line in (checkout / "var/calls.log").read_text().splitlines()]
    assert [call for call in calls if not call.startswith("land")] == [
        "build 2026-03-04",
        "audit 2026-03-04",
        "build 2026-03-05",
        "audit 2026-03-05",
        "features 2026-03-05",
        "score 2026-03-05",
    ]
    assert processes_of(checkout) == []

    second = run(checkout, *dates)
    assert second.stdout.splitlines() == ["2026-03-04  refused before", "2026-03-05  scored before"]
    assert len((checkout / "var/calls.log").read_text().splitlines()) == len(calls)


@pytest.mark.slow
def test_demo_fails_with_the_sentence_of_the_task_and_continues_when_repaired(checkout: Path) -> None:
    dates = ("demo", "--first", "2026-03-02", "--days", "1")
    broken = run(checkout, *dates, STUB_BREAK="bank_b@2026-03-02")
    assert broken.returncode == 1
    assert "FAILED: bank_b: line 7 of loans.txt is not GB18030; ask the sender for a new file." in broken.stdout
    assert "Traceback" not in broken.stdout + broken.stderr
    repaired = run(checkout, *dates)
    assert repaired.returncode == 0, repaired.stdout + repaired.stderr
    assert "scoring: 812 customers scored" in repaired.stdout
    assert processes_of(checkout) == []
