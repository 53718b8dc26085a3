"""Whole runs: same bytes every time, a prefix for fewer days, and a truth that matches the files."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path

import fastexcel
import polars as pl
import pytest

from ingestion.simulation import (
    GO_LIVE,
    SimulationInvalid,
    SimulationReport,
    delivered_days,
    describe_group,
    simulate,
)
from ingestion.simulation.__main__ import main
from ingestion.simulation.defects import DEFECTS
from ingestion.simulation.identities import complete_cert_numbers

CUSTOMERS = 12_000
SEED = 8
CONFUSED = "bank_a/20260304/LOAN_20260304.txt"


def run(home: Path, days: int, customers: int = 600, seed: int = SEED) -> SimulationReport:
    return simulate(customers, days, seed, home, progress=lambda _: None)


def contents_of(folder: Path) -> dict[str, bytes]:
    return {name: content for name, (content, _) in files_of(folder).items()}


def files_of(landing: Path) -> dict[str, tuple[bytes, float]]:
    return {
        path.relative_to(landing).as_posix(): (path.read_bytes(), path.stat().st_mtime)
        for path in sorted(landing.rglob("*"))
        if path.is_file()
    }


def rows_posted_until(landing: Path, day: date) -> list[list[tuple[object, ...]]]:
    query = "select * from {} where posted_date <= ? order by 1, 2, 3"
    with closing(sqlite3.connect(landing / "dept_loan_core/loan_core.db")) as connection:
        return [
            connection.execute(query.format(table), (str(day),)).fetchall()
            for table in ("loan", "plan_term", "repayment")
        ]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> SimulationReport:
    return run(tmp_path_factory.mktemp("home"), 5, CUSTOMERS)


@pytest.fixture(scope="module")
def defects(report: SimulationReport) -> pl.DataFrame:
    return pl.read_parquet(report.truth / "defects.parquet")


def test_same_seed_writes_the_same_bytes(tmp_path: Path) -> None:
    first, second = run(tmp_path / "a", 5), run(tmp_path / "b", 5)
    assert files_of(first.landing) == files_of(second.landing)
    assert contents_of(first.truth) == contents_of(second.truth)


def test_running_again_changes_nothing(tmp_path: Path) -> None:
    before = files_of(run(tmp_path, 4).landing)
    assert files_of(run(tmp_path, 4).landing) == before


@pytest.mark.parametrize(("fewer", "more"), [(1, 2), (3, 5), (4, 6)])
def test_more_days_only_add_files(tmp_path: Path, fewer: int, more: int) -> None:
    short, long = run(tmp_path / "short", fewer).landing, run(tmp_path / "long", more).landing
    start, whole = files_of(short), files_of(long)
    del start["dept_loan_core/loan_core.db"]
    assert {name for name, content in start.items() if whole[name] != content} == set()
    last = date(2026, 3, 1 + fewer)
    assert rows_posted_until(short, last) == rows_posted_until(long, last)
    assert all(rows_posted_until(short, last))


def test_day_by_day_is_the_same_as_at_once(tmp_path: Path) -> None:
    assert delivered_days(tmp_path / "stepwise") == 0
    for days in range(1, 6):
        run(tmp_path / "stepwise", days)
        assert delivered_days(tmp_path / "stepwise") == days
    at_once = files_of(run(tmp_path / "once", 5).landing)
    stepwise = files_of(tmp_path / "stepwise/landing")
    database = "dept_loan_core/loan_core.db"
    assert stepwise[database][1] == at_once[database][1]
    del stepwise[database], at_once[database]
    assert stepwise == at_once
    last = date(2026, 3, 6)
    assert rows_posted_until(tmp_path / "stepwise/landing", last) == rows_posted_until(tmp_path / "once/landing", last)


def test_another_simulation_in_the_same_home_is_refused(tmp_path: Path) -> None:
    run(tmp_path, 2)
    with pytest.raises(SimulationInvalid, match="600 customers with seed 8"):
        run(tmp_path, 2, seed=9)
    with pytest.raises(SimulationInvalid, match="2 days already"):
        run(tmp_path, 1)
    with pytest.raises(SimulationInvalid, match="1 to 120 days"):
        run(tmp_path / "other", 121)


def test_a_group_is_described_as_it_delivers_and_nothing_is_delivered_for_it(
    tmp_path: Path,
    report: SimulationReport,
    defects: pl.DataFrame,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    described = describe_group(CUSTOMERS, 5, SEED, report.landing.parent)
    assert described.days_delivered == 5
    assert list(described.parties) == sorted(folder.name for folder in report.landing.iterdir())
    assert (described.business_dates[0], described.business_dates[-1]) == (report.first_date, report.last_date)
    (planted,) = described.planted_faults
    refused = defects.filter(pl.col("expected") == "refused_at_core")
    columns = refused.select("source", "dataset", "batch_date")
    assert columns.rows() == [(planted.source, planted.dataset, planted.business_date)]
    corrected = report.landing / CONFUSED.replace(".txt", "_02.txt")
    arrived = datetime.fromtimestamp(corrected.stat().st_mtime, UTC).date()
    assert arrived == planted.corrected_with

    monkeypatch.setenv("PLATFORM_HOME", str(tmp_path / "home"))
    assert main(["--customers", "7", "--days", "2", "--describe"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert not (tmp_path / "home").exists()
    assert (printed["go_live"], printed["business_dates"]) == ("2026-03-02", ["2026-03-02", "2026-03-03"])
    assert (printed["customers"], printed["seed"], printed["days_delivered"]) == (7, 1, 0)
    assert printed["planted_faults"][0]["fault"] == "payouts 100 times too high (分 as 元)"
    assert main(["--customers", "7", "--days", "121", "--describe"]) == 2
    assert "delivers 1 to 120 days" in capsys.readouterr().err


def test_progress_reports_each_date(tmp_path: Path) -> None:
    lines: list[str] = []
    simulate(50, 2, 1, tmp_path, progress=lines.append)
    assert [line[:10] for line in lines[-2:]] == ["2026-03-02", "2026-03-03"]


def test_every_kind_of_defect_is_labelled_and_rare(report: SimulationReport, defects: pl.DataFrame) -> None:
    found = set(defects.select("source", "dataset", "kind").unique().iter_rows())
    assert found == {(d.source, d.dataset, d.kind) for d in DEFECTS} | {("bank_a", "loans", "amounts_times_100")}
    assert set(defects["expected"].unique()) == {"quarantined", "refused_at_core"}
    plain = defects.filter(~pl.col("file").str.ends_with(".zip"))
    for (file,), labels in plain.drop_nulls("line_number").group_by("file"):
        assert labels.height < 0.02 * _row_count(report.landing / str(file)), file


def _row_count(path: Path) -> int:
    if path.suffix == ".xlsx":
        return fastexcel.read_excel(path).load_sheet(0, header_row=2).height
    if path.suffix == ".lst":
        return sum(_row_count(path.with_name(part)) for part in path.read_text().split())
    return pl.read_parquet(path).height if path.suffix == ".parquet" else path.read_bytes().count(b"\n")


def _is_impossible(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return True
    return False


def _is_json(line: str) -> bool:
    try:
        json.loads(line)
    except json.JSONDecodeError:
        return False
    return True


CHECKS: dict[tuple[str, str], Callable[[str], bool]] = {
    ("loans", "missing_field"): lambda line: line.count("|+|") == 8,
    ("loans", "letter_in_amount"): lambda line: not line.split("|+|")[4].isdigit(),
    ("compensations", "letter_in_amount"): lambda line: not line.split("|+|")[4].isdigit(),
    ("consents", "impossible_date"): lambda line: _is_impossible(line.split('"')[17]),
    ("consents", "unknown_code"): lambda line: line.split('"')[5] not in {"G", "W"},
    ("leads", "malformed_json"): lambda line: not _is_json(line),
    ("leads", "short_hash"): lambda line: len(line.split('"phone_sha256":"')[1].split('"')[0]) == 63,
}


def test_labels_point_at_all_damaged_lines(report: SimulationReport, defects: pl.DataFrame) -> None:
    encodings = {"bank_a": "gb18030", "dept_compliance": "utf-8-sig", "traffic_e": "utf-8"}
    labels = defects.filter((pl.col("expected") == "quarantined") & pl.col("source").is_in(list(encodings)))
    for (file, source), rows in labels.group_by("file", "source"):
        lines = (report.landing / str(file)).read_bytes().decode(encodings[str(source)]).splitlines()
        for kind, dataset in rows.select("kind", "dataset").unique().iter_rows():
            marked = set(rows.filter(pl.col("kind") == kind)["line_number"])
            heading = 0 if source == "traffic_e" else 1
            is_wrong = CHECKS[dataset, kind]
            wrong = {number for number, line in enumerate(lines, 1) if number > heading and is_wrong(line)}
            assert wrong == marked, (file, kind)


def test_labels_point_at_the_damaged_parquet_rows(report: SimulationReport, defects: pl.DataFrame) -> None:
    labels = defects.filter(pl.col("source") == "dept_risk")
    assert labels.height
    for (file, dataset), rows in labels.group_by("file", "dataset"):
        frame = pl.read_parquet(report.landing / str(file)).with_row_index()
        if dataset == "applications":
            wrong = frame.filter(complete_cert_numbers(frame["cert_no"].str.head(17)) != frame["cert_no"])
        else:
            wrong = frame.filter(~pl.col("decision_code").is_in(["A", "R", "C"]))
        assert set(wrong["index"]) == set(rows["line_number"]), file
        assert frame["application_no"].is_unique().all()


def test_no_good_row_is_lost(report: SimulationReport, defects: pl.DataFrame) -> None:
    applications = pl.concat(
        pl.read_parquet(path) for path in sorted(report.landing.glob("dept_risk/*/applications.parquet"))
    )
    bad = defects.filter(pl.col("dataset") == "applications").height
    assert applications.height - bad == report.rows["applications"]


def _payouts(report: SimulationReport, bad_lines: set[tuple[str, int]]) -> pl.DataFrame:
    rows = []
    for path in sorted(report.landing.glob("bank_a/*/LOAN_*.txt")):
        name = path.relative_to(report.landing).as_posix()
        if name == CONFUSED:
            continue
        lines = path.read_bytes().decode("gb18030").splitlines()
        assert lines[0] == f"dataRowCount|+|{len(lines) - 1}"
        good = [line for number, line in enumerate(lines, 1) if number > 1 and (name, number) not in bad_lines]
        rows += [line.split("|+|") for line in good]
    return pl.DataFrame(rows, schema=[f"f{place}" for place in range(10)], orient="row")


def test_bank_payouts_reconcile_with_the_loan_core(report: SimulationReport, defects: pl.DataFrame) -> None:
    bad = set(defects.drop_nulls("line_number").select("file", "line_number").iter_rows())
    bank = _payouts(report, bad).select(
        fund_loan_no="f0",
        status=pl.col("f9").replace({"1": "RP", "3": "RV"}),
        fen=pl.col("f4").cast(pl.Int64),
    )
    with closing(sqlite3.connect(report.landing / "dept_loan_core/loan_core.db")) as connection:
        core = pl.DataFrame(
            connection.execute(
                "select fund_loan_no, status_code, principal_amount from loan where funder_code = 'BKA'"
            ).fetchall(),
            schema=["fund_loan_no", "status", "amount"],
            orient="row",
        )
    joined = core.join(bank, on=["fund_loan_no", "status"], how="full", validate="1:1")
    assert joined.height == core.height == bank.height
    assert (joined["amount"].str.replace(".", "", literal=True).cast(pl.Int64) == joined["fen"]).all()


def test_confused_delivery_is_corrected_a_night_later(report: SimulationReport, defects: pl.DataFrame) -> None:
    folder = report.landing / "bank_a/20260304"
    wrong = (folder / "LOAN_20260304.txt").read_bytes().decode("gb18030").splitlines()
    right = (folder / "LOAN_20260304_02.txt").read_bytes().decode("gb18030").splitlines()
    assert wrong[0] == right[0]
    assert len(wrong) > 1
    for before, after in zip(wrong[1:], right[1:], strict=True):
        assert before.split("|+|")[4] == after.split("|+|")[4] + "00"
        assert before.split("|+|")[:4] == after.split("|+|")[:4]
    assert (folder / "LOAN_20260304_02.ok").read_text() == "LOAN_20260304_02.txt"
    arrived = datetime.fromtimestamp((folder / "LOAN_20260304_02.txt").stat().st_mtime, UTC)
    assert datetime(2026, 3, 5, 17, tzinfo=UTC) < arrived < datetime(2026, 3, 5, 23, tzinfo=UTC)
    label = defects.filter(pl.col("kind") == "amounts_times_100")
    assert label.select("file", "batch_date", "expected").rows() == [(CONFUSED, date(2026, 3, 4), "refused_at_core")]


def test_truth_and_summary_are_written(report: SimulationReport) -> None:
    summary = json.loads((report.truth / "summary.json").read_text())
    assert summary["customers"] == CUSTOMERS
    assert summary["first_date"] == str(GO_LIVE)
    assert summary["defects"] == report.defects
    assert pl.read_parquet(report.truth / "persons.parquet")["is_customer"].sum() == CUSTOMERS
    assert pl.read_parquet(report.truth / "loans.parquet").height > report.rows["loans"]
    assert pl.read_parquet(report.truth / "leads.parquet").height > report.rows["leads"]
