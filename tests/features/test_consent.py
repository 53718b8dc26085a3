from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from features.consent import UnknownPurpose, judge, split_by_consent
from features.point_in_time import SpineInvalid
from features.values import SourceInvalid

SHANGHAI = ZoneInfo("Asia/Shanghai")
NOON = datetime(2026, 3, 10, 12, tzinfo=SHANGHAI)
OPEN = date(9999, 12, 31)
INSTANT = pl.Datetime("us", "Asia/Shanghai")
SCHEMA: dict[str, Any] = {
    "customer_id": pl.String,
    "event": pl.String,
    "purpose": pl.String,
    "recipient": pl.String,
    "occurred_at": INSTANT,
    "valid_to": pl.Date,
    "_known_at": INSTANT,
    "_superseded_at": INSTANT,
}


def event(kind: str, at: datetime, valid_to: date | None = OPEN, **more: Any) -> dict[str, Any]:
    return {
        "customer_id": "c",
        "event": kind,
        "purpose": "LIMIT_MGMT",
        "recipient": "PLATFORM",
        "occurred_at": at,
        "valid_to": valid_to,
        "_known_at": at,
        "_superseded_at": None,
        **more,
    }


def reason(events: list[dict[str, Any]], as_of: datetime = NOON, purpose: str = "LIMIT_MGMT") -> str | None:
    spine = pl.DataFrame({"customer_id": ["c"], "as_of": [as_of]})
    answer: str | None = judge(spine, purpose, pl.LazyFrame(events, schema=SCHEMA))[0]
    return answer


def granted(days_before: float, **more: Any) -> dict[str, Any]:
    return event("granted", NOON - timedelta(days=days_before), **more)


def withdrawn(days_before: float, **more: Any) -> dict[str, Any]:
    return event("withdrawn", NOON - timedelta(days=days_before), **more)


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([], "never_granted"),
        ([granted(5)], None),
        ([granted(0)], None),
        ([granted(-1)], "never_granted"),
        ([granted(5), withdrawn(1)], "withdrawn"),
        ([granted(5), withdrawn(0)], "withdrawn"),
        ([granted(5), withdrawn(-1)], None),
        ([granted(5), withdrawn(3), granted(1)], None),
        ([granted(3), withdrawn(3)], "withdrawn"),
        ([withdrawn(3)], "withdrawn"),
        ([granted(5, valid_to=date(2026, 3, 10))], None),
        ([granted(5, valid_to=date(2026, 3, 9))], "expired"),
        ([granted(9, valid_to=date(2026, 3, 9)), granted(5)], None),
        ([granted(9), granted(5, valid_to=date(2026, 3, 9))], None),
        ([granted(5, valid_to=None)], "expired"),
        ([granted(5, _known_at=NOON + timedelta(microseconds=1))], "never_granted"),
        ([granted(5), withdrawn(2, _known_at=NOON + timedelta(hours=1))], None),
        ([granted(5), withdrawn(2, _known_at=NOON)], "withdrawn"),
        ([granted(5), withdrawn(2, _superseded_at=NOON)], None),
        ([granted(5, _superseded_at=NOON)], "never_granted"),
        ([granted(5, purpose="MARKETING")], "never_granted"),
        ([granted(5), withdrawn(1, purpose="MARKETING")], None),
        ([granted(5, recipient="BANK_A")], "never_granted"),
        ([granted(5, customer_id="d")], "never_granted"),
    ],
)
def test_consent_holds_only_as_granted_and_known_then(events: list[dict[str, Any]], expected: str | None) -> None:
    assert reason(events) == expected


def test_validity_is_judged_on_the_business_day_in_shanghai() -> None:
    late = datetime(2026, 3, 9, 17, tzinfo=ZoneInfo("UTC"))
    assert reason([granted(5, valid_to=date(2026, 3, 9))], as_of=late) == "expired"


def test_permitted_keeps_order_and_columns_and_counts_the_others() -> None:
    spine = pl.DataFrame({"tag": [1, 2, 3, 4], "customer_id": ["x", "c", "d", "c"], "as_of": [NOON] * 4})
    events = [granted(5), granted(5, customer_id="d"), withdrawn(1, customer_id="d")]
    answer = split_by_consent(spine, "LIMIT_MGMT", pl.LazyFrame(events, schema=SCHEMA))
    assert answer.spine["tag"].to_list() == [2, 4]
    assert answer.exclusions.rows() == [("LIMIT_MGMT", "never_granted", 1), ("LIMIT_MGMT", "withdrawn", 1)]
    assert answer.excluded == 2


def test_processing_later_than_as_of_asks_for_consent_then() -> None:
    spine = pl.DataFrame({"customer_id": ["c"], "as_of": [NOON]})
    events = pl.LazyFrame([granted(5), withdrawn(-1)], schema=SCHEMA)
    later = pl.lit(NOON + timedelta(days=2)).dt.convert_time_zone("Asia/Shanghai")
    assert judge(spine, "LIMIT_MGMT", events).to_list() == [None]
    assert judge(spine, "LIMIT_MGMT", events, later).to_list() == ["withdrawn"]


def test_what_is_not_understood_is_loud() -> None:
    with pytest.raises(UnknownPurpose, match="no purpose SPAM"):
        reason([], purpose="SPAM")
    with pytest.raises(SourceInvalid, match="event paused"):
        reason([event("paused", NOON)])
    naive = pl.DataFrame({"customer_id": ["c"], "as_of": [NOON.replace(tzinfo=None)]})
    with pytest.raises(SpineInvalid, match="as_of has no time zone"):
        judge(naive, "LIMIT_MGMT", pl.LazyFrame([], schema=SCHEMA))
