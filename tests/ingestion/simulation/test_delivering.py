"""Dialects, written for hand-made worlds: the golden portfolio of Annex B, and an empty one."""

import hashlib
import json
import re
import sqlite3
from contextlib import closing
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from ingestion.simulation import World, deliver

DUE = {"L8": [date(2026, 2, 28), date(2026, 3, 31), date(2026, 4, 30)]}
USUAL = [date(2026, 2, 10), date(2026, 3, 10), date(2026, 4, 10)]
MARKER = re.compile(r"(_SUCCESS|\.(ok|done|fin|ctl|CTL|md5|sha256|sig))$")
LOANS = ["L1", "L2", "L3", "L4", "L5", "L6", "L7", "L8", "L9", "L10"]
PAYMENTS = [
    *[("L1", 1, "02-10", 400), ("L1", 2, "03-10", 400), ("L1", 3, "04-10", 400)],
    *[("L2", 1, "02-12", 400), ("L2", 2, "03-10", 400), ("L2", 3, "04-10", 400)],
    *[("L3", 1, "02-20", 400), ("L3", 2, "03-10", 400), ("L3", 3, "04-10", 400)],
    ("L5", 1, "02-10", 400),
    *[("L6", 1, "02-10", 400), ("L6", 2, "02-10", 400), ("L6", 3, "02-10", 400)],
    *[("L8", 1, "02-28", 400), ("L8", 2, "04-02", 400), ("L8", 3, "04-30", 400)],
    *[("L10", 1, "02-10", 100), ("L10", 1, "03-05", 300), ("L10", 2, "03-10", 400), ("L10", 3, "04-10", 400)],
]
COMPENSATIONS = [(1, "03-02", "01"), (2, "03-30", "01"), (3, "04-11", "02")]


def golden_world() -> World:
    funded = {loan: datetime.fromisoformat("2026-01-10T10:00") for loan in LOANS} | {
        "L8": datetime.fromisoformat("2026-01-31T23:50")
    }
    states = [*[(loan, "RP", funded[loan]) for loan in LOANS], ("L9", "RV", datetime.fromisoformat("2026-01-10T11:00"))]
    loans = pl.DataFrame(
        {
            "loan_no": [loan for loan, _, _ in states],
            "application_no": [f"A-{loan}" for loan, _, _ in states],
            "cert_no": ["11010519491231002X"] * len(states),
            "customer_name": ["欧阳珅𠮷"] * len(states),
            "fund_loan_no": [f"F-{loan}" for loan, _, _ in states],
            "funder_code": ["BKA"] * len(states),
            "guarantor_code": [None if loan in {"L7", "L8"} else "GTC" for loan, _, _ in states],
            "product_code": ["CASH03"] * len(states),
            "repay_method_code": ["09"] * len(states),
            "principal_amount_fen": [120_000] * len(states),
            "term_count": [3] * len(states),
            "nominal_annual_rate_percent": [Decimal("0")] * len(states),
            "funded_at": [funded[loan] for loan, _, _ in states],
            "booked_date": [date(2026, 2, 1) if loan == "L8" else date(2026, 1, 10) for loan, _, _ in states],
            "value_date": [date(2026, 2, 1) if loan == "L8" else date(2026, 1, 10) for loan, _, _ in states],
            "status_code": [status for _, status, _ in states],
            "posted_at": [posted for _, _, posted in states],
        }
    )
    terms = [(loan, term, DUE.get(loan, USUAL)[term - 1]) for loan in LOANS for term in (1, 2, 3)]
    plan_terms = pl.DataFrame(
        {
            "loan_no": [loan for loan, _, _ in terms],
            "term_no": [term for _, term, _ in terms],
            "plan_version": [1] * len(terms),
            "due_date": [due for _, _, due in terms],
            "principal_amount_fen": [40_000] * len(terms),
            "interest_amount_fen": [0] * len(terms),
            "fee_amount_fen": [0] * len(terms),
            "posted_at": [funded[loan] for loan, _, _ in terms],
        }
    )
    repayments = pl.DataFrame(
        {
            "repay_no": [f"R{order}" for order in range(len(PAYMENTS))],
            "loan_no": [loan for loan, _, _, _ in PAYMENTS],
            "term_no": [term for _, term, _, _ in PAYMENTS],
            "paid_at": [datetime.fromisoformat(f"2026-{day}T12:00") for _, _, day, _ in PAYMENTS],
            "principal_amount_fen": [amount * 100 for _, _, _, amount in PAYMENTS],
        }
    ).with_columns(
        interest_amount_fen=0,
        fee_amount_fen=0,
        penalty_amount_fen=0,
        payment_method_code=pl.lit("01"),
        repay_type_code=pl.lit("0"),
    )
    compensations = pl.DataFrame(
        {
            "comp_no": [f"C{term}" for term, _, _ in COMPENSATIONS],
            "loan_no": ["L4"] * 3,
            "fund_loan_no": ["F-L4"] * 3,
            "term_no": [term for term, _, _ in COMPENSATIONS],
            "compensated_date": [date.fromisoformat(f"2026-{day}") for _, day, _ in COMPENSATIONS],
            "principal_amount_fen": [40_000] * 3,
            "interest_amount_fen": [0] * 3,
            "comp_type_code": [kind for _, _, kind in COMPENSATIONS],
        }
    )
    return World.assemble(loans=loans, plan_terms=plan_terms, repayments=repayments, compensations=compensations)


