"""A person may accept what a gate refused: one verdict, with a reason, until a day, and everybody sees it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import pytest
import sqlalchemy as sa

from ingestion.foundation import Settings
from ingestion.foundation.ledger import use_ledger
from ingestion.foundation.ledger.tables import overrides
from quality.failing_rows import locate_report
from quality.gate import audit
from quality.override import OverrideRefused, override_verdict, withdraw_override
from quality.pages import renew_readings
from quality.publication import PublicationRefused, audit_and_publish, open_published, publish
from quality.verdict import Outcome, Verdict

DAY = date(2026, 3, 2)
LATER = DAY + timedelta(days=1)
AT = "2026-03-03T09:00:00+08:00"
REASON = "the bank has confirmed the amount by letter"
WHY = "the letter of the bank was about another loan"
pytestmark = pytest.mark.usefixtures("book")
Change = Callable[[str], None]


def accept(verdict: Verdict | str, settings: Settings, until: date = LATER, **given: str) -> None:
    identifier = verdict if isinstance(verdict, str) else verdict.verdict_id
    override_verdict(identifier, given.get("by", "li.wei"), given.get("reason", REASON), until, AT, settings)


def withdraw(verdict_id: str, settings: Settings, reason: str = WHY, on: date = LATER) -> None:
    """As the command does: record it, and renew what consumers read."""
    verdict, _ = withdraw_override(verdict_id, "wang.fang", reason, AT, settings, on)
    renew_readings(verdict, settings, on)


def fail_one(settings: Settings, change: Change) -> Verdict:
    change("update rec_loans__funder set break_type = 'amount_diff' where loan_id = 'L00001'")
    return next(verdict for verdict in audit("core", DAY, settings) if verdict.table == "rec_loans__funder")


def test_an_overridden_reconciliation_is_published_and_seen_in_the_manifest(settings: Settings, change: Change) -> None:
    accept(fail_one(settings, change), settings)
    done = publish("warehouse", DAY, settings)
    held = open_published("warehouse", settings)
    entry = held.manifest["audited"]["rec_loans__funder"]
    assert entry["quality_status"] == "OVERRIDDEN"
    said = {"by": "li.wei", "reason": REASON, "until": "2026-03-03", "recorded_at": AT}
    assert said.items() <= entry["override"].items()
    assert entry["override"]["failed"][0].startswith("every_loan_matches (X63")
    assert held.overrides == {"rec_loans__funder": entry["override"]}
    assert held.manifest["tables"]["fct_loans"]["quality_status"] == "PASS"
    again = audit_and_publish("warehouse", DAY, settings)
    assert (again.version, again.is_new) == (done.version, False)
    assert open_published("warehouse", settings).manifest == held.manifest


def test_an_override_is_of_one_content_and_one_date(settings: Settings, change: Change) -> None:
    accept(fail_one(settings, change), settings, until=date(2026, 12, 31))
    with pytest.raises(PublicationRefused, match="every_loan_matches"):
        audit_and_publish("warehouse", LATER, settings)
    change("update rec_loans__funder set break_type = 'only_left' where loan_id = 'L00002'")
    with pytest.raises(PublicationRefused, match="every_loan_matches"):
        audit_and_publish("warehouse", DAY, settings)


def test_an_override_ends(settings: Settings, change: Change) -> None:
    verdict = fail_one(settings, change)
    accept(verdict, settings, until=LATER)
    ended = rf"its override ended on 2026-03-03 \(verdict {verdict.verdict_id[:8]}\)"
    with pytest.raises(PublicationRefused, match=ended):
        publish("warehouse", DAY, settings, as_of=LATER + timedelta(days=1))
    accept(verdict, settings, until=LATER + timedelta(days=1))
    assert publish("warehouse", DAY, settings, as_of=LATER + timedelta(days=1)).is_current


def test_a_published_version_says_how_it_passes_now(settings: Settings, change: Change) -> None:
    """The same content under a stricter suite keeps its version, whose manifest says that it was overridden."""
    first = audit_and_publish("warehouse", DAY, settings)
    path = settings.suites / "core" / "fct_loans.yml"
    path.write_text(path.read_text(encoding="utf-8").replace("min_value: 0,", "min_value: 1001,"), encoding="utf-8")
    verdict = next(verdict for verdict in audit("core", DAY, settings) if verdict.table == "fct_loans")
    assert verdict.outcome is Outcome.FAIL
    accept(verdict, settings)
    second = publish("warehouse", DAY, settings, run_id="another run")
    assert (second.version, second.is_new) == (first.version, False)
    held = open_published("warehouse", settings)
    assert held.manifest["tables"]["fct_loans"]["quality_status"] == "OVERRIDDEN"
    assert held.manifest["run"] == "warehouse-2026-03-02"
    assert held.scan("fct_loans").collect().height == 400


def test_what_cannot_be_overridden_is_said(settings: Settings, change: Change) -> None:
    passed = audit("core", DAY, settings)[0]
    failed = fail_one(settings, change)
    for given, problem in (
        ({"verdict": passed}, "fct_loans of 2026-03-02 is PASS; only a failed one can be overridden"),
        ({"verdict": "ffffffff"}, "No verdict begins with ffffffff; `python -m quality verdicts` lists them"),
        ({"verdict": ""}, "No verdict begins with"),
        ({"verdict": "%"}, "No verdict begins with %"),
        ({"verdict": failed, "reason": "because"}, "The reason 'because' is too short"),
        ({"verdict": failed, "by": " "}, "needs the name of a person"),
        ({"verdict": failed, "until": date(2026, 3, 1)}, "until 2026-03-01, an earlier day"),
    ):
        with pytest.raises(OverrideRefused, match=problem):
            accept(settings=settings, **given)  # type: ignore[arg-type]
    change("drop table rec_loans__funder")
    absent = next(verdict for verdict in audit("core", DAY, settings) if verdict.table == "rec_loans__funder")
    with pytest.raises(OverrideRefused, match="found no table; there is no content to accept"):
        accept(absent, settings)
    with pytest.raises(PublicationRefused):
        publish("warehouse", DAY, settings)


def test_an_identifier_may_be_shortened_to_what_is_unique(settings: Settings, change: Change) -> None:
    failed = fail_one(settings, change)
    accept(failed.verdict_id[:8], settings)
    assert publish("warehouse", DAY, settings).is_new
    days = [DAY + timedelta(days=number) for number in range(17)]
    known = [verdict.verdict_id for day in days for verdict in audit("core", day, settings)]
    shared = next(first for first in "0123456789abcdef" if sum(name.startswith(first) for name in known) > 1)
    with pytest.raises(OverrideRefused, match=rf"\d+ verdicts begin with {shared}; write more of one: {shared}"):
        accept(shared, settings)


def test_the_last_override_of_a_verdict_counts_though_it_is_shorter(settings: Settings, change: Change) -> None:
    verdict = fail_one(settings, change)
    accept(verdict, settings, until=date(2026, 12, 31))
    accept(verdict, settings, until=LATER, reason="the letter holds for two days only")
    with pytest.raises(PublicationRefused, match="its override ended on 2026-03-03"):
        publish("warehouse", DAY, settings, as_of=LATER + timedelta(days=1))
    publish("warehouse", DAY, settings, as_of=LATER)
    (said,) = open_published("warehouse", settings).overrides.values()
    assert (said["until"], said["reason"]) == ("2026-03-03", "the letter holds for two days only")


def test_a_withdrawn_override_lets_nothing_pass_and_consumers_see_it(settings: Settings, change: Change) -> None:
    verdict = fail_one(settings, change)
    accept(verdict, settings)
    published = publish("warehouse", DAY, settings)
    withdraw(verdict.verdict_id[:8], settings)
    held = open_published("warehouse", settings, published.version)
    entry = held.manifest["audited"]["rec_loans__funder"]
    assert entry["quality_status"] == "FAIL"
    withdrawal = {"by": "wang.fang", "reason": WHY, "on": "2026-03-03", "recorded_at": AT}
    assert entry["override"]["withdrawn"] == withdrawal
    assert entry["override"]["by"] == "li.wei"
    assert held.overrides == {"rec_loans__funder": entry["override"]}
    failed = rf"every_loan_matches .* and its override was withdrawn on 2026-03-03 \(verdict {verdict.verdict_id[:8]}"
    with pytest.raises(PublicationRefused, match=failed):
        publish("warehouse", DAY, settings)
    accept(verdict, settings, reason="the bank has withdrawn its complaint")
    assert publish("warehouse", DAY, settings).version == published.version
    (said,) = open_published("warehouse", settings).overrides.values()
    assert (said["reason"], "withdrawn" in said) == ("the bank has withdrawn its complaint", False)


def test_a_withdrawal_is_a_row_beside_what_it_takes_back(settings: Settings, change: Change) -> None:
    verdict = fail_one(settings, change)
    accept(verdict, settings)
    withdraw(verdict.verdict_id, settings)
    with use_ledger(settings) as ledger:
        rows = ledger.execute(sa.select(overrides).order_by(overrides.c.sequence)).all()
    assert [(row.overridden_by, row.reason, row.is_withdrawal) for row in rows] == [
        ("li.wei", REASON, False),
        ("wang.fang", WHY, True),
    ]
    page = (locate_report("core", DAY, settings) / "index.html").read_text(encoding="utf-8")
    assert f"withdrawn by wang.fang on 2026-03-03: {WHY}" in page


def test_what_cannot_be_withdrawn_is_said(settings: Settings, change: Change) -> None:
    verdict = fail_one(settings, change)
    with pytest.raises(OverrideRefused, match="of 2026-03-02 has no override; there is nothing to withdraw"):
        withdraw(verdict.verdict_id, settings)
    accept(verdict, settings)
    with pytest.raises(OverrideRefused, match="The reason 'no' is too short"):
        withdraw(verdict.verdict_id, settings, "no")
    with pytest.raises(OverrideRefused, match="it is no longer accepted by li.wei until 2026-03-03"):
        withdraw(verdict.verdict_id, settings, on=LATER + timedelta(days=1))
    withdraw(verdict.verdict_id, settings)
    with pytest.raises(OverrideRefused, match="has no override any more: it was withdrawn by wang.fang on 2026-03-03"):
        withdraw(verdict.verdict_id, settings)
