"""Reports: failures first with their rows, a refusal that is never erased, and one index that leads to everything."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from ingestion.foundation import Settings, command_line
from quality.commands import main as quality
from quality.gate import audit
from quality.landing import write_refusals
from quality.publication import PublicationRefused, audit_and_publish
from quality.reports.gate_page import read_summaries
from quality.verdict import LANDING, Failure, Verdict, record_verdicts
from tests.quality.test_publication import DAY

Change = Callable[[str], None]
pytestmark = pytest.mark.usefixtures("book")
BROKEN = "update fct_loans set principal_amount = -1 where loan_id = 'L00001'"
MENDED = "update fct_loans set principal_amount = 1 where loan_id = 'L00001'"


def test_a_refused_page_begins_with_the_failure_its_rule_in_words_and_its_rows(
    settings: Settings, change: Change
) -> None:
    change(BROKEN)
    audit("core", DAY, settings)
    page = (settings.reports / "quality" / "core" / DAY.isoformat() / "index.html").read_text(encoding="utf-8")
    table = page.index("<th>loan_id</th><th>principal_amount</th>")
    assert page.index("principal_is_positive") < table < page.index("结论 · Verdicts")
    assert "<td>L00001</td><td>-1.00</td>" in page
    assert "本金余额非负 · Principal and balances are never negative" in page
    assert "http" not in page


def test_what_a_page_shows_is_escaped(settings: Settings, change: Change) -> None:
    change("update fct_loans set loan_id = '<script>' where loan_id = 'L00001'")
    change("update fct_loans set principal_amount = -1 where loan_id = '<script>'")
    audit("core", DAY, settings)
    page = (settings.reports / "quality" / "core" / DAY.isoformat() / "index.html").read_text(encoding="utf-8")
    assert "&lt;script&gt;" in page
    assert "<script" not in page


def test_a_later_audit_of_the_date_keeps_the_page_of_the_refused_one(settings: Settings, change: Change) -> None:
    change(BROKEN)
    with pytest.raises(PublicationRefused):
        audit_and_publish("warehouse", DAY, settings)
    change(MENDED)
    audit_and_publish("warehouse", DAY, settings)
    folder = settings.reports / "quality" / "core" / DAY.isoformat()
    pages = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("????????.html")}
    refused = [name for name, page in pages.items() if "<td>L00001</td><td>-1.00</td>" in page]
    assert len(pages) == 2 and len(refused) == 1
    latest = (folder / "index.html").read_text(encoding="utf-8")
    assert "PASS" in latest and refused[0] in latest
    index = (settings.reports / "index.html").read_text(encoding="utf-8")
    assert f"quality/core/{DAY}/{refused[0]}" in index
    assert index.index("拒绝发布") < index.index("已发布版本")


def test_every_link_of_the_index_leads_to_a_page(settings: Settings) -> None:
    published = audit_and_publish("warehouse", DAY, settings)
    index = settings.reports / "index.html"
    links = [part.split('"')[0] for part in index.read_text(encoding="utf-8").split('href="')[1:]]
    assert f"quality/warehouse/{published.version}.html" in links
    assert [link for link in links if not (settings.reports / link).is_file()] == []


def test_an_override_is_written_into_the_page_of_what_it_accepts_and_into_the_index(
    settings: Settings, change: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command_line, "load_settings", lambda: settings)
    change(BROKEN)
    (failed,) = [verdict for verdict in audit("core", DAY, settings) if not verdict.passed]
    folder = settings.reports / "quality" / "core" / DAY.isoformat()
    (page,) = folder.glob("????????.html")
    assert "OVERRIDDEN" not in page.read_text(encoding="utf-8").partition("<body>")[2]
    given = ["--reason", "confirmed by the bank", "--by", "li.wei", "--until", "2026-03-04"]
    assert quality(["override", failed.verdict_id, *given, "--as-of", "2026-03-03"]) == 0
    accepted = "accepted by li.wei until 2026-03-04: confirmed by the bank"
    for path in (page, folder / "index.html", folder / "verdicts.md", settings.reports / "index.html"):
        text = path.read_text(encoding="utf-8").partition("</style>")[2] or path.read_text(encoding="utf-8")
        assert "OVERRIDDEN" in text and accepted in text, path
    assert "拒绝发布" not in (settings.reports / "index.html").read_text(encoding="utf-8")
    audit("core", DAY, settings, as_of=DAY + timedelta(days=3))
    text = page.read_text(encoding="utf-8")
    assert f"no longer {accepted}" in text
    assert "拒绝发布" in (settings.reports / "index.html").read_text(encoding="utf-8")


def test_a_refused_delivery_has_its_page_before_anything_is_published(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(command_line, "load_settings", lambda: settings)
    failure = Failure("control_totals", "fail", "L6", "12.00, allowed 11.00", "the totals are not those of the sender")
    refused = Verdict(LANDING, "bank_a.loans", DAY, "f" * 32, "1.0.0+00000000", 3, 1, (failure,))
    landed = Verdict(LANDING, "bank_a.loans", DAY + timedelta(days=1), "e" * 32, "1.0.0+00000000", 3, 1)
    record_verdicts([refused, landed], settings)
    (page,) = write_refusals(settings)
    assert page == settings.reports / "quality" / LANDING / DAY.isoformat() / "index.html"
    assert "control_totals (L6)" in page.read_text(encoding="utf-8")
    assert f"quality/landing/{DAY}/" in (settings.reports / "index.html").read_text(encoding="utf-8")
    page.unlink()
    broken = tmp_path / "contracts"
    broken.mkdir()
    (broken / "bank_a.yml").write_text("id: bank_a\n", encoding="utf-8")
    monkeypatch.setattr(command_line, "load_settings", lambda: replace(settings, contracts=broken))
    assert quality(["verdicts", "--gate", "landing"]) == 1
    assert page.is_file(), "whoever asks for the verdicts has the page too"


def test_audits_are_listed_in_the_order_in_which_they_were_recorded(settings: Settings, change: Change) -> None:
    """By business date, then as the ledger has them, whatever their digests are."""
    for day in (DAY, DAY + timedelta(days=1)):
        for amount in (-1, -2, 1, -3, -4):
            change(f"update fct_loans set principal_amount = {amount} where loan_id = 'L00001'")
            audit("core", day, settings)
    listed = read_summaries(settings.reports / "quality")
    assert [entry["recorded"] for entry in listed] == sorted(entry["recorded"] for entry in listed)
    assert [entry["batch_date"] for entry in listed] == [str(DAY)] * 5 + [str(DAY + timedelta(days=1))] * 5
    assert [entry["outcome"] for entry in listed[:5]] == ["FAIL", "FAIL", "PASS", "FAIL", "FAIL"]
    index = (settings.reports / "index.html").read_text(encoding="utf-8")
    places = [index.rindex(entry["audit"]) for entry in listed]
    assert places == sorted(places)
    audit("core", DAY + timedelta(days=1), settings)
    assert [entry["audit"] for entry in read_summaries(settings.reports / "quality")] == [e["audit"] for e in listed]
