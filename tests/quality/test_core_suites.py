"""The warehouse's shipped suites pass on the golden portfolio, and each rule is seen to fail on a broken copy."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import duckdb
import pytest

from ingestion.foundation import PROJECT, Settings
from quality.gate import audit
from quality.publication import audit_and_publish, open_published
from quality.suite import load_suites

DAY = date(2026, 4, 30)
GATES = ("core", "metrics")
SHIPPED = PROJECT / "quality" / "suites"
Change = Callable[[str], None]


@pytest.fixture
def book(golden: tuple[Settings, duckdb.DuckDBPyConnection], tmp_path: Path) -> Settings:
    """A platform whose warehouse is a copy of the golden portfolio's."""
    settings = replace(golden[0], home=tmp_path, ledger_url=f"sqlite:///{tmp_path / 'ledger.db'}", suites=SHIPPED)
    shutil.copyfile(golden[0].warehouse, settings.warehouse)
    return settings


@pytest.fixture
def change(book: Settings) -> Change:
    def run(sql: str) -> None:
        with duckdb.connect(str(book.warehouse)) as connection:
            connection.execute(sql).fetchall()

    return run


def test_a_sound_book_passes_every_shipped_check_and_is_published(book: Settings) -> None:
    suites = {suite.table: suite for gate in GATES for suite in load_suites(SHIPPED, gate)}
    verdicts = [verdict for gate in GATES for verdict in audit(gate, DAY, book)]
    assert [failure.sentence for verdict in verdicts for failure in verdict.failures] == []
    assert {verdict.table for verdict in verdicts} == set(suites)
    audit_and_publish("warehouse", DAY, book)
    held = open_published("warehouse", book)
    audited_only = {"rec_balances__funder", "rec_loans__funder", "rec_rows__lake"}
    assert set(held.manifest["tables"]) == suites.keys() - audited_only
    assert len(held.list_bucket_paths("fct_consents_history")) == 16


def test_the_published_file_explains_itself(book: Settings) -> None:
    audit_and_publish("warehouse", DAY, book)
    held = open_published("warehouse", book)
    days = "select count(*), sum(dpd_before_compensation) from fct_loan_days where as_of_date = date '2026-03-31'"
    with duckdb.connect(str(held.database), read_only=True) as connection:
        found = connection.execute(days).fetchall()
        assert found[0][0] == 9, "nine loans of the golden portfolio stand"
        seeds = connection.execute("select count(*) from ref_codes").fetchall()[0][0]
        texts = dict(connection.execute("select table_name, comment from duckdb_tables()").fetchall())
        (view,) = connection.execute("select comment from duckdb_views() where view_name = 'fct_loan_days'").fetchall()
        column = (
            "select comment from duckdb_columns() where table_name = 'fct_loan_states' and column_name = 'valid_to'"
        )
        assert connection.execute(column).fetchall()[0][0]
    assert seeds > 50 and texts["ref_codes"] and texts["fct_loan_states"] and view[0]
    with duckdb.connect() as elsewhere:
        elsewhere.execute(f"attach '{held.database}' as anything (read_only)").fetchall()
        assert elsewhere.execute(days.replace("fct_loan_days", "anything.fct_loan_days")).fetchall() == found
        version = "select tags from duckdb_databases() where database_name = 'anything'"
        assert "v1.4" in str(elsewhere.execute(version).fetchall())


