"""`python -m quality` says what it did in a few lines and fails in one sentence."""

from __future__ import annotations

import pytest

from ingestion.foundation import Settings
from quality import __main__ as command_line

pytestmark = pytest.mark.usefixtures("book")


@pytest.fixture(autouse=True)
def use_settings(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command_line, "load_settings", lambda: settings)


def test_commands_from_check_to_point(settings: Settings, capsys: pytest.CaptureFixture[str], change: object) -> None:
    assert command_line.main(["check"]) == 0
    assert "2 sets and 3 suites" in capsys.readouterr().out
    assert command_line.main(["published"]) == 0
    assert "Nothing is published; run" in capsys.readouterr().out
    assert command_line.main(["audit", "--date", "2026-03-02", "--table", "fct_loans"]) == 0
    assert "PASS" in capsys.readouterr().out
    assert command_line.main(["publish", "--date", "2026-03-02"]) == 0
    assert "Published warehouse 2026-03-02-" in capsys.readouterr().out
    assert callable(change)
    change("update fct_loans set principal_amount = 0 where loan_id = 'L00001'")
    assert command_line.main(["publish", "--date", "2026-03-03"]) == 1
    said = capsys.readouterr().err.strip()
    assert said.startswith("Set warehouse is not published for 2026-03-03: fct_loans failed principal_is_positive")
    assert command_line.main(["verdicts", "--date", "2026-03-03"]) == 1
    assert "principal_is_positive (M53" in capsys.readouterr().out
    assert command_line.main(["published"]) == 0
    assert "fallback since 2026-03-03 was refused" in capsys.readouterr().out
    assert command_line.main(["point", "--set", "warehouse", "--version", "nope"]) == 2
    assert "keeps no version nope" in capsys.readouterr().err
    page = settings.reports / "quality" / "core" / "2026-03-02" / "index.html"
    assert "rec_loans__funder" in page.read_text(encoding="utf-8")


def test_a_wrong_suite_is_reported_without_a_traceback(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    (settings.suites / "core" / "broken.yml").write_text("table: broken\n", encoding="utf-8")
    assert command_line.main(["check"]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 6
    assert all(line.startswith("core/broken.yml: ") for line in lines)
