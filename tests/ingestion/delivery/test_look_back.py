"""Look-back (回看): rows that reach a closed window of a database late, are corrected or taken out, are a re-send."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing, suppress
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ingestion.contract import load_contract
from ingestion.delivery import DeliveryIncomplete, extraction, list_dates_to_build, mark_published
from ingestion.delivery import bookkeeping as books
from ingestion.landing import sources
from ingestion.simulation import simulate
from tests.conftest import make_settings
from tests.ingestion.broken import BEIJING, Party, column, contract, dataset, make_party

GO_LIVE = date(2026, 3, 2)
LOOK_BACK = 4
QUERY = "select no, amount, posted from receipt where posted > :since and posted <= :until order by no"
COLUMNS = [
    column("receipt_no", physicalName="no", key=True),
    column("amount", "DECIMAL(18,2)"),
    column("posted_date", "DATE", physicalName="posted"),
]


def connect(party: Party, look_back_days: int = LOOK_BACK, query: str = QUERY) -> Party:
    declared = dataset(*COLUMNS, reader="database", query=query, mode="append", look_back_days=look_back_days)
    return party.agree(contract("party", declared, connection="sqlite:///{landing}/core.db"))


def execute(party: Party, statement: str, rows: list[tuple[Any, ...]]) -> None:
    folder = party.settings.locate_source("party")
    folder.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(folder / "core.db")) as database, database:
        database.execute("create table if not exists receipt (no text primary key, amount text, posted text)")
        database.executemany(statement, rows)


def post(party: Party, *rows: tuple[str, str, date]) -> None:
    execute(party, "insert into receipt values (?, ?, ?)", [(no, amount, str(day)) for no, amount, day in rows])


def delete(party: Party, *numbers: str) -> None:
    execute(party, "delete from receipt where no = ?", [(number,) for number in numbers])


def after(days: int) -> date:
    return GO_LIVE + timedelta(days=days)


def current(party: Party) -> list[tuple[Any, ...]]:
    return sorted(party.rows("_batch_date", "receipt_no", "amount", "posted_date"))


def standing(party: Party) -> dict[date, tuple[int, int]]:
    """Version and rows of what stands for each date."""
    return {
        row["batch_date"]: (row["version"], row["rows_landed"])
        for row in party.ledger()
        if row["state"] == "landed" and row["superseded_at"] is None
    }


class Killed(BaseException):
    """Stands for a process that ends at this place."""


@pytest.fixture
def posted(party: Party) -> Party:
    """Three receipts a day, landed from go-live up to the sixth day."""
    connect(party)
    for number in range(6):
        post(party, *((f"R{number}{letter}", f"{number + 1}.00", after(number)) for letter in "abc"))
        party.land(after(number))
    return party


@pytest.mark.parametrize("seed", range(3))
def test_day_after_day_with_late_rows_ends_as_one_clean_landing(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Late, corrected and deleted receipts, days left out, and runs that end at any place and are run again."""
    draw = random.Random(seed)
    daily, clean = connect(make_party(tmp_path / "daily")), connect(make_party(tmp_path / "clean"))
    numbers: list[tuple[str, date]] = []
    for offset in range(10):
        today = after(offset)
        fresh = [(f"R{offset:02}-{number}", today) for number in range(draw.randint(4, 7))]
        late = [(f"L{offset:02}-{number}", today - timedelta(days=draw.randint(1, LOOK_BACK - 1)))
                for number in range(draw.randint(0, 3))]  # fmt: skip
        late = [entry for entry in late if entry[1] >= after(-3)]
        post(daily, *((number, f"{draw.randint(1, 999)}.{draw.randint(10, 99)}", day) for number, day in fresh + late))
        numbers += fresh + late
        open_still = [number for number, day in numbers if (today - day).days < LOOK_BACK and day > GO_LIVE]
        if offset > 2 and draw.random() < 0.5:
            delete(daily, gone := draw.choice(open_still))
            numbers = [entry for entry in numbers if entry[0] != gone]
        if offset > 2 and draw.random() < 0.5:
            execute(daily, "update receipt set amount = '0.01' where no = ?", [(draw.choice(open_still),)])
        if draw.random() < 0.15 and offset < 9:
            continue  # nobody ran it on that day
        if draw.random() < 0.6:
            with monkeypatch.context() as patched:
                _kill_at(patched, draw.choice(PLACES), draw.randint(1, 3))
                with suppress(Killed):
                    daily.land(today)
        daily.land(today)
        assert {entry.outcome for entry in daily.land(today).arrivals} == {"unchanged"}
    (clean.settings.locate_source("party")).mkdir(parents=True)
    database = daily.settings.locate_source("party") / "core.db"
    (clean.settings.locate_source("party") / "core.db").write_bytes(database.read_bytes())
    clean.land(after(9))
    assert current(daily) == current(clean)
    assert any(version > 1 for version, _ in standing(daily).values())
    assert {version for version, _ in standing(clean).values()} == {1}


