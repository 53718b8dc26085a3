"""dbt runs in this process, outside the repository, and lets go of the file."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import date
from pathlib import Path

import duckdb
import pytest

from ingestion.contract import load_registry
from ingestion.foundation import Settings
from ingestion.lake import render_sources
from quality.frozen_project import freeze_project
from quality.warehouse import WarehouseBuildFailed, build

DAY = date(2026, 3, 2)


@pytest.fixture
def project(settings: Settings) -> Path:
    folder = settings.dbt_project
    (folder / "models").mkdir(parents=True)
    (folder / "dbt_project.yml").write_text("name: p\nprofile: p\n")
    output = "{type: duckdb, path: \"{{ env_var('PLATFORM_WAREHOUSE') }}\"}"
    (folder / "profiles.yml").write_text("p: {target: d, outputs: {d: " + output + "}}\n")
    (folder / "models" / "good.sql").write_text(
        "{{ config(materialized='table') }} "
        "select batch_date as d, (select count(*) from {{ source('platform', 'run_dates') }}) as n"
        " from {{ source('platform', 'runs') }}"
    )
    return folder


def test_a_build_reads_its_date_and_releases_the_file(settings: Settings, project: Path) -> None:
    before = dict(os.environ)
    for day in (DAY, date(2026, 3, 3)):
        build(day, settings, as_of_dates=[DAY])
        with duckdb.connect(str(settings.warehouse), read_only=True) as connection:
            assert connection.execute("select d, n from good").fetchall() == [(day, 1)]
    assert dict(os.environ) == before
    assert sorted(path.name for path in project.iterdir()) == ["dbt_project.yml", "models", "profiles.yml"]


def test_a_failing_node_is_named_in_one_sentence(settings: Settings, project: Path) -> None:
    (project / "models" / "bad.sql").write_text("select nope from {{ ref('good') }}")
    with pytest.raises(
        WarehouseBuildFailed, match=r"^The warehouse is not built for 2026-03-02: bad \(.*nope"
    ) as caught:
        build(DAY, settings, as_of_dates=[DAY])
    assert "\n" not in str(caught.value)
    build(DAY, settings, select=["good"], as_of_dates=[DAY])
    (project / "models" / "bad.sql").write_text("select * from {{ ref('nothing') }}")
    with pytest.raises(WarehouseBuildFailed, match=r"dbt could not build 2026-03-02: .*nothing"):
        build(DAY, settings, as_of_dates=[DAY])


def test_the_frozen_project_holds_what_the_tenant_sees_and_no_more(settings: Settings, project: Path) -> None:
    registry = load_registry(settings)
    (project / "models" / "platform").mkdir()
    (project / "models" / "platform" / "own.sql").write_text("select 1 as a")
    (project / "seeds").mkdir()
    (project / "seeds" / "left.csv").write_text("a\n1\n")
    (project / "target").mkdir()
    (project / "target" / "manifest.json").write_text("{}")
    elsewhere = project.parent / "elsewhere"
    (elsewhere / "core").mkdir(parents=True)
    (elsewhere / "core" / "other.sql").write_text("select 2 as a")

    def frozen(resolved: Settings) -> list[str]:
        folder = freeze_project(resolved, registry).folder
        return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())

    own = ["dbt_project.yml", "models/platform/_sources.yml", "models/platform/own.sql", "profiles.yml"]
    assert frozen(settings) == sorted([*own, "models/good.sql", "seeds/left.csv"])
    moved = replace(settings, models=elsewhere, seeds=elsewhere / "none")
    assert frozen(moved) == sorted([*own, "models/core/other.sql"])
    sources = settings.home / "dbt" / "project" / "models" / "platform" / "_sources.yml"
    assert sources.read_text(encoding="utf-8") == render_sources(registry)
    assert not list(project.rglob("_sources.yml"))


def test_an_unchanged_file_keeps_its_copy(settings: Settings, project: Path) -> None:
    registry = load_registry(settings)
    folder = freeze_project(settings, registry).folder
    before = {path: path.stat().st_ino for path in folder.rglob("*") if path.is_file()}
    (project / "models" / "good.sql").write_text("select 1 as changed")
    freeze_project(settings, registry)
    changed = {path.name for path, number in before.items() if path.stat().st_ino != number}
    assert changed == {"good.sql"} and "changed" in (folder / "models" / "good.sql").read_text()


def test_a_missing_project_is_one_sentence(settings: Settings) -> None:
    with pytest.raises(WarehouseBuildFailed, match=r"There is no dbt_project\.yml in"):
        build(DAY, settings)
