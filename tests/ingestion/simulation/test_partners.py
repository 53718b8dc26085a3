"""Partners that seal what they send: totals, digests, signatures, and labels that point at all damaged lines."""

import base64
import hashlib
import io
import itertools
import json
import zipfile
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
import pytest
import pyzipper
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from ingestion.contract.reading import read_contract
from ingestion.foundation import PROJECT
from ingestion.simulation import SimulationReport, World, build_world, deliver, simulate
from ingestion.simulation.defects import DEFECTS
from ingestion.simulation.guarantor_c import WIDTHS, measure
from ingestion.simulation.identities import complete_cert_numbers
from ingestion.simulation.packing import pack
from ingestion.simulation.payment_f import CORRECTED, HEADINGS, grouped_yuan_text, hand_over_secret, password_of

CUSTOMERS, DAYS, SEED = 5_000, 3, 8
LAST = date(2026, 3, 4)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> SimulationReport:
    return simulate(CUSTOMERS, DAYS, SEED, tmp_path_factory.mktemp("home"), progress=lambda _: None)


@pytest.fixture(scope="module")
def world() -> World:
    return build_world(CUSTOMERS, SEED)


@pytest.fixture(scope="module")
def defects(report: SimulationReport) -> pl.DataFrame:
    return pl.read_parquet(report.truth / "defects.parquet")


def labelled(defects: pl.DataFrame, file: str, kind: str) -> set[int]:
    return set(defects.filter((pl.col("file") == file) & (pl.col("kind") == kind))["line_number"])


def without(defects: pl.DataFrame, file: str, rows: pl.DataFrame, heading: int = 0) -> pl.DataFrame:
    """The good rows of a file."""
    bad = defects.filter(pl.col("file") == file)["line_number"]
    assert bad.len() < 0.02 * rows.height or not bad.len()
    return rows.with_row_index("line", offset=heading + 1).filter(~pl.col("line").is_in(bad.implode())).drop("line")


def wrong_lines(rows: pl.DataFrame, is_wrong: pl.Expr, heading: int = 0) -> set[int]:
    return set(rows.with_row_index("line", offset=heading + 1).filter(is_wrong)["line"])


def is_impossible(column: str, layout: str) -> pl.Expr:
    return pl.col(column).str.to_date(layout, strict=False).is_null()


def has_wrong_checksum(rows: pl.DataFrame) -> pl.Expr:
    return pl.lit(complete_cert_numbers(rows["cert_no"].str.head(17)) != rows["cert_no"])


LOANS = [
    *("fund_loan_no", "loan_no", "customer_name", "cert_no", "principal_amount", "term_count", "annual_rate"),
    *("repay_method_code", "funded_at", "value_date", "maturity_date", "status_code"),
]
COMPENSATIONS = [
    *("comp_no", "fund_loan_no", "term_no", "compensated_date"),
    *("principal_amount", "interest_amount", "comp_type_code"),
]


def read_bank_b(path: Path, columns: list[str]) -> pl.DataFrame:
    lines = path.read_text(encoding="utf-8").split("\n")
    assert lines.pop() == ""
    assert all(line.endswith("|") for line in lines)
    return pl.DataFrame([line.split("|")[:-1] for line in lines], schema=columns, orient="row")


def bank_b_files(landing: Path) -> Iterator[Path]:
    paths = sorted(landing.glob("bank_b/*/*.dat"))
    assert len(paths) > 2 * DAYS
    yield from paths


def test_bank_b_signs_digests_and_counts_what_it_sends(report: SimulationReport) -> None:
    contract = read_contract(PROJECT / "ingestion" / "contracts" / "bank_b.yml")
    [declared] = {dataset.delivery.signature.public_key for dataset in contract.datasets if dataset.delivery.signature}
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(declared))
    places = {"LOAN": 4, "BAL": 2, "COMP": 4}
    for path in bank_b_files(report.landing):
        content = path.read_bytes()
        assert path.with_name(f"{path.name}.sha256").read_text() == (
            f"{hashlib.sha256(content).hexdigest()}  {path.name}\n"
        )
        key.verify(base64.b64decode(path.with_name(f"{path.name}.sig").read_text()), content)
        lines = content.decode().splitlines()
        total = sum(Decimal(line.split("|")[places[path.name.split("_")[1]]]) for line in lines)
        assert path.with_suffix(".ctl").read_text() == f"{path.name}|{len(lines)}|{total:.2f}\n"


