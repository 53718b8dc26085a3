"""A run is data: no date is compiled into a model, layers add up to a build, and a run derives only what changed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ingestion.delivery import list_dates_to_build
from ingestion.foundation import Settings, load_settings
from quality.warehouse import LAYER_SELECTIONS, build
from tests.conftest import make_settings
from tests.dbt_project.test_histories import application, loan, plan
from tests.handmade_lake import HandmadeLake, find_difference

DAYS = [f"2026-03-{day:02d}" for day in range(2, 9)]
MARK = 1_000_000
# A column of each daily table that can carry a mark.
DAILY = {
    "mtr_balance_bridge__daily": "difference_amount",
    "mtr_balance_rollforward__daily": "open_amount",
    "mtr_delinquency__daily": "balance_principal_amount",
    "mtr_delinquency_buckets__daily": "balance_principal_amount",
}


def payment(number: str, paid: str, amount: int = 400, term: int = 1) -> dict[str, Any]:
    return {
        "repay_no": f"R{number}-{term}", "loan_no": number, "term_no": term, "paid_at": f"{paid} 12:00:00",
        "principal_amount": amount, "interest_amount": 0, "fee_amount": 0, "penalty_amount": 0,
        "payment_method_code": "02", "repay_type_code": "0", "posted_at": f"{paid} 12:00:00",
    }  # fmt: skip


def deliver(lake: HandmadeLake, day: str) -> None:
    """One application a date; two loans with the first of them, one of which is paid in advance on the third."""
    received = f"{day}T23:30:00"
    lake.deliver("dept_risk.applications", day, [application(f"A{day}")], received)
    if day == DAYS[0]:
        loans = [loan("one"), loan("other")]
        terms = [
            row | {"due_date": f"2026-03-0{2 + 2 * row['term_no']}"}
            for number in ("one", "other")
            for row in plan(number, 1, [400, 400, 400])
        ]
        lake.deliver("dept_loan_core.loans", day, loans, received)
        lake.deliver("dept_loan_core.plan_terms", day, terms, received)
    if day == DAYS[2]:
        lake.deliver("dept_loan_core.repayments", day, [payment("one", day, term=3)], received)


@pytest.fixture(scope="module")
def compiled() -> dict[str, dict[str, str]]:
    """The text of every model by name, for each date that `lake` was built on after its first."""
    return {}


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory, compiled: dict[str, dict[str, str]]) -> HandmadeLake:
    """Seven dates, built on the fifth, the sixth and the seventh."""
    made = HandmadeLake(make_settings(tmp_path_factory.mktemp("runs") / "home"))
    for place, day in enumerate(DAYS):
        deliver(made, day)
        if place >= 4:
            made.build(day)
        if place > 4:
            compiled[day] = read_compiled(made.settings)
    return made


def read_compiled(settings: Settings) -> dict[str, str]:
    folder = settings.home / "dbt" / "target" / "compiled"
    return {path.stem: path.read_text() for path in sorted(folder.rglob("*.sql"))}


def mark(lake: HandmadeLake) -> None:
    """Change every row that daily tables hold, and leave what says what it was derived from."""
    with duckdb.connect(str(lake.settings.warehouse)) as connection:
        for table, column in DAILY.items():
            connection.execute(f"update {table} set {column} = {column} + {MARK} where {column} < {MARK}").fetchall()


def list_rewritten(lake: HandmadeLake) -> dict[str, list[str]]:
    """The dates of each daily table that carry no mark: those that were derived since."""
    return {
        table: [
            str(day)
            for (day,) in lake.ask(f"select distinct as_of_date from {table} where {column} < {MARK} order by 1")
        ]
        for table, column in DAILY.items()
    }


def of_each(days: Sequence[str]) -> dict[str, list[str]]:
    return {table: list(days) for table in DAILY}


def test_no_date_is_compiled_into_a_model(lake: HandmadeLake, compiled: dict[str, dict[str, str]]) -> None:
    first, second = compiled[DAYS[5]], compiled[DAYS[6]]
    assert len(first) > 60
    assert {name for name in first.keys() | second if first.get(name) != second.get(name)} == set()
    assert not [name for name, text in second.items() if re.search("2026-?03-?0", text)]
    assert lake.ask("select batch_date from stg_platform__runs") == [(date.fromisoformat(DAYS[6]),)]
    log = (lake.settings.home / "dbt" / "logs" / "dbt.log").read_text(encoding="utf-8")
    assert re.findall("Unable to do partial parsing because ([a-z ]*)", log) == ["saved manifest not found"]


def test_layer_by_layer_gives_the_tables_of_one_build(lake: HandmadeLake, tmp_path: Path) -> None:
    layered = lake.copy_to(tmp_path / "layered")
    tables: list[set[str]] = []
    for layer in LAYER_SELECTIONS:
        build(date.fromisoformat(DAYS[6]), layered.settings, layers=[layer])
        tables.append({name for (name,) in layered.ask("select table_name from information_schema.tables")})
    assert tables[0] < tables[1] < tables[2] < tables[3]
    held = {name for (name,) in lake.ask("select table_name from duckdb_tables()")} | {"fct_loan_days"}
    assert held <= tables[3]
    assert [find_difference(table, layered, lake) for table in sorted(held)] == [None] * len(held)


def test_a_run_derives_only_the_dates_that_something_touched(lake: HandmadeLake, tmp_path: Path) -> None:
    """Whatever a run does not derive keeps the mark that was put on it after the run before."""
    held = lake.copy_to(tmp_path / "held")
    days = DAYS[:6]

    def build_marked(day: str) -> dict[str, list[str]]:
        mark(held)
        held.build(day)
        return list_rewritten(held)

    held.build(days[-2])
    # A new date adds its slice.
    assert build_marked(days[-1]) == of_each(days[-1:])
    # A payment of the fifth date comes with the sixth: it touches both, and nothing before.
    held.deliver("dept_loan_core.repayments", days[5], [payment("other", days[4])], f"{days[5]}T23:45:00")
    assert build_marked(days[-1]) == of_each(days[4:])
    # The payment in advance was made a day earlier: that day, and the one that opened with another balance.
    again = [payment("one", days[1], term=3)]
    held.deliver("dept_loan_core.repayments", days[2], again, f"{days[5]}T23:50:00", sequence=2)
    assert build_marked(days[-1]) == of_each(days[1:3])
    # A file that brings again what stood touches no date.
    held.deliver("dept_loan_core.repayments", days[2], again, f"{days[5]}T23:55:00", sequence=3)
    assert build_marked(days[-1]) == of_each([])
    # A date that was left behind is built, without what came after it; the next build brings all of that back.
    held.build(days[1])
    assert held.ask("select max(as_of_date) from mtr_delinquency__daily") == [(date.fromisoformat(days[1]),)]
    assert build_marked(days[-1]) == of_each(days[1:])


def test_daily_tables_hold_month_ends_that_the_stock_covers_where_a_tenant_asks(tmp_path: Path) -> None:
    tenant = tmp_path / "tenant"
    tenant.mkdir()
    (tenant / "tenant.toml").write_text("month_ends_since = 2025-12-15\n")
    home = make_settings(tmp_path / "home").home
    environment = {
        "PLATFORM_HOME": str(home), "PLATFORM_KEY_FILE": str(home / "test.key"), "PLATFORM_TENANT": str(tenant),
        "PLATFORM_THREADS": "2",
    }  # fmt: skip
    made = HandmadeLake(load_settings(environment))
    back = {"_known_at": "2026-01-20 07:15:00+08"}
    stock = [loan("old", funded_at="2026-01-20 10:00:00", booked_date="2026-01-20", value_date="2026-01-20", **back)]
    terms = [row | {"due_date": f"2026-0{row['term_no'] + 1}-20"} for row in plan("old", 1, [400, 400, 400], **back)]
    made.deliver("dept_loan_core.loans", DAYS[0], stock, f"{DAYS[0]}T23:30:00")
    made.deliver("dept_loan_core.plan_terms", DAYS[0], terms, f"{DAYS[0]}T23:30:00")
    asked = list_dates_to_build(date.fromisoformat(DAYS[0]), made.settings)
    assert asked == {
        date(2025, 12, 31): False,
        date(2026, 1, 31): False,
        date(2026, 2, 28): False,
        date(2026, 3, 2): False,
    }
    made.build(DAYS[0])
    days = made.ask("select as_of_date, loan_id, dpd_before_compensation from fct_loan_days order by 1")
    assert days == [(date(2026, 1, 31), "old", 0), (date(2026, 2, 28), "old", 8), (date(2026, 3, 2), "old", 10)]
    for table in DAILY.keys() - {"mtr_balance_rollforward__daily"}:
        assert made.ask(f"select distinct as_of_date from {table} order by 1") == [(day,) for day, *_ in days]
