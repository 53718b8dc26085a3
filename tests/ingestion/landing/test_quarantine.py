"""What is kept out can be listed, looked into, and tried again under a corrected contract; versions are compared."""

from __future__ import annotations

import io
import json
from datetime import date, datetime
from typing import Any

import pytest
import pyzipper
import sqlalchemy as sa

from ingestion.commands import main
from ingestion.delivery import DeliveryIncomplete
from ingestion.foundation.ledger import use_ledger
from ingestion.foundation.ledger.tables import verdicts
from ingestion.foundation.verdict import LANDING, Verdict
from ingestion.landing import QuarantineUnknown, list_held, replay_held, show_held
from ingestion.landing.quarantine import unlock_held
from tests.ingestion.broken import BEIJING, Party, column, contract, dataset

NOW = datetime(2026, 3, 9, 9, 30, tzinfo=BEIJING)
CONTENT = "id,code,amount\n1,A,1.00\n2,N,2.00\n3,A,x\n4,N,4.00\n"


def declare(party: Party, version: str, *codes: str) -> None:
    columns = (
        column("id", "BIGINT", key=True),
        column("code", enum=list(codes)),
        column("amount", "DECIMAL(18,2)"),
    )
    party.agree(contract("party", dataset(*columns)) | {"version": version})


def test_quarantined_rows_are_listed_and_shown_without_their_text(party: Party) -> None:
    declare(party, "1.0.0", "A")
    party.deliver(CONTENT)
    party.land()
    (held,) = list_held(party.settings)
    assert (held.source, held.dataset, held.file_name, held.rows) == ("party", "rows", "rows.csv", 3)
    assert show_held(held.delivery_id[:8], party.settings).rows() == [
        (3, "code", "accepted codes"),
        (4, "amount", "type DECIMAL(18,2)"),
        (5, "code", "accepted codes"),
    ]
    assert list_held(party.settings, source="other") == []


def test_rows_of_a_split_delivery_are_identified_by_their_part(party: Party) -> None:
    columns = (column("id", "BIGINT", key=True), column("amount", "DECIMAL(18,2)"))
    split: dict[str, Any] = {"files": "{yyyymmdd}/rows_{part}.csv", "parts": "{yyyymmdd}/rows.lst"}
    party.declare(*columns, **split)
    party.deliver("id,amount\n1,1.00\n2,x\n", "rows_001.csv")
    party.deliver("id,amount\n3,3.00\n4,x\n5,x\n", "rows_002.csv")
    party.deliver("rows_001.csv\nrows_002.csv\n", "rows.lst")
    party.land()
    (held,) = list_held(party.settings)
    shown = show_held(held.delivery_id, party.settings).select("line_number", "part", "part_line").rows()
    assert shown == [(3, "rows_001.csv", 3), (5, "rows_002.csv", 3), (6, "rows_002.csv", 4)]


def test_a_refused_split_delivery_is_reported_by_its_part(party: Party) -> None:
    columns = (column("id", "BIGINT", key=True), column("amount", "DECIMAL(18,2)"))
    split: dict[str, Any] = {"files": "{yyyymmdd}/rows_{part}.csv", "parts": "{yyyymmdd}/rows.lst"}
    party.declare(*columns, **split, max_quarantine_share=0)
    party.deliver("id,amount\n1,1.00\n", "rows_001.csv")
    party.deliver("id,amount\n3,x\n4,x\n", "rows_002.csv")
    party.deliver("rows_001.csv\nrows_002.csv\n", "rows.lst")
    assert "2 rows, first at line 2 of rows_002.csv)" in party.refusal()


def test_who_unlocks_the_text_is_recorded(party: Party) -> None:
    declare(party, "1.0.0", "A")
    party.deliver(CONTENT)
    party.land()
    (held,) = list_held(party.settings)
    shown = unlock_held(held.delivery_id, "li.si", "ticket 7", NOW, party.settings)
    assert shown["raw"].to_list() == ["2,N,2.00", "3,A,x", "4,N,4.00"]
    import sqlalchemy as sa

    from ingestion.foundation.ledger import open_ledger
    from ingestion.landing.quarantine import openings

    with open_ledger(party.settings).connect() as connection:
        (opened,) = connection.execute(sa.select(openings)).all()
    assert (opened.delivery_id, opened.actor, opened.reason) == (held.delivery_id, "li.si", "ticket 7")


