"""A documented command runs, in the order of the README, on a group of its own; or it does not exist."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ingestion.foundation import PROJECT
from ingestion.simulation import simulate

READMES = ("README.md", "README.zh-CN.md", "dags/README.md", "dbt_project/README.md")
BLOCK = re.compile(r"^( *)```sh\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
AIRFLOW = "-m dags.local_airflow airflow "
MAKE = re.compile(r"`make ([a-z-]+)")


def documented(name: str) -> list[str]:
    text = (PROJECT / name).read_text(encoding="utf-8")
    return [line.strip() for _, block in BLOCK.findall(text) for line in block.splitlines() if line.strip()]


def test_both_languages_document_the_same_commands() -> None:
    assert documented("README.md") == documented("README.zh-CN.md")


@pytest.mark.parametrize("name", READMES)
def test_documented_make_targets_exist(name: str) -> None:
    text = (PROJECT / name).read_text(encoding="utf-8")
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    targets = set(MAKE.findall(text)) | {line.split()[1] for line in documented(name) if line.startswith("make ")}
    assert targets or name.startswith(("dags", "dbt_project"))
    assert not [target for target in sorted(targets) if f"\n{target}:" not in makefile]


@pytest.mark.parametrize("name", READMES)
def test_documented_commands_are_found_as_written(name: str) -> None:
    """Nothing is on the path of a user's shell but `make`; the environment's programs are named by their folder."""
    lines = documented(name)
    assert lines
    assert [line for line in lines if not line.startswith(("make ", ".venv/bin/python -m "))] == []


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The repository with an environment and an empty `var` of its own, in which a simulated group has delivered."""
    for path in PROJECT.iterdir():
        if path.name not in ("var", ".venv", ".git"):
            (tmp_path / path.name).symlink_to(path)
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").symlink_to(sys.executable)
    simulate(800, 1, 1, tmp_path / "var", progress=lambda _: None)
    return tmp_path


def test_documented_commands_run(checkout: Path) -> None:
    """As they are written, by a shell in the repository, in their order."""
    commands = [line for line in documented("README.md") if line.startswith(".venv/bin/python -m ")]
    commands = [line for line in commands if AIRFLOW not in line]  # test_demo.py runs these, on a running Airflow
    commands += documented("dbt_project/README.md")
    assert len(commands) >= 17
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PLATFORM_")}
    environment |= {"PLATFORM_THREADS": "2", "PYTHONPATH": os.pathsep.join(sys.path)}
    failed = []
    for command in commands:
        done = subprocess.run(
            ["bash", "-c", command], cwd=checkout, env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode or "Traceback" in done.stderr:
            failed.append((command, done.returncode, done.stderr[-500:]))
    assert not failed
    assert (checkout / "drafts" / "contracts" / "bank_z.yml").is_file()
