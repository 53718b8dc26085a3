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
from tests.conftest import make_settings

READMES = ("README.md", "README.zh-CN.md", "dags/README.md")
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
    assert targets or name.startswith("dags")
    assert not [target for target in sorted(targets) if f"\n{target}:" not in makefile]


@pytest.mark.parametrize("name", READMES)
def test_documented_commands_are_found_as_written(name: str) -> None:
    """Nothing is on the path of a user's shell but `make`; the environment's programs are named by their folder."""
    lines = documented(name)
    assert lines
    assert [line for line in lines if not line.startswith(("make ", ".venv/bin/python -m "))] == []


def test_documented_commands_run(tmp_path: Path) -> None:
    settings = make_settings(tmp_path / "home")
    simulate(800, 1, 1, settings.home, progress=lambda _: None)
    commands = [line for line in documented("README.md") if line.startswith(".venv/bin/python -m ")]
    commands = [line for line in commands if AIRFLOW not in line]  # test_demo.py runs these, on a running Airflow
    assert len(commands) >= 13
    environment = {
        **os.environ,
        "PLATFORM_HOME": str(settings.home),
        "PLATFORM_KEY_FILE": str(settings.key_file),
        "PLATFORM_THREADS": "2",
    }
    failed = []
    for command in commands:
        arguments = command.split()[1:]
        done = subprocess.run(
            [sys.executable, *arguments], cwd=PROJECT, env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode or "Traceback" in done.stderr:
            failed.append((command, done.returncode, done.stderr[-500:]))
    assert not failed
