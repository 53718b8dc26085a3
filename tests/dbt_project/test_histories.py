"""Histories: which version of a key stands, from when, and whose it is, for every way in which a correction can come.

Each scenario has keys of its own; all lie in one lake and one build.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.conftest import make_settings
from tests.handmade_lake import HandmadeLake

DAY = "2026-03-06"
MORNING = {f"2026-03-0{day}": f"2026-03-0{day + 1}T06:30:00" for day in range(2, 8)}


def application(number: str, **more: Any) -> dict[str, Any]:
    return {
        "application_no": number, "cert_no_token": f"{number:0<40}", "channel_code": "APP", "product_code": "CASH03",
        "requested_amount": 1000, "term_count": 3, "is_test": False, "applied_at": "2026-03-02 10:00:00", **more,
    }  # fmt: skip


def decision(number: str, code: str, amount: int | None = None) -> dict[str, Any]:
    return {
        "application_no": number, "decision_code": code, "approved_amount": amount, "risk_score": 600,
        "strategy_version": "S1", "decided_at": "2026-03-02 11:00:00",
    }  # fmt: skip


def loan(number: str, **more: Any) -> dict[str, Any]:
    return {
        "loan_no": number, "application_no": f"A{number}", "cert_no_token": f"{number:0<40}",
        "fund_loan_no": f"F{number}", "funder_code": "BKA", "product_code": "CASH03", "repay_method_code": "09",
        "principal_amount": 1200, "term_count": 3, "nominal_annual_rate_percent": 0,
        "funded_at": "2026-03-02 10:00:00", "booked_date": "2026-03-02", "value_date": "2026-03-02",
        "status_code": "RP", "posted_at": "2026-03-02 10:00:00", **more,
    }  # fmt: skip


def plan(number: str, version: int, amounts: list[int], **more: Any) -> list[dict[str, Any]]:
    return [
        {
            "loan_no": number, "term_no": term, "plan_version": version, "due_date": f"2026-{3 + term:02d}-02",
            "principal_amount": amount, "interest_amount": 0, "fee_amount": 0, "posted_at": "2026-03-02 10:00:00",
            **more,
        }
        for term, amount in enumerate(amounts, 1)
    ]  # fmt: skip


def deliver_decisions(lake: HandmadeLake) -> None:
    """An old file is corrected in one row; a key's newest file is withdrawn; a late original; rows of one second."""

    def send(day: str, rows: list[dict[str, Any]], received: str | None = None, **more: Any) -> None:
        lake.deliver("dept_risk.decisions", day, rows, received or MORNING[day], **more)

    send("2026-03-02", [decision("D-steady", "A", 500)])
    send("2026-03-03", [decision("D-revived", "R"), decision("D-corrected", "A", 900), decision("D-kept", "A", 700)])
    send("2026-03-04", [decision("D-withdrawn", "A", 100), decision("D-steady", "A", 500)])
    send("2026-03-05", [decision("D-revived", "A", 800), decision("D-withdrawn", "R")], sequence=1)
    # The correction of another row of 03-03 brings all its rows again.
    send(
        "2026-03-03",
        [decision("D-revived", "R"), decision("D-corrected", "A", 950), decision("D-kept", "A", 700)],
        "2026-03-06T09:00:00",
        sequence=2,
    )
    # The file of 03-05 is replaced by one that says nothing of D-withdrawn: what 03-04 said stands again.
    send("2026-03-05", [decision("D-revived", "A", 800)], "2026-03-06T10:00:00", sequence=2)
    # The first file of 03-05 comes again after its re-send: late, superseded the moment it arrives.
    send("2026-03-05", [decision("D-revived", "C")], "2026-03-06T11:00:00", sequence=1)