def test_bank_b_loans_are_those_it_funds(report: SimulationReport, world: World, defects: pl.DataFrame) -> None:
    parts = []
    for path in sorted(report.landing.glob("bank_b/*/*_LOAN_*.dat")):
        rows, file = read_bank_b(path, LOANS), path.relative_to(report.landing).as_posix()
        assert wrong_lines(rows, has_wrong_checksum(rows)) == labelled(defects, file, "wrong_id_checksum")
        assert wrong_lines(rows, is_impossible("value_date", "%Y-%m-%d")) == labelled(defects, file, "impossible_date")
        parts.append(without(defects, file, rows))
    reported = pl.concat(parts)
    lent = world.loans.filter((pl.col("funder_code") == "BKB") & (pl.col("posted_at").dt.date() <= LAST))
    assert 0.25 < lent.height / world.loans.filter(pl.col("posted_at").dt.date() <= LAST).height < 0.35
    joined = reported.join(lent, on=["fund_loan_no", "loan_no", "cert_no", "customer_name"], validate="m:m")
    joined = joined.filter(pl.col("status_code").replace({"S": "RP", "C": "RV"}) == pl.col("status_code_right"))
    assert joined.height == reported.height == lent.height
    assert (joined["principal_amount"].cast(pl.Decimal(18, 2)) * 100 == joined["principal_amount_fen"]).all()
    assert (joined["annual_rate"].cast(pl.Decimal(9, 6)) * 100 == joined["nominal_annual_rate_percent"]).all()


def test_bank_b_says_by_its_control_file_alone_that_nothing_was_compensated(tmp_path: Path) -> None:
    deliver(World.assemble(), tmp_path, LAST, None)
    folder = tmp_path / "bank_b/20260304"
    assert (folder / "BKB_COMP_20260304.ctl").read_text() == "BKB_COMP_20260304.dat|0|0.00\n"
    assert not (folder / "BKB_COMP_20260304.dat").exists()
    assert (folder / "BKB_LOAN_20260304.dat").read_bytes() == b""
    assert (folder / "BKB_LOAN_20260304.ctl").read_text() == "BKB_LOAN_20260304.dat|0|0.00\n"


def test_bank_b_compensations_are_labelled(report: SimulationReport, world: World, defects: pl.DataFrame) -> None:
    reported = []
    for path in sorted(report.landing.glob("bank_b/*/*_COMP_*.dat")):
        rows, file = read_bank_b(path, COMPENSATIONS), path.relative_to(report.landing).as_posix()
        unknown = wrong_lines(rows, ~pl.col("comp_type_code").is_in(["DC", "HG"]))
        assert unknown == labelled(defects, file, "unknown_code")
        reported.append(without(defects, file, rows))
    paid = world.compensations_to("BKB").filter(pl.col("compensated_date") <= LAST)
    assert sorted(pl.concat(reported)["comp_no"]) == sorted(paid["comp_no"])


def read_fixed_width(path: Path, dataset: str) -> pl.DataFrame:
    """Records cut by the contract's widths, in bytes."""
    contract = read_contract(PROJECT / "ingestion" / "contracts" / "guarantor_c.yml")
    columns = {column.physical_name: column.profile.width or 0 for column in contract.find_dataset(dataset).columns}
    assert columns == WIDTHS[dataset]
    *lines, end = path.read_bytes().split(b"\n")
    assert end == b""
    assert {len(line) for line in lines} <= {sum(columns.values())}
    starts = [sum(list(columns.values())[:place]) for place in range(len(columns))]
    cells = [
        [line[start : start + width].decode("gb18030").rstrip(" ") for line in lines]
        for start, width in zip(starts, columns.values(), strict=True)
    ]
    return pl.DataFrame(cells, schema=list(columns), orient="col")


def guarantor_files(report: SimulationReport, kind: str, dataset: str) -> Iterator[tuple[str, pl.DataFrame]]:
    for path in sorted(report.landing.glob(f"guarantor_c/*/{kind}_*.TXT")):
        rows = read_fixed_width(path, dataset)
        amount = rows.select(pl.col("^(guaranteed|principal)_(amount|fen)$").str.replace(".", "", literal=True))
        total = int(amount.to_series().cast(pl.Int64).sum())
        reported = str(total) if dataset == "recoveries" else f"{Decimal(total) / 100:.2f}"
        assert path.with_suffix(".CTL").read_text() == f"FILE={path.name}\nROWS={rows.height}\nAMT={reported}\n"
        yield path.relative_to(report.landing).as_posix(), rows


