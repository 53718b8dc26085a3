"""Whole deliveries: ready, absent, refused, sent again, late, landed twice at once, and killed on the way."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest

from ingestion.commands import main
from ingestion.delivery import DeliveryIncomplete, finding
from ingestion.foundation import PROJECT
from ingestion.lake import write_manifest
from ingestion.landing import SourceUnknown, land_source, list_held, replay_held
from ingestion.landing.sources import DeliveryRefused
from ingestion.protection import add_key
from tests.ingestion.broken import DAY, NO_FILE_IS_NO_DATA, Party, column, contract, dataset, make_party

NEXT = date(2026, 3, 3)
COLUMNS = [column("id", key=True), column("amount", "DECIMAL(18,2)", required=True)]
RESEND = {"resend": "{yyyymmdd}/rows_{nn}.csv"}
NAMED = {"ready": {"marker": "{stem}.ok", "content": "file_name"}}


def rows(*values: object) -> str:
    return "id,amount\n" + "".join(f"{number},{value}\n" for number, value in enumerate(values, 1))


def amounts(party: Party) -> list[str]:
    return [str(row[0]) for row in party.rows("amount")]


def versions(party: Party) -> list[tuple[Any, ...]]:
    return [(row["file_name"], row["version"], row["state"], row["superseded_at"]) for row in party.ledger()]


MARKERS = {
    "absent": (None, "rows.csv has no ready marker rows.ok"),
    "another name": (b"other.csv", "rows.ok does not name rows.csv"),
    "empty": (b"", "rows.ok is empty"),
    "no text": (b"\xd5\xc5", "rows.ok does not name rows.csv"),
    "path": (b"x/rows.csv", "rows.ok does not name rows.csv"),
}


@pytest.mark.parametrize(("marker", "reason"), MARKERS.values(), ids=MARKERS)
def test_a_file_without_a_valid_marker_is_not_there_yet(party: Party, marker: bytes | None, reason: str) -> None:
    party.declare(*COLUMNS, **NAMED).deliver(rows(1))
    if marker is not None:
        party.deliver(marker, "rows.ok")
    with pytest.raises(DeliveryIncomplete, match=f"party.rows of 2026-03-02: {reason}; wait for the party"):
        party.land()
    party.deliver("rows.csv\n", "rows.ok")
    party.land()
    assert amounts(party) == ["1.00"]


def test_a_marker_that_holds_nothing_may_hold_anything(party: Party) -> None:
    party.declare(*COLUMNS, ready={"marker": "{name}.done"}).deliver(rows(1))
    party.deliver(b"\xff", "rows.csv.done")
    assert str(party.land()) == "1 landed, 0 quarantined"


def test_no_file_is_late_unless_the_contract_says_no_data(party: Party) -> None:
    party.declare(*COLUMNS)
    with pytest.raises(DeliveryIncomplete) as late:
        party.land()
    assert str(late.value) == (
        "party.rows of 2026-03-02: no file 20260302/rows.csv; wait for the party, or ask it to deliver, and run again."
    )
    party.declare(*COLUMNS, **NO_FILE_IS_NO_DATA)
    assert party.land().arrivals == ()


def test_a_folder_of_an_impossible_date_and_a_date_to_come_are_left_alone(party: Party) -> None:
    party.declare(*COLUMNS).deliver(rows(1))
    for day in ("20260230", "20261301", "20260303"):
        party.deliver(rows(2), day=day)
    party.land()
    assert [(row["batch_date"], row["rows_in"]) for row in party.ledger()] == [(DAY, 1)]


VOLUMES = {0: False, 1: False, 2: True, 3: True, 4: False}


@pytest.mark.parametrize(("count", "fits"), VOLUMES.items())
def test_a_delivery_outside_its_volume_is_refused(party: Party, count: int, fits: bool) -> None:
    party.declare(*COLUMNS, volume={"minimum": 2, "maximum": 3}).deliver(rows("x", *[1] * count)[: 10 + 4 * count])
    if fits:
        assert party.land().arrivals[0].rows_in == count
    else:
        assert f"has {count} rows, outside the contract's volume 2..3; nothing of it was landed" in party.refusal()
        assert not party.stored()


SHARES = {"one of few": (0, 3, 1), "none": (0, 3, 0), "at the bound": (0.1, 20, 2)}


@pytest.mark.parametrize(("share", "count", "broken"), SHARES.values(), ids=SHARES)
def test_broken_rows_up_to_the_bound_are_set_aside(party: Party, share: float, count: int, broken: int) -> None:
    party.declare(*COLUMNS, max_quarantine_share=share).deliver(rows(*["x"] * broken, *[1] * (count - broken)))
    assert str(party.land()) == f"{count - broken} landed, {broken} quarantined"


@pytest.mark.parametrize(("share", "count", "broken"), [(0, 3, 2), (0.1, 20, 3)])
def test_more_broken_rows_than_the_bound_refuse_the_delivery(
    party: Party, share: float, count: int, broken: int
) -> None:
    party.declare(*COLUMNS, max_quarantine_share=share).deliver(rows(*[1] * (count - broken), *["x"] * broken))
    assert (
        f"{broken} of {count} rows break a rule, more than the contract's {share:.2%} (most: column amount,"
        f" rule type DECIMAL(18,2), {broken} rows, first at line {count - broken + 2})"
    ) in party.refusal()
    assert not party.stored()


def test_a_refusal_is_reported_again_until_something_better_comes(party: Party) -> None:
    party.declare(*COLUMNS, **RESEND).deliver("no heading\n")
    reported = party.refusal()
    assert party.refusal() == reported
    party.deliver(rows(1), "rows_02.csv")
    party.land()
    assert party.land().arrivals == ()
    assert [row[:3] for row in versions(party)] == [("rows.csv", 1, "refused"), ("rows_02.csv", 2, "landed")]


def test_a_refusal_leaves_the_previous_version_in_place(party: Party) -> None:
    party.declare(*COLUMNS).deliver(rows(1))
    party.land()
    before = party.stored()
    party.deliver(rows("x", "y")[:10] + "1,1,1\n" * 3, at="2026-03-03T08:00:00")
    party.declare(*COLUMNS, max_quarantine_share=0)
    party.refusal()
    assert (amounts(party), party.stored()) == (["1.00"], before)


def test_a_refused_date_does_not_hold_up_the_next(party: Party) -> None:
    party.declare(*COLUMNS).deliver("no heading\n")
    party.refusal()
    party.deliver(rows(3), day=NEXT)
    party.land(NEXT)
    assert amounts(party) == ["3.00"]


def test_one_refused_dataset_does_not_hold_up_the_others(party: Party) -> None:
    party.agree(contract("party", dataset(*COLUMNS, name="absent"), dataset(*COLUMNS, name="bad"), dataset(*COLUMNS)))
    party.deliver("no heading\n", "bad.csv")
    party.deliver(rows(1))
    with pytest.raises(DeliveryRefused, match=r"^party\.bad of") as refused:
        party.land()
    assert "party.absent of 2026-03-02: " in str(refused.value)
    assert amounts(party) == ["1.00"]


def test_the_same_bytes_again_do_nothing(party: Party) -> None:
    party.declare(*COLUMNS).deliver(rows(1, "x", 3))
    party.land()
    before, held = party.stored(), versions(party)
    assert party.land().arrivals == ()
    party.deliver(rows(1, "x", 3), at="2026-03-04T06:00:00")
    again = party.land()
    assert [(entry.outcome, entry.rows_in) for entry in again.arrivals] == [("unchanged", 3)]
    assert str(again) == "0 landed, 0 quarantined, 1 deliveries unchanged"
    assert party.land().arrivals == ()
    assert (party.stored(), versions(party)) == (before, held)


def test_other_bytes_supersede_from_their_receipt_on(party: Party) -> None:
    party.declare(*COLUMNS).deliver(rows(1))
    party.land()
    before = party.stored()
    party.deliver(rows(2), at="2026-03-04T08:30:00")
    party.land()
    assert versions(party) == [
        ("rows.csv", 1, "landed", "2026-03-04T00:30:00+00:00"),
        ("rows.csv", 2, "landed", None),
    ]
    assert amounts(party) == ["2.00"]
    assert before.items() < party.stored().items()


def test_bytes_that_return_after_others_are_current_again(party: Party) -> None:
    party.declare(*COLUMNS)
    for hour, value in ((6, 1), (7, 2), (8, 1), (9, 2), (9, 2), (10, 1)):
        party.deliver(rows(value), at=f"2026-03-04T{hour:02}:00:00")
        party.land()
        assert amounts(party) == [f"{value}.00"]
    assert [row["superseded_at"] is None for row in party.ledger()] == [False] * 4 + [True]
    assert len({row["delivery_id"] for row in party.ledger()}) == 5
    assert party.land().arrivals == ()


def test_each_delivery_reports_the_key_of_its_tokens(party: Party) -> None:
    party.declare(*COLUMNS).deliver(rows(1))
    party.land()
    with sqlite3.connect(party.settings.home / "ledger.db") as older:
        older.execute("alter table deliveries drop column token_key")
        older.execute("drop table ledger_revision")
    add_key(party.settings.key_file, "sm3")
    party.deliver(rows(2), day=NEXT)
    party.land(NEXT)
    assert [row["token_key"] for row in party.ledger()] == [None, "hmac-sm3:2"]
    manifest = pl.read_parquet(write_manifest(party.settings)).sort("batch_date")
    assert manifest["token_key"].to_list() == [None, "hmac-sm3:2"]


def test_old_bytes_that_lay_there_before_the_new_ones_restore_nothing(party: Party) -> None:
    party.declare(*COLUMNS)
    for hour, value, current in ((6, 1, "1.00"), (8, 2, "2.00"), (7, 1, "2.00")):
        party.deliver(rows(value), at=f"2026-03-04T{hour:02}:00:00")
        party.land()
        assert amounts(party) == [current]


def test_a_numbered_resend_supersedes_the_first_file(party: Party) -> None:
    party.declare(*COLUMNS, **RESEND).deliver(rows(2), "rows_02.csv", at="2026-03-03T09:00:00")
    party.deliver(rows(1))
    party.deliver(rows(3), "rows_03.csv", at="2026-03-03T10:00:00")
    party.deliver(rows(9), "rows_9.csv")
    party.land()
    assert versions(party) == [
        ("rows.csv", 1, "landed", "2026-03-03T01:00:00+00:00"),
        ("rows_02.csv", 2, "landed", "2026-03-03T02:00:00+00:00"),
        ("rows_03.csv", 3, "landed", None),
    ]
    assert party.rows("amount", "_sequence") == [(3, 3)]


def test_a_resend_waits_for_those_before_it(party: Party) -> None:
    party.declare(*COLUMNS, **RESEND).deliver(rows(1))
    party.deliver(rows(3), "rows_03.csv", at="2026-03-03T10:00:00")
    with pytest.raises(DeliveryIncomplete, match=r"rows_03\.csv has to wait for rows_02\.csv, which is not there"):
        party.land()
    assert amounts(party) == ["1.00"]
    party.deliver(rows(2), "rows_02.csv", at="2026-03-03T11:00:00")
    party.land()
    assert party.rows("amount", "_sequence") == [(3, 3)]


def test_a_late_file_lands_under_its_own_date(party: Party) -> None:
    party.declare(*COLUMNS).deliver(rows(3), day=NEXT)
    party.land(NEXT)
    party.deliver(rows(2), at="2026-03-05T06:00:00")
    party.land(NEXT)
    assert party.rows("_batch_date", "amount") == [(DAY, 2), (NEXT, 3)]
    assert [row["superseded_at"] for row in party.ledger()] == [None, None]


def test_an_unknown_file_is_reported_without_the_person_it_is_named_after(party: Party) -> None:
    party.declare(*COLUMNS).deliver(rows(1))
    party.deliver("x", "授权书_11010519491231002X.pdf")
    reported = str(party.land())
    assert "授权书_….pdf is named by no dataset of party.yml" in reported and "1949" not in reported


def test_several_dates_land_in_one_call_oldest_first(party: Party) -> None:
    party.declare(*COLUMNS)
    days = [date(2026, 3, day) for day in (4, 2, 3)]
    for day in days:
        party.deliver(rows(day.day), day=day)
    assert [entry.batch_date for entry in party.land(date(2026, 3, 4)).arrivals] == sorted(days)


def test_a_snapshot_without_a_date_in_its_name_belongs_to_the_date_asked_for(party: Party) -> None:
    party.declare(*COLUMNS, mode="snapshot", files="rows.csv")
    (party.settings.landing / "party").mkdir(parents=True)
    (party.settings.landing / "party" / "rows.csv").write_text(rows(1))
    party.land()
    (party.settings.landing / "party" / "rows.csv").write_text(rows(2))
    party.land(NEXT)
    assert [row["batch_date"] for row in party.ledger()] == [DAY, NEXT]


def test_a_snapshot_without_a_date_in_its_name_that_did_not_change_is_no_new_delivery(party: Party) -> None:
    party.declare(*COLUMNS, mode="snapshot", files="rows.csv")
    (party.settings.landing / "party").mkdir(parents=True)
    file = party.settings.landing / "party" / "rows.csv"
    for day, value in ((DAY, 1), (NEXT, 1), (date(2026, 3, 4), 2), (date(2026, 3, 5), 2), (date(2026, 3, 6), 1)):
        file.write_text(rows(value))
        party.land(day)
    assert [row["batch_date"].day for row in party.ledger()] == [2, 4, 6]


def test_other_bytes_of_the_same_size_and_time_are_another_delivery(party: Party) -> None:
    party.declare(*COLUMNS).deliver(rows(1))
    party.land()
    party.deliver(rows(1))
    party.land()
    assert [amounts(party), len(party.ledger())] == [["1.00"], 1]
    party.deliver(rows(2))
    party.land()
    assert [amounts(party), len(party.ledger())] == [["2.00"], 2]


def test_the_same_file_put_in_its_place_again_is_read_once(party: Party, monkeypatch: pytest.MonkeyPatch) -> None:
    party.declare(*COLUMNS).deliver(rows(1))
    party.land()
    party.deliver(rows(1))
    party.land()
    read: list[object] = []
    monkeypatch.setattr(finding, "digest_file", read.append)
    party.land()
    assert read == []


def test_a_replacement_is_not_known_before_what_it_replaces(party: Party) -> None:
    party.declare(*COLUMNS).deliver(rows(1), at="2026-03-03T06:00:00")
    party.land()
    party.deliver(rows(2), at="2026-03-02T20:00:00")
    party.land()
    assert amounts(party) == ["2.00"]
    first, second = party.ledger()
    assert first["received_at"] == first["superseded_at"] == second["received_at"] == "2026-03-02T22:00:00+00:00"


NAMES = {
    "dashes": ("f_{yyyy}-{mm}-{dd}.csv", "f_2026-03-02.csv", "2026-03-02", {}),
    "month": ("{yyyymm}/f.csv", "202603/f.csv", "2026-03-31", {}),
    "month with a dash": ("f_{yyyy}-{mm}.csv", "f_2024-02.csv", "2024-02-29", {}),
    "quarter": ("f_{yyyy}Q{q}.csv", "f_2026Q1.csv", "2026-03-31", {}),
    "time": ("{yyyymmdd}/f_{yyyymmdd}_{hhmmss}.csv", "20260302/f_20260302_071533.csv", "2026-03-02", {}),
    "stamp": ("f_{yyyymmdd}_{yyyymmddhhmmss}.csv", "f_20260302_20260303083012.csv", "2026-03-02", {}),
    "free": ("{*}/f_{yyyymmdd}_{*}.csv", "x/f_20260302_a1.csv", "2026-03-02", {}),
    "beside": ("f_{yyyymmdd}_{*}.csv", "f_20260302_a1.csv", "2026-03-02", {"ready": {"marker": "{name}.ok"}}),
}


@pytest.mark.parametrize(("pattern", "name", "day", "more"), NAMES.values(), ids=NAMES)
def test_a_name_bears_its_business_date(party: Party, pattern: str, name: str, day: str, more: dict[str, Any]) -> None:
    party.declare(*COLUMNS, files=pattern, **more)
    path = party.settings.landing / "party" / name
    path.parent.mkdir(parents=True)
    path.write_text(rows(1))
    path.with_name(f"{path.name}.ok").touch()
    report = party.land(date.fromisoformat(day))
    assert [str(row["batch_date"]) for row in party.ledger()] == [day]
    assert [warning for warning in report.warnings if f"{path.name} is" in warning] == []


def test_of_files_that_say_when_they_were_made_the_newest_counts(party: Party) -> None:
    party.declare(*COLUMNS, files="{yyyymmdd}/f_{*}_{hhmmss}.csv")
    party.deliver(rows(2), "f_a_093000.csv", at="2026-03-03T06:00:00")
    party.deliver(rows(1), "f_b_071500.csv", at="2026-03-03T07:00:00")
    party.land()
    assert [amounts(party), len(party.ledger())] == [["2.00"], 1]
    party.deliver(rows(3), "f_a_100000.csv", at="2026-03-03T08:00:00")
    party.land()
    assert amounts(party) == ["3.00"]


def test_two_files_of_which_nobody_can_say_which_counts_wait(party: Party) -> None:
    party.declare(*COLUMNS, files="{yyyymmdd}/f_{*}.csv").deliver(rows(1), "f_a.csv")
    party.land()
    party.deliver(rows(2), "f_b.csv")
    with pytest.raises(
        DeliveryIncomplete, match=r"f_b\.csv and f_a\.csv both have its name; leave the one that counts"
    ):
        party.land()
    assert amounts(party) == ["1.00"]


CALENDARS = {
    "weekdays": ({"every": "weekday"}, [2, 3, 4, 5, 6, 9, 10]),
    "holidays": ({"every": "weekday", "without": ["2026-03-03"], "besides": ["2026-03-07"]}, [2, 4, 5, 6, 7, 9, 10]),
    "weekly": ({"every": "week"}, [8]),
    "on Fridays": ({"every": "week", "on": 5}, [6]),
    "monthly on a day": ({"every": "month", "on": 10}, [10]),
    "quarterly": ({"every": "quarter"}, []),
}


@pytest.mark.parametrize(("calendar", "due"), CALENDARS.values(), ids=CALENDARS)
def test_a_file_is_waited_for_on_the_dates_of_its_calendar(
    party: Party, calendar: dict[str, Any], due: list[int]
) -> None:
    party.declare(*COLUMNS, calendar=calendar)
    waited = []
    for day in range(2, 11):
        try:
            party.land(date(2026, 3, day))
        except DeliveryIncomplete:
            waited.append(day)
    assert waited == due


@pytest.mark.parametrize(("every", "dates"), [("month", ["2026-03-31", "2026-04-30"]), ("quarter", ["2026-03-31"])])
def test_a_date_that_never_came_is_one_of_the_calendar(party: Party, every: str, dates: list[str]) -> None:
    party.declare(*COLUMNS, calendar={"every": every})
    warnings = party.land(date(2026, 5, 3)).warnings
    assert warnings == tuple(f"party.rows of {day} never came; ask the party to deliver it." for day in dates)


def test_an_unknown_source_is_reported_with_the_known_ones(party: Party) -> None:
    party.declare(*COLUMNS)
    with pytest.raises(SourceUnknown, match=r"no contract nobody\.yml in .*; known are party\."):
        land_source("nobody", DAY, party.settings)


def test_the_command_line_lands_all_it_can(
    party: Party, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in party.environment.items():
        monkeypatch.setenv(name, value)
    party.agree(contract("silent", dataset(*COLUMNS)))
    party.declare(*COLUMNS).deliver(rows(1, "x"))
    assert main(["land", "--date", "2026-03-02"]) == 1
    reported = capsys.readouterr()
    assert reported.out == "party: 1 landed, 1 quarantined\n"
    assert reported.err.startswith("silent.rows of 2026-03-02: no file") and reported.err.count("\n") == 1
    assert main(["land", "party", "--date", "2026-03-02"]) == 0
    assert main(["land", "nobody", "--date", "2026-03-02"]) == 2
    manifest = pl.read_parquet(party.settings.lake / "deliveries.parquet")
    assert manifest.select("source", "dataset", "batch_date", "rows_in", "rows_landed", "rows_quarantined").rows() == [
        ("party", "rows", DAY, 2, 1, 1)
    ]


FORKS = """
import os, signal, sys, time
from datetime import date
import sqlalchemy as sa
from ingestion.landing import land_source
from ingestion.foundation import load_settings

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def watch_until(step):
    def watch(event, arguments):
        if event == "open" and step == "write" and str(arguments[0]).endswith("raw.sealed"):
            die()
        if event == "os.rename" and f"/{step}/party/" in str(arguments[1]):
            die()
    def before_execute(connection, cursor, statement, *rest):
        if statement.startswith("INSERT INTO deliveries") and step == "insert":
            die()
        if statement.startswith("INSERT INTO deliveries") and step == "commit":
            sa.event.listen(sa.Engine, "commit", lambda connection: die())
    sys.addaudithook(watch)
    sa.event.listen(sa.Engine, "before_cursor_execute", before_execute)

