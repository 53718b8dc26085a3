"""Thirty business dates delivered in any order and built now and then end in the tables of one clean build."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import pytest

from quality.sets import load_set
from tests.conftest import make_settings
from tests.handmade_lake import HandmadeLake, find_difference
from tests.reference import loan_book as truth
from tests.reference.book_rows import list_rows
from tests.reference.loan_book import END, Loan, draw_book
from tests.reference.mailing import FATES, Mail, draw_mail
from tests.reference.test_loan_book import agree

# `make soak` asks for a build after each of the dates, for more loans, and may name another seed.
LOANS = int(os.environ.get("REFERENCE_LOANS", "100"))
BUILDS = int(os.environ.get("REFERENCE_BUILDS", "7"))
SEED = int(os.environ.get("REFERENCE_SEED", "15"))
DATES = [END - timedelta(days=3 * place) for place in reversed(range(30))]
HASHES = "int_dates_fingerprinted"


def draw_builds(mail: Sequence[Mail], draw: random.Random) -> list[tuple[int, date]]:
    """After which step which business date is built: mostly the newest that came, once an earlier one, once again."""
    steps = sorted(draw.sample(range(2, len(DATES) - 1), BUILDS - 2)) if len(DATES) > BUILDS else range(len(DATES) - 1)
    builds: list[tuple[int, date]] = []
    for place, step in enumerate(steps):
        came = sorted({one.day for one in mail if one.step <= step})
        newest = draw.random() < 0.5 or place == len(steps) // 2 - 1
        builds.append((step, came[-1] if newest else draw.choice(came)))
        if place == len(steps) // 2:
            builds[-1:] = [(step, came[len(came) // 3])] * 2
    return [*builds, (len(DATES) - 1, END)]


@pytest.fixture(scope="module")
def book() -> list[Loan]:
    return draw_book(LOANS, SEED)


@pytest.fixture(scope="module")
def day_by_day(tmp_path_factory: pytest.TempPathFactory, book: list[Loan]) -> HandmadeLake:
    """The home that saw every build."""
    draw = random.Random(SEED)
    lake = HandmadeLake(make_settings(tmp_path_factory.mktemp("days") / "home", go_live=str(DATES[0])))
    mail = draw_mail(list_rows(book), DATES, draw)
    assert {one.fate for one in mail} == FATES.keys()
    assert any(loan.reversed and DATES[0] < loan.reversed for loan in book)
    builds = draw_builds(mail, draw)
    days = [day for _, day in builds]
    assert any(later < earlier for earlier, later in pairwise(days)), "no date is built after a later"
    assert any(later == earlier for earlier, later in pairwise(builds)), "none is built twice"
    received = datetime.fromisoformat(f"{END + timedelta(days=1)}T06:30:00")
    sent = iter(mail)
    following = next(sent, None)
    for step, day in builds:
        while following is not None and following.step <= step:
            received += timedelta(minutes=1)
            lake.deliver(
                following.dataset, str(following.day), following.rows, received.isoformat(), following.sequence
            )
            following = next(sent, None)
        lake.build(str(day))
    assert following is None
    return lake


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory, day_by_day: HandmadeLake) -> HandmadeLake:
    """A home with the same lake and ledger that saw one build, of the last date."""
    lake = day_by_day.copy_to(tmp_path_factory.mktemp("clean") / "home")
    lake.build(str(END))
    return lake


def list_tables(lake: HandmadeLake) -> list[str]:
    """Every table, and the view that reads days: all that a build leaves behind and readers see."""
    published = load_set("warehouse", lake.settings).tables
    tables = {name for (name,) in lake.ask("select table_name from duckdb_tables() where schema_name = 'main'")}
    assert {*published, HASHES} - tables <= {"fct_loan_days"}
    return sorted(tables | {"fct_loan_days"})


def read_models(lake: HandmadeLake) -> dict[str, dict[str, Any]]:
    """What dbt's manifest of the last build says of each model, by name."""
    manifest = json.loads((lake.settings.home / "dbt" / "target" / "manifest.json").read_text(encoding="utf-8"))
    return {node["name"]: node for node in manifest["nodes"].values() if node["resource_type"] == "model"}


