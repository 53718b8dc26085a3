"""What `python -m features` says where there is nothing yet, and that nothing in features writes a log of its own."""

from __future__ import annotations

import ast
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import features
from features.commands import main
from features.store import open_set
from ingestion.foundation import Settings, load_settings
from ingestion.foundation.command_line import DONE, WRONG
from quality.published import NothingPublished

DAY = "2026-03-06"


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("PLATFORM_HOME", str(tmp_path / "home"))
    return load_settings()


@pytest.mark.parametrize("with_folder", [False, True])
def test_a_tenant_without_views_has_nothing_to_check(
    empty: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    with_folder: bool,
) -> None:
    tenant = tmp_path / "tenant"
    (tenant / "views" if with_folder else tenant).mkdir(parents=True)
    (tenant / "tenant.toml").write_text('without = ["contracts", "models", "suites", "sets", "views"]\n')
    monkeypatch.setenv("PLATFORM_TENANT", str(tenant))
    assert main(["check"]) == DONE
    said = capsys.readouterr()
    assert said.out == f"No feature view is declared; the first one goes into {tenant}/views/<view>.yml.\n"
    assert said.err == ""
    assert main(["describe", "exposure"]) == WRONG
    assert "holds no feature view" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "name", "publishing"),
    [
        (["build", "--date", DAY], "warehouse", f"python -m quality publish --date {DAY}"),
        (["train", "--date", DAY], "warehouse", f"python -m quality publish --date {DAY}"),
        (["score", "--date", DAY], "features", f"python -m features build --date {DAY}"),
        (["frame", "--date", DAY], "features", f"python -m features build --date {DAY}"),
        (["frame", "--spine", "spine.parquet"], "warehouse", "python -m quality publish --date yyyy-mm-dd"),
    ],
)
def test_what_is_not_published_names_the_command_that_publishes_it(
    empty: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    world: Any,
    command: list[str],
    name: str,
    publishing: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    as_of = datetime(2026, 3, 1, tzinfo=world.SHANGHAI)
    pl.DataFrame({"customer_id": ["c"], "as_of": [as_of]}).write_parquet("spine.parquet")
    assert main(command) == WRONG
    assert capsys.readouterr().err == f"Nothing is published in set {name} yet; run `{publishing}` first.\n"


def test_a_set_of_ones_own_is_named_in_its_command(empty: Settings) -> None:
    with pytest.raises(NothingPublished, match=r"`python -m quality publish --set lenders --date yyyy-mm-dd` first"):
        open_set("lenders", empty)


def test_what_happens_is_an_event_and_nothing_else_is_logged() -> None:
    """Events go through `ingestion.foundation.events`; sentences for people are printed by the command line."""
    files = sorted(Path(features.__file__).parent.rglob("*.py"))
    imported = {
        (file.name, name.split(".")[0])
        for file in files
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""])
    }
    assert not {(file, name) for file, name in imported if name in {"logging", "structlog"}}
    assert not [file.name for file in files if "print(" in file.read_text() and file.name != "commands.py"]
