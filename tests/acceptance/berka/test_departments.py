"""Two departments of one real bank, in two languages, become one warehouse without a single difference."""

from __future__ import annotations

import csv
import os
import shutil
from dataclasses import replace
from datetime import date
from pathlib import Path

import duckdb
import pytest
import sqlalchemy as sa

from ingestion.contract import load_registry
from ingestion.foundation import PROJECT
from ingestion.foundation.ledger import deliveries, open_ledger
from ingestion.landing import land_source
from quality.gate import audit
from quality.publication import open_published
from quality.warehouse import build
from tests.acceptance.berka.build_features import ARCHIVE_DATE, SOURCES, TENANT
from tests.acceptance.conftest import read_quarantine

ROWS = {
    ("dept_branch", "accounts"): (4500, 4500, 0),
    ("dept_branch", "cards"): (892, 892, 0),
    ("dept_branch", "clients"): (5369, 5369, 0),
    ("dept_branch", "dispositions"): (5369, 5369, 0),
    ("dept_branch", "districts"): (77, 77, 0),
    ("dept_branch", "orders"): (6471, 6471, 0),
    ("dept_branch", "transactions"): (49103, 49102, 1),
    ("dept_credit", "accounts"): (4500, 4500, 0),
    ("dept_credit", "cards_test"): (25, 25, 0),
    ("dept_credit", "cards_train"): (177, 177, 0),
    ("dept_credit", "clients"): (5369, 5369, 0),
    ("dept_credit", "dispositions"): (5369, 5369, 0),
    ("dept_credit", "districts"): (77, 77, 0),
    ("dept_credit", "loans_test"): (354, 354, 0),
    ("dept_credit", "loans_train"): (328, 328, 0),
    ("dept_credit", "transactions"): (30200, 30200, 0),
}
RECONCILED = {"accounts": 4500, "clients": 5369, "districts": 77}


def read_rows(path: Path) -> list[list[str]]:
    """The file as Python's own reader sees it, without the heading."""
    with path.open(encoding="ascii", newline="") as handle:
        return list(csv.reader(handle, delimiter=";"))[1:]


def breaks(connection: duckdb.DuckDBPyConnection, entities: str) -> list[tuple[object, ...]]:
    table = f"rec_{entities}__departments"
    return connection.sql(f"select * from {table} where break_type <> 'matched' order by all").fetchall()


def test_every_row_is_landed_or_quarantined(bank, real_data):
    ledger = open_ledger(bank)
    with ledger.connect() as connection:
        found = connection.execute(sa.select(deliveries)).all()
    ledger.dispose()
    counted = {(row.source, row.dataset): (row.rows_in, row.rows_landed, row.rows_quarantined) for row in found}
    assert counted == ROWS
    for row in found:
        content = (
            real_data / "berka" / {"dept_branch": "asc", "dept_credit": "en"}[row.source] / row.file_name
        ).read_bytes()
        assert len(content.splitlines()) - 1 == row.rows_in


def test_the_line_cut_off_by_a_broken_transfer_is_quarantined(bank):
    assert read_quarantine(bank).rows() == [
        ("transactions", 49104, "type", "unquoted value", '3526882;11021;940331;"PRIJE')
    ]


def test_the_transactions_it_lost_show_in_the_balances(warehouse):
    unexplained = warehouse.sql(
        "select transacted_date, count(*) from fct_account_days where abs(unexplained_amount) > 1 group by all"
    ).fetchall()
    assert unexplained == [(date(1994, 3, 31), 28)]


def test_landing_again_finds_nothing_new(bank):
    assert [land_source(source, ARCHIVE_DATE, bank).arrivals for source in SOURCES] == [(), ()]


def test_only_the_bank_s_own_tables_and_the_platform_s_are_built(warehouse):
    built = {name for (name,) in warehouse.sql("select table_name from information_schema.tables").fetchall()}
    own = {path.stem for kind in ("models", "seeds") for path in (TENANT / kind).rglob("*.*") if path.suffix != ".yml"}
    assert built == own | {path.stem for path in (PROJECT / "dbt_project" / "models" / "platform").glob("*.sql")}
    views = "select table_name from information_schema.tables where table_type = 'VIEW'"
    assert all(name.startswith(("stg_dept_", "stg_platform__")) for (name,) in warehouse.sql(views).fetchall())


@pytest.mark.parametrize("entities", RECONCILED)
def test_departments_agree_on_every_attribute(warehouse, entities):
    table = f"rec_{entities}__departments"
    found = warehouse.sql(f"select break_type, count(*) from {table} group by all").fetchall()
    assert found == [("matched", RECONCILED[entities])]


