"""Money by hand: returns, buy-backs, late reversals and double payments on loans with interest, and the break queue.

Every loan: principal 1,200.00 in three instalments of 400.00 with 10.00 interest each, due 02-10, 03-10 and 04-10.

| loan | what happens |
|---|---|
| M1 | term 1 paid on 02-10, returned on 02-20, paid again on 03-05 |
| M2 | term 1 compensated on 03-02; terms 2 and 3 bought back on 03-20, term 3 without the interest not yet due |
| M3 | reversed on 03-01 |
| M4 | term 1 compensated and paid by the customer on 03-02, both in full |
| M5 | term 1 compensated in two parts, 03-02 and 03-04; the customer pays 300.00 of it on 03-10 |
| M6 | term 1 paid twice on 02-10, once returned on 02-12; term 2 overpaid by 5.00 on 03-10 |
| M7 | term 1 compensated on 03-02; the guarantor's debit bounces on 03-12 |
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from quality.gate import audit
from tests.conftest import make_settings
from tests.dbt_project.test_histories import loan, plan
from tests.handmade_lake import HandmadeLake

DATES = ("2026-02-15", "2026-02-28", "2026-03-01", "2026-03-12", "2026-03-20", "2026-03-31", "2026-04-30")
LOANS = [f"M{number}" for number in range(1, 8)]
RECEIVED = "2026-05-01T06:30:00"
RECEIPTS = [
    ("M1", 1, "2026-02-10", 400, 10), ("M1", 1, "2026-02-20", -400, -10), ("M1", 1, "2026-03-05", 400, 10),
    ("M4", 1, "2026-03-02", 400, 10), ("M5", 1, "2026-03-10", 300, 0),
    ("M6", 1, "2026-02-10", 400, 10), ("M6", 1, "2026-02-10", 400, 10), ("M6", 1, "2026-02-12", -400, -10),
    ("M6", 2, "2026-03-10", 405, 10),
]  # fmt: skip
COMPENSATIONS = [
    ("M2", 1, "2026-03-02", 400, 10, "01"), ("M2", 2, "2026-03-20", 400, 10, "02"),
    ("M2", 3, "2026-03-20", 400, 0, "02"), ("M4", 1, "2026-03-02", 400, 10, "01"),
    ("M5", 1, "2026-03-02", 200, 5, "01"), ("M5", 1, "2026-03-04", 200, 5, "01"),
    ("M7", 1, "2026-03-02", 400, 10, "01"), ("M7", 1, "2026-03-12", -400, -10, "01"),
]  # fmt: skip


def deliver(lake: HandmadeLake) -> None:
    funded = {"funded_at": "2026-01-10 10:00:00", "booked_date": "2026-01-10", "value_date": "2026-01-10"}
    events = [loan(number, **funded, posted_at="2026-01-10 10:00:00") for number in LOANS]
    events.append(loan("M3", **funded, status_code="RV", posted_at="2026-03-01 09:00:00"))
    lake.deliver("dept_loan_core.loans", "2026-04-30", events, RECEIVED)
    terms = [
        row | {"due_date": f"2026-{term:02d}-10", "interest_amount": 10}
        for number in LOANS
        for term, row in enumerate(plan(number, 1, [400] * 3), 2)
    ]
    lake.deliver("dept_loan_core.plan_terms", "2026-04-30", terms, RECEIVED)
    lake.deliver(
        "dept_loan_core.repayments",
        "2026-04-30",
        [
            {"repay_no": f"R{place}", "loan_no": number, "term_no": term, "paid_at": f"{day} 12:00:00",
             "principal_amount": principal, "interest_amount": interest, "fee_amount": 0, "penalty_amount": 0,
             "payment_method_code": "02", "repay_type_code": "0", "posted_at": f"{day} 12:00:00"}
            for place, (number, term, day, principal, interest) in enumerate(RECEIPTS)
        ],
        RECEIVED,
    )  # fmt: skip
    lake.deliver(
        "bank_a.compensations",
        "2026-04-30",
        [
            {"comp_no": f"C{place}", "fund_loan_no": f"F{number}", "term_no": term, "compensated_date": day,
             "principal_amount_fen": principal * 100, "interest_amount_fen": interest * 100, "comp_type_code": kind}
            for place, (number, term, day, principal, interest, kind) in enumerate(COMPENSATIONS)
        ],
        RECEIVED,
    )  # fmt: skip


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> HandmadeLake:
    made = HandmadeLake(make_settings(tmp_path_factory.mktemp("money")))
    deliver(made)
    made.build("2026-04-30", as_of=DATES)
    return made


DPD = {
    # loan: DPD before, DPD after, worst DPD before, by date
    "M1": [(0, 0, 0), (18, 18, 18), (19, 19, 19), (2, 2, 23), (10, 10, 23), (21, 21, 23), (51, 51, 51)],
    "M2": [(5, 5, 5), (18, 18, 18), (19, 19, 19), (30, 2, 30), (38, 0, 38), (49, 0, 49), (79, 0, 79)],
    "M3": [(5, 5, 5), (18, 18, 18)],
    "M4": [(5, 5, 5), (18, 18, 18), (19, 19, 19), (2, 2, 20), (10, 10, 20), (21, 21, 21), (51, 51, 51)],
    "M5": [(5, 5, 5), (18, 18, 18), (19, 19, 19), (30, 2, 30), (38, 10, 38), (49, 21, 49), (79, 51, 79)],
    "M7": [(late, late, late) for late in (5, 18, 19, 30, 38, 49, 79)],
    "M6": [(0, 0, 0), (0, 0, 0), (0, 0, 0), (0, 0, 0), (0, 0, 0), (0, 0, 0), (20, 20, 20)],
}


@pytest.mark.parametrize("number", DPD)
def test_delay_of_every_loan(lake: HandmadeLake, number: str) -> None:
    found = lake.ask(
        "select dpd_before_compensation, dpd_after_compensation, dpd_ever_before_compensation from fct_loan_days"
        f" where loan_id = '{number}' order by as_of_date"
    )
    assert found == DPD[number]


def money(*amounts: int) -> tuple[Decimal, ...]:
    return tuple(Decimal(amount) for amount in amounts)


def test_the_bridge_holds_on_ordinary_days(lake: HandmadeLake) -> None:
    found = lake.ask("select * exclude (as_of_date, _inputs_hash) from mtr_balance_bridge__daily order by as_of_date")
    # Before, after, difference, compensated, bought back, unexplained. On 03-31: before 800 + 1,200 + 800 + 900 + 400
    # + 1,200, after 800 + 0 + 800 + 800 + 400 + 1,200; compensated M2 400 + M5 (400 − 300), bought back M2 800.
    assert found == [
        money(7600, 7600, 0, 0, 0, 0),
        money(8000, 8000, 0, 0, 0, 0),
        money(6800, 6800, 0, 0, 0, 0),
        money(5300, 4800, 500, 500, 0, 0),
        money(5300, 4000, 1300, 500, 800, 0),
        money(5300, 4000, 1300, 500, 800, 0),
        money(5300, 4000, 1300, 500, 800, 0),
    ]


def test_a_reversal_leaves_the_days_before_it_alone(lake: HandmadeLake) -> None:
    found = lake.ask(
        "select open_amount, disbursed_amount, repaid_amount, compensated_amount, reversed_amount, close_amount"
        " from mtr_balance_rollforward__daily where calibre = 'after_compensation'"
        " and as_of_date in (date '2026-03-01', date '2026-03-20') order by as_of_date"
    )
    assert found == [money(8000, 0, 0, 0, -1200, 6800), money(4800, 0, 0, 800, 0, 4000)]


def test_published_tables_agree_on_what_is_overdue(lake: HandmadeLake) -> None:
    found = lake.ask(
        "select r.overdue_loan_count, (select sum(loan_count) from mtr_delinquency_buckets__daily as b where"
        " b.as_of_date = r.as_of_date and b.calibre = r.calibre and b.scheme = 'S30' and b.bucket <> 'C')"
        " from mtr_delinquency__daily as r where threshold = '>=1'"
    )
    assert len(found) == 2 * len(DATES)
    assert all(overdue == late for overdue, late in found)


def test_gates_let_ordinary_days_pass(lake: HandmadeLake) -> None:
    tables = [
        *("fct_repayments", "fct_compensations", "fct_loan_states", "fct_instalments"),
        *("fct_balance_movements_history", "fct_instalment_clearances_history"),
        *("mtr_balance_bridge__daily", "mtr_balance_rollforward__daily"),
    ]
    verdicts = [
        verdict
        for gate, prefix in (("core", "fct_"), ("metrics", "mtr_"))
        for verdict in audit(
            gate, date(2026, 4, 30), lake.settings, tables=[name for name in tables if name.startswith(prefix)]
        )
    ]
    assert len(verdicts) == len(tables)
    assert [failure.sentence for verdict in verdicts for failure in verdict.failing_checks] == []


def funder_rows(count: int, **changed: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[dict[str, Any]]]:
    """Loans in our books, the bank's payouts of them, and its balances; `changed` adds fen to the bank's amounts."""
    numbers = [f"B{number}" for number in range(count)]
    payouts = [
        {"fund_loan_no": f"F{number}", "loan_no": number, "cert_no_token": f"{number:0<40}", "status_code": "1",
         "principal_amount_fen": 120_000 + changed.get(number, 0), "funded_at": "2026-03-02 10:00:00",
         "value_date": "2026-03-02"}
        for number in numbers
    ]  # fmt: skip
    balances = [
        {"fund_loan_no": f"F{number}", "balance_amount_fen": 120_000 + changed.get(number, 0)} for number in numbers
    ]
    return [loan(number) for number in numbers], payouts, balances


def reconcile(lake: HandmadeLake, **changed: int) -> None:
    """Three dates: the payout of B9 comes a day late, and the bank's balances differ from the second date on."""
    loans, payouts, _ = funder_rows(40, **changed)
    lake.deliver("dept_loan_core.loans", "2026-03-02", loans, "2026-03-03T06:30:00")
    terms = [row for row in loans for row in plan(str(row["loan_no"]), 1, [400] * 3)]
    lake.deliver("dept_loan_core.plan_terms", "2026-03-02", terms, "2026-03-03T06:30:00")
    late = [row for row in payouts if row["loan_no"] == "B9"]
    lake.deliver("bank_a.loans", "2026-03-03", [row for row in payouts if row not in late], "2026-03-04T06:30:00")
    lake.deliver("bank_a.loans", "2026-03-05", late, "2026-03-06T06:30:00")
    for day in (2, 3, 4, 5):
        balances = funder_rows(40, **(changed if day > 2 else {}))[2]
        rows = [row | {"balance_date": f"2026-03-0{day}"} for row in balances]
        lake.deliver("bank_a.balances", f"2026-03-0{day}", rows, f"2026-03-0{day + 1}T06:30:00")
    lake.build("2026-03-05", select=["+rec_breaks__funder"])