def deliver_plans(lake: HandmadeLake) -> None:
    """Plans fall back to an older version, lose terms, gain terms, and are corrected within a version."""
    loans = ["P-back", "P-shorter", "P-longer", "P-corrected", "P-shrunk"]
    lake.deliver("dept_loan_core.loans", "2026-03-02", [loan(number) for number in loans], MORNING["2026-03-02"])
    first = [row for number in loans for row in plan(number, 1, [400, 400, 400])]
    lake.deliver("dept_loan_core.plan_terms", "2026-03-02", first, MORNING["2026-03-02"])
    lake.deliver(
        "dept_loan_core.plan_terms",
        "2026-03-04",
        [*plan("P-back", 2, [300, 300, 600]), *plan("P-shorter", 2, [600, 600]), *plan("P-longer", 2, [300] * 4)],
        MORNING["2026-03-04"],
    )
    # The file of 03-02 comes again with one amount of another loan corrected.
    again = [
        row for number in loans for row in plan(number, 1, [400, 300, 500] if number == "P-corrected" else [400] * 3)
    ]
    lake.deliver("dept_loan_core.plan_terms", "2026-03-02", again, "2026-03-06T09:00:00", sequence=2)
    # The first version of a plan in a newer file than the second is still the first.
    lake.deliver(
        "dept_loan_core.plan_terms", "2026-03-05", plan("P-shorter", 1, [400, 400, 400]), MORNING["2026-03-05"]
    )


def deliver_stock(lake: HandmadeLake) -> None:
    """Applications recorded in 2025 come with the stock, are re-sent corrected, and sent by a later day."""
    back = {"_known_at": "2025-06-01 07:15:00+08"}
    stock = [application(number, **back) for number in ("S-resent", "S-unchanged", "S-upserted", "S-older-file")]
    lake.deliver("dept_risk.applications", "2026-03-02", stock, MORNING["2026-03-02"])
    again = [
        application("S-resent", requested_amount=2000, **back), application("S-unchanged", **back),
        application("S-upserted", **back), application("S-older-file", **back), application("S-new", **back),
    ]  # fmt: skip
    lake.deliver("dept_risk.applications", "2026-03-02", again, "2026-03-04T08:00:00", sequence=2)
    later = application("S-upserted", requested_amount=3000, **back)
    lake.deliver("dept_risk.applications", "2026-03-04", [later], MORNING["2026-03-04"])
    # A decision that comes long after its application.
    lake.deliver("dept_risk.decisions", "2026-03-06", [decision("S-unchanged", "A", 5)], MORNING["2026-03-06"])
    # A replacement whose file is older than what it replaces.
    older = [row | {"requested_amount": 4000} if row["application_no"] == "S-older-file" else row for row in again]
    lake.deliver("dept_risk.applications", "2026-03-02", older, "2026-03-01T05:00:00", sequence=3)


def deliver_parties(lake: HandmadeLake) -> None:
    """Two banks give equal numbers to different loans and different compensations."""
    for bank, code, number, amount in (("bank_a", "BKA", "N-a", 400), ("bank_b", "BKB", "N-b", 300)):
        lake.deliver(
            "dept_loan_core.loans",
            "2026-03-03" if bank == "bank_a" else "2026-03-04",
            [loan(number, fund_loan_no="F-same", funder_code=code)],
            MORNING["2026-03-04"],
        )
        fen = bank == "bank_a"
        principal = (
            {"principal_amount_fen": amount * 100, "interest_amount_fen": 0}
            if fen
            else {"principal_amount": amount, "interest_amount": 0}
        )
        lake.deliver(
            f"{bank}.compensations",
            "2026-03-05",
            [{"comp_no": "C-same", "fund_loan_no": "F-same", "term_no": 1, "compensated_date": "2026-03-05",
              "comp_type_code": "01" if fen else "DC", **principal}],
            MORNING["2026-03-05"],
        )  # fmt: skip
        paid = {"principal_amount_fen": 120000} if fen else {"principal_amount": 1200}
        balance = {"balance_amount_fen": 80000} if fen else {"balance_amount": 900}
        lake.deliver(
            f"{bank}.loans",
            "2026-03-05",
            [{"fund_loan_no": "F-same", "loan_no": number, "funded_at": "2026-03-02 10:00:00",
              "value_date": "2026-03-02", "status_code": "1" if fen else "S", "cert_no_token": f"{number:0<40}",
              **paid}],
            MORNING["2026-03-05"],
        )  # fmt: skip
        lake.deliver(
            f"{bank}.balances", "2026-03-06", [{"fund_loan_no": "F-same", "balance_date": "2026-03-06", **balance}],
            MORNING["2026-03-06"],
        )  # fmt: skip
    terms = [*plan("N-a", 1, [400] * 3), *plan("N-b", 1, [400] * 3)]
    lake.deliver("dept_loan_core.plan_terms", "2026-03-04", terms, "2026-03-05T06:30:00", stands_beside=True)


