"""A small lending book in a DuckDB file that passes its gate, and one way to break it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from ingestion.foundation import PROJECT, Settings

SUITE = """
table: fct_loans
gate: core
owner: loan_core
version: 1
description: One row per funded loan.
term: 放款借据
key: [loan_id]
layout: {bucket_by: customer_id, sort_by: [customer_id, funded_at]}
checks:
  - name: principal_is_positive
    expectation: ExpectColumnValuesToBeBetween
    arguments: {column: principal_amount, min_value: 0, strict_min: true}
    severity: fail
    because: a loan of nothing was never funded
    rule: M53
  - name: funder_is_accepted
    expectation: expect_column_values_to_be_in_set
    arguments: {column: funder, value_set: [bank_a, bank_b]}
    severity: warn
    because: a new funder needs a line in the code table
    rule: I27
  - name: no_future_event
    expectation: unexpected_rows
    arguments: {query: "select * from {table} as l where l.funded_at >= timestamptz '{day_end}'"}
    severity: fail
    because: an event after the business date is a wrong clock
    rule: F90
  - name: volume_does_not_shrink
    expectation: expect_table_row_count_to_be_between
    arguments: {min_value: "{last_published_rows}"}
    severity: fail
    because: loans never disappear from one day to the next
    rule: L17
"""
RECONCILIATION = """
table: rec_loans__funder
gate: core
owner: finance
version: 1
description: Loan core against the funders' files.
term: 放款对账
key: [loan_id]
checks:
  - name: every_loan_matches
    expectation: unexpected_rows
    arguments: {query: "select loan_id, break_type from {table} where break_type <> 'matched'"}
    severity: fail
    because: money that only one side booked is a loss until explained
    rule: X63
"""
VIEW = """
table: view_repayment
gate: features
owner: risk
version: 1
description: Repayment features.
term: 还款特征
key: [customer_id, as_of]
layout: {sort_by: [customer_id, as_of]}
checks:
  - name: count_in_range
    expectation: expect_column_values_to_be_between
    arguments: {column: repaid_count_30d, min_value: 0, max_value: 100}
    severity: fail
    because: a count outside the registry's range is a broken window
    rule: F91
"""
WAREHOUSE = """
set: warehouse
term: 数仓
owner: data_platform
description: A small lending book.
gates: [core]
tables: [fct_loans]
"""
FEATURES = """
set: features
term: 特征
owner: risk
description: Features made by a stage.
gates: [features]
rows: stage
tables: [view_repayment]
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    suites, sets = tmp_path / "suites", tmp_path / "sets"
    declared = {
        "suites/core/fct_loans.yml": SUITE,
        "suites/core/rec_loans__funder.yml": RECONCILIATION,
        "suites/features/view_repayment.yml": VIEW,
        "sets/warehouse.yml": WAREHOUSE,
        "sets/features.yml": FEATURES,
    }
    for name, text in declared.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    home = tmp_path / "home"
    home.mkdir()
    return Settings(
        home=home,
        contracts=PROJECT / "ingestion" / "contracts",
        models=tmp_path / "dbt_project" / "models",
        seeds=tmp_path / "dbt_project" / "seeds",
        suites=suites,
        sets=sets,
        views=tmp_path,
        entity="customer_id",
        dbt_project=tmp_path / "dbt_project",
        ledger_url=f"sqlite:///{home / 'ledger.db'}",
        key_file=home / "platform.key",
        sources={},
        threads=2,
        memory_limit="1GB",
    )


@pytest.fixture
def change(settings: Settings) -> Callable[[str], None]:
    """Run a statement against the warehouse file as its only writer."""

    def run(sql: str) -> None:
        with duckdb.connect(str(settings.warehouse)) as connection:
            connection.execute(sql).fetchall()

    return run


@pytest.fixture
def book(change: Callable[[str], None]) -> None:
    """400 loans of 100 customers, all sound, and a reconciliation in which everything matches."""
    change(
        """
        create or replace table fct_loans as
        select 'L' || lpad(i::varchar, 5, '0') as loan_id,
               'C' || lpad((i % 100)::varchar, 4, '0') as customer_id,
               ['bank_a', 'bank_b'][1 + (i % 2)::int] as funder,
               (1000 + i)::decimal(18, 2) as principal_amount,
               timestamptz '2026-02-01 08:00:00+08' + interval (i) minute as funded_at
        from range(400) as r(i)
        """
    )
    change(
        """
        create or replace table rec_loans__funder as
        select loan_id, 'matched' as break_type, 0.00::decimal(18, 2) as amount_difference_amount
        from fct_loans
        """
    )