def refusals(lake: HandmadeLake) -> set[str]:
    tables = ["rec_loans__funder", "rec_balances__funder"]
    verdicts = audit("metrics", date(2026, 3, 5), lake.settings, tables=tables)
    return {failure.check for verdict in verdicts for failure in verdict.failing_checks}


QUEUE = (
    "select reconciliation, loan_id, status, break_type, amount_difference_amount, age_days from rec_breaks__funder"
    " order by reconciliation, loan_id"
)


@pytest.fixture
def bank(tmp_path: Any) -> HandmadeLake:
    return HandmadeLake(make_settings(tmp_path / "home"))


def test_one_fen_waits_in_the_queue_and_stops_nothing(bank: HandmadeLake) -> None:
    reconcile(bank, B3=1)
    fen = Decimal("-0.01")
    assert bank.ask(QUEUE) == [
        ("balances", "B3", "open", "amount_diff", fen, 2),
        ("loans", "B3", "open", "amount_diff", fen, 2),
        ("loans", "B9", "rematched", "matched", Decimal("0.00"), 3),
    ]
    assert refusals(bank) == set()


@pytest.mark.parametrize(
    "changed", [{"B3": 1_000_001}, {f"B{number}": 1 for number in range(5)}], ids=["one large break", "many small ones"]
)
def test_breaks_above_the_amount_or_the_share_refuse(bank: HandmadeLake, changed: dict[str, int]) -> None:
    reconcile(bank, **changed)
    assert refusals(bank) == {"every_loan_matches_the_bank", "every_balance_matches_the_bank"}