BREACHES = [
    ("fct_loans", "principal_amount = 1200.01 where loan_id = 'L1'", {"funded_within_approval"}),
    ("fct_loans", "application_id = 'A99' where loan_id = 'L1'", {"decision_exists"}),
    ("fct_loans", "customer_id = 'C9' where loan_id = 'L1'", {"customer_is_known"}),
    ("fct_loans", "funded_at = timestamptz '2026-05-01 00:00:00+08' where loan_id = 'L1'", {"no_future_event"}),
    ("fct_instalments", "principal_amount = 400.01 where loan_id = 'L1' and term_number = 2", {
        "plan_principal_equals_loan", "components_sum_to_instalment"}),
    ("fct_instalments", "due_date = date '2026-03-10' where loan_id = 'L1'", {"due_dates_increase"}),
    ("fct_instalments", "dpd_ever_before_compensation = -1 where loan_id = 'L1'", {"dpd_is_not_negative"}),
    ("fct_instalments", "loan_id = 'L99' where loan_id = 'L1' and term_number = 3", {
        "terms_are_complete", "plan_principal_equals_loan"}),
    ("fct_repayments", "total_amount = 400.01 where loan_id = 'L1'", {"allocation_sums_to_receipt"}),
    ("fct_repayments", "paid_at = timestamptz '2026-01-09 10:00:00+08' where loan_id = 'L1'", {"paid_after_funding"}),
    ("fct_balance_movements_history", "principal_amount = -1200.01 where loan_id = 'L1' and movement_type = 'repaid'", {
        "balance_is_not_negative"}),
    ("fct_balance_movements_history", "principal_amount = -principal_amount where loan_id = 'L1'", {
        "sign_follows_type"}),
    ("fct_balance_movements_history", "_superseded_at = _known_at where loan_id = 'L1'", {"superseded_after_known"}),
    ("fct_instalment_clearances_history", "delay_days = -1 where loan_id = 'L1'", {"delay_is_cleared_minus_due"}),
    ("fct_decisions_history", "decision = 'pending' where application_id = 'AL1'", {"decision_is_accepted"}),
    ("fct_decisions_history", "approved_amount = null where application_id = 'AL1'", {"approval_names_an_amount"}),
    ("fct_decisions_history", "decided_at = timestamptz '2026-01-01 08:00:00+08' where application_id = 'AL1'", {
        "decision_follows_application"}),
    ("fct_consents_history", "valid_to = date '2026-01-01' where consent_event_id = 'EL1'", {
        "validity_follows_the_grant"}),
    ("fct_consents_history", "customer_id = null where consent_event_id = 'EL1'", {"customer_id_is_present"}),
    ("customer_360", "customer_id = 'C9' where lifecycle_stage = 'settled' and application_count = 1", {
        "same_customers_as_dimension", "key_is_unique"}),
    ("mtr_delinquency__daily", "as_of_date = date '2026-04-29' where as_of_date = date '2026-04-30'", {
        "batch_date_is_present"}),
    ("mtr_balance_bridge__daily", "unexplained_amount = 0.01", {"bridge_explains_everything"}),
    ("rec_loans__funder", "break_type = 'only_right' where loan_id = 'L1'", {"no_break_is_open"}),
    ("rec_loans__funder", "break_type = 'only_right', is_counted = true, is_above_threshold = true", {
        "no_break_is_open", "every_loan_matches_the_bank"}),
    ("rec_balances__funder", "break_type = 'amount_diff', is_counted = true, is_above_threshold = true", {
        "no_break_is_open", "every_balance_matches_the_bank"}),
    ("mtr_balance_rollforward__daily", "broken_loan_count = 1", {"balances_roll_forward"}),
    ("mtr_balance_rollforward__daily", "close_amount = close_amount + 0.01", {
        "components_sum_to_close", "close_is_the_balance"}),
    ("fct_loan_states", "valid_to = date '2026-02-11' where loan_id = 'L7' and valid_to is null", {
        "intervals_follow_each_other"}),
    ("fct_repayments", "principal_amount = -9000, total_amount = -9000 where loan_id = 'L1' and term_number = 1", {
        "no_more_goes_back_than_was_paid"}),
    ("fct_compensations", "principal_amount = -9000 where loan_id = 'L4' and term_number = 1", {
        "no_more_goes_back_than_was_paid"}),
    ("fct_instalments", "plan_version = 2 where loan_id = 'L1' and term_number = 3", {"plan_has_one_version"}),
    ("fct_loan_states", "balance_after_compensation_amount = -1 where loan_id = 'L1'", {"balance_is_not_negative"}),
    ("fct_loan_states", "balance_before_compensation_amount = 0 where loan_id = 'L1'", {
        "funder_is_owed_no_more_than_customer_owes"}),
    ("fct_loan_states", "worst_delay_days_after_compensation = -1 where loan_id = 'L1'", {"dpd_is_not_negative"}),
    ("fct_compensations", "loan_id = 'L99'", {"loan_is_known"}),
    ("fct_applications", "application_id = 'A99' where application_id = 'AL1'", {"agrees_with_history"}),
    ("mtr_disbursement__daily", "disbursed_amount = 0 where date_basis = 't0'", {
        "bases_share_one_total", "restated_equals_net_in_total"}),
    ("mtr_delinquency_buckets__daily", "balance_principal_amount = 0 where scheme = 'S29'", {
        "schemes_share_one_balance"}),
    ("mtr_first_payment_default__daily", "due_date = date '2026-05-01' where due_date = date '2026-02-28'", {
        "no_future_cohort"}),
    ("mtr_first_payment_unpaid__daily", "due_date = date '2026-05-01' where due_date = date '2026-02-28'", {
        "no_future_day"}),
    ("rec_rows__lake", "rows_in_lake = rows_landed - 1 where dataset = 'loans'", {"no_row_is_lost"}),
    ("mtr_first_payment_default__daily", "bad_loan_count = matured_loan_count + 1", {"bad_is_part_of_matured"}),
    # What a table is implies these, by `quality.kinds`:
    ("fct_loans_history", "posted_at = timestamptz '2026-05-02 00:00:00+08' where loan_id = 'L1'", {"no_future_event"}),
    ("fct_repayments_history", "paid_at = null where loan_id = 'L1'", {"paid_at_is_present"}),
    ("fct_consents_history", "consent_event_id = 'EL1'", {"one_current_version", "key_is_unique"}),
    ("fct_instalments", "due_date = null where loan_id = 'L1' and term_number = 1", {"due_date_is_present"}),
    ("mtr_balance_bridge__daily", "as_of_date = date '2026-05-01'", {"no_future_day", "key_is_unique"}),
]  # fmt: skip


def test_each_breach_is_found_by_its_check(book: Settings, change: Change) -> None:
    """One process, many breaches: the book is broken in one place, audited, and restored."""
    found: dict[str, set[str]] = {}
    gates = {suite.table: suite.gate for gate in GATES for suite in load_suites(SHIPPED, gate)}
    for table, breach, _ in BREACHES:
        change(f"create table kept as from {table}")
        change(f"update {table} set {breach}")
        (verdict,) = audit(gates[table], DAY, book, tables=[table])
        found[f"{table}: {breach}"] = {failure.check for failure in verdict.failures}
        change(f"drop table {table}")
        change(f"alter table kept rename to {table}")
    assert found == {f"{table}: {breach}": expected for table, breach, expected in BREACHES}