children = []
for work in sys.argv[1:]:
    home, _, step = work.partition("#")
    if (child := os.fork()) == 0:
        watch_until(step)
        reported = land_source("party", date(2026, 3, 2), load_settings({
            "PLATFORM_HOME": home, "PLATFORM_TENANT": f"{home}/tenant", "PLATFORM_KEY_FILE": f"{home}/platform.key",
            "PLATFORM_THREADS": "2",
        }))
        os.write(1, f"{reported}\\n".encode())
        os._exit(0)
    children.append(child)
print([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children], flush=True)
"""


def land_at_once(*works: str) -> list[str]:
    """Land in a process for each home; one with `#step` kills itself at that step. What they printed, exits last."""
    done = subprocess.run(
        [sys.executable, "-c", FORKS, *works],
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        text=True,
        capture_output=True,
        check=True,
        timeout=120,
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_processes_that_land_at_once_give_one_result(tmp_path: Path) -> None:
    party = make_party(tmp_path / "home", draw_key=True)
    party.declare(column("id", key=True, protect="opaque"), COLUMNS[1]).deliver(rows(1, "x", 3))
    *reported, exits = land_at_once(*[str(party.settings.home)] * 3)
    assert sorted(reported) == ["0 landed, 0 quarantined"] * 2 + ["2 landed, 1 quarantined"]
    assert exits == "[0, 0, 0]"
    before = party.stored()
    assert len(before) == 3 and len(versions(party)) == 1
    (party.settings.home / "ledger.db").unlink()
    party.land()
    assert party.stored() == before


def test_a_small_file_does_not_pay_for_pandas(tmp_path: Path) -> None:
    party = make_party(tmp_path / "home", draw_key=True)
    party.declare(column("id", key=True, protect="mobile"), COLUMNS[1], encoding="gb18030")
    party.deliver("id,amount\n13812341234,1.00\n\n13812341235,x\n".encode("gb18030"))
    command = "import sys; from ingestion.commands import main; main(sys.argv[1:]); print('pandas' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", command, "land", "party", "--date", "2026-03-02"],
        env={**os.environ, **party.environment, "PYTHONPATH": str(PROJECT)},
        text=True,
        capture_output=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "False"
    assert party.ledger()[0]["rows_quarantined"] == 1


STEPS = ["write", "quarantine", "lake", "insert", "commit"]


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Party]:
    """A second version that arrived after the first had landed: its run was killed at each step, and at none."""
    folder = tmp_path_factory.mktemp("killed")
    begun = make_party(folder / "begun").declare(*COLUMNS, encoding="gb18030")
    begun.deliver(rows(1, "x"))
    begun.land()
    begun.deliver(rows(2, "y", 3), at="2026-03-03T09:00:00")
    for step in ("none", *STEPS):
        shutil.copytree(begun.settings.home, folder / step)
    *_, exits = land_at_once(*(f"{folder / step}#{step}" for step in ("none", *STEPS)))
    assert exits == str([0] + [-9] * len(STEPS))
    return {step: make_party(folder / step) for step in ("none", *STEPS)}


@pytest.mark.parametrize("step", STEPS)
def test_a_run_killed_anywhere_leaves_the_old_state_and_the_next_finishes_it(
    killed: dict[str, Party], step: str
) -> None:
    party, clean = killed[step], killed["none"]
    assert amounts(party) == ["1.00"]
    party.land()
    assert amounts(party) == amounts(clean) == ["2.00", "3.00"]
    assert party.stored() == clean.stored()
    assert versions(party) == versions(clean)
    left = {path.name for path in party.settings.home.rglob("*") if path.is_file() and "rows.csv" in path.name}
    assert left == {"rows.csv"}


def test_the_bytes_of_the_lake_do_not_depend_on_the_number_of_threads(tmp_path: Path) -> None:
    count = 250_000
    lines = [f'{line},{line}.00,"a ""{line}"""\n' for line in range(2, count + 2)]
    for line in (7, 100_003, 249_999):
        lines[line - 2] = f'{line},x,"b"\n'
    parties = [make_party(tmp_path / str(threads), threads=threads) for threads in (1, 4)]
    for party in parties:
        party.declare(column("id", "BIGINT", key=True), COLUMNS[1], column("note"), quote='"')
        party.deliver("id,amount,note\n" + "".join(lines))
        party.land()
    assert [line for line, _, _ in parties[0].quarantined()] == [7, 100_003, 249_999]
    assert all(line == number for line, number in parties[1].rows("_line_number", "id"))
    assert parties[0].stored() == parties[1].stored()


