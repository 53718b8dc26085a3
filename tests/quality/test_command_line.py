"""`python -m quality` says what it did in a few lines and fails in one sentence."""

from __future__ import annotations

import getpass
import re
from collections.abc import Callable
from datetime import datetime, timedelta

import polars as pl
import pytest

from ingestion.foundation import BUSINESS_TIMEZONE, Settings
from ingestion.foundation import command_line as shared
from quality import commands as command_line
from quality.verdict import read_verdicts

pytestmark = pytest.mark.usefixtures("book")


@pytest.fixture(autouse=True)
def use_settings(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "load_settings", lambda: settings)


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


KNOWN_GATES = "the gates are landing, features, core"
KNOWN_SETS = "the sets are features, warehouse"
FORM = "write yyyy-mm-dd, such as 2026-03-02."
OVERRIDE = "override abc --reason agreed.with.them --until"
WRONG = {
    "audit --gate nope --date 2026-03-02": f"There is no gate nope; {KNOWN_GATES}.",
    "verdicts --gate nope": f"There is no gate nope; {KNOWN_GATES}.",
    "verdicts --gate cores": f"There is no gate cores; {KNOWN_GATES}; the nearest is core.",
    "publish --set nope --date 2026-03-02": f"There is no set nope; {KNOWN_SETS}.",
    "audit --gate features --date 2026-03-02": (
        "Gate features audits what a stage hands over; it runs when set features is built."
    ),
    "audit --gate landing --date 2026-03-02": (
        "Gate landing judges deliveries as they land; run `python -m ingestion land`."
    ),
    "audit --table nope --date 2026-03-02": "No gate of the warehouse has a suite for nope; add suites/core/nope.yml.",
    "publish --date 2026-13-02": f"--date: 2026-13-02 is no date: month must be in 1..12; {FORM}",
    "verdicts --date yesterday": f"--date: yesterday is no date; {FORM}",
    f"{OVERRIDE} soon": f"--until: soon is no date; {FORM}",
    f"{OVERRIDE} 2026-03-02": "No verdict begins with abc; `python -m quality verdicts` lists them.",
}