def test_birth_dates_and_sexes_are_decoded(warehouse, real_data):
    expected = {}
    for client, number, district in read_rows(real_data / "berka" / "asc" / "client.asc"):
        year, month, day = (int(number[at : at + 2]) for at in (0, 2, 4))
        is_woman = month > 50
        born = date(1900 + year, month - 50 if is_woman else month, day)
        expected[client] = (born, "female" if is_woman else "male", district)
    found = warehouse.sql("select client_id, birth_date, sex, district_id from dim_clients").fetchall()
    assert {client: tuple(rest) for client, *rest in found} == expected
    assert sum(sex == "female" for _, sex, _ in expected.values()) == 2645


def test_codes_of_both_languages_become_one(warehouse, real_data):
    frequencies = {"POPLATEK MESICNE": "monthly", "POPLATEK TYDNE": "weekly", "POPLATEK PO OBRATU": "after_transaction"}
    expected = {row[0]: frequencies[row[2]] for row in read_rows(real_data / "berka" / "asc" / "account.asc")}
    assert dict(warehouse.sql("select account_id, statement_frequency from dim_accounts").fetchall()) == expected
    insured = warehouse.sql(
        "select department, count(*) from fct_account_transactions where purpose = 'insurance'"
        " group by department order by department"
    ).fetchall()
    assert insured == [("dept_branch", 644), ("dept_credit", 681)], "the credit department's `insurrance payment` too"


def test_every_accepted_code_has_a_canonical_one(bank, warehouse):
    mapped = set(warehouse.sql("select code_set, code from ref_bank_codes").fetchall())
    accepted = {
        (f"{dataset.source}.{column.name.removesuffix('_code')}", code)
        for dataset in load_registry(bank).datasets
        for column in dataset.columns
        for code in column.accepted
    }
    assert accepted == mapped


def test_missing_is_empty_a_blank_or_a_question_mark(warehouse):
    found = warehouse.sql(
        "select district_id, unemployment_1996_rate from dim_districts"
        " where unemployment_1995_rate is null and crime_1995_count is null"
    ).fetchall()
    assert [(district, str(rate)) for district, rate in found] == [("69", "0.070100")]
    blank = warehouse.sql(
        "select count(*) from fct_account_transactions where department = 'dept_branch' and purpose is null"
    ).fetchall()
    assert blank == [(26197 + 1677,)], "empty and one blank alike"


def test_the_warehouse_was_published_by_its_gate(bank):
    published = open_published("warehouse", bank)
    status = {name: table["quality_status"] for name, table in published.manifest["tables"].items()}
    assert set(status.values()) == {"PASS", "PASS_WITH_WARNINGS"}
    assert [name for name, told in status.items() if told != "PASS"] == ["fct_account_days"], "the broken transfer"


@pytest.fixture(scope="module")
def altered(bank, real_data, tmp_path_factory):
    """The bank with one account, one client and one district altered in the credit department's next delivery."""
    home = tmp_path_factory.mktemp("altered") / "home"
    shutil.copytree(bank.home, home)
    archive = home / "credit"
    shutil.copytree(real_data / "berka" / "en", archive)  # keeps modification times: unchanged files are not read again
    for name, old, new in (
        ("account.csv", "\n576;55;", "\n576;56;"),
        ("client.csv", '\n1;"706213";', '\n1;"701213";'),
        ("district.csv", ";124;?;1358\n", ";124;?;1359\n"),
    ):
        path = archive / name
        received = path.stat().st_mtime
        text = path.read_text(encoding="ascii")
        assert text.count(old) == 1
        path.chmod(0o644)
        path.write_text(text.replace(old, new), encoding="ascii")
        os.utime(path, (received + 3600, received + 3600))
    changed = replace(
        bank,
        home=home,
        ledger_url=f"sqlite:///{home / 'ledger.db'}",
        key_file=home / "keys" / "platform.key",
        sources={**bank.sources, "dept_credit": str(archive)},
    )
    report = land_source("dept_credit", ARCHIVE_DATE, changed)
    assert [entry.dataset for entry in report.arrivals] == ["accounts", "clients", "districts"]
    build(ARCHIVE_DATE, changed, select=["+path:models/reconciliation"])
    return changed


def test_an_altered_account_is_one_break_and_refused(altered):
    with duckdb.connect(str(altered.warehouse), read_only=True) as connection:
        assert breaks(connection, "accounts") == [("576", "attribute_diff", "district_id")]
        assert breaks(connection, "clients") == [("1", "attribute_diff", "sex")]
        assert breaks(connection, "districts") == [("69", "attribute_diff", "crime_1996_count")]
    verdicts = audit("core", ARCHIVE_DATE, altered, tables=["rec_accounts__departments"])
    assert [failure.check for failure in verdicts[0].failing_checks] == ["departments_agree"]
