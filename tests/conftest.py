"""Fixtures that many tests share: an empty platform, and the golden portfolio delivered, landed and built."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import duckdb
import pytest

from ingestion.contract import load_registry
from ingestion.foundation import PROJECT, Settings, load_settings
from ingestion.landing import land_source
from quality.warehouse import build
from tests.simulated_group import Group, run_group

TEST_KEY = "00112233445566778899aabbccddeeff" * 2
GOLDEN_DATES = ("2026-01-31", "2026-02-28", "2026-03-12", "2026-03-31", "2026-04-30")


def make_settings(home: Path, go_live: str | None = None) -> Settings:
    """An empty platform under `home` with a fixed key; `go_live` moves the first delivery date of every contract."""
    home.mkdir(parents=True, exist_ok=True)
    (home / "test.key").write_text(TEST_KEY)
    environment = {"PLATFORM_HOME": str(home), "PLATFORM_KEY_FILE": str(home / "test.key"), "PLATFORM_THREADS": "2"}
    if go_live is not None:
        tenant = home / "tenant"
        (tenant / "contracts").mkdir(parents=True, exist_ok=True)
        for path in (PROJECT / "ingestion" / "contracts").glob("*.yml"):
            moved = path.read_text(encoding="utf-8").replace("2026-03-02", go_live)
            (tenant / "contracts" / path.name).write_text(moved, encoding="utf-8")
        (tenant / "tenant.toml").write_text('without = ["contracts"]\n')
        environment["PLATFORM_TENANT"] = str(tenant)
    return load_settings(environment)


@pytest.fixture(autouse=True)
def _nobody_listens() -> None:
    """Airflow configures structlog when it is imported; a test that runs after that in the same process is quiet."""
    if "structlog" in sys.modules:
        sys.modules["structlog"].reset_defaults()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return make_settings(tmp_path / "home")


@pytest.fixture(scope="session")
def golden(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Settings, duckdb.DuckDBPyConnection]]:
    """The golden portfolio: a stock load up to 2026-04-29, one daily delivery, and one build of five dates."""
    from ingestion.simulation import deliver
    from ingestion.simulation.payment_f import hand_over_secret
    from tests.golden import golden_world

    settings = make_settings(tmp_path_factory.mktemp("golden"), go_live="2026-04-29")
    hand_over_secret(settings.home)
    world = golden_world(PROJECT / "tests" / "cases" / "golden_portfolio")
    for day, since in ((date(2026, 4, 29), None), (date(2026, 4, 30), date(2026, 4, 29))):
        deliver(world, settings.landing, day, since)
        for source in load_registry(settings).contracts:
            land_source(source, day, settings)
    build(date(2026, 4, 30), settings, as_of_dates=[date.fromisoformat(day) for day in GOLDEN_DATES])
    with duckdb.connect(str(settings.warehouse), read_only=True) as connection:
        yield settings, connection


@pytest.fixture(scope="session")
def group(tmp_path_factory: pytest.TempPathFactory) -> Group:
    """Four simulated dates, the third of them refused; shared by all tests that only read it."""
    return run_group(make_settings(tmp_path_factory.mktemp("group")))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that share something costly run on one worker, the longest first; others stay together by file."""
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        shared = next((name for name in ("group", "golden", "berka") if name in fixtures), None)
        item.add_marker(pytest.mark.xdist_group(shared or str(item.path)))
    items.sort(key=_starts_late)


def _starts_late(item: pytest.Item) -> int:
    names = [mark.args[0] for mark in item.iter_markers("xdist_group")]
    early = ("test_demo.py", "group", "test_documentation.py", "berka", "golden")
    return next((place for place, name in enumerate(early) if any(str(n).endswith(name) for n in names)), len(early))