@pytest.mark.parametrize("command", WRONG)
def test_what_is_not_there_is_one_sentence(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.main(command.split()) == 2
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", WRONG[command] + "\n")


def test_an_empty_home_says_what_to_run(capsys: pytest.CaptureFixture[str]) -> None:
    publish = "run `python -m quality publish --date yyyy-mm-dd`"
    for command, said in (
        ("verdicts", f"No verdict is recorded; {publish}."),
        (
            "verdicts --gate landing --date 2026-03-02",
            "No verdict of gate landing for 2026-03-02 is recorded; run `python -m ingestion land --date yyyy-mm-dd`.",
        ),
        ("published", f"Nothing is published; {publish} for a date that has been built."),
    ):
        assert command_line.main(command.split()) == 0
        assert capsys.readouterr().out == said + "\n"


def test_failures_are_shown_first_and_an_override_beside_its_verdict(
    capsys: pytest.CaptureFixture[str], change: Callable[[str], None]
) -> None:
    change("update rec_loans__funder set break_type = 'amount_diff' where loan_id = 'L00001'")
    change("update fct_loans set funder = 'bank_z' where loan_id = 'L00002'")
    assert command_line.main(["audit", "--date", "2026-03-02"]) == 1
    capsys.readouterr()
    assert command_line.main(["verdicts"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith("    fail  every_loan_matches (X63")
    assert lines[2] == "          X63 核心与资方放款一致 · Loan core and funder agree on every disbursement"
    assert [line.split() for line in lines[3:5]] == [["loan_id", "break_type"], ["L00001", "amount_diff"]]
    assert [line.split()[3] for line in (lines[0], lines[6])] == ["rec_loans__funder", "fct_loans"]
    assert lines[7].startswith("    warn  funder_is_accepted (I27")
    identifier = lines[0].split()[0]
    given = ["override", identifier, "--reason", "confirmed by the bank", "--until", "2026-03-04"]
    assert command_line.main([*given, "--as-of", "2026-03-02"]) == 0
    accepted = f"accepted by {getpass.getuser()} until 2026-03-04: confirmed by the bank"
    assert capsys.readouterr().out == f"Verdict {identifier} on rec_loans__funder is {accepted}\n"
    assert command_line.main(["verdicts", "--as-of", "2026-03-04"]) == 0
    shown = capsys.readouterr().out
    assert "OVERRIDDEN" in shown
    assert f"    {accepted}\n" in shown
    assert command_line.main(["verdicts", "--as-of", "2026-03-05"]) == 1
    assert f"    no longer {accepted}\n" in capsys.readouterr().out
    assert command_line.main(["publish", "--date", "2026-03-02", "--as-of", "2026-03-04"]) == 0
    assert command_line.main(["published"]) == 0
    assert f"rec_loans__funder was {accepted}\n" in capsys.readouterr().out


def test_an_override_ends_by_the_calendar_of_whoever_asks(
    settings: Settings, capsys: pytest.CaptureFixture[str], change: Callable[[str], None]
) -> None:
    """The day that counts is today in Shanghai, however old the business date is."""
    today = datetime.now(BUSINESS_TIMEZONE).date()
    yesterday, override = today - timedelta(days=1), ["override", "--reason", "confirmed by the bank"]
    change("update rec_loans__funder set break_type = 'amount_diff' where loan_id = 'L00001'")
    assert command_line.main(["publish", "--date", "2026-03-02"]) == 1
    (failed,) = [verdict for verdict in read_verdicts(settings) if not verdict.passed]
    over = [*override, failed.verdict_id, "--until", yesterday.isoformat()]
    capsys.readouterr()
    assert command_line.main(over) == 2
    named = f"Verdict {failed.verdict_id[:8]} on rec_loans__funder of 2026-03-02"
    sentence = f"{named} cannot be overridden until {yesterday}, for it is {today}; choose a later --until.\n"
    assert capsys.readouterr().err == sentence
    assert command_line.main([*over, "--as-of", yesterday.isoformat()]) == 0
    assert command_line.main(["publish", "--date", "2026-03-02"]) == 1
    assert f"its override ended on {yesterday}" in capsys.readouterr().err
    assert command_line.main(["verdicts"]) == 1
    assert command_line.main([*override, failed.verdict_id, "--until", today.isoformat()]) == 0
    assert command_line.main(["verdicts"]) == 0
    assert command_line.main(["publish", "--date", "2026-03-02"]) == 0


def test_the_first_failing_rows_are_shown_and_where_all_of_them_are(
    capsys: pytest.CaptureFixture[str], change: Callable[[str], None]
) -> None:
    change("update fct_loans set principal_amount = 0, funder = '资金方' where loan_id < 'L00007'")
    change("update fct_loans set funder = repeat('b', 90) where loan_id = 'L00000'")
    assert command_line.main(["audit", "--date", "2026-03-02"]) == 1
    assert command_line.main(["verdicts"]) == 1
    lines = capsys.readouterr().out.splitlines()
    begin = next(number for number, line in enumerate(lines) if line.startswith("    fail  principal_is_positive"))
    shown = [line.split() for line in lines[begin + 2 : begin + 8]]
    assert shown == [["loan_id", "principal_amount"], *([f"L0000{number}", "0.00"] for number in range(5))]
    where = re.fullmatch(r" {10}5 of 7 rows, whole in (\S+/principal_is_positive\.parquet)", lines[begin + 8])
    assert where and pl.read_parquet(where[1]).height == 7
    begin = next(number for number, line in enumerate(lines) if line.startswith("    warn  funder_is_accepted"))
    assert lines[begin + 3] == f"          L00000   {'b' * 39}…"
    assert lines[begin + 4] == "          L00001   资金方"


def test_tables_are_audited_by_their_gates(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.main(["audit", "--date", "2026-03-02", "--table", "rec_loans__funder"]) == 0
    said = capsys.readouterr().out
    assert "rec_loans__funder" in said
    assert "fct_loans" not in said


def test_an_override_is_withdrawn_by_a_command_and_every_reading_says_so(
    settings: Settings, capsys: pytest.CaptureFixture[str], change: Callable[[str], None]
) -> None:
    change("update rec_loans__funder set break_type = 'amount_diff' where loan_id = 'L00001'")
    assert command_line.main(["audit", "--date", "2026-03-02"]) == 1
    (failed,) = [verdict for verdict in read_verdicts(settings) if not verdict.passed]
    day, short = ["--as-of", "2026-03-02"], failed.verdict_id[:8]
    withdraw = ["withdraw", short, "--by", "wang.fang", "--reason", "it was another loan", *day]
    assert command_line.main(withdraw) == 2
    assert "on rec_loans__funder of 2026-03-02 has no override" in capsys.readouterr().err
    accept = ["override", short, "--by", "li.wei", "--reason", "confirmed by the bank", "--until", "2026-03-04"]
    assert command_line.main([*accept, *day]) == 0
    assert command_line.main(["publish", "--date", "2026-03-02", *day]) == 0
    capsys.readouterr()
    assert command_line.main(withdraw) == 0
    first, second = capsys.readouterr().out.splitlines()
    taken = "withdrawn by wang.fang on 2026-03-02: it was another loan"
    assert first == f"Verdict {short} on rec_loans__funder is {taken}"
    assert re.fullmatch(r"Version 2026-03-02-\w+ rests on it and is not to be used; .*published.*", second)
    assert command_line.main(["published"]) == 0
    shown = capsys.readouterr().out
    assert "rec_loans__funder was accepted by li.wei until 2026-03-04: confirmed by the bank" in shown
    assert "which wang.fang withdrew on 2026-03-02: it was another loan" in shown
    assert command_line.main(["verdicts", *day]) == 1
    assert f"    {taken}\n" in capsys.readouterr().out
    assert command_line.main(["publish", "--date", "2026-03-02", *day]) == 1
    assert "its override was withdrawn on 2026-03-02" in capsys.readouterr().err
    (page,) = (settings.reports / "quality" / "warehouse").glob("*.html")
    assert "withdrawn by wang.fang on 2026-03-02: it was another loan" in page.read_text(encoding="utf-8")