PLACES = [
    *[(extraction, "_query_to_parquet"), (extraction, "_is_same_answer"), (extraction, "_describe_answer")],
    *[(sources, "commit_delivery"), (sources, "compare_versions"), (sources, "record_delivery"), (books, "_report")],
]


def _kill_at(patched: pytest.MonkeyPatch, place: tuple[Any, str], times: int) -> None:
    """End the run when a function is called for the n-th time, before it does anything."""
    module, name = place
    real, left = getattr(module, name), [times]

    def call(*given: Any, **named: Any) -> Any:
        left[0] -= 1
        if not left[0]:
            raise Killed
        return real(*given, **named)

    patched.setattr(module, name, call)


def test_a_late_row_is_a_resend_received_when_it_was_found(posted: Party) -> None:
    mark_published([row["delivery_id"] for row in posted.ledger()], "v1", posted.settings)
    started = datetime.now(BEIJING).replace(microsecond=0)
    post(posted, ("late", "9.00", after(4)), ("R6", "7.00", after(6)))
    report = posted.land(after(6))
    assert [(entry.batch_date, entry.sequence, entry.rows_landed) for entry in report.arrivals] == [
        (after(4), 2, 4),
        (after(6), 1, 1),
    ]
    assert "party.rows of 2026-03-06" in report.arrivals[0].difference
    found = [row for row in posted.ledger() if row["batch_date"] == after(4)]
    assert [row["superseded_at"] is None for row in found] == [False, True]
    assert started <= datetime.fromisoformat(found[1]["received_at"]) <= datetime.now(BEIJING)
    reopened = [day for day, is_reopened in list_dates_to_build(after(6), posted.settings).items() if is_reopened]
    assert reopened == [after(4)]


def test_where_nothing_changed_nothing_happens(posted: Party) -> None:
    before = len(posted.ledger())
    post(posted, ("R6", "7.00", after(6)))
    assert [entry.batch_date for entry in posted.land(after(6)).arrivals] == [after(6)]
    assert len(posted.ledger()) == before + 1
    kept = sorted(path.name for path in posted.settings.locate_source("party").rglob("*.parquet"))
    assert kept == ["rows.parquet"] * 7


@pytest.mark.parametrize(("days", "version"), [(6 - LOOK_BACK, 2), (6 - LOOK_BACK - 1, 1)])
def test_a_window_older_than_the_look_back_is_left_alone(days: int, version: int, posted: Party) -> None:
    post(posted, ("late", "9.00", after(days)))
    posted.land(after(6))
    assert standing(posted)[after(days)] == (version, 2 + version)


def test_without_look_back_only_the_asked_date_is_queried(party: Party) -> None:
    connect(party, look_back_days=0)
    post(party, ("R0", "1.00", after(0)), ("R1", "1.00", after(1)))
    party.land(after(1))
    post(party, ("late", "9.00", after(1)))
    party.land(after(2))
    assert standing(party)[after(1)] == (1, 1)


def test_dates_that_are_caught_up_look_back_from_the_first_of_them(posted: Party) -> None:
    post(posted, ("late", "9.00", after(6 - LOOK_BACK)))
    posted.land(after(6 + LOOK_BACK))
    assert standing(posted)[after(6 - LOOK_BACK)] == (2, 4)


def test_a_deleted_row_is_a_resend_without_it(posted: Party) -> None:
    delete(posted, "R4b")
    posted.land(after(6))
    assert standing(posted)[after(4)] == (2, 2)
    assert "R4b" not in {row[1] for row in current(posted)}


def test_a_row_that_comes_back_is_a_resend_once_more(posted: Party) -> None:
    delete(posted, "R4b")
    posted.land(after(6))
    post(posted, ("R4b", "5.00", after(4)))
    posted.land(after(7))
    assert standing(posted)[after(4)] == (3, 3)


def test_the_stock_is_looked_back_at_as_well(party: Party) -> None:
    post(connect(party), ("S1", "1.00", after(-300)), ("R0", "1.00", after(0)))
    party.land(after(0))
    post(party, ("S2", "1.00", after(-20)))
    party.land(after(1))
    assert standing(party) == {after(0): (2, 3), after(1): (1, 0)}


def test_rows_in_another_order_are_the_same_answer(posted: Party) -> None:
    connect(posted, query=f"{QUERY} desc")
    posted.land(after(6))
    assert {version for version, _ in standing(posted).values()} == {1}


