"""Marketing, App, finance, collections and service: their bytes for a hand-made world, and sums over a drawn one."""

import csv
import json
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import fastexcel
import polars as pl
import pytest

from ingestion.simulation import (
    GO_LIVE,
    SimulationReport,
    World,
    build_world,
    dept_app,
    dept_collections,
    dept_finance,
    dept_marketing,
    dept_service,
    simulate,
)
from ingestion.simulation.dept_finance import list_postings
from ingestion.simulation.horizon import LAST_DATE

MONDAY, TUESDAY, WEDNESDAY = date(2026, 3, 2), date(2026, 3, 3), date(2026, 3, 4)
CERT_NO = "11010519491231002X"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def deliver(world: World, landing: Path, batch_date: date, since: date | None) -> None:
    for department in (dept_marketing, dept_app, dept_finance, dept_collections, dept_service):
        department.deliver(world, landing, batch_date, since)


def hand_made_world() -> World:
    noon = at("2026-03-02T12:00")
    return World.assemble(
        clicks=pl.DataFrame(
            {
                "click_no": ["K1", "K2"],
                "lead_id": ["T1", None],
                "mobile": ["13812345678", None],
                "clicked_at": [noon, noon],
                "platform_code": ["DY", "BD"],
                "campaign": ["spring", "search"],
                "ad_copy": ['快,"稳"\n随借随还', "安心借"],
                "cost_fen": [150, 1_234_567],
                "budget_amount_fen": [100_000, 99_999],
                "commission_per_ten_thousand": [35, 28],
            }
        ),
        ad_costs=pl.DataFrame(
            {
                "report_date": [date(2026, 3, 1)] * 2,
                "closed_date": [MONDAY] * 2,
                "campaign_code": ["MX", "DE"],
                "campaign_name": ["Café Señor", "Kredit – € 500"],
                "impression_count": [90, 80],
                "click_count": [3, 2],
                "cost_cents": [205, 1_000],
            }
        ),
        registrations=pl.DataFrame(
            {
                "user_id": ["U1"],
                "mobile": ["13812345678"],
                "registered_at": [at("2026-03-02T00:00:00.005")],
                "channel_code": ["TE"],
                "device_id": ["0a"],
                "device_os": ["harmony"],
                "device_model": ["华为畅享70"],
                "app_version": ["6.0.0"],
            }
        ),
        logins=pl.DataFrame(
            {
                "login_no": [f"G{order:04d}" for order in range(1_501)],
                "user_id": ["U1"] * 1_501,
                "logged_in_at": [noon] * 1_501,
                "device_id": ["0a"] * 1_501,
                "method_code": ["SMS"] * 1_501,
                "result_code": ["0"] * 1_501,
            }
        ),
        applications=pl.DataFrame(
            {"application_no": ["A1"], "mobile": ["13812345678"], "applied_at": [at("2026-01-02T09:00")]}
        ),
        loans=pl.DataFrame(
            {
                "loan_no": ["L1"],
                "application_no": ["A1"],
                "cert_no": [CERT_NO],
                "customer_name": ["欧阳珅𠮷"],
                "funder_code": ["BKA"],
                "principal_amount_fen": [120_000],
                "funded_at": [at("2026-01-02T10:00")],
                "status_code": ["RP"],
            }
        ),
        repayments=pl.DataFrame(
            {
                "repay_no": ["R1"],
                "loan_no": ["L1"],
                "term_no": [1],
                "paid_at": [noon],
                "principal_amount_fen": [40_000],
                "interest_amount_fen": [1_060],
                "fee_amount_fen": [0],
                "penalty_amount_fen": [0],
            }
        ),
        cases=pl.DataFrame(
            {
                "case_no": ["C1", "C1"],
                "version": [1, 2],
                "loan_no": ["L1", "L1"],
                "stage_code": ["S1", "S1"],
                "agency_code": ["IN", "IN"],
                "opened_date": [MONDAY, MONDAY],
                "closed_date": [None, TUESDAY],
                "assigned_until_date": [date(9999, 12, 31)] * 2,
                "overdue_amount_fen": [41_060, 0],
                "overdue_term_count": [1, 0],
                "commission_per_mille": [0, 0],
                "changed_date": [MONDAY, TUESDAY],
            }
        ),
        contacts=pl.DataFrame(
            {
                "contact_no": ["N1", "N2"],
                "case_no": ["C1", "C1"],
                "contacted_at": [noon, noon],
                "channel_code": ["PHONE", "SMS"],
                "agent_no": ["101", "102"],
                "result_code": ["PTP", "NOANS"],
                "duration_seconds": [30, None],
                "promised_date": [TUESDAY, None],
                "promised_amount_fen": [41_060, None],
                "remark": ["承诺还款", None],
            }
        ),
        tickets=pl.DataFrame(
            {
                "ticket_no": ["T1", "T1"],
                "cert_no": [CERT_NO, CERT_NO],
                "customer_name": [None, None],
                "mobile": ["13812345678"] * 2,
                "channel_code": ["TEL"] * 2,
                "category_code": ["FEE"] * 2,
                "content": ["对担保费有疑问"] * 2,
                "opened_at": [noon, noon],
                "closed_at": [None, at("2026-03-03T09:00")],
                "satisfaction_score": [0, 4],
                "status_code": ["N", "C"],
                "changed_at": [noon, at("2026-03-03T09:00")],
            }
        ),
        complaints=pl.DataFrame(
            {
                "complaint_no": ["P1"],
                "ticket_no": ["T1"],
                "cert_no": [CERT_NO],
                "customer_name": ["张三"],
                "mobile": ["13812345678"],
                "received_date": [TUESDAY],
                "source_code": ["12378"],
                "category_code": ["FEE"],
                "demanded_amount_fen": [20_000],
                "description": ["要求退还担保费"],
                "reply_due_date": [date(2026, 3, 18)],
            }
        ),
    )