def read_bank_file(path: Path) -> list[list[str]]:
    heading, *lines = path.read_bytes().decode("gb18030").removesuffix("\n").split("\n")
    assert heading == f"dataRowCount|+|{len(lines)}"
    return [line.split("|+|") for line in lines]


@pytest.mark.parametrize(
    ("batch_date", "expected"),
    [
        (date(2026, 1, 31), 10_800),
        (date(2026, 2, 28), 7_500),
        (date(2026, 3, 31), 4_800),
        (date(2026, 4, 30), 2_000),
    ],
)
def test_bank_balances_match_the_golden_portfolio(tmp_path: Path, batch_date: date, expected: int) -> None:
    deliver(golden_world(), tmp_path, batch_date, None)
    rows = read_bank_file(tmp_path / f"bank_a/{batch_date:%Y%m%d}/BAL_{batch_date:%Y%m%d}.txt")
    assert sum(int(row[1]) for row in rows) == expected * 100
    assert "F-L9" not in {row[0] for row in rows}
    assert {row[2] for row in rows} == {f"{batch_date:%Y%m%d}"}


def test_bank_payouts_keep_names_that_hold_the_separator_byte(tmp_path: Path) -> None:
    deliver(golden_world(), tmp_path, date(2026, 1, 31), None)
    folder = tmp_path / "bank_a/20260131"
    rows = read_bank_file(folder / "LOAN_20260131.txt")
    late = next(row for row in rows if row[0] == "F-L8")
    assert late == [
        "F-L8", "L8", "11010519491231002X", "欧阳珅𠮷", "120000", "3", "0.0000",
        "20260131235000", "20260201", "1",
    ]  # fmt: skip
    assert [row[9] for row in rows if row[0] == "F-L9"] == ["1", "3"]
    assert (folder / "LOAN_20260131.ok").read_text() == "LOAN_20260131.txt"
    assert not (folder / "COMP_20260131.txt").exists()
    assert not (folder / "COMP_20260131.ok").exists()


def test_compensation_file_holds_the_day_only(tmp_path: Path) -> None:
    deliver(golden_world(), tmp_path, date(2026, 4, 11), date(2026, 4, 10))
    assert read_bank_file(tmp_path / "bank_a/20260411/COMP_20260411.txt") == [
        ["C3", "F-L4", "3", "20260411", "40000", "0", "02"]
    ]


def test_loan_core_accumulates_and_repeats_nothing(tmp_path: Path) -> None:
    world = golden_world()
    path = tmp_path / "dept_loan_core/loan_core.db"
    deliver(world, tmp_path, date(2026, 2, 10), None)
    deliver(world, tmp_path, date(2026, 2, 12), date(2026, 2, 11))
    before = path.read_bytes()
    deliver(world, tmp_path, date(2026, 2, 12), date(2026, 2, 11))
    assert path.read_bytes() == before
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("select count(*) from loan").fetchone() == (11,)
        assert connection.execute("select count(*) from plan_term").fetchone() == (30,)
        newest = connection.execute(
            "select loan_no, term_no, paid_at, principal_amount, penalty_amount, posted_date from repayment"
            " where posted_date > '2026-02-10'"
        ).fetchall()
        assert newest == [("L2", 1, "2026-02-12 12:00:00", "400.00", "0.00", "2026-02-12")]
        state = connection.execute("select * from loan where loan_no = 'L8'").fetchone()
    assert state == (
        *("L8", "A-L8", "11010519491231002X", "F-L8", "BKA", None, "CASH03", "09", "1200.00", 3, "0.0000"),
        *("2026-01-31 23:50:00", "2026-02-01", "2026-02-01", "RP", "2026-01-31", "2026-01-31 23:50:00"),
    )