def test_a_resend_that_was_refused_is_refused_once_and_judged_again_under_another_contract(posted: Party) -> None:
    delete(posted, "R4b", "R4c")
    assert "party.rows of 2026-03-06 (rows_02.parquet): brings 1 rows where up to 3" in posted.refusal(after(6))
    assert [entry.batch_date for entry in posted.land(after(7)).arrivals] == [after(7)]
    declared = dataset(*COLUMNS, reader="database", query=QUERY, mode="append", look_back_days=LOOK_BACK)
    posted.agree(contract("party", declared, connection="sqlite:///{landing}/core.db") | {"version": "1.1.0"})
    assert "brings 1 rows where up to 3" in posted.refusal(after(8))
    post(posted, ("R4d", "1.00", after(4)))
    posted.land(after(8))
    assert standing(posted)[after(4)] == (3, 2)


def test_a_resend_of_a_killed_run_is_landed_after_its_look_back_too(
    posted: Party, monkeypatch: pytest.MonkeyPatch
) -> None:
    post(posted, ("late", "9.00", after(5 - LOOK_BACK)))
    with monkeypatch.context() as patched:
        _kill_at(patched, (sources, "record_delivery"), 1)
        with pytest.raises(Killed):
            posted.land(after(5))
    assert standing(posted)[after(5 - LOOK_BACK)] == (1, 3)
    posted.land(after(6))
    assert standing(posted)[after(5 - LOOK_BACK)] == (2, 4)


def test_the_draft_of_a_killed_run_goes_with_the_next_one(posted: Party, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        _kill_at(patched, (extraction, "_is_same_answer"), 1)
        with pytest.raises(Killed):
            posted.land(after(5))
    folder = posted.settings.locate_source("party") / f"{after(5 - LOOK_BACK):%Y%m%d}"
    (draft,) = folder.glob(".*")
    draft.rename(folder / ".rows.0")
    posted.land(after(5))
    assert [path.name for path in folder.iterdir()] == ["rows.parquet"]


def test_a_resend_is_never_received_before_what_it_replaces(party: Party) -> None:
    """Dates of tomorrow: the first answer counts as received in the future."""
    today = datetime.now(BEIJING).date()
    declared = dataset(*COLUMNS, reader="database", query=QUERY, mode="append", look_back_days=1)
    party.agree(contract("party", declared, connection="sqlite:///{landing}/core.db", go_live=str(today)))
    post(party, ("R0", "1.00", today))
    party.land(today)
    post(party, ("late", "1.00", today))
    party.land(today + timedelta(days=1))
    received = [row["received_at"] for row in party.ledger() if row["batch_date"] == today]
    assert len(received) == 2 and received == sorted(received)


def test_a_database_that_does_not_answer_lands_nothing_of_the_look_back(posted: Party) -> None:
    before = standing(posted)
    folder = posted.settings.locate_source("party")
    (folder / "core.db").rename(folder / "moved.db")
    with pytest.raises(DeliveryIncomplete, match="the database did not answer"):
        posted.land(after(6))
    assert standing(posted) == before


def test_receipts_that_reach_the_loan_core_late_end_as_if_they_had_been_in_time(tmp_path: Path) -> None:
    """The shipped contract: of each table three rows come after their window was closed."""
    late, clean = (Party(make_settings(tmp_path / name), "dept_loan_core") for name in ("late", "clean"))
    names = {"loan": "loans", "plan_term": "plan_terms", "repayment": "repayments"}
    for party in (late, clean):
        simulate(1000, 3, 5, party.settings.home, progress=lambda _: None)
    database = late.settings.locate_source("dept_loan_core") / "loan_core.db"
    with closing(sqlite3.connect(database)) as connection:
        for table in names:
            is_late = f"rowid in (select rowid from {table} where posted_date = '{after(1)}' order by rowid limit 3)"
            connection.execute(f"create table late_{table} as select * from {table} where {is_late}")
            assert connection.execute(f"delete from {table} where {is_late}").rowcount == 3
        connection.commit()
        late.land(after(1))
        for table in names:
            connection.execute(f"insert into {table} select * from late_{table}")
        connection.commit()
    report = late.land(after(2))
    assert [entry.dataset for entry in report.arrivals if entry.batch_date == after(1)] == list(names.values())
    clean.land(after(2))
    agreed = load_contract("dept_loan_core", late.settings)
    assert agreed is not None
    for name in names.values():
        columns = [column.name for column in agreed.find_dataset(name).columns if not column.profile.protect]
        assert sorted(late.rows(*columns, "_batch_date", name=name), key=str) == sorted(
            clean.rows(*columns, "_batch_date", name=name), key=str
        )