def test_guarantor_reports_each_guarantee_as_it_stands(
    report: SimulationReport, world: World, defects: pl.DataFrame
) -> None:
    parts = []
    for file, rows in guarantor_files(report, "GUAR", "guarantees"):
        assert wrong_lines(rows, has_wrong_checksum(rows)) == labelled(defects, file, "wrong_id_checksum")
        assert wrong_lines(rows, is_impossible("start_date", "%Y%m%d")) == labelled(defects, file, "impossible_date")
        good = without(defects, file, rows)
        assert good["guarantee_no"].is_unique().all()
        parts.append(good)
    latest = pl.concat(parts).unique("guarantee_no", keep="last")
    guaranteed = world.loans.filter(
        (pl.col("guarantor_code") == "GTC") & (pl.col("status_code") == "RP") & (pl.col("posted_at").dt.date() <= LAST)
    )
    joined = latest.join(guaranteed, on=["loan_no", "cert_no", "customer_name"])
    assert joined.height == latest.height == guaranteed.height
    assert (joined["guaranteed_amount"].cast(pl.Decimal(18, 2)) * 100 == joined["principal_amount_fen"]).all()
    in_force = latest.filter(pl.col("released_date") == "00000000")
    assert set(in_force["status_code"]) == {"1"}
    assert set(latest["status_code"]) == {"1", "2", "3", "4"}
    assert 0 < latest.filter(pl.col("valid_to") == "99991231").height < latest.height
    owed = world.fund_movements.filter(pl.col("moved_date") <= LAST).group_by("loan_no").agg(pl.col("change_fen").sum())
    owed = owed.filter(pl.col("change_fen") > 0)
    assert owed.join(in_force, on="loan_no", how="semi").height == owed.join(latest, on="loan_no", how="semi").height


def test_guarantor_says_it_paid_what_the_banks_say_they_got(
    report: SimulationReport, world: World, defects: pl.DataFrame
) -> None:
    parts = []
    for file, rows in guarantor_files(report, "COMP", "compensations"):
        unknown = wrong_lines(rows, ~pl.col("comp_type_code").is_in(["1", "2"]))
        assert unknown == labelled(defects, file, "unknown_code")
        parts.append(without(defects, file, rows))
    reported = pl.concat(parts)
    paid = world.compensations.filter(pl.col("compensated_date") <= LAST)
    assert reported.height == paid.height
    fen = reported["principal_amount"].str.replace(".", "", literal=True).cast(pl.Int64)
    assert fen.sum() == paid["principal_amount_fen"].sum()
    assert set(reported["bank_code"]) == {"BKA", "BKB"}


def test_guarantor_recovers_only_what_it_had_paid(report: SimulationReport) -> None:
    paid = pl.concat(rows for _, rows in guarantor_files(report, "COMP", "compensations"))
    back = pl.concat(rows for _, rows in guarantor_files(report, "RECV", "recoveries"))
    assert back.unique(["recovery_no", "term_no"]).height == back.height > 100
    joined = back.join(paid, on=["pay_no", "term_no"])
    assert joined.height == back.height
    assert (joined["received_date"] > joined["paid_date"]).all()


def test_guarantor_sends_nothing_on_a_day_without_compensation(tmp_path: Path) -> None:
    deliver(World.assemble(), tmp_path, LAST, None)
    assert {path.name for path in (tmp_path / "guarantor_c/20260304").iterdir()} == {
        "GUAR_20260304.TXT", "GUAR_20260304.CTL",
    }  # fmt: skip
    assert (tmp_path / "guarantor_c/20260304/GUAR_20260304.TXT").read_bytes() == b""


def test_width_of_a_name_is_measured_in_bytes() -> None:
    assert measure(pl.Series(["张三", "欧阳珅𠮷", "", "Li"])).tolist() == [4, 10, 0, 2]


def read_member(path: Path, password: str | None = None) -> tuple[str, bytes]:
    """Name and content of an archive's only member, whose name is in GBK."""
    with pyzipper.AESZipFile(path) as archive:
        [info] = archive.infolist()
        assert info.date_time[:3] > (2026, 3, 1)
        name = info.orig_filename.encode("cp437").decode("gbk")
        return name, archive.read(info, pwd=None if password is None else password.encode())


def read_reports(path: Path) -> list[str]:
    name, content = read_member(path)
    assert name == f"征信报告_{path.parent.name}.jsonl"
    *lines, end = content.decode().split("\n")
    assert end == ""
    return lines


def is_json(line: str) -> bool:
    try:
        json.loads(line)
    except json.JSONDecodeError:
        return False
    return True