@pytest.fixture(scope="module")
def landing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("landing")
    deliver(hand_made_world(), folder, MONDAY, None)
    deliver(hand_made_world(), folder, TUESDAY, MONDAY)
    deliver(hand_made_world(), folder, WEDNESDAY, TUESDAY)
    return folder


def test_clicks_are_quoted_where_they_must_be(landing: Path) -> None:
    folder = landing / "dept_marketing/20260302"
    assert (folder / "clicks_20260302.csv").read_bytes().decode("utf-8") == (
        "\ufeffclick_no,clicked_at,platform_code,campaign,ad_copy,phone,lead_id,cost,daily_budget,commission_wan\r\n"
        'K1,2026/03/02 12:00:00,DY,spring,"快,""稳""\n随借随还",13812345678,T1,1.50,"1,000.00",35\r\n'
        'K2,2026/03/02 12:00:00,BD,search,安心借,-,-,"12,345.67",999.99,28\r\n'
    )
    assert (folder / "clicks_20260302.ok").read_bytes() == b""


def test_overseas_costs_are_cp1252_with_a_control_file(landing: Path) -> None:
    folder = landing / "dept_marketing/20260302"
    content = (folder / "ad_costs_20260302.tsv").read_bytes()
    assert content.decode("cp1252") == (
        "Date\tAccount time zone\tCampaign ID\tCampaign\tImpressions\tClicks\tCost (USD)\n"
        "2026/03/01\tAmerica/Los_Angeles\tDE\tKredit – € 500\t80\t2\t10.00\n"
        "2026/03/01\tAmerica/Los_Angeles\tMX\tCafé Señor\t90\t3\t2.05\n"
    )
    assert b"Kredit \x96 \x80 500" in content
    control = (folder / "ad_costs_20260302.tsv.ctl").read_text()
    assert control == "FILE=ad_costs_20260302.tsv\nROWS=2\nSUM_COST=12.05\n"


def test_app_events_come_in_parts_that_a_list_names(landing: Path) -> None:
    folder = landing / "dept_app/20260302"
    parts = (folder / "EVENT_LOGIN_20260302.lst").read_text().splitlines()
    assert parts == ["EVENT_LOGIN_20260302_001.jsonl", "EVENT_LOGIN_20260302_002.jsonl"]
    assert [(folder / part).read_bytes().count(b"\n") for part in parts] == [1_500, 1]
    assert (folder / "EVENT_LOGIN_20260302.ok").read_bytes() == b""
    lines = (folder / "EVENT_REGISTER_20260302_001.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [
        {
            "event": "register",
            "ts": 1_772_380_800_005,
            "user": {"id": "U1", "phone": "13812345678", "channel": "TE"},
            "device": {"id": "0a", "os": "harmony", "model": "华为畅享70"},
            "app": {"version": "6.0.0", "store": None},
        }
    ]
    assert (landing / "dept_app/20260303/EVENT_LOGIN_20260303_001.jsonl").read_bytes() == b""


