"""dbt runs in this process, outside the repository, and lets go of the file."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path

import duckdb
import pytest

from ingestion.foundation import Settings
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
        "select '{{ var('batch_date') }}' as d, {{ var('as_of_dates') | length }} as n"
    )
    return folder


def test_build_passes_the_date_and_releases_the_file(settings: Settings, project: Path) -> None:
    before = dict(os.environ)
    for day in (DAY, date(2026, 3, 3)):
        build(day, settings, as_of_dates=[DAY])
        with duckdb.connect(str(settings.warehouse), read_only=True) as connection:
            assert connection.execute("select d, n from good").fetchall() == [(day.isoformat(), 1)]
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


def test_a_missing_project_is_one_sentence(settings: Settings) -> None:
    with pytest.raises(WarehouseBuildFailed, match=r"There is no dbt_project\.yml in"):
        build(DAY, settings)