def test_a_replay_lands_what_a_corrected_contract_accepts(party: Party) -> None:
    declare(party, "1.0.0", "A")
    party.deliver(CONTENT)
    party.land()
    first = party.ledger()[0]
    declare(party, "1.1.0", "A", "N")
    assert replay_held(first["delivery_id"], NOW, party.settings) == (2, 1)
    assert party.rows("id", "_line_number") == [(1, 2), (2, 3), (4, 5)]
    assert {str(known) for (known,) in party.rows("_known_at")[1:]} == {"2026-03-09 01:30:00+00:00"}
    original, again = party.ledger()
    assert original["superseded_at"] is None and (again["rows_in"], again["rows_landed"]) == (3, 2)
    (still,) = list_held(party.settings)
    assert (still.delivery_id, still.rows) == (again["delivery_id"], 1)
    party.land()
    assert len(party.ledger()) == 2


def test_a_replay_leaves_a_verdict_of_the_gate_landing(party: Party) -> None:
    declare(party, "1.0.0", "A")
    party.deliver(CONTENT)
    party.land()
    declare(party, "1.1.0", "A", "N")
    replay_held(party.ledger()[0]["delivery_id"], NOW, party.settings)
    _, again = party.ledger()
    with use_ledger(party.settings) as ledger:
        left = [Verdict.from_row(row) for row in ledger.execute(sa.select(verdicts).order_by(verdicts.c.sequence))]
    assert [(one.gate, one.table, one.rows, one.passed) for one in left] == [
        (LANDING, "party.rows", 4, True),
        (LANDING, "party.rows", 3, True),
    ]
    assert left[1].fingerprint == again["delivery_id"]
    assert left[1].suite_version.startswith("1.1.0+")


def test_what_a_replay_left_is_replayed_again(party: Party) -> None:
    declare(party, "1.0.0", "A")
    party.deliver(CONTENT)
    party.land()
    declare(party, "1.1.0", "A", "N")
    assert replay_held(party.ledger()[0]["delivery_id"], NOW, party.settings) == (2, 1)
    columns = (column("id", "BIGINT", key=True), column("code"), column("amount"))
    party.agree(contract("party", dataset(*columns)) | {"version": "1.2.0"})
    (still,) = list_held(party.settings)
    assert replay_held(still.delivery_id, NOW, party.settings) == (1, 0)
    assert [entry["rows_landed"] for entry in party.ledger()] == [1, 2, 1]
    assert list_held(party.settings) == []


def test_bytes_that_returned_are_replayed(party: Party) -> None:
    declare(party, "1.0.0", "A")
    for hour, content in ((6, CONTENT), (7, "id,code,amount\n1,A,1.00\n"), (8, CONTENT)):
        party.deliver(content, at=f"2026-03-04T{hour:02}:00:00")
        party.land()
    declare(party, "1.1.0", "A", "N")
    (held,) = list_held(party.settings)
    assert replay_held(held.delivery_id, NOW, party.settings) == (2, 1)
    assert party.rows("id") == [(1,), (2,), (4,)]


def test_a_resend_supersedes_a_delivery_and_its_replay(party: Party) -> None:
    declare(party, "1.0.0", "A")
    party.deliver(CONTENT)
    party.land()
    declare(party, "1.1.0", "A", "N")
    replay_held(party.ledger()[0]["delivery_id"], NOW, party.settings)
    party.deliver("id,code,amount\n1,A,1.50\n2,N,2.00\n9,A,9.00\n", at="2026-03-10T06:00:00")
    (entry,) = party.land().arrivals
    assert party.rows("id") == [(1,), (2,), (9,)]
    assert entry.difference == (
        "party.rows of 2026-03-02 was superseded: 1 rows added, 1 removed, 1 changed; sums: amount 7.00 to 12.50"
    )
    (report,) = (party.settings.reports / "differences" / "party" / "rows").glob("*.json")
    reported = json.loads(report.read_text())
    assert (reported["rows_unchanged"], reported["sums"]) == (1, {"amount": ["7.00", "12.50"]})


