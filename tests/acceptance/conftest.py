"""Real data in, tenants landed and built once a session. Without the data the tests skip and say why."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import duckdb
import polars as pl
import pytest

from ingestion.foundation import Settings, load_settings
from ingestion.landing import LandingReport, land_source
from ingestion.protection import load_keys
from ingestion.protection.sealing import unseal_text
from tests.acceptance.berka import build_features

PAKDD_TENANT = Path(__file__).parent / "pakdd"


@pytest.fixture(scope="session")
def real_data() -> Path:
    folder = build_features.find_data(os.environ)
    if not (folder / "berka").is_dir() or not (folder / "pakdd2010").is_dir():
        pytest.skip(f"no real data at {folder}; put it at ../shared/data or name its folder in PLATFORM_TEST_DATA")
    return folder.resolve()


@pytest.fixture(scope="session")
def features_told(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, str]:
    """`make berka-features` run once: the bank's settings, and what the command printed."""
    home = tmp_path_factory.mktemp("acceptance")
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as environment, contextlib.redirect_stdout(printed):
        environment.setenv("PLATFORM_HOME", str(home))
        environment.setenv("PLATFORM_TEST_DATA", str(real_data))
        environment.setenv("PLATFORM_THREADS", "2")
        assert build_features.main() == 0
    return build_features.bank_settings(home / "berka", real_data, {"PLATFORM_THREADS": "2"}), printed.getvalue()


@pytest.fixture(scope="session")
def bank(features_told: tuple[Settings, str]) -> Settings:
    return features_told[0]


@pytest.fixture(scope="session")
def warehouse(bank: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(bank.warehouse), read_only=True) as connection:
        yield connection


@pytest.fixture(scope="session")
def card_partner(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, LandingReport]:
    environment = {"PLATFORM_TENANT": str(PAKDD_TENANT), "PLATFORM_TEST_DATA": str(real_data), "PLATFORM_THREADS": "2"}
    settings = load_settings(environment | {"PLATFORM_HOME": str(tmp_path_factory.mktemp("pakdd"))})
    return settings, land_source("card_partner", date(2010, 6, 30), settings)


def read_quarantine(settings: Settings) -> pl.DataFrame:
    """Every quarantined row of a platform: dataset, line_number, column, rule, and the raw text as it arrived."""
    key = load_keys(settings.key_file).quarantine
    frames = []
    for path in sorted(settings.quarantine.rglob("rows.parquet")):
        raw = unseal_text((path.parent / "raw.sealed").read_bytes(), key, path.parent.name)
        rows = pl.read_parquet(path).join(pl.read_parquet(io.BytesIO(raw)), on="line_number", maintain_order="left")
        frames.append(rows.insert_column(0, pl.lit(path.parents[2].name).alias("dataset")))
    return pl.concat(frames)
