"""Thirty business dates delivered in any order and built now and then end in the tables of one clean build."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from itertools import pairwise

import duckdb
import pytest

from quality.sets import load_set
from tests.conftest import make_settings
from tests.handmade_lake import HandmadeLake
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
BESIDES = {"int_dates_fingerprinted"}


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
    """Every table, and the views that are published: all that a build leaves behind and readers see."""
    published = load_set("warehouse", lake.settings).tables
    tables = {name for (name,) in lake.ask("select table_name from duckdb_tables() where schema_name = 'main'")}
    assert {*published, *BESIDES} - tables == {"fct_loan_days"}
    return sorted(tables | {*published})


def compare(table: str, left: HandmadeLake, right: HandmadeLake) -> str | None:
    """How the rows of a table differ between two warehouses, or None where they are the same."""
    with duckdb.connect() as connection:
        for name, lake in (("one", left), ("other", right)):
            with duckdb.connect(str(lake.settings.warehouse), read_only=True) as warehouse:
                connection.register(name, warehouse.sql(f"select * from {table}").to_arrow_table())
        shapes = [connection.sql(f"describe {name}").fetchall() for name in ("one", "other")]
        if shapes[0] != shapes[1]:
            return f"{table}: columns {shapes}"
        counts = connection.sql("select (select count(*) from one), (select count(*) from other)").fetchall()
        differing = {
            side: connection.sql(f"from {rows} except all from {others} order by all limit 3").fetchall()
            for side, rows, others in (("only day by day", "one", "other"), ("only clean", "other", "one"))
        }
    return f"{table}: rows {counts}, {differing}" if any(differing.values()) else None


def test_it_ends_in_the_tables_of_one_clean_build(day_by_day: HandmadeLake, clean: HandmadeLake) -> None:
    found = [compare(table, day_by_day, clean) for table in list_tables(clean)]
    wrong = [one for one in found if one]
    assert not wrong, "\n".join(wrong)


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