def small_world() -> World:
    at = datetime.fromisoformat("2026-03-02T09:30")
    return World.assemble(
        leads=pl.DataFrame(
            {
                "lead_id": ["T1", "T2"],
                "mobile": ["13812345678", "13912345678"],
                "channel_code": ["TE", "ORG"],
                "clicked_at": [datetime.fromisoformat("2026-03-02T00:00:00.005")] * 2,
                "campaign": ["spring", None],
                "cost_fen": [150, 0],
                "device_os": ["ios", "ios"],
            }
        ),
        applications=pl.DataFrame(
            {
                "application_no": ["A1"],
                "cert_no": ["11010519491231002X"],
                "customer_name": ["张三"],
                "mobile": ["13812345678"],
                "channel_code": ["TE"],
                "lead_id": ["T1"],
                "product_code": ["CASH12"],
                "requested_amount_fen": [1_000_050],
                "term_count": [12],
                "applied_at": [at],
            }
        ),
        decisions=pl.DataFrame(
            {
                "application_no": ["A1"],
                "decision_code": ["R"],
                "strategy_version": ["S1"],
                "reason_code": ["R10"],
                "decided_at": [at],
            }
        ),
        consents=pl.DataFrame(
            {
                "event_no": ["E1"],
                "cert_no": ["11010519491231002X"],
                "event_code": ["G"],
                "purpose_code": ["MODEL_DEV"],
                "recipient_code": ["PLATFORM"],
                "consent_kind_code": ["2"],
                "text_version": ["v1"],
                "channel_code": ["APP"],
                "occurred_at": [at],
                "valid_to": [date(9999, 12, 31)],
            }
        ),
    )


def test_risk_department_writes_typed_tables_with_sentinels(tmp_path: Path) -> None:
    deliver(small_world(), tmp_path, date(2026, 3, 2), date(2026, 3, 1))
    folder = tmp_path / "dept_risk/20260302"
    applications = pl.read_parquet(folder / "applications.parquet")
    assert applications.schema["requested_amount"] == pl.Decimal(18, 2)
    assert applications.schema["applied_at"] == pl.Datetime("us", None)
    assert applications.schema["term_count"] == pl.Int32
    row = applications.row(0, named=True)
    assert (row["requested_amount"], row["monthly_income_amount"]) == (Decimal("10000.50"), Decimal("-1.00"))
    decision = pl.read_parquet(folder / "decisions.parquet").row(0, named=True)
    assert (decision["risk_score"], decision["approved_amount"]) == (-999, None)
    assert (folder / "_SUCCESS").read_bytes() == b""


def test_compliance_writes_quoted_crlf_with_byte_order_mark(tmp_path: Path) -> None:
    deliver(small_world(), tmp_path, date(2026, 3, 2), date(2026, 3, 1))
    folder = tmp_path / "dept_compliance/20260302"
    assert (folder / "consents_20260302.csv").read_bytes().decode("utf-8") == (
        "\ufeffevent_no,cert_no,event_code,purpose_code,recipient_code,consent_kind_code,text_version,"
        "channel_code,occurred_at,valid_to\r\n"
        '"E1","11010519491231002X","G","MODEL_DEV","PLATFORM","2","v1","APP","2026-03-02 09:30:00","99991231"\r\n'
    )
    assert (folder / "consents_20260302.ok").read_bytes() == b""


def test_traffic_partner_knows_only_the_hash_of_a_phone(tmp_path: Path) -> None:
    deliver(small_world(), tmp_path, date(2026, 3, 2), date(2026, 3, 1))
    folder = tmp_path / "traffic_e/20260302"
    lines = (folder / "leads_20260302.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [
        {
            "lead_id": "T1",
            "ts": int(datetime(2026, 3, 1, 16, tzinfo=UTC).timestamp() * 1000) + 5,
            "phone_sha256": hashlib.sha256(b"13812345678").hexdigest(),
            "click": {"channel": "TE", "campaign": "spring", "cost_fen": 150},
            "device": {"os": "ios"},
        }
    ]
    assert (folder / "leads_20260302.jsonl.done").read_bytes() == b""


def test_empty_world_delivers_empty_files(tmp_path: Path) -> None:
    deliver(World.assemble(), tmp_path, date(2026, 3, 2), None)
    assert read_bank_file(tmp_path / "bank_a/20260302/LOAN_20260302.txt") == []
    assert (tmp_path / "bank_a/20260302/BAL_20260302.txt").read_text() == "dataRowCount|+|0\n"
    assert (tmp_path / "traffic_e/20260302/leads_20260302.jsonl").read_bytes() == b""
    assert pl.read_parquet(tmp_path / "dept_risk/20260302/applications.parquet").height == 0
    assert len((tmp_path / "dept_compliance/20260302/consents_20260302.csv").read_bytes().splitlines()) == 1


def test_files_arrive_in_the_following_night_markers_last(tmp_path: Path) -> None:
    deliver(small_world(), tmp_path, date(2026, 3, 2), None)
    for folder in tmp_path.iterdir():
        arrivals = {path.name: path.stat().st_mtime for path in folder.rglob("*") if path.is_file()}
        for arrival in arrivals.values():
            assert datetime(2026, 3, 2, 17, tzinfo=UTC) <= datetime.fromtimestamp(arrival, UTC)
            assert datetime.fromtimestamp(arrival, UTC) <= datetime(2026, 3, 2, 22, 30, tzinfo=UTC)
        markers = {name for name in arrivals if MARKER.search(name)}
        for marker in markers:
            stem = MARKER.sub("", marker)
            announced = [arrivals[name] for name in set(arrivals) - markers if name.startswith(stem)]
            assert announced or marker.startswith("BKB_COMP"), marker
            assert all(arrival < arrivals[marker] for arrival in announced)
