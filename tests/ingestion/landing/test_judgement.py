"""What is judged of a whole delivery is a value: every check with what was observed, and the first that refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingestion.contract import load_contract
from ingestion.delivery import DeliveryRefused, find_deliveries
from ingestion.foundation.ledger import open_ledger
from ingestion.landing.judgement import DeliveryCheck, Judgement, judge_unread
from ingestion.landing.parsing import Parsed, parse_delivery
from ingestion.protection import load_keys
from ingestion.readers import FileUnreadable, LayoutChanged
from tests.ingestion.broken import DAY, Party, column

COLUMNS = [column("id", "INTEGER", key=True), column("amount", "DECIMAL(18,2)"), column("day", "DATE"), column("note")]
TOTALS = {
    "ready": {
        "marker": "{name}.ctl",
        "content": "control",
        "control": {"layout": "line", "separator": "|", "fields": {"n": "rows", "amt": "sum:amount"}},
    }
}


def parse(party: Party, work: Path) -> Parsed:
    contract = load_contract(party.source, party.settings)
    assert contract is not None
    ledger = open_ledger(party.settings)
    [delivery] = find_deliveries(contract, contract.datasets[0], DAY, party.settings, ledger)
    ledger.dispose()
    keys = load_keys(party.settings.key_file)
    work.mkdir()
    return parse_delivery(contract, delivery, party.settings, keys, work)


def test_a_delivery_that_may_land_shows_what_was_looked_at(party: Party, tmp_path: Path) -> None:
    party.declare(
        *COLUMNS, business_date="day", volume={"minimum": 1, "maximum": 9}, max_quarantine_share=0.5, **TOTALS
    )
    party.deliver("id,amount,day,note\n1,1.50,2026-03-02,\n2,x,2026-03-02,\n3,2,2026-03-02,\n")
    party.deliver("3|3.5", "rows.csv.ctl")
    parsed = parse(party, tmp_path / "work")
    assert parsed.judgement == Judgement(
        (
            DeliveryCheck("authentication_data", True, "0 values", "none", failing_rows=0),
            DeliveryCheck("announced_rows", True, "3", "not announced"),
            DeliveryCheck("rows_conserved", True, "2 + 1", "3"),
            DeliveryCheck("volume", True, "3", "1..9"),
            DeliveryCheck("quarantine_share", True, "1 of 3 rows", "50.00%", failing_rows=1),
            DeliveryCheck("business_date", True, "0 rows of other dates", "2026-03-02", failing_rows=0),
            DeliveryCheck("control_totals", True, "rows 3, sum of amount 3.500000000", "rows 3, sum of amount 3.5"),
        )
    )
    assert parsed.judgement.refusal is None
    assert (tmp_path / "work" / "quarantined" / "raw.sealed").is_file()


def test_all_that_is_wrong_is_in_the_value_and_the_first_of_it_refuses(party: Party, tmp_path: Path) -> None:
    party.declare(*COLUMNS, business_date="day", volume={"minimum": 9, "maximum": 9}, max_quarantine_share=0, **TOTALS)
    party.deliver("id,amount,day,note\n1,1.50,2026-03-01,\n2,x,2026-03-02,\n3,x,2026-03-02,\n")
    party.deliver("4|3.5", "rows.csv.ctl")
    parsed = parse(party, tmp_path / "work")
    wrong = {check.name: check for check in parsed.judgement.checks if not check.is_held}
    assert list(wrong) == ["volume", "quarantine_share", "business_date", "control_totals"]
    assert {check.severity for check in wrong.values()} == {"fail"}
    assert parsed.judgement.refusal == wrong["volume"].sentence
    assert wrong["volume"].sentence == "has 3 rows, outside the contract's volume 9..9"
    assert wrong["quarantine_share"].sentence.startswith("2 of 3 rows break a rule, more than the contract's 0.00%")
    assert (wrong["quarantine_share"].failing_rows, wrong["business_date"].failing_rows) == (2, 1)
    assert wrong["control_totals"].limit == "rows 4, sum of amount 3.5"
    assert wrong["control_totals"].observed == "rows 3, sum of amount 1.500000000"
    assert "2 of 2 control totals differ" in wrong["control_totals"].sentence
    assert not list((tmp_path / "work").glob("quarantined/*")), "nothing is kept of what is refused"
    assert "has 3 rows, outside the contract's volume 9..9; nothing of it was landed" in party.refusal()


def test_authentication_data_refuses_before_all_else(party: Party, tmp_path: Path) -> None:
    party.declare(*COLUMNS, volume={"minimum": 9, "maximum": 9})
    party.deliver("id,amount,day,note\n1,1,,x\n2,1,,$2a$10$abcdefghijklmnopqrstuv\n")
    judgement = parse(party, tmp_path / "work").judgement
    assert [check.name for check in judgement.checks if not check.is_held] == ["authentication_data", "volume"]
    assert judgement.refusal == "line 3, column note holds authentication data (C3), 1 values in all"


@pytest.mark.parametrize(
    ("content", "form"), [("", "empty_file"), ("id,amount,day,note\n", "header_only")], ids=["empty", "heading"]
)
@pytest.mark.parametrize("legal", ["empty_file", "header_only"])
def test_a_file_without_rows_is_legal_in_the_form_of_the_contract(
    party: Party, tmp_path: Path, content: str, form: str, legal: str
) -> None:
    party.declare(*COLUMNS, no_data=[legal])
    party.deliver(content)
    [check] = [check for check in parse(party, tmp_path / "work").judgement.checks if check.name == "empty_form"]
    assert (check.is_held, check.observed, check.limit) == (form == legal, form, legal)


def test_what_could_not_be_read_is_a_value_too() -> None:
    reported = {
        FileUnreadable("cannot be split into rows"): ("dialect", "cannot be split into rows"),
        LayoutChanged("has other columns:\n  added  2 sum"): ("layout", "has other columns"),
        DeliveryRefused("x.csv has md5 1, but 2"): ("verification", "x.csv has md5 1, but 2"),
    }
    for error, (name, observed) in reported.items():
        judgement = judge_unread(error)
        assert [(check.name, check.observed) for check in judgement.checks] == [(name, observed)]
        assert judgement.refusal == str(error)


def test_a_warning_refuses_nothing() -> None:
    assert Judgement((DeliveryCheck("late", False, "9:00", "7:00", "came late", severity="warn"),)).refusal is None