def deliver_payments(lake: HandmadeLake) -> None:
    """An instalment is paid, the payment bounces, and it is paid again; another loan is reversed days later."""
    loans = [loan("X-paid"), loan("X-reversed")]
    lake.deliver("dept_loan_core.loans", "2026-03-02", loans, MORNING["2026-03-02"], stands_beside=True)
    terms = [*plan("X-paid", 1, [400] * 3), *plan("X-reversed", 1, [400] * 3)]
    lake.deliver("dept_loan_core.plan_terms", "2026-03-03", terms, MORNING["2026-03-02"])
    for day, amount in (("2026-03-03", 400), ("2026-03-04", -400), ("2026-03-05", 400)):
        receipt = {
            "repay_no": f"X-{day}", "loan_no": "X-paid", "term_no": 1, "paid_at": f"{day} 12:00:00",
            "principal_amount": amount, "interest_amount": 0, "fee_amount": 0, "penalty_amount": 0,
            "payment_method_code": "02", "repay_type_code": "0", "posted_at": f"{day} 12:00:00",
        }  # fmt: skip
        lake.deliver("dept_loan_core.repayments", day, [receipt], MORNING[day])
    reversal = loan("X-reversed", status_code="RV", posted_at="2026-03-05 10:00:00")
    lake.deliver("dept_loan_core.loans", "2026-03-05", [reversal], MORNING["2026-03-05"])


def deliver_rotation(lake: HandmadeLake) -> None:
    """A person is seen under three versions of the token key, and withdraws a consent under the newest."""
    tokens = [f"K{version}-person".ljust(64, "0") for version in (1, 2, 3)]
    for version, day in enumerate(("2026-03-03", "2026-03-04", "2026-03-05")):
        row = application(f"K-{version}", cert_no_token=tokens[version])
        lake.deliver("dept_risk.applications", day, [row], MORNING[day], stands_beside=True)
    for kind, token, day in (("G", tokens[0], "2026-03-03"), ("W", tokens[2], "2026-03-05")):
        event = {
            "event_no": f"K-{kind}", "cert_no_token": token, "event_code": kind, "purpose_code": "MARKETING",
            "recipient_code": "PLATFORM", "consent_kind_code": "2", "text_version": "V1",
            "occurred_at": f"{day} 09:00:00", "valid_to": "9999-12-31",
        }  # fmt: skip
        lake.deliver("dept_compliance.consents", day, [event], MORNING[day])
    lake.hold_equivalents("cert_no", [{"key_version": 1, "token": tokens[0]}])
    lake.hold_equivalents("cert_no", [{"key_version": 2, "token": tokens[1], "previous_token": tokens[0]}])
    lake.hold_equivalents("cert_no", [{"key_version": 3, "token": tokens[2], "previous_token": tokens[1]}])


def fill(lake: HandmadeLake) -> None:
    deliver_stock(lake)
    deliver_decisions(lake)
    deliver_plans(lake)
    deliver_parties(lake)
    deliver_payments(lake)
    deliver_rotation(lake)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> HandmadeLake:
    made = HandmadeLake(make_settings(tmp_path_factory.mktemp("histories")))
    fill(made)
    made.build(DAY, as_of=["2026-03-05", DAY])
    return made


def versions(lake: HandmadeLake, table: str, key: str, number: str, shown: str) -> list[tuple[Any, ...]]:
    """What a key said, from when until when (as a key's own column says)."""
    return lake.ask(
        f"select {shown}, _known_at, _superseded_at from {table} where {key} = '{number}' order by _known_at"
    )


