"""A restated delivery that loses most of the rows of what it replaces does not land, unless a person accepts it."""

from __future__ import annotations

from datetime import date

import pytest

from ingestion.foundation.verdict import KEEPS_ITS_ROWS
from quality.override import override_verdict, withdraw_override
from quality.verdict import Outcome, Verdict, read_verdicts
from tests.ingestion.broken import DAY, Party, column

COLUMNS = [column("id", "INTEGER", key=True), column("amount", "DECIMAL(18,2)")]
REASON = "the party confirms by letter that all consents were void"
LAST = date(2026, 12, 31)


@pytest.fixture
def restated(party: Party) -> Party:
    """A party that has delivered a hundred rows, and may deliver its heading alone."""
    party.declare(*COLUMNS, no_data=["header_only"])
    party.deliver(rows(100))
    party.land()
    return party


def rows(count: int, first: int = 1) -> str:
    return "id,amount\n" + "".join(f"{number},1.50\n" for number in range(first, first + count))


def last_verdict(party: Party) -> Verdict:
    (verdict,) = read_verdicts(party.settings, DAY, "landing")
    return verdict


def accept(party: Party) -> None:
    identifier = last_verdict(party).verdict_id
    override_verdict(identifier, "li.wei", REASON, LAST, "2026-03-03T09:00:00+08:00", party.settings)


@pytest.mark.parametrize(("left", "lands"), [(100, True), (50, True), (49, False), (1, False), (0, False)])
def test_most_rows_may_not_be_lost(restated: Party, left: int, lands: bool) -> None:
    restated.deliver(rows(left), at="2026-03-03T08:00:00")
    if lands:
        assert restated.land().arrivals[-1].rows_landed == left
        return
    refused = restated.refusal()
    assert f"brings {left} rows where up to 100 of its date were landed before" in refused
    assert "python -m quality override" in refused
    verdict = last_verdict(restated)
    assert (verdict.outcome, [failure.check for failure in verdict.failures]) == (Outcome.FAIL, [KEEPS_ITS_ROWS])
    assert verdict.failures[0].sentence == f"keeps_its_rows (L17: {left} rows, allowed 50 or more of 100)"


def test_rows_are_not_lost_in_steps_either(restated: Party) -> None:
    restated.deliver(rows(60), at="2026-03-03T08:00:00")
    restated.land()
    restated.deliver(rows(40), at="2026-03-03T09:00:00")
    assert "brings 40 rows where up to 100" in restated.refusal()


def test_what_is_quarantined_is_lost_as_well(restated: Party) -> None:
    restated.deliver(rows(40) + "".join(f"{number},x\n" for number in range(41, 101)), at="2026-03-03T08:00:00")
    assert "brings 40 rows where up to 100" in restated.refusal()


def test_a_documented_empty_resend_lands_by_an_override_only(restated: Party) -> None:
    restated.deliver(rows(0), at="2026-03-03T08:00:00")
    restated.refusal()
    assert "brings 0 rows" in restated.refusal(), "running again refuses again"
    accept(restated)
    assert restated.land().arrivals[-1].outcome == "landed"
    assert restated.land().arrivals == ()
    verdict = last_verdict(restated)
    assert verdict.outcome is Outcome.FAIL, "the verdict stays as it was; its override is a row of its own"
    standing = [row for row in restated.ledger() if row["state"] == "landed" and row["superseded_at"] is None]
    assert [row["rows_landed"] for row in standing] == [0]
    restated.deliver(rows(3), at="2026-03-03T10:00:00")
    restated.land()
    restated.deliver(rows(1), at="2026-03-03T11:00:00")
    assert "brings 1 rows where up to 3" in restated.refusal(), "what was accepted is what later ones are held to"


def test_an_override_is_of_one_delivery_and_can_be_withdrawn(restated: Party) -> None:
    restated.deliver(rows(0), at="2026-03-03T08:00:00")
    restated.refusal()
    accept(restated)
    identifier = last_verdict(restated).verdict_id
    withdraw_override(identifier, "wang.fang", REASON, "2026-03-03T10:00:00+08:00", restated.settings, DAY)
    assert "brings 0 rows" in restated.refusal()
    accept(restated)
    restated.deliver(rows(2, first=500), at="2026-03-03T09:00:00")
    assert "brings 2 rows" in restated.refusal()


def test_a_first_delivery_of_a_date_is_held_to_nothing(party: Party) -> None:
    party.declare(*COLUMNS, no_data=["header_only"])
    party.deliver(rows(0))
    party.land()
    assert last_verdict(party).outcome is Outcome.PASS
