"""Partners that seal what they send: totals, digests, signatures, and labels that point at all damaged lines."""

import base64
import hashlib
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from ingestion.contract import read_contract
from ingestion.settings import PROJECT
from ingestion.simulation import SimulationReport, World, build_world, deliver, simulate
from ingestion.simulation.defects import DEFECTS
from ingestion.simulation.identities import complete_cert_numbers

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
    told = pl.concat(parts)
    lent = world.loans.filter((pl.col("funder_code") == "BKB") & (pl.col("posted_at").dt.date() <= LAST))
    assert 0.25 < lent.height / world.loans.filter(pl.col("posted_at").dt.date() <= LAST).height < 0.35
    joined = told.join(lent, on=["fund_loan_no", "loan_no", "cert_no", "customer_name"], validate="m:m")
    joined = joined.filter(pl.col("status_code").replace({"S": "RP", "C": "RV"}) == pl.col("status_code_right"))
    assert joined.height == told.height == lent.height
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
    told = []
    for path in sorted(report.landing.glob("bank_b/*/*_COMP_*.dat")):
        rows, file = read_bank_b(path, COMPENSATIONS), path.relative_to(report.landing).as_posix()
        unknown = wrong_lines(rows, ~pl.col("comp_type_code").is_in(["DC", "HG"]))
        assert unknown == labelled(defects, file, "unknown_code")
        told.append(without(defects, file, rows))
    paid = world.compensations_to("BKB").filter(pl.col("compensated_date") <= LAST)
    assert sorted(pl.concat(told)["comp_no"]) == sorted(paid["comp_no"])


def test_every_partner_has_each_kind_of_its_defects(defects: pl.DataFrame) -> None:
    partners = ("bank_b",)
    found = set(defects.filter(pl.col("source").is_in(partners)).select("source", "dataset", "kind").iter_rows())
    assert found == {(d.source, d.dataset, d.kind) for d in DEFECTS if d.source in partners}
    assert set(defects.filter(pl.col("source").is_in(partners))["expected"]) == {"quarantined"}
