"""Database sources: the window of each business date, the stock load, and databases that do not answer."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import date, datetime
from typing import Any

import polars as pl
import pytest

from ingestion.delivery import DeliveryIncomplete
from ingestion.landing import list_held, replay_held
from tests.ingestion.broken import BEIJING, Party, column, contract, dataset

QUERY = "select no, amount, posted from loan where posted > :since and posted <= :until order by no"
COLUMNS = [
    column("loan_no", physicalName="no", key=True),
    column("amount", "DECIMAL(18,2)"),
    column("posted_date", "DATE", physicalName="posted"),
]
BOOKED = [
    *[("S1", "1.00", "2024-05-05"), ("S2", None, "2026-03-01"), ("L2", "2.00", "2026-03-02")],
    *[("L3", "3.00", "2026-03-03"), ("L4", "4.00", "2026-03-04"), ("L5", "5.00", "2026-03-05")],
]


def day(number: int) -> date:
    return date(2026, 3, number)


def connect(party: Party, query: str = QUERY, url: str = "sqlite:///{landing}/core.db", **delivery: Any) -> Party:
    declared = dataset(*COLUMNS, reader="database", query=query, mode="upsert", **delivery)
    return party.agree(contract("party", declared, connection=url))


def book(party: Party, rows: list[tuple[str, str | None, str]], *, amount: str = "text") -> None:
    folder = party.settings.locate_source("party")
    folder.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(folder / "core.db")) as database, database:
        database.execute(f"create table if not exists loan (no text primary key, amount {amount}, posted text)")
        database.executemany("insert or replace into loan values (?, ?, ?)", rows)


def landed(party: Party) -> dict[int, list[str]]:
    """Loans by day of the month of the delivery that brought them."""
    days: dict[int, list[str]] = {row["batch_date"].day: [] for row in party.ledger() if not row["superseded_at"]}
    for batch_date, loan_no in party.rows("_batch_date", "loan_no"):
        days[batch_date.day].append(loan_no)
    return days


def test_go_live_brings_the_stock_and_each_later_date_its_own_rows(party: Party) -> None:
    book(connect(party), BOOKED)
    party.land(day(2))
    assert landed(party) == {2: ["L2", "S1", "S2"]}
    party.land(day(3))
    assert landed(party) == {2: ["L2", "S1", "S2"], 3: ["L3"]}


def test_dates_that_were_left_out_are_caught_up_one_by_one(party: Party) -> None:
    book(connect(party), BOOKED)
    assert [entry.batch_date for entry in party.land(day(4)).arrivals] == [day(2), day(3), day(4)]
    assert landed(party) == {2: ["L2", "S1", "S2"], 3: ["L3"], 4: ["L4"]}


def test_a_date_without_rows_is_an_empty_delivery(party: Party) -> None:
    book(connect(party), [("L2", "2.00", "2026-03-02")])
    party.land(day(3))
    assert landed(party) == {2: ["L2"], 3: []}


def test_the_same_answer_again_does_nothing(party: Party) -> None:
    book(connect(party), BOOKED)
    party.land(day(3))
    before = party.stored()
    assert [(entry.batch_date, entry.outcome) for entry in party.land(day(3)).arrivals] == [(day(3), "unchanged")]
    assert (party.stored(), len(party.ledger())) == (before, 2)


def test_another_answer_supersedes(party: Party) -> None:
    started = datetime.now(BEIJING).replace(microsecond=0)
    book(connect(party), BOOKED)
    party.land(day(3))
    book(party, [("L3", "3.33", "2026-03-03"), ("L3b", "1.00", "2026-03-03")])
    party.land(day(3))
    assert landed(party) == {2: ["L2", "S1", "S2"], 3: ["L3", "L3b"]}
    assert [row["superseded_at"] is None for row in party.ledger()] == [True, False, True]
    assert [row["file_name"] for row in party.ledger()] == ["rows.parquet", "rows.parquet", "rows_02.parquet"]
    folder = party.settings.landing / "party" / "20260303"
    assert [len(pl.read_parquet(path)) for path in sorted(folder.iterdir())] == [1, 2]
    received = [datetime.fromisoformat(row["received_at"]) for row in party.ledger()]
    assert received[1] == datetime(2026, 3, 4, 7, tzinfo=BEIJING) < started <= received[2]
    party.land(day(3))
    assert len(party.ledger()) == 3


def test_receipt_is_the_contracted_availability_of_the_next_day(party: Party) -> None:
    book(connect(party), BOOKED)
    party.land(day(2))
    assert party.rows("_known_at")[0][0] == datetime(2026, 3, 3, 7, tzinfo=BEIJING)


def test_values_are_typed_and_a_missing_one_stays_missing(party: Party) -> None:
    book(connect(party), BOOKED[:2])
    party.land(day(2))
    assert [str(row) for (row,) in party.rows("amount")] == ["1.00", "None"]


def test_a_broken_row_is_reported_by_its_place_in_the_answer(party: Party) -> None:
    book(connect(party), [("A", "1.00", "2026-03-01"), ("B", "1.005", "2026-03-01"), ("C", "1", "2026-03-01")])
    party.land(day(2))
    assert party.quarantined() == [(2, "amount", "type DECIMAL(18,2)")]
    assert party.sealed() == {2: '{"no":"B","amount":"1.005","posted":"2026-03-01"}'}


def test_a_broken_row_is_replayed_from_the_kept_answer(party: Party) -> None:
    book(connect(party), [("A", "1.00", "2026-03-01"), ("B", "1.005", "2026-03-01")])
    party.land(day(2))
    (held,) = list_held(party.settings)
    corrected = [COLUMNS[0], column("amount", "DECIMAL(18,3)"), COLUMNS[2]]
    declared = dataset(*corrected, reader="database", mode="upsert", query=QUERY)
    party.agree(contract("party", declared, connection="sqlite:///{landing}/core.db") | {"version": "1.1.0"})
    assert replay_held(held.delivery_id, datetime(2026, 3, 9, tzinfo=BEIJING), party.settings) == (1, 0)
    assert sorted(str(row) for (row,) in party.rows("amount")) == ["1.00", "1.005"]


UNANSWERED = {
    "no folder": (QUERY, "sqlite:////nowhere/at/all/core.db"),
    "no table": ("select no, amount, posted from loans where posted > :since and posted <= :until", None),
    "no SQL": ("choose :since :until", None),
    "no such dialect": (QUERY, "nothing://host/database"),
    "no driver": (QUERY, "oracle://host/database"),
    "no URL": (QUERY, "core.db"),
    "other columns": ("select no, amount, posted as day from loan where posted > :since and posted <= :until", None),
    "fewer columns": ("select no, amount from loan where posted > :since and posted <= :until", None),
}


@pytest.mark.parametrize(("query", "url"), UNANSWERED.values(), ids=UNANSWERED)
def test_a_database_that_does_not_answer_gives_one_sentence(party: Party, query: str, url: str | None) -> None:
    book(connect(party, query, url or "sqlite:///{landing}/core.db"), BOOKED)
    with pytest.raises(DeliveryIncomplete) as reported:
        party.land(day(2))
    sentence = str(reported.value)
    assert sentence.startswith("party.rows of 2026-03-02: the database did not answer (") and "\n" not in sentence
    assert sentence.endswith("; check its URL and the query in the contract, and run again.")
    kept = [path.name for path in party.settings.landing.rglob("*") if path.is_file()]
    assert (kept, party.ledger()) == (["core.db"], [])


def test_a_database_is_read_and_never_written(party: Party) -> None:
    """Not by its query, not by opening it, and not where its file has gone."""
    attacked = "insert into loan values ('X', :since, :until) returning no, amount, posted"
    book(connect(party, attacked), BOOKED)
    folder = party.settings.locate_source("party")
    before = (folder / "core.db").read_bytes()
    with pytest.raises(DeliveryIncomplete, match="attempt to write a readonly database"):
        party.land(day(2))
    assert (folder / "core.db").read_bytes() == before
    connect(party)
    (folder / "core.db").rename(folder / "moved.db")
    for url in ("sqlite:///{landing}/core.db", "sqlite:///file:{landing}/core.db?uri=true"):
        connect(party, url=url)
        with pytest.raises(DeliveryIncomplete) as reported:
            party.land(day(2))
        assert f"did not answer (there is no file {folder}/core.db); check its URL" in str(reported.value)
        assert [path.name for path in folder.iterdir() if path.is_file()] == ["moved.db"]


@pytest.mark.parametrize("name", ["core #1?.db", "100% 核心.db"])
def test_a_database_may_have_any_name(party: Party, name: str) -> None:
    book(connect(party), BOOKED)
    folder = party.settings.locate_source("party")
    (folder / "core.db").rename(folder / name)
    connect(party, url=f"sqlite:///{{landing}}/{name.replace('%', '%25').replace('?', '%3F')}")
    party.land(day(2))
    assert landed(party) == {2: ["L2", "S1", "S2"]}


def test_an_answer_of_the_database_is_reported_without_the_numbers_in_it(party: Party) -> None:
    query = 'select no, amount, posted from "11010519491231002X" where posted > :since and posted <= :until'
    book(connect(party, query), BOOKED)
    with pytest.raises(DeliveryIncomplete, match="no such table: …") as caught:
        party.land(day(2))
    assert "1949" not in str(caught.value)


def test_an_unreachable_database_leaves_what_landed_and_is_caught_up(party: Party) -> None:
    book(connect(party), BOOKED)
    party.land(day(2))
    database = party.settings.locate_source("party") / "core.db"
    database.rename(database.with_name("moved.db"))
    with pytest.raises(DeliveryIncomplete):
        party.land(day(3))
    assert landed(party) == {2: ["L2", "S1", "S2"]}
    database.with_name("moved.db").replace(database)
    party.land(day(4))
    assert landed(party) == {2: ["L2", "S1", "S2"], 3: ["L3"], 4: ["L4"]}


def test_an_answer_outside_its_volume_is_refused_each_time(party: Party) -> None:
    book(connect(party, volume={"maximum": 2}), BOOKED)
    reported = party.refusal(day(2))
    assert "has 3 rows, outside the contract's volume 0..2" in reported
    assert party.refusal(day(2)) == reported
