"""Whatever is broken around the platform, a command says one sentence on standard error and never shows a traceback."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from features.commands import main as features
from ingestion.commands import main as ingestion
from ingestion.foundation import PROJECT
from ingestion.foundation.command_line import PIPE_CLOSED, UNFORESEEN, WRONG, run_command
from quality.commands import main as quality

GARBAGE = "not what it should be \x00"
DAY = ["--date", "2026-03-02"]
Main = Callable[[list[str]], int]

SETTINGS = {
    "threads": ({"PLATFORM_THREADS": "abc"}, "PLATFORM_THREADS is 'abc'; set a whole number from 1."),
    "no threads": ({"PLATFORM_THREADS": "0"}, "PLATFORM_THREADS is '0'; set a whole number from 1."),
    "instant": (
        {"PLATFORM_KNOWN_AT": "2026-03-04 09:00"},
        "PLATFORM_KNOWN_AT is '2026-03-04 09:00'; set an instant with its zone such as 2026-03-04T09:00:00+08:00.",
    ),
    "memory": ({"PLATFORM_MEMORY_LIMIT": "much"}, "PLATFORM_MEMORY_LIMIT is 'much'; set a size such as 4GB or 512MB."),
    "tenant": ({"PLATFORM_TENANT": "/nowhere"}, "/nowhere/tenant.toml is missing; PLATFORM_TENANT must name a folder"),
}
FILES = {
    "ledger": (ingestion, ["land", *DAY], "ledger.db", "ledger.db cannot be opened (DatabaseError); correct PLATFORM_"),
    "vault": (
        ingestion,
        ["vault", "audit"],
        "vault/vault.db",
        "vault.db cannot be opened (DatabaseError); correct PLATFORM",
    ),
    "key": (ingestion, ["land", *DAY], "keys/platform.key", "platform.key does not hold 64 hexadecimal digits"),
    "warehouse, audit": (quality, ["audit", *DAY], "warehouse.duckdb", "is no warehouse that this DuckDB can read"),
    "warehouse, build": (quality, ["build", *DAY], "warehouse.duckdb", "remove the file and build again"),
    "pointer": (quality, ["published"], "published/warehouse/current.json", "current.json is damaged; remove it"),
    "pointer, features": (features, ["build", *DAY], "published/warehouse/current.json", "current.json is damaged"),
    "spine": (
        features,
        ["frame", "--spine", "{home}/spine.parquet"],
        "spine.parquet",
        "is not a Parquet file",
    ),
}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PLATFORM_HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("main", [ingestion, quality, features], ids=["ingestion", "quality", "features"])
@pytest.mark.parametrize("case", SETTINGS)
def test_settings_that_mean_nothing(
    case: str, main: Main, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment, reported = SETTINGS[case]
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert main(["check"]) == WRONG
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(reported)
    assert said.err.count("\n") == 1


@pytest.mark.parametrize("case", FILES)
def test_files_that_are_damaged(case: str, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main, arguments, name, reported = FILES[case]
    path = home / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(GARBAGE, encoding="utf-8")
    assert main([argument.format(home=home) for argument in arguments]) == WRONG
    said = capsys.readouterr().err
    assert reported in said
    assert said.count("\n") == 1
    assert path.read_text(encoding="utf-8") == GARBAGE


@pytest.mark.parametrize("url", ["nothing", "oracle://a:secret@b/c", "postgresql://a:secret@127.0.0.1:1/c"])
@pytest.mark.parametrize(("name", "command"), [("LEDGER", ["land", *DAY]), ("VAULT", ["vault", "audit"])])
def test_a_database_that_is_not_there(
    name: str, command: list[str], url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(f"PLATFORM_{name}_URL", url)
    assert ingestion(command) == WRONG
    said = capsys.readouterr().err
    assert "cannot be opened" in said
    assert "secret" not in said
    assert said.count("\n") == 1


def test_what_nobody_foresaw_is_reported_by_place_and_never_in_its_own_words(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> int:
        raise LookupError("13812345678")

    assert run_command(fail, {}) == UNFORESEEN
    said = capsys.readouterr().err
    assert said.startswith("LookupError at tests/conventions/test_broken_surroundings.py:")
    assert "13812345678" not in said
    assert "Traceback" not in said
    [kept] = (home / "logs").iterdir()
    assert str(kept) in said and said.count("\n") == 1
    assert (kept.stat().st_mode & 0o777, kept.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    text = kept.read_text(encoding="utf-8")
    assert text.startswith("Traceback") and "LookupError: 13812345678" in text


@pytest.mark.parametrize("broken", ["home is a file", "tenant is missing"])
def test_without_a_usable_home_the_traceback_is_kept_among_temporary_files(
    broken: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if broken == "home is a file":
        (tmp_path / "file").write_text("")
        monkeypatch.setenv("PLATFORM_HOME", str(tmp_path / "file"))
    else:
        monkeypatch.setenv("PLATFORM_TENANT", "/nowhere")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def fail() -> int:
        raise LookupError("13812345678")

    assert run_command(fail, {}) == UNFORESEEN
    [kept] = tmp_path.glob("traceback-*.txt")
    assert str(kept) in capsys.readouterr().err
    assert kept.stat().st_mode & 0o777 == 0o600


def test_a_reader_that_closes_the_pipe_is_no_error(home: Path) -> None:
    command = [sys.executable, "-c", "import sys; from quality.commands import main; sys.exit(main(['verdicts']))"]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        said = process.stderr.read()
    assert said == b""
    assert process.returncode == PIPE_CLOSED
