"""A table that loses all or most of its rows fails, whatever its checks say of those that are left."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import polars as pl
import pytest

from ingestion.foundation import Settings
from quality.gate import audit
from quality.kinds import KEEPS_ITS_CURRENT_ROWS
from quality.override import override_verdict
from quality.publication import PublicationRefused, audit_and_publish, open_published
from quality.suite import Suite
from quality.verdict import KEEPS_ITS_ROWS

DAY = date(2026, 3, 2)
LATER = DAY + timedelta(days=1)
REASON = "the archive was delivered again and is empty on purpose"
pytestmark = pytest.mark.usefixtures("book")
Change = Callable[[str], None]


def keep(change: Change, rows: int) -> None:
    """Leave so many rows of the reconciliation, none of which breaks a check of its own."""
    change(f"delete from rec_loans__funder where loan_id >= 'L{rows:05d}'")


@pytest.mark.parametrize(("rows", "passes"), [(400, True), (201, True), (200, False), (1, False), (0, False)])
def test_losing_half_or_more_fails(settings: Settings, change: Change, rows: int, passes: bool) -> None:
    first = audit_and_publish("warehouse", DAY, settings)
    keep(change, rows)
    if passes:
        assert audit_and_publish("warehouse", LATER, settings).is_current
        return
    refused = rf"{KEEPS_ITS_ROWS} \(L17: {rows} rows of 400 in version {first.version} are left"
    with pytest.raises(PublicationRefused, match=refused):
        audit_and_publish("warehouse", LATER, settings)


def test_a_file_replaced_on_the_same_date_may_hold_fewer_rows_but_not_lose_most(
    settings: Settings, change: Change
) -> None:
    audit_and_publish("warehouse", DAY, settings)
    keep(change, 300)
    corrected = audit_and_publish("warehouse", DAY, settings)
    keep(change, 150)
    with pytest.raises(PublicationRefused, match=f"150 rows of 400 in version {corrected.version}"):
        audit_and_publish("warehouse", DAY, settings)


@pytest.mark.parametrize("days", [1, 2], ids=["of the first date", "beside an earlier date"])
def test_a_table_cannot_be_emptied_in_steps_of_one_date(settings: Settings, change: Change, days: int) -> None:
    """Each step keeps more than half of the one before it; together they may lose no more than one step may."""
    held = {audit_and_publish("warehouse", DAY + timedelta(days=number), settings).version for number in range(days)}
    date_of_steps = DAY + timedelta(days=days - 1)
    keep(change, 230)
    audit_and_publish("warehouse", date_of_steps, settings)
    keep(change, 190)
    with pytest.raises(PublicationRefused, match="190 rows of 400 in version") as caught:
        audit_and_publish("warehouse", date_of_steps, settings)
    assert any(version in str(caught.value) for version in held)


def test_an_accepted_removal_is_what_later_steps_of_its_date_are_held_to(settings: Settings, change: Change) -> None:
    audit_and_publish("warehouse", DAY, settings)
    keep(change, 100)
    accepted = accept_loss(settings)
    keep(change, 60)
    audit_and_publish("warehouse", LATER, settings)
    keep(change, 45)
    with pytest.raises(PublicationRefused, match=f"45 rows of 100 in version {accepted}"):
        audit_and_publish("warehouse", LATER, settings)


def accept_loss(settings: Settings) -> str:
    """Audit the next date, accept that the reconciliation lost its rows, and publish it so."""
    (verdict,) = (verdict for verdict in audit("core", LATER, settings) if not verdict.passed)
    override_verdict(verdict.verdict_id, "li.wei", REASON, LATER, "2026-03-04T09:00:00+08:00", settings)
    return audit_and_publish("warehouse", LATER, settings).version


HISTORY = """
table: fct_loans_history
gate: core
owner: loan_core
version: 1
description: Every version of a loan.
term: 放款版本
kind: history
key: [loan_id, _known_at]
"""


@pytest.fixture
def history(settings: Settings, change: Change, book: None) -> None:
    """One current version of each of the 400 loans, under a suite of a history."""
    (settings.suites / "core" / "fct_loans_history.yml").write_text(HISTORY, encoding="utf-8")
    change(
        "create table fct_loans_history as select loan_id, funded_at as _known_at,"
        " cast(null as timestamptz) as _superseded_at from fct_loans"
    )


def supersede(change: Change, current: int) -> None:
    """Leave so many current rows in the history, and no row out of it."""
    change(
        "update fct_loans_history set _superseded_at = timestamptz '2026-03-03 08:00:00+08'"
        f" where loan_id >= 'L{current:05d}' and _superseded_at is null"
    )


@pytest.mark.parametrize("day", [DAY, LATER], ids=["the same date", "the next date"])
@pytest.mark.usefixtures("history")
def test_a_history_whose_rows_are_all_superseded_has_lost_them(settings: Settings, change: Change, day: date) -> None:
    first = audit_and_publish("warehouse", DAY, settings)
    supersede(change, 0)
    lost = rf"fct_loans_history failed {KEEPS_ITS_CURRENT_ROWS} \(L17: 0 current rows of 400 in version {first.version}"
    with pytest.raises(PublicationRefused, match=lost):
        audit_and_publish("warehouse", day, settings)


@pytest.mark.usefixtures("history")
def test_a_history_may_supersede_what_a_table_may_lose_and_not_in_steps(settings: Settings, change: Change) -> None:
    audit_and_publish("warehouse", DAY, settings)
    supersede(change, 230)
    audit_and_publish("warehouse", LATER, settings)
    supersede(change, 190)
    with pytest.raises(PublicationRefused, match="190 current rows of 400 in version"):
        audit_and_publish("warehouse", LATER, settings)
    accept_loss(settings)
    supersede(change, 120)
    assert audit_and_publish("warehouse", LATER, settings).is_current


def test_an_earlier_date_is_not_held_to_a_later_one(settings: Settings, change: Change) -> None:
    audit_and_publish("warehouse", LATER, settings)
    keep(change, 0)
    assert audit_and_publish("warehouse", DAY, settings).is_new


def test_a_table_that_was_never_published_may_be_empty(settings: Settings, change: Change) -> None:
    keep(change, 0)
    assert audit_and_publish("warehouse", DAY, settings).is_new
    assert audit_and_publish("warehouse", LATER, settings).is_current


def test_a_known_removal_is_accepted_by_an_override_and_is_then_what_is_compared(
    settings: Settings, change: Change
) -> None:
    audit_and_publish("warehouse", DAY, settings)
    keep(change, 0)
    with pytest.raises(PublicationRefused, match=KEEPS_ITS_ROWS):
        audit_and_publish("warehouse", LATER, settings)
    (verdict,) = (verdict for verdict in audit("core", LATER, settings) if not verdict.passed)
    override_verdict(verdict.verdict_id, "li.wei", REASON, LATER, "2026-03-04T09:00:00+08:00", settings)
    first = audit_and_publish("warehouse", LATER, settings)
    for _ in range(2):
        again = audit_and_publish("warehouse", LATER, settings)
        assert (again.version, again.is_new) == (first.version, False), "the same content has the same verdict"
        assert set(open_published("warehouse", settings).overrides) == {"rec_loans__funder"}
    next_day = audit_and_publish("warehouse", LATER + timedelta(days=1), settings)
    assert next_day.is_current
    assert open_published("warehouse", settings).overrides == {}


def test_what_a_stage_hands_over_is_held_to_it_as_well(settings: Settings) -> None:
    frame = pl.DataFrame(
        {
            "customer_id": [f"C{number:03d}" for number in range(50)],
            "as_of": [DAY] * 50,
            "repaid_count_30d": [1] * 50,
        }
    )
    audit_and_publish("features", DAY, settings, rows={"view_repayment": frame.to_arrow()})
    with pytest.raises(PublicationRefused, match="0 rows of 50 in version"):
        audit_and_publish("features", LATER, settings, rows={"view_repayment": frame.clear().to_arrow()})


@pytest.mark.parametrize(
    ("may_lose", "rows", "least"),
    [
        (0.5, 0, 0), (0.5, 1, 1), (0.5, 2, 2), (0.5, 3, 2), (0.5, 400, 201), (0.1, 10, 10), (0.1, 100, 91),
        (0, 7, 7), (1, 7, 1), ("all", 7, 0),
    ],
)  # fmt: skip
def test_the_share_is_declared(may_lose: float | str, rows: int, least: int) -> None:
    suite = Suite.model_validate(
        {
            "table": "t", "gate": "g", "owner": "o", "version": 1, "description": "d", "term": "词", "key": ["k"],
            "may_lose": may_lose,
        }
    )  # fmt: skip
    assert suite.count_least_rows(rows) == least
    assert (KEEPS_ITS_ROWS in {check.name for check in suite.all_checks}) == (may_lose != "all")