def read_slices(
    connection: duckdb.DuckDBPyConnection, models: dict[str, dict[str, Any]], daily: list[str]
) -> dict[str, dict[date, int | str]]:
    """By daily table and date a hash of the rows that its model gives, and the fingerprint that dates would have."""
    found: dict[str, dict[date, int | str]] = {}
    hashes = connection.execute(models[HASHES]["compiled_code"]).fetchall()
    found[HASHES] = dict(hashes)
    for name in daily:
        rows = f"select * exclude (_inputs_hash) from ({models[name]['compiled_code']})"
        sums = f"select as_of_date, sum(hash(slices)::hugeint) from ({rows}) as slices group by all"
        found[name] = dict(connection.execute(sums).fetchall())
    return found


def change(column: str, kind: str, draw: random.Random) -> str:
    """SQL of another value of a column in some rows, which are as the dice say."""
    other = {
        "DATE": f"{column} + {draw.choice((-9, -1, 1, 20))}",
        "VARCHAR": f"(case when {column} in ('customer', 'guarantor') then 'guarantor' else 'C0' end)",
        "BOOLEAN": f"not {column}",
        "TIMESTAMP WITH TIME ZONE": f"{column} + interval 1 day",
    }.get(kind, f"{column} + 1")
    return f"case when hash(rowid) % 2 = {draw.randrange(2)} then {other} else {column} end"


def test_it_ends_in_the_tables_of_one_clean_build(day_by_day: HandmadeLake, clean: HandmadeLake) -> None:
    found = [find_difference(table, day_by_day, clean) for table in list_tables(clean)]
    wrong = [one for one in found if one]
    assert not wrong, "\n".join(wrong)


def test_whatever_changes_a_figure_of_a_date_changes_its_fingerprint(clean: HandmadeLake, tmp_path: Path) -> None:
    """Each column of what daily tables are derived from is changed in some rows: what depends on it must show it."""
    models = read_models(clean)
    daily = [
        name for name, model in models.items() if name.endswith("__daily") and "_inputs_hash" in model["compiled_code"]
    ]
    inputs = {
        name.split(".")[-1] for table in daily for name in models[table]["depends_on"]["nodes"] if ".ref_" not in name
    }
    inputs.remove("int_dates_fingerprinted")
    assert len(daily) >= 4
    file = tmp_path / clean.settings.warehouse.name
    shutil.copyfile(clean.settings.warehouse, file)
    draw, moved = random.Random(SEED), set()
    with duckdb.connect(str(file)) as connection:
        before = read_slices(connection, models, daily)
        for table in sorted(inputs):
            for column, kind in connection.sql(f"select column_name, column_type from (describe {table})").fetchall():
                connection.execute("begin").fetchall()
                connection.execute(f"update {table} set {column} = {change(column, kind, draw)}").fetchall()
                after = read_slices(connection, models, daily)
                connection.execute("rollback").fetchall()
                derived = {day for day in before[HASHES] if before[HASHES][day] != after[HASHES].get(day)}
                for name in daily:
                    changed = {day for day in before[HASHES] if before[name].get(day) != after[name].get(day)}
                    assert changed <= derived, f"{name} of {sorted(changed - derived)} depends on {table}.{column}"
                    if changed:
                        moved.add(f"{table}.{column}")
    named = {"fct_loan_states.customer_id", "fct_loans.principal_amount", "int_instalment_payments_applied.paid_date"}
    assert named < moved


def test_it_ends_in_what_the_book_says(day_by_day: HandmadeLake, book: list[Loan]) -> None:
    held = truth.loan_days(book, DATES)
    customers = {loan.number: loan.customer for loan in book}
    values = "balance_before_compensation_amount, balance_after_compensation_amount, overdue_principal_amount"
    values += ", dpd_before_compensation, dpd_after_compensation, dpd_ever_before_compensation"
    agree(day_by_day, "fct_loan_days", "as_of_date, loan_id", f"{values}, dpd_ever_after_compensation", held)
    values = "loan_count, balance_principal_amount"
    keys = "as_of_date, calibre, scheme, bucket"
    agree(day_by_day, "mtr_delinquency_buckets__daily", keys, values, truth.buckets(held, customers))
    values = (
        "open_amount, disbursed_amount, repaid_amount, compensated_amount, reversed_amount, close_amount,"
        " unexplained_amount, broken_loan_count"
    )
    keys = "as_of_date, calibre, funder"
    agree(day_by_day, "mtr_balance_rollforward__daily", keys, values, truth.rollforward(book, DATES))
    values = "gross_disbursed_amount, reversed_amount, disbursed_amount, restated_disbursed_amount, loan_count"
    keys = "disbursed_date, date_basis, funder, product_code, channel"
    agree(day_by_day, "mtr_disbursement__daily", keys, values, truth.disbursement(book))