def test_finance_mixes_typed_dates_and_text_below_two_lines(landing: Path) -> None:
    path = landing / "dept_finance/20260303/财务凭证_20260303.xlsx"
    assert fastexcel.read_excel(path).sheet_names == ["凭证"]
    raw = fastexcel.read_excel(path).load_sheet("凭证", header_row=None, dtypes="string").to_polars()
    assert raw.item(0, 0) == "甲集团财务凭证明细表"
    assert raw.row(2)[:4] == ("凭证号", "分录号", "记账日期", "科目编码")
    assert raw.height == 7
    sheet = fastexcel.read_excel(path).load_sheet("凭证", header_row=2).to_polars()
    assert sheet["记账日期"].dtype in (pl.Date, pl.Datetime("ms"))
    assert sheet.select("科目名称", "借方金额", "贷方金额", "税率(%)").rows() == [
        ("银行存款", 410.6, None, None),
        ("贷款本金", None, 400.0, None),
        ("应交税费-应交增值税(销项税额)", None, 0.6, None),
        ("利息收入", None, 10.0, 6.0),
    ]


def test_collections_knows_no_heading_and_no_empty_date(landing: Path) -> None:
    monday, tuesday = landing / "dept_collections/20260302", landing / "dept_collections/20260303"
    assert (monday / "coll_cases_20260302.txt").read_text() == (
        f"C1\t1\tL1\t{CERT_NO}\t欧阳珅𠮷\t13812345678\tS1\tIN\t20260302\t00000000\t99991231\t410.60\t1\t0\t20260302\n"
    )
    assert (tuesday / "coll_cases_20260303.txt").read_text().split("\t")[9:12] == ["20260303", "99991231", "0.00"]
    assert (monday / "coll_contacts_20260302.txt").read_text() == (
        "N1\tC1\t2026-03-02 12:00:00\tPHONE\t101\tPTP\t30\t20260303\t410.60\t承诺还款\n"
        "N2\tC1\t2026-03-02 12:00:00\tSMS\t102\tNOANS\t\\N\t00000000\t\\N\t\\N\n"
    )
    assert (tuesday / "coll_contacts_20260303.txt").read_bytes() == b""


def test_a_case_is_reported_once_a_delivery_in_its_newest_version(tmp_path: Path) -> None:
    deliver(hand_made_world(), tmp_path, TUESDAY, None)
    lines = (tmp_path / "dept_collections/20260303/coll_cases_20260303.txt").read_text().splitlines()
    assert [line.split("\t")[:2] for line in lines] == [["C1", "2"]]


def test_tickets_end_every_field_with_a_separator(landing: Path) -> None:
    folder = landing / "dept_service"
    assert (folder / "20260302/ticket_20260302.dat").read_text() == (
        f"T1\x01{CERT_NO}\x01NULL\x0113812345678\x01TEL\x01FEE\x01对担保费有疑问\x012026-03-02 12:00:00\x01null"
        "\x010\x01N\x012026-03-02 12:00:00\x01\n"
    )


def test_complaints_come_when_there_are_some_and_a_nil_return_on_wednesday(landing: Path) -> None:
    found = sorted(path.relative_to(landing).as_posix() for path in landing.rglob("complaint_*"))
    assert found == [
        "dept_service/20260303/complaint_20260303.ok",
        "dept_service/20260303/complaint_20260303.txt",
        "dept_service/20260304/complaint_20260304.ok",
    ]
    assert (landing / found[1]).read_text().splitlines()[1] == (
        f"P1||T1||{CERT_NO}||张三||13812345678||2026-03-03||12378||FEE||200.00||要求退还担保费||2026-03-18"
    )


@pytest.fixture(scope="module")
def world() -> World:
    return build_world(2_000, 20)


