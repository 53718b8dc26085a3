"""An unchanged part keeps its verdict and its file; a changed one is audited and written, and nothing else is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest

from ingestion.foundation import Settings
from quality import gate
from quality.publication import PublicationRefused, audit_and_publish, audit_gate, open_published
from quality.suite import Suite
from quality.verdict import Verdict, read_history

DAY = date(2026, 3, 2)
NEXT = DAY + timedelta(days=1)
Change = Callable[[str], None]
DAILY = """
table: mtr_balances__daily
gate: core
owner: finance
version: 1
description: Balance by date.
term: 余额
kind: daily
key: [as_of_date]
event: as_of_date
layout: {sort_by: [as_of_date]}
"""


@pytest.fixture
def daily(settings: Settings, change: Change) -> Settings:
    """The small lending book with a daily table of two dates before the day."""
    (Path(str(settings.suites)) / "core" / "mtr_balances__daily.yml").write_text(DAILY, encoding="utf-8")
    path = Path(str(settings.sets)) / "warehouse.yml"
    path.write_text(path.read_text().replace("[fct_loans]", "[fct_loans, mtr_balances__daily]"), encoding="utf-8")
    change("create table mtr_balances__daily (as_of_date date, balance_amount decimal(18, 2))")
    change("insert into mtr_balances__daily values ('2026-02-28', 1.00), ('2026-03-01', 2.00), ('2026-03-02', 3.00)")
    return settings


@pytest.fixture
def validated(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Tables that Great Expectations is asked about, in order."""
    asked: list[str] = []
    original = gate.GateRun.validate

    def validate(self: gate.GateRun, suite: Suite, scope: gate.Scope) -> object:
        asked.append(suite.table)
        return original(self, suite, scope)

    monkeypatch.setattr(gate.GateRun, "validate", validate)
    return asked


def inodes(folder: Path) -> dict[str, int]:
    return {path.relative_to(folder).as_posix(): path.stat().st_ino for path in sorted(folder.glob("*/*.parquet"))}


@pytest.mark.usefixtures("book")
def test_only_changed_parts_are_written(daily: Settings, change: Change) -> None:
    first = audit_and_publish("warehouse", DAY, daily)
    change("insert into mtr_balances__daily values ('2026-03-03', 4.00)")
    change("update mtr_balances__daily set balance_amount = 2.50 where as_of_date = '2026-03-01'")
    second = audit_and_publish("warehouse", NEXT, daily)
    before, after = inodes(first.path), inodes(second.path)
    assert {name for name in after if after[name] != before.get(name)} == {
        "mtr_balances__daily/2026-03-01.parquet",
        "mtr_balances__daily/2026-03-03.parquet",
    }
    tables = open_published("warehouse", daily).manifest["tables"]
    assert tables["fct_loans"]["since"] == "2026-03-02"
    assert tables["mtr_balances__daily"]["since"] == "2026-03-03"
    assert {day: part["since"] for day, part in tables["mtr_balances__daily"]["parts"].items()} == {
        "2026-02-28": "2026-03-02",
        "2026-03-01": "2026-03-03",
        "2026-03-02": "2026-03-02",
        "2026-03-03": "2026-03-03",
    }
    rows = open_published("warehouse", daily).scan("mtr_balances__daily").collect()
    assert [str(amount) for amount in rows["balance_amount"]] == ["1.00", "2.50", "3.00", "4.00"]


@pytest.mark.usefixtures("book")
def test_a_damaged_file_of_the_version_before_is_not_linked_into_the_next(daily: Settings) -> None:
    first = audit_and_publish("warehouse", DAY, daily)
    damaged = first.path / "mtr_balances__daily" / "2026-03-01.parquet"
    damaged.chmod(0o644)
    damaged.write_bytes((first.path / "mtr_balances__daily" / "2026-03-02.parquet").read_bytes())
    with pytest.raises(PublicationRefused, match="mtr_balances__daily was written with other content"):
        audit_and_publish("warehouse", NEXT, daily)


@pytest.mark.usefixtures("book")
def test_an_unchanged_table_keeps_its_verdict(daily: Settings, validated: list[str], change: Change) -> None:
    audit_and_publish("warehouse", DAY, daily)
    assert set(validated) == {"fct_loans", "mtr_balances__daily", "rec_loans__funder"}
    validated.clear()
    audit_and_publish("warehouse", DAY, daily)
    assert not validated, "the same content on the same date is the same question"
    change("insert into mtr_balances__daily values ('2026-03-03', 4.00)")
    audit_and_publish("warehouse", NEXT, daily)
    assert validated == ["mtr_balances__daily"]
    kept = {verdict.table: verdict for verdict in read_history(["core"], NEXT, daily)}
    assert set(kept) == {"fct_loans", "mtr_balances__daily", "rec_loans__funder"}, "each date has its own verdicts"


@pytest.mark.usefixtures("book")
@pytest.mark.parametrize(
    "check",
    [
        "select * from {table} where as_of_date < date '{batch_date}' - 2",
        "select * from {table} where 400 <> (select count(*) from fct_loans)",
    ],
    ids=["the date", "another table"],
)
def test_a_verdict_that_rests_on_more_than_its_table_is_given_again(
    daily: Settings, validated: list[str], check: str
) -> None:
    """Three days of figures are fresh on the day and stale on the next; another table may be another tomorrow."""
    path = Path(str(daily.suites)) / "core" / "mtr_balances__daily.yml"
    declared = f'checks: [{{name: rests_on_more, expectation: unexpected_rows, arguments: {{query: "{check}"}}'
    path.write_text(
        f"{DAILY}{declared}, severity: fail, because: it rests on more than the table, rule: F90}}]\n", encoding="utf-8"
    )
    audit_and_publish("warehouse", DAY, daily)
    validated.clear()
    if "batch_date" in check:
        with pytest.raises(PublicationRefused, match="rests_on_more"):
            audit_and_publish("warehouse", NEXT, daily)
    else:
        audit_and_publish("warehouse", NEXT, daily)
    assert validated == ["mtr_balances__daily"]


@pytest.mark.usefixtures("book")
def test_a_gate_between_two_layers_refuses_the_set_and_readers_keep_what_they_have(
    daily: Settings, change: Change
) -> None:
    good = audit_and_publish("warehouse", DAY, daily)
    assert all(verdict.passed for verdict in audit_gate("core", NEXT, daily))
    change("update fct_loans set principal_amount = -1 where loan_id = 'L00001'")
    with pytest.raises(PublicationRefused, match=r"principal_is_positive.*last good version"):
        audit_gate("core", NEXT, daily)
    published = open_published("warehouse", daily)
    assert (published.version, published.refused_batch_date) == (good.version, NEXT)


def test_a_failed_verdict_is_never_kept(daily: Settings, change: Change, validated: list[str], book: None) -> None:
    change("update fct_loans set principal_amount = -1 where loan_id = 'L00001'")
    for _ in range(2):
        with pytest.raises(PublicationRefused, match="principal_is_positive"):
            audit_and_publish("warehouse", DAY, daily)
    assert validated.count("fct_loans") == 2
    failed: list[Verdict] = [verdict for verdict in read_history(["core"], DAY, daily) if not verdict.passed]
    assert {verdict.table for verdict in failed} == {"fct_loans"}
