"""A person may accept what a gate refused: one verdict, with a reason, until a day, and everybody sees it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import pytest

from ingestion.foundation import Settings
from quality.gate import audit
from quality.override import OverrideRefused, override_verdict
from quality.publication import PublicationRefused, audit_and_publish, open_published, publish
from quality.verdict import Outcome, Verdict

DAY = date(2026, 3, 2)
LATER = DAY + timedelta(days=1)
AT = "2026-03-03T09:00:00+08:00"
REASON = "the bank has confirmed the amount by letter"
pytestmark = pytest.mark.usefixtures("book")
Change = Callable[[str], None]


def accept(verdict: Verdict | str, settings: Settings, until: date = LATER, **given: str) -> None:
    identifier = verdict if isinstance(verdict, str) else verdict.verdict_id
    override_verdict(identifier, given.get("by", "li.wei"), given.get("reason", REASON), until, AT, settings)


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