def test_bureau_reports_every_query_under_hashes(report: SimulationReport, world: World, defects: pl.DataFrame) -> None:
    reported: dict[str, dict[str, dict[str, object]]] = {}
    for path in sorted(report.landing.glob("bureau_d/*/BUREAU_*.zip")):
        assert path.with_suffix(".fin").read_bytes() == b""
        file, lines = path.relative_to(report.landing).as_posix(), read_reports(path)
        broken = {number for number, line in enumerate(lines, 1) if not is_json(line)}
        assert broken == labelled(defects, file, "malformed_json")
        queries = {number: json.loads(line) for number, line in enumerate(lines, 1) if number not in broken}
        short = {number for number, query in queries.items() if len(query["subject"]["id_sm3"]) != 64}
        assert short == labelled(defects, file, "short_hash")
        assert len(broken | short) < 0.02 * len(lines)
        reported |= {query["query_no"]: query for number, query in queries.items() if number not in short}
    reports = world.bureau_reports.filter(pl.col("reported_at").dt.date() <= LAST)
    assert sorted(reported) == sorted(reports["query_no"])
    for row in reports.sample(50, seed=1).iter_rows(named=True):
        query = reported[row["query_no"]]
        assert query["subject"] == {
            "id_sm3": hashlib.new("sm3", row["cert_no"].encode()).hexdigest(),
            "phone_md5": hashlib.md5(row["mobile"].encode()).hexdigest(),
        }
        at = row["reported_at"].replace(tzinfo=ZoneInfo("Asia/Shanghai"))
        assert query["report"]["reported_at"] == round(at.timestamp() * 1000)
        assert query["report"]["score"] == (-1 if row["score"] is None else row["score"])
        institutions = query["report"]["multi_institution"]
        assert sum(institutions["by_type"].values()) == institutions["d180"]


def test_bureau_is_queried_with_consent_before_a_decision(world: World) -> None:
    reports = world.bureau_reports
    assert (
        reports.join(world.decisions, on="application_no")
        .filter(pl.col("queried_at") > pl.col("decided_at"))
        .is_empty()
    )
    assert (
        reports.join(world.applications, on="application_no")
        .filter(pl.col("queried_at") < pl.col("applied_at"))
        .is_empty()
    )
    granted = world.consents.filter(pl.col("purpose_code") == "UNDERWRITE")
    authorised = reports.join(granted, left_on=["auth_no", "cert_no"], right_on=["event_no", "cert_no"])
    assert authorised.height == reports.height
    assert (authorised["occurred_at"] <= authorised["queried_at"]).all()
    assert 0.04 < reports["score"].null_count() / reports.height < 0.1
    ladder = ["institutions_7d", "institutions_30d", "institutions_90d", "institutions_180d"]
    for shorter, longer in itertools.pairwise(ladder):
        assert (reports[shorter] <= reports[longer]).all()


def read_settlements(path: Path) -> pl.DataFrame:
    day = path.parent.name
    name, content = read_member(path, password_of(datetime.strptime(day, "%Y%m%d").date()))
    assert name == f"结算明细_{day}.csv"
    assert (
        path.with_name(f"{path.name}.md5").read_text() == f"{hashlib.md5(path.read_bytes()).hexdigest()}  {path.name}\n"
    )
    heading, *lines = content.decode("gb18030").removesuffix("\r\n").split("\r\n")
    contract = read_contract(PROJECT / "ingestion" / "contracts" / "payment_f.yml")
    assert heading == ",".join(f'"{column.physical_name}"' for column in contract.find_dataset("settlements").columns)
    return pl.DataFrame([line[1:-1].split('","') for line in lines], schema=list(HEADINGS), orient="row")