DECISIONS = {
    "D-revived": [
        ("rejected", None, "2026-03-04 06:30:00", "2026-03-06 06:30:00"),
        ("approved", 800, "2026-03-06 06:30:00", None),
    ],
    "D-corrected": [
        ("approved", 900, "2026-03-04 06:30:00", "2026-03-06 09:00:00"),
        ("approved", 950, "2026-03-06 09:00:00", None),
    ],
    "D-kept": [("approved", 700, "2026-03-04 06:30:00", None)],
    "D-withdrawn": [
        ("approved", 100, "2026-03-05 06:30:00", "2026-03-06 06:30:00"),
        ("rejected", None, "2026-03-06 06:30:00", "2026-03-06 10:00:00"),
        ("approved", 100, "2026-03-06 10:00:00", None),
    ],
    "D-steady": [("approved", 500, "2026-03-03 06:30:00", None)],
}


@pytest.mark.parametrize("number", DECISIONS)
def test_the_business_version_stands_and_receipt_comes_second(lake: HandmadeLake, number: str) -> None:
    found = versions(lake, "fct_decisions_history", "application_id", number, "decision, approved_amount")
    assert found == DECISIONS[number]


def test_an_unchanged_row_keeps_the_line_that_first_said_it(lake: HandmadeLake) -> None:
    found = lake.ask("select _delivery_id, _line_number from fct_decisions_history where application_id = 'D-kept'")
    assert found == [("dept_risk.decisions.2026-03-03.1", 4)]


PLANS = {
    "P-back": [(2, 300), (2, 300), (2, 600)],
    "P-shorter": [(2, 600), (2, 600)],
    "P-longer": [(2, 300)] * 4,
    "P-corrected": [(1, 400), (1, 300), (1, 500)],
    "P-shrunk": [(1, 400)] * 3,
}


@pytest.mark.parametrize("number", PLANS)
def test_a_plan_version_replaces_the_whole_plan(lake: HandmadeLake, number: str) -> None:
    found = lake.ask(
        f"select plan_version, principal_amount from fct_instalments where loan_id = '{number}' order by term_number"
    )
    assert found == PLANS[number]


def test_a_term_that_the_new_plan_leaves_out_ends_when_the_plan_is_known(lake: HandmadeLake) -> None:
    found = lake.ask(
        "select plan_version, _known_at, _superseded_at from fct_instalments_history"
        " where loan_id = 'P-shorter' and term_number = 3"
    )
    assert found == [(1, "2026-03-03 06:30:00", "2026-03-05 06:30:00")]


STOCK = {
    "S-resent": [
        (1000, "2025-06-01 07:15:00", "2026-03-04 08:00:00"),
        (2000, "2026-03-04 08:00:00", None),
    ],
    "S-unchanged": [(1000, "2025-06-01 07:15:00", None)],
    "S-upserted": [(1000, "2025-06-01 07:15:00", "2026-03-05 06:30:00"), (3000, "2026-03-05 06:30:00", None)],
    "S-older-file": [(1000, "2025-06-01 07:15:00", "2026-03-04 08:00:01"), (4000, "2026-03-04 08:00:01", None)],
    "S-new": [(1000, "2026-03-04 08:00:00", None)],
}


@pytest.mark.parametrize("number", STOCK)
def test_only_the_first_delivery_of_a_date_is_back_dated(lake: HandmadeLake, number: str) -> None:
    assert versions(lake, "fct_applications_history", "application_id", number, "requested_amount") == STOCK[number]


def test_every_version_is_visible_for_a_while_and_one_at_a_time(lake: HandmadeLake) -> None:
    tables = [
        *("fct_applications_history", "fct_decisions_history", "fct_loans_history", "fct_instalments_history"),
        *("fct_compensations_history", "fct_consents_history", "fct_funder_loans_history"),
    ]
    for table in tables:
        assert lake.ask(f"select * from {table} where _superseded_at <= _known_at") == [], table
    overlapping = lake.ask(
        "select application_id from fct_decisions_history as a join fct_decisions_history as b using (application_id)"
        " where a._known_at < b._known_at and (a._superseded_at is null or a._superseded_at > b._known_at)"
    )
    assert overlapping == []