def test_keys_are_unique(world: World) -> None:
    keys = {
        "clicks": ["click_no"],
        "ad_costs": ["report_date", "campaign_code"],
        "registrations": ["user_id"],
        "logins": ["login_no"],
        "cases": ["case_no", "version"],
        "contacts": ["contact_no"],
        "tickets": ["ticket_no", "status_code"],
        "complaints": ["complaint_no"],
    }
    for name, key in keys.items():
        frame = getattr(world, name)
        assert frame.height == frame.unique(key).height > 0, name
        assert frame.select(key).null_count().row(0) == (0,) * len(key), name
    assert world.registrations["person_id"].is_unique().all()


def test_users_register_before_they_log_in_and_apply(world: World) -> None:
    users = world.registrations.select("user_id", "person_id", "registered_at")
    logins = world.logins.join(users, on="user_id", how="left")
    assert (logins["registered_at"] < logins["logged_in_at"]).all()
    applications = world.applications.join(users, on="person_id", how="left")
    assert applications["registered_at"].null_count() == 0
    assert (applications["registered_at"] < applications["applied_at"]).all()


def test_every_lead_has_its_click(world: World) -> None:
    joined = world.leads.join(world.clicks, on="lead_id", validate="1:1")
    assert joined.height == world.leads.height
    assert (joined["clicked_at"] == joined["clicked_at_right"]).all()
    assert (joined["mobile"] == joined["mobile_right"]).all()
    assert world.clicks["lead_id"].null_count() > 0


def test_cases_are_open_while_an_instalment_is_overdue(world: World) -> None:
    cases = world.cases.sort("case_no", "version")
    numbered = cases.with_columns(place=pl.int_range(1, pl.len() + 1).over("case_no"))
    assert (numbered["version"] == numbered["place"]).all()
    last = cases.group_by("case_no", maintain_order=True).last()
    closed = last.filter(pl.col("closed_date").is_not_null())
    assert (closed["overdue_amount_fen"] == 0).all()
    assert (cases.filter(pl.col("closed_date").is_null())["overdue_amount_fen"] > 0).all()
    assert (cases["changed_date"] <= LAST_DATE).all()
    contacts = world.contacts.join(last.select("case_no", "opened_date", "closed_date"), on="case_no")
    day = pl.col("contacted_at").dt.date()
    early = contacts.filter((day < pl.col("opened_date")) | (day > pl.col("closed_date")))
    assert contacts.height == world.contacts.height
    assert early.height == 0
    on_one_loan = last.sort("loan_no", "opened_date").with_columns(before=pl.col("closed_date").shift().over("loan_no"))
    again = on_one_loan.filter(pl.col("loan_no").is_duplicated() & pl.col("before").is_not_null())
    assert (again["before"] <= again["opened_date"]).all()


def test_vouchers_balance_and_sum_to_the_world(world: World) -> None:
    rows = list_postings(world, GO_LIVE, None).with_columns(
        pl.col("debit_amount", "credit_amount").cast(pl.Decimal(18, 2)).fill_null(Decimal(0))
    )
    assert rows.select("voucher_no", "line_no").is_unique().all()
    vouchers = rows.group_by("voucher_no").agg(pl.col("debit_amount", "credit_amount").sum())
    assert (vouchers["debit_amount"] == vouchers["credit_amount"]).all()
    booked = world.repayments.filter(pl.col("posted_at").dt.date() < GO_LIVE)
    received = booked.select(pl.sum_horizontal(pl.col("^.*_amount_fen$")).sum()).item()
    cash = rows.filter((pl.col("account_code") == "1002") & (pl.col("summary") == "收回贷款本息"))["debit_amount"].sum()
    assert cash * 100 == received
    claims = world.compensations.filter(pl.col("compensated_date") < GO_LIVE)
    owed = claims.select((pl.col("principal_amount_fen") + pl.col("interest_amount_fen")).sum()).item()
    assert rows.filter(pl.col("account_code") == "122103")["debit_amount"].sum() * 100 == owed
    assert {len(text) for text in rows["posted_date"]} == {8, 10}


def test_postings_of_two_days_are_those_of_each(world: World) -> None:
    both = list_postings(world, TUESDAY, date(2026, 3, 1))
    each = [list_postings(world, MONDAY, date(2026, 3, 1)), list_postings(world, TUESDAY, MONDAY)]
    assert both.equals(pl.concat(each))


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> SimulationReport:
    return simulate(3_000, 1, 8, tmp_path_factory.mktemp("home"), progress=lambda _: None)


