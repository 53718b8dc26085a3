"""`_known_at`: when the platform could first have known a row, also for rows that came with the stock load."""

from __future__ import annotations

from datetime import date, datetime

import pytest

from tests.ingestion.broken import BEIJING, Party, column, contract, dataset

STOCK = "2026-03-03T06:30:00"
COLUMNS = [column("id", "INTEGER", key=True), column("at", "TIMESTAMPTZ"), column("on", "DATE")]
LIVE = {"available_at": "07:15", "go_live": "2026-03-02"}


def known(party: Party, recorded_at: str | None, row: str, received: str = STOCK) -> str:
    """When a row that was received at a Beijing time is known, as a Beijing time."""
    delivery = {"recorded_at": recorded_at} if recorded_at else {}
    party.agree(contract("party", dataset(*COLUMNS, **delivery), **LIVE))
    party.deliver(f"id,at,on\n1,{row}\n", at=received)
    party.land()
    ((moment,),) = party.rows("_known_at")
    assert isinstance(moment, datetime)
    return moment.astimezone(BEIJING).replace(tzinfo=None).isoformat()


CASES = {
    "a column that is not declared": (None, "2025-01-01 00:00:00,2025-01-01", STOCK),
    "long before go-live": ("at", "2025-06-30 10:00:00,", "2025-07-01T07:15:00"),
    "over the end of a year": ("at", "2025-12-31 23:59:59,", "2026-01-01T07:15:00"),
    "midnight belongs to the day that begins": ("at", "2026-01-31 00:00:00,", "2026-02-01T07:15:00"),
    "last second before go-live": ("at", "2026-03-01 23:59:59,", "2026-03-02T07:15:00"),
    "first second of go-live": ("at", "2026-03-02 00:00:00,", STOCK),
    "recorded after its business date": ("at", "2026-03-03 05:00:00,", STOCK),
    "not recorded": ("at", ",2025-01-01", STOCK),
    "a date before go-live": ("on", ",2026-03-01", "2026-03-02T07:15:00"),
    "the date of go-live": ("on", ",2026-03-02", STOCK),
}


@pytest.mark.parametrize(("recorded_at", "row", "expected"), CASES.values(), ids=CASES)
def test_receipt_or_the_usual_availability_of_stock(
    party: Party, recorded_at: str | None, row: str, expected: str
) -> None:
    assert known(party, recorded_at, row) == expected


def test_nothing_is_known_later_than_it_was_received(party: Party) -> None:
    assert known(party, "at", "2026-03-01 10:00:00,", received="2026-03-01T20:00:00") == "2026-03-01T20:00:00"


def test_a_daily_row_that_comes_late_is_known_late(party: Party) -> None:
    assert known(party, "at", "2026-03-02 10:00:00,", received="2026-03-09T18:00:00") == "2026-03-09T18:00:00"


def test_a_restated_row_is_known_from_its_second_receipt(party: Party) -> None:
    known(party, "at", "2026-03-02 10:00:00,")
    assert known(party, "at", "2026-03-02 10:00:01,", received="2026-03-05T08:00:00") == "2026-03-05T08:00:00"


def test_receipt_is_cut_to_the_second(party: Party) -> None:
    assert known(party, None, ",", received="2026-03-03T06:30:00.999") == STOCK


def test_lineage_names_delivery_line_date_and_sequence(party: Party) -> None:
    party.declare(*COLUMNS, resend="{yyyymmdd}/rows_{nn}.csv").deliver("id,at,on\n")
    party.deliver("id,at,on\n\n1,,\n", "rows_02.csv")
    party.land()
    held = party.ledger()[1]["delivery_id"]
    assert party.rows("_delivery_id", "_line_number", "_batch_date", "_sequence") == [(held, 3, date(2026, 3, 2), 2)]
