"""Every command line of the platform: wrong words are a sentence with the remedy, codes and examples one style."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from dags.local_airflow.__main__ import COMMANDS as LOCAL_AIRFLOW
from dags.local_airflow.__main__ import main as local_airflow
from features.commands import COMMANDS as FEATURES
from features.commands import main as features
from ingestion.commands import ROOMS, bring_commands
from ingestion.commands import main as ingestion
from ingestion.foundation import PROJECT
from ingestion.foundation.command_line import DONE, NO, WRONG, Command, Group, build_parser, list_commands, run_command
from ingestion.simulation.__main__ import SIMULATE
from ingestion.simulation.__main__ import main as simulation
from quality.commands import COMMANDS as QUALITY
from quality.commands import main as quality

Main = Callable[[Sequence[str]], int]
NO_DATE = "--date: 2026-13-02 is no date: month must be in 1..12; write yyyy-mm-dd, such as 2026-03-02."
WORDS = {
    "ingestion, month": (ingestion, "land --date 2026-13-02", NO_DATE),
    "quality, month": (quality, "audit --date 2026-13-02", NO_DATE),
    "features, month": (features, "build --date 2026-13-02", NO_DATE),
    "optional date": (ingestion, "quarantine list --date 2026-13-02", NO_DATE),
    "no date": (ingestion, "land --date today", "--date: today is no date; write yyyy-mm-dd, such as 2026-03-02."),
    "number": (
        simulation,
        "--customers many --days 1",
        "--customers: many is no whole number; write one such as 1000.",
    ),
    "nothing, ingestion": (
        ingestion,
        "",
        "python -m ingestion wants a command; it knows check, contract, land, quarant",
    ),
    "nothing, features": (features, "", "python -m features wants a command; it knows check, build, describe, "),
    "nothing, group": (
        ingestion,
        "quarantine",
        "python -m ingestion quarantine wants a command; it knows list, show, replay.",
    ),
    "command": (ingestion, "lnad", "python -m ingestion does not know lnad; the nearest that it knows is land."),
    "command, quality": (quality, "publsh", "python -m quality does not know publsh; the nearest that it knows is "),
    "command, far": (features, "zzz", "python -m features does not know zzz; it knows check, build, describe, train"),
    "command of a group": (ingestion, "vault aduit", "python -m ingestion vault does not know aduit; the nearest"),
    "option": (
        ingestion,
        "land --date 2026-03-02 --dta x",
        "python -m ingestion land does not take --dta; the nearest that it knows is --date.",
    ),
    "option in place of a demanded one": (ingestion, "land --dat=2026-03-02", "python -m ingestion land does not take"),
    "choice": (ingestion, "keys add sha25", "python -m ingestion keys add does not know sha25; the nearest that it k"),
    "missing": (
        ingestion,
        "land bank_a",
        "python -m ingestion land wants --date; write for example: python -m ingestion land bank_a --date 2026-03-02.",
    ),
    "missing, simulation": (simulation, "--days 3", "python -m ingestion.simulation wants --customers; write for exa"),
    "without value": (ingestion, "land --date", "python -m ingestion land: --date expected one argument; write for "),
    "too many": (ingestion, "check it", "python -m ingestion check does not take it; write for example: python -m i"),
}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PLATFORM_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.mark.parametrize("case", WORDS)
def test_wrong_words_are_one_sentence_with_the_remedy(
    case: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main, typed, sentence = WORDS[case]
    assert main(shlex.split(typed)) == WRONG
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(sentence)
    assert said.err.count("\n") == 1 and said.err.endswith(".\n")
    assert not home.exists()


PROGRAMS: dict[str, tuple[Main, Command | Sequence[Command | Group]]] = {
    "python -m ingestion": (ingestion, bring_commands()),
    "python -m quality": (quality, QUALITY),
    "python -m features": (features, FEATURES),
    "python -m dags.local_airflow": (local_airflow, LOCAL_AIRFLOW),
    "python -m ingestion.simulation": (simulation, SIMULATE),
}


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_command_shows_an_example_that_it_takes(program: str, capsys: pytest.CaptureFixture[str]) -> None:
    main, declared = PROGRAMS[program]
    for command in [declared] if isinstance(declared, Command) else list_commands(declared):
        words = shlex.split(command.example)
        assert build_parser(program, "", declared).parse_args(words).command is command
        if command.passes_on:
            continue  # `--help` is the other program's
        path = [] if isinstance(declared, Command) else words[: 2 if words[0] in ("quarantine", "vault", "keys") else 1]
        assert main([*path, "--help"]) == DONE
        shown = capsys.readouterr().out
        assert f"{program} {command.example}" in shown
        assert command.summary.split()[0] in shown


def test_every_argument_is_explained() -> None:
    unexplained = [
        (command.name, argument.names)
        for _, declared in PROGRAMS.values()
        for command in ([declared] if isinstance(declared, Command) else list_commands(declared))
        for argument in command.arguments
        if len(argument.options.get("help", "")) < 8
    ]
    assert not unexplained


def test_each_command_comes_from_the_room_that_the_root_names() -> None:
    brought = {command.name: room for room in set(ROOMS.values()) for command in bring_commands(room)}
    assert brought == ROOMS


def test_a_command_does_not_import_the_rooms_of_others() -> None:
    ask = "import sys; from ingestion.commands import main; main(['keys', 'list']); print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", ask], cwd=PROJECT, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "ingestion.vault.commands" in loaded
    assert not loaded & {"ingestion.landing", "ingestion.scaffold", "alembic", "structlog"}


def test_an_empty_list_says_that_it_is_empty_and_what_to_run(capsys: pytest.CaptureFixture[str]) -> None:
    for typed, said in (
        (["quarantine", "list"], "No row is quarantined; `python -m ingestion land --date …` lands what has been"),
        (["vault", "audit"], "nobody has asked yet; `python -m ingestion vault reveal` asks."),
    ):
        assert ingestion(typed) == DONE
        assert capsys.readouterr().out.startswith(said)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (["keys", "list"], "no key has been drawn yet; the first delivery that lands draws it."),
        (["vault", "audit"], "nobody has asked yet; `python -m ingestion vault reveal` asks."),
    ],
)
def test_listing_creates_nothing(typed: list[str], said: str, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        assert ingestion(typed) == DONE
        assert capsys.readouterr().out == f"{said}\n"
        assert not home.exists()


def test_a_lost_key_file_is_reported_and_not_replaced(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["--reason", "asked by phone", "--ticket", "7"]
    for typed in (["reveal", "ab" * 32, "--purpose", "COLLECTION"], ["forget", "ab" * 32], ["readmit", "ab" * 32]):
        assert ingestion(["vault", *typed, *asked]) == WRONG
        assert capsys.readouterr().err == (
            f"{home / 'keys' / 'platform.key'} is not there; restore it from your key store, or land a first delivery,"
            " which draws a key.\n"
        )
    assert not home.exists()


def test_landing_leaves_nothing_but_its_sentences_on_standard_error() -> None:
    """A process that ends with frozen objects is not taken apart: DuckDB's binding would report each as leaked."""
    command = [sys.executable, "-m", "ingestion", "land", "bank_a", "--date", "2026-03-02"]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == NO
    assert [line[:7] for line in done.stderr.splitlines()] == ["bank_a."] * 2


class Wide(Exception):
    """An error of a family."""


class Narrow(Wide):
    """An error of the family with a meaning of its own."""


@pytest.mark.parametrize("error", [Wide, Narrow])
def test_the_nearest_kind_of_an_error_gives_its_code(
    error: type[Exception], capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> int:
        raise error("one sentence.")

    assert run_command(fail, {Wide: NO, Narrow: WRONG}) == (NO if error is Wide else WRONG)
    assert run_command(fail, lambda: {Wide: NO, Narrow: WRONG}) == (NO if error is Wide else WRONG)
    assert capsys.readouterr().err == "one sentence.\n" * 2
