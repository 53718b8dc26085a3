"""What landing judges of a whole delivery is a verdict of the gate `landing`, refused or not."""

from __future__ import annotations

import inspect
import re
from datetime import timedelta

import pytest

from ingestion.foundation.ledger import deliveries, open_ledger
from ingestion.landing import judgement
from ingestion.landing.sources import NOT_LANDED
from ingestion.landing.verdicts import RULES
from quality import __main__ as command_line
from quality.landing import write_landing_report
from quality.verdict import Outcome, Verdict, read_verdicts
from tests.ingestion.broken import DAY, Party, column

COLUMNS = [column("id", "INTEGER", key=True), column("amount", "DECIMAL(18,2)"), column("day", "DATE")]
SOUND = "id,amount,day\n1,1.50,2026-03-02\n2,2.50,2026-03-02\n"


def verdicts(party: Party) -> list[Verdict]:
    return read_verdicts(party.settings, gate="landing")


def test_a_delivery_that_landed_leaves_a_verdict_with_the_number_of_its_checks(party: Party) -> None:
    party.declare(*COLUMNS, business_date="day")
    party.deliver(SOUND)
    party.land()
    (verdict,) = verdicts(party)
    assert (verdict.gate, verdict.table, verdict.batch_date) == ("landing", f"{party.source}.rows", DAY)
    assert (verdict.outcome, verdict.rows, verdict.failures) == (Outcome.PASS, 2, ())
    assert verdict.checks == 6, "authentication data, announced, conserved, volume, share, business date"
    assert verdict.suite_version.startswith("1.0.0+")
    ledger = open_ledger(party.settings)
    with ledger.connect() as connection:
        assert [row.delivery_id for row in connection.execute(deliveries.select())] == [verdict.fingerprint]
    ledger.dispose()
    party.land()
    assert verdicts(party) == [verdict]


def test_a_refused_delivery_leaves_a_verdict_with_all_that_is_wrong(party: Party) -> None:
    party.declare(*COLUMNS, business_date="day", volume={"minimum": 9, "maximum": 9}, max_quarantine_share=0)
    party.deliver("id,amount,day\n1,1.50,2026-03-01\n2,x,2026-03-02\n3,x,2026-03-02\n")
    assert "outside the contract's volume 9..9" in party.refusal()
    (verdict,) = verdicts(party)
    assert (verdict.outcome, verdict.rows) == (Outcome.FAIL, 3)
    assert {failure.check: (failure.rule, failure.failing_rows) for failure in verdict.failures} == {
        "volume": ("L17", None),
        "quarantine_share": ("L11", 2),
        "business_date": ("L9", 1),
    }
    assert verdict.failures[0].sentence == "volume (L17: 3, allowed 9..9)"
    assert "x" not in verdict.failures[1].sentence.split("(")[1], "no value of a row is quoted"


def test_what_could_not_be_read_leaves_a_verdict_too(party: Party) -> None:
    party.declare(*COLUMNS)
    party.deliver("id,sum,day\n1,1.50,2026-03-02\n")
    party.refusal()
    (verdict,) = verdicts(party)
    assert [(failure.check, failure.rule) for failure in verdict.failures] == [("layout", "L8")]
    assert "\n" not in verdict.failures[0].because


def test_another_content_and_another_contract_have_verdicts_of_their_own(party: Party) -> None:
    party.declare(*COLUMNS)
    party.deliver(SOUND)
    party.land()
    (first,) = verdicts(party)
    party.deliver(SOUND + "3,1.00,2026-03-02\n")
    party.land()
    (second,) = verdicts(party)
    assert (second.rows, second.suite_version) == (3, first.suite_version)
    assert second.fingerprint != first.fingerprint
    party.declare(*COLUMNS, max_quarantine_share=0.5)
    party.deliver(SOUND + "4,1.00,2026-03-02\n", at="2026-03-03T07:00:00")
    party.land()
    assert verdicts(party)[0].suite_version != first.suite_version


def test_the_command_shows_refused_deliveries_first(
    party: Party, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("ingestion.foundation.command_line.load_settings", lambda: party.settings)
    party.declare(*COLUMNS, volume={"minimum": 2, "maximum": 9})
    party.deliver(SOUND)
    party.land()
    party.deliver("id,amount,day\n1,1.50,2026-03-03\n", day=DAY + timedelta(days=1))
    party.refusal(DAY + timedelta(days=1))
    capsys.readouterr()
    assert command_line.main(["verdicts", "--gate", "landing"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines if line[:1].strip()] == ["2026-03-03", "2026-03-02"]
    assert lines[1].startswith("    fail  volume (L17: 1, allowed 2..9): has 1 rows, outside the contract's volume")
    given = ["override", lines[0].split()[0], "--reason", "a quiet day", "--until", "2026-03-04"]
    assert command_line.main(given) == 2
    assert "is of a delivery, which was not landed; correct the file or its contract" in capsys.readouterr().err


def test_deliveries_have_a_page_like_the_tables_of_later_gates(party: Party) -> None:
    assert write_landing_report(DAY, party.settings) is None
    party.declare(*COLUMNS, volume={"minimum": 3, "maximum": 9})
    party.deliver(SOUND)
    party.refusal()
    page = write_landing_report(DAY, party.settings)
    assert page is not None
    assert page == party.settings.reports / "quality" / "landing" / "2026-03-02" / "index.html"
    text = page.read_text(encoding="utf-8")
    for named in ("party.rows", "FAIL", "volume", "2, allowed 3..9"):
        assert named in text


def test_every_check_of_a_delivery_has_its_rule() -> None:
    named = set(re.findall(r'(?:DeliveryCheck|_state)\(\s*"(\w+)"', inspect.getsource(judgement)))
    unread = {judgement.judge_unread(kind("x")).checks[0].name for kind in NOT_LANDED}
    assert named | unread == set(RULES)
