"""`make demo`, small: the real scheduler and LocalExecutor run the real DAGs on one simulated date."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ingestion.settings import PROJECT


def demo(home: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "dags.local_airflow", "demo", "--customers", "800", "--days", "1"],
        cwd=PROJECT,
        env={**os.environ, "PLATFORM_HOME": str(home), "PLATFORM_AIRFLOW_PORT": "18080"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


@pytest.mark.slow
def test_demo_runs_a_date_to_its_scores_and_again_at_once(tmp_path: Path) -> None:
    first = demo(tmp_path / "home")
    assert first.returncode == 0, first.stdout + first.stderr
    for told in ("scored with scorecard-", "core      26 tables: all passed", "unexplained 0.00", "客户360"):
        assert told in first.stdout
    assert (tmp_path / "home" / "reports" / "dbt" / "index.html").stat().st_size > 100_000
    again = demo(tmp_path / "home")
    assert again.returncode == 0, again.stdout + again.stderr
    assert "scored before" in again.stdout