def _numbered(lines: list[str]) -> dict[int, list[str]]:
    return {number: [line] for number, line in enumerate(lines, 1)}


def _split(text: str, separator: str) -> dict[int, list[str]]:
    return {number: line.split(separator) for number, line in enumerate(text.removesuffix("\n").split("\n"), 1)}


def read_rows(path: Path) -> dict[int, list[str]]:
    """Fields of every row of a delivered file by the line on which it begins, whatever its dialect."""
    if path.suffix == ".lst":
        parts = [path.with_name(name).read_text(encoding="utf-8") for name in path.read_text().split()]
        return _numbered("".join(parts).splitlines())
    if path.suffix == ".xlsx":
        sheet = fastexcel.read_excel(path).load_sheet(0, header_row=None, dtypes="string").to_polars()
        return {number: list(row) for number, row in enumerate(sheet.iter_rows(), 1)}
    if path.suffix == ".csv":
        with path.open(encoding="utf-8-sig", newline="") as handle:
            reader, rows, start = csv.reader(handle), {}, 1
            for row in reader:
                rows[start] = row
                start = reader.line_num + 1
            return rows
    if path.suffix == ".tsv":
        return _split(path.read_bytes().decode("cp1252", errors="replace"), "\t")
    return _split(path.read_text(encoding="utf-8"), "\x01" if path.suffix == ".dat" else "\t")


def _is_cut_short(line: str) -> bool:
    try:
        json.loads(line)
    except json.JSONDecodeError:
        return True
    return False


CHECKS: dict[tuple[str, str], Callable[[list[str]], bool]] = {
    ("clicks", "wrong_grouping"): lambda row: row[8] == "1,23,456.00",
    ("clicks", "unknown_code"): lambda row: row[2] == "??",
    ("ad_costs", "impossible_date"): lambda row: row[0] == "2026/02/30",
    ("ad_costs", "undefined_byte"): lambda row: "\ufffd" in row[3],
    ("registrations", "malformed_json"): lambda row: _is_cut_short(row[0]),
    ("registrations", "short_mobile"): lambda row: (
        not _is_cut_short(row[0]) and len(json.loads(row[0])["user"]["phone"]) == 10
    ),
    ("logins", "negative_epoch"): lambda row: json.loads(row[0])["ts"] < 0,
    ("logins", "unknown_code"): lambda row: json.loads(row[0])["auth"]["result"] == "9",
    ("postings", "impossible_date"): lambda row: row[2] == "2026-02-30",
    ("postings", "letter_in_amount"): lambda row: (row[6] or "").endswith("O"),
    ("cases", "impossible_date"): lambda row: row[8] == "20260230",
    ("cases", "letter_in_amount"): lambda row: row[11].endswith("O"),
    ("contacts", "extra_field"): lambda row: len(row) == 11,
    ("contacts", "unknown_code"): lambda row: row[5] == "???",
    ("tickets", "short_mobile"): lambda row: len(row[3]) == 10,
    ("tickets", "unknown_code"): lambda row: row[5] == "OTHER?",
}


def test_labels_point_at_all_damaged_rows_of_the_departments(report: SimulationReport) -> None:
    labels = pl.read_parquet(report.truth / "defects.parquet").filter(
        pl.col("source").is_in(["dept_marketing", "dept_app", "dept_finance", "dept_collections", "dept_service"])
    )
    assert set(labels.select("dataset", "kind").unique().iter_rows()) == set(CHECKS)
    for (file, dataset), reported in labels.group_by("file", "dataset"):
        rows = read_rows(report.landing / str(file))
        for kind in reported["kind"].unique():
            marked = set(reported.filter(pl.col("kind") == kind)["line_number"])
            wrong = {number for number, row in rows.items() if CHECKS[str(dataset), kind](row)}
            assert wrong == marked, (file, kind)


def test_control_file_counts_the_damaged_rows_too(report: SimulationReport) -> None:
    folder = report.landing / "dept_marketing/20260302"
    rows = list(read_rows(folder / "ad_costs_20260302.tsv").values())[1:]
    control = dict(line.split("=") for line in (folder / "ad_costs_20260302.tsv.ctl").read_text().splitlines())
    assert control["ROWS"] == str(len(rows))
    assert Decimal(control["SUM_COST"]) == sum(Decimal(row[6]) for row in rows)