@pytest.mark.parametrize("kind", ["DECIMAL(18,2)", "DOUBLE"])
def test_the_lake_is_written_in_encodings_that_spark_reads(tmp_path: Path, kind: str) -> None:
    party = make_party(tmp_path)
    party.declare(column("id", "BIGINT", key=True), column("amount", kind))
    party.deliver("id,amount\n" + "".join(f"{line},{line}.{line % 90 + 10}\n" for line in range(20_000)))
    party.land()
    [path] = [path for path in party.settings.lake.rglob("*.parquet") if pq.read_metadata(path).num_rows == 20_000]
    group = pq.read_metadata(path).row_group(0)
    encodings = {encoding for place in range(group.num_columns) for encoding in group.column(place).encodings}
    assert "BYTE_STREAM_SPLIT" not in encodings
    assert ("DELTA_BINARY_PACKED" in encodings) == (kind != "DOUBLE")


def test_a_home_with_a_quote_in_its_name_is_a_home(tmp_path: Path) -> None:
    party = make_party(tmp_path / "li's home")
    party.declare(*COLUMNS, max_quarantine_share=1.0, **RESEND).deliver(rows(1, 2, "x"))
    party.land()
    write_manifest(party.settings)
    party.deliver(rows(1, 3), "rows_02.csv")
    assert "sums: amount 3.00 to 4.00" in str(party.land())
    assert amounts(party) == ["1.00", "3.00"]
    party.deliver(rows(5, "y"), "rows_03.csv")
    party.land()
    (held,) = list_held(party.settings)
    party.declare(column("id", key=True), column("amount"), max_quarantine_share=1.0, **RESEND)
    assert replay_held(held.delivery_id, datetime(2026, 3, 4, tzinfo=UTC), party.settings) == (1, 0)