def test_equal_numbers_of_two_parties_are_two_things(lake: HandmadeLake) -> None:
    found = lake.ask(
        "select loan_id, principal_amount from fct_compensations where compensation_id = 'C-same' order by loan_id"
    )
    assert found == [("N-a", 400), ("N-b", 300)]
    funders = lake.ask("select loan_id, break_type from rec_loans__funder where loan_id_funder = 'F-same' order by 1")
    assert funders == [("N-a", "matched"), ("N-b", "matched")]
    balances = lake.ask(
        "select loan_id, break_type from rec_balances__funder where loan_id_funder = 'F-same' order by 1"
    )
    assert balances == [("N-a", "matched"), ("N-b", "matched")]
    moved = lake.ask(
        "select count(distinct movement_id) from fct_balance_movements_history where movement_type = 'compensated'"
    )
    assert moved == [(2,)]


def test_tokens_of_all_key_versions_are_one_person(lake: HandmadeLake) -> None:
    found = lake.ask("select distinct customer_id from fct_applications where application_id like 'K-%'")
    assert found == [("K1-person".ljust(32, "0"),)]
    consents = lake.ask(
        "select count(distinct customer_id), count(*) from fct_consents_history where consent_event_id like 'K-%'"
    )
    assert consents == [(1, 2)]
    assert lake.ask("select has_marketing_consent from customer_360 where customer_id like 'K1-%'") == [(False,)]


def test_a_returned_payment_ends_the_clearance_when_it_is_known(lake: HandmadeLake) -> None:
    found = versions(lake, "fct_instalment_clearances_history", "loan_id", "X-paid", "cast(cleared_date as varchar)")
    assert found == [
        ("2026-03-03", "2026-03-04 06:30:00", "2026-03-05 06:30:00"),
        ("2026-03-05", "2026-03-06 06:30:00", None),
    ]


@pytest.mark.parametrize("moment", ["2026-03-04T07:00:00", "2026-03-05T12:00:00", "2026-03-06T09:30:00"])
def test_any_table_is_told_as_it_was_known_at_a_moment(lake: HandmadeLake, tmp_path: Path, moment: str) -> None:
    """What is derived from all that came, read as of a moment, is what a build at that moment gave."""
    then = HandmadeLake(make_settings(tmp_path / "then"))
    fill(Until(then, moment))
    then.build(DAY, as_of=["2026-03-05", DAY])
    again = lake.known_at(moment, tmp_path / "again")
    again.build(DAY, as_of=["2026-03-05", DAY])
    tables = [name for (name,) in then.ask("select table_name from information_schema.tables order by 1")]
    published = [name for name in tables if name.startswith(("dim_", "fct_", "mtr_", "customer_360"))]
    assert len(published) > 20
    for table in published:
        held = then.ask(f"select * from {table} order by all")
        assert again.ask(f"select * from {table} order by all") == held, table
    # And a row that says it was known by then was seen then, whatever it was joined from.
    clocked = lake.ask("select distinct table_name from information_schema.columns where column_name = '_known_at'")
    current = {name for (name,) in clocked if name in published and not name.endswith("_history")}
    assert current >= {"fct_applications", "fct_decisions", "fct_instalments", "fct_loans", "fct_repayments"}
    for table in sorted(current):
        known = lake.ask(f"select * from {table} where _known_at <= timestamptz '{moment}+08:00'")
        assert set(known) <= set(then.ask(f"select * from {table}")), table


class Until(HandmadeLake):
    """A lake that closes at a moment: what is received later does not land."""

    def __init__(self, lake: HandmadeLake, moment: str) -> None:
        super().__init__(lake.settings)
        self.moment = moment
        self.closed: set[tuple[str, str]] = set()

    def deliver(self, dataset: str, day: str, rows: Any, received: str, *more: Any, **named: Any) -> str:
        if received > self.moment:
            self.closed.add((dataset, day))
        if (dataset, day) not in self.closed:
            return super().deliver(dataset, day, rows, received, *more, **named)
        return ""