def test_nothing_passes_nothing_changes(party: Party) -> None:
    declare(party, "1.0.0", "A")
    party.deliver(CONTENT)
    party.land()
    before = party.stored()
    with pytest.raises(QuarantineUnknown, match="none of the 3 rows of .* passes the present contract"):
        replay_held(party.ledger()[0]["delivery_id"], NOW, party.settings)
    assert party.stored() == before


def test_a_replay_needs_the_file_as_it_was(party: Party) -> None:
    declare(party, "1.0.0", "A")
    path = party.deliver(CONTENT)
    party.land()
    path.write_text(CONTENT + "5,A,5.00\n")
    with pytest.raises(QuarantineUnknown, match=r"rows\.csv of party\.rows of 2026-03-02 is not in the landing folder"):
        replay_held(party.ledger()[0]["delivery_id"], NOW, party.settings)


def test_from_the_command_line(
    party: Party, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in party.environment.items():
        monkeypatch.setenv(name, value)
    declare(party, "1.0.0", "A")
    party.deliver(CONTENT)
    party.land()
    assert main(["quarantine", "list"]) == 0
    name, _, rest = capsys.readouterr().out.partition("  ")
    read_by = party.ledger()[0]["contract_hash"][:12]
    assert rest == f"party.rows of 2026-03-02  rows.csv: 3 rows, contract {read_by}\n"
    assert main(["quarantine", "show", name]) == 0
    assert capsys.readouterr().out.splitlines()[1] == "3\tcode\taccepted codes"
    assert main(["quarantine", "show", name, "--raw", "ticket 7"]) == 0
    assert "2,N,2.00" in capsys.readouterr().out
    assert main(["quarantine", "replay", "nothing"]) == 1
    assert "0 quarantined deliveries begin with 'nothing'" in capsys.readouterr().err
    declare(party, "1.1.0", "A", "N")
    assert main(["quarantine", "replay", name]) == 0
    assert capsys.readouterr().out == "2 landed, 1 still quarantined\n"


def test_the_door_points_at_the_replay_after_a_correction_and_only_then(party: Party) -> None:
    declare(party, "1.0.0", "A")
    party.deliver(CONTENT)
    assert party.land().warnings == ()
    declare(party, "1.1.0", "A", "N")
    (held,) = list_held(party.settings)
    (warning,) = party.land().warnings
    assert warning.startswith("3 quarantined rows of party.rows wait since another version of the contract;")
    assert f"`python -m ingestion quarantine replay {held.delivery_id[:12]}`" in warning
    replay_held(held.delivery_id, NOW, party.settings)
    assert party.land().warnings == ()


def test_a_refusal_whose_cause_lies_here_is_not_remembered(party: Party) -> None:
    archive = io.BytesIO()
    with pyzipper.AESZipFile(archive, "w", pyzipper.ZIP_DEFLATED, encryption=pyzipper.WZ_AES) as container:
        container.setpassword(b"s3cret")
        container.writestr("rows.csv", "id\n1\n")
    words = {"member": "rows.csv", "password": "{secret}"}
    party.declare(column("id", key=True), files="{yyyymmdd}/rows.zip", archive=words)
    party.deliver(archive.getvalue(), "rows.zip")
    place = party.settings.home / "keys" / "party.secret"
    place.parent.mkdir(exist_ok=True)
    for secret in ("", "wrong"):
        place.write_text(secret)
        assert party.refusal().endswith("nothing of it was landed. Correct it here, then land again.")
        assert party.ledger() == []
    place.write_text("s3cret")
    later = date(2026, 3, 3)
    with pytest.raises(DeliveryIncomplete):
        party.land(later)
    assert party.rows("id") == [("1",)], "it landed on another day, without another file or contract"


def test_a_remembered_refusal_says_so_and_how_to_land_again(party: Party) -> None:
    declare(party, "1.0.0", "A")
    party.deliver("id,code\n1,A\n")
    for _ in range(2):
        refusal = party.refusal()
        assert "this is remembered for the file under version 1.0.0 of the contract" in refusal
        assert "correct it, raise its version and land again" in refusal