def test_channel_settles_what_borrowers_pay_through_it(
    report: SimulationReport, world: World, defects: pl.DataFrame
) -> None:
    parts = []
    amount = pl.col("amount").str.replace_all(",", "").cast(pl.Decimal(18, 2), strict=False)
    for path in sorted(report.landing.glob("payment_f/*/SETTLE_*.zip")):
        file, rows = path.relative_to(report.landing).as_posix(), read_settlements(path)
        assert wrong_lines(rows, amount.is_null(), heading=1) == labelled(defects, file, "letter_in_amount")
        unknown = ~pl.col("status").is_in(["成功", "冲正"])
        assert wrong_lines(rows, unknown, heading=1) == labelled(defects, file, "unknown_code")
        parts.append(without(defects, file, rows, heading=1))
    reported = pl.concat(parts).with_columns(amount)
    assert reported["channel_txn_no"].is_unique().all()
    assert (
        reported["settled_date"]
        == reported["traded_at"].str.to_date("%Y-%m-%d %H:%M:%S").dt.offset_by("1d").dt.strftime("%Y-%m-%d")
    ).all()
    paid = world.repayments.filter(
        (pl.col("payment_method_code") == "02") & (pl.col("paid_at").dt.date() < date(2026, 3, 3))
    )
    owed = paid.group_by("repay_no").agg(
        fen=pl.sum_horizontal(pl.col("^(principal|interest|fee|penalty)_amount_fen$").sum())
    )
    net = reported.group_by("repay_no").agg(pl.col("amount").sum()).join(owed, on="repay_no")
    assert net.height == owed.height > 1_000
    assert (net["amount"] * 100 == net["fen"]).all()
    reversals = reported.filter(pl.col("status") == "冲正")
    assert reversals.height > 5
    undone = reversals.join(reported, left_on="original_txn_no", right_on="channel_txn_no")
    assert undone.height == reversals.height
    assert (undone["amount"] == -undone["amount_right"]).all()
    assert (undone["fee_fen"].cast(pl.Int64) == -undone["fee_fen_right"].cast(pl.Int64)).all()
    assert set(reported.filter(pl.col("status") == "成功")["original_txn_no"]) == {"-"}


def test_channel_waives_fees_later_and_one_file_comes_out_of_order(tmp_path: Path) -> None:
    landing = simulate(CUSTOMERS, 4, SEED, tmp_path, progress=lambda _: None).landing / "payment_f"
    files = sorted(landing.glob("*/FEEADJ_*.txt"), key=lambda path: path.stat().st_mtime)
    assert [path.parent.name for path in files[:1]] == ["20260304"]
    assert {path.parent.name for path in files[1:]} == {"20260303", "20260305"}
    nights = [datetime.fromtimestamp(path.stat().st_mtime, ZoneInfo("Asia/Shanghai")).date() for path in files]
    assert nights == [date(2026, 3, 5), date(2026, 3, 6), date(2026, 3, 6)]
    for path in files:
        heading, *lines = path.read_text(encoding="gb18030").splitlines()
        before = f"{datetime.strptime(path.parent.name, '%Y%m%d') - timedelta(days=1):%Y%m%d}"
        settled = read_settlements(landing / before / f"SETTLE_{before}.zip")
        assert heading == CORRECTED and lines
        assert {line.split("|")[0] for line in lines} <= set(settled["channel_txn_no"])
        assert {line.split("|", 1)[1] for line in lines} == {f"2|0|{path.parent.name}|手续费减免"}


def test_channel_groups_thousands() -> None:
    fen = pl.DataFrame({"amount_fen": [0, 5, 99_999, 100_000, -123_456_789, 100_000_000, 12_345_678_901]})
    assert fen.select(grouped_yuan_text("amount_fen")).to_series().to_list() == [
        "0.00", "0.05", "999.99", "1,000.00", "-1,234,567.89", "1,000,000.00", "123,456,789.01",
    ]  # fmt: skip


def test_secret_is_handed_over_once(tmp_path: Path) -> None:
    hand_over_secret(tmp_path)
    path = tmp_path / "keys" / "payment_f.secret"
    assert password_of(LAST) == path.read_text().strip() + "20260304"
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_text("own")
    hand_over_secret(tmp_path)
    assert path.read_text() == "own"


def test_packing_is_deterministic_and_depends_on_the_password() -> None:
    moment = datetime(2026, 3, 3, 5, 30)
    first = pack("结算.csv", b"a,b\r\n" * 100, moment, "x20260302")
    assert first == pack("结算.csv", b"a,b\r\n" * 100, moment, "x20260302")
    assert first != pack("结算.csv", b"a,b\r\n" * 100, moment, "x20260303")
    with pyzipper.AESZipFile(io.BytesIO(first)) as archive, pytest.raises(RuntimeError, match="password"):
        archive.read(archive.infolist()[0], pwd=b"x20260303")
    with zipfile.ZipFile(io.BytesIO(pack("空.jsonl", b"", moment)), metadata_encoding="gbk") as archive:
        assert archive.namelist() == ["空.jsonl"]
        assert archive.testzip() is None


def test_every_partner_has_each_kind_of_its_defects(defects: pl.DataFrame) -> None:
    partners = ("bank_b", "guarantor_c", "bureau_d", "payment_f")
    found = set(defects.filter(pl.col("source").is_in(partners)).select("source", "dataset", "kind").iter_rows())
    assert found == {(d.source, d.dataset, d.kind) for d in DEFECTS if d.source in partners}
    assert set(defects.filter(pl.col("source").is_in(partners))["expected"]) == {"quarantined"}
