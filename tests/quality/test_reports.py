"""Reports: failures first with their rows, a refusal that is never erased, and one index that leads to everything."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ingestion.foundation import Settings
from quality.gate import audit
from quality.publication import PublicationRefused, audit_and_publish
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
