"""The shipped core suites run on the warehouse's agreed columns, and each rule is seen to fail."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from ingestion.settings import Settings
from quality.gate import audit
from quality.publication import audit_and_publish, open_published

DAY = date(2026, 3, 2)
SHIPPED = Path(__file__).resolve().parents[2] / "quality" / "suites"
KNOWN = "timestamptz '2026-02-02 07:00:00+08' as _known_at, null::timestamptz as _superseded_at"
BOOK = {
    "dim_customers": """
        select 'C1' as customer_id, date '1990-01-01' as birth_date, '张*' as name_masked,
               '138****0000' as mobile_masked, timestamptz '2026-02-01 09:00:00+08' as first_seen_at""",
    "fct_applications_history": f"""
        select 'A1' as application_id, 'C1' as customer_id,
               timestamptz '2026-02-01 09:00:00+08' as applied_at,
               1000.00::decimal(18, 2) as requested_amount, 2 as term_count,
               5000.00::decimal(18, 2) as monthly_income_amount,
               'app' as channel, 'P' as product_code, {KNOWN}""",
    "fct_applications": "select * exclude (_known_at, _superseded_at) from fct_applications_history",
    "fct_decisions_history": f"""
        select 'A1' as application_id, 'C1' as customer_id,
               timestamptz '2026-02-01 09:05:00+08' as decided_at,
               'approved' as decision,
               1000.00::decimal(18, 2) as approved_amount, 600 as risk_score, {KNOWN}""",
    "fct_loans": """
        select 'L1' as loan_id, 'A1' as application_id, 'C1' as customer_id, 'bank_a' as funder,
               'P' as product_code, 1000.00::decimal(18, 2) as principal_amount, 2 as term_count,
               timestamptz '2026-02-01 10:00:00+08' as funded_at, date '2026-02-01' as booked_date,
               false as is_reversed""",
    "fct_instalments": """
        select 'L1' as loan_id, term_number, 'C1' as customer_id, due_date,
               500.00::decimal(18, 2) as principal_amount, 10.00::decimal(18, 2) as interest_amount,
               0.00::decimal(18, 2) as fee_amount, 510.00::decimal(18, 2) as instalment_amount,
               cleared_date as cleared_date_before_compensation,
               cleared_date as cleared_date_after_compensation,
               0 as dpd_ever_before_compensation
        from (values (1, date '2026-03-01', date '2026-03-01'), (2, date '2026-04-01', null::date))
             as t(term_number, due_date, cleared_date)""",
    "fct_repayments": """
        select 'R1' as repayment_id, 'L1' as loan_id, 1 as term_number, 'C1' as customer_id,
               timestamptz '2026-03-01 12:00:00+08' as paid_at, 500.00::decimal(18, 2) as principal_amount,
               10.00::decimal(18, 2) as interest_amount, 0.00::decimal(18, 2) as fee_amount,
               0.00::decimal(18, 2) as penalty_amount, 510.00::decimal(18, 2) as total_amount""",
    "fct_balance_movements_history": f"""
        select movement_id, 'C1' as customer_id, 'L1' as loan_id, movement_type, moved_at,
               principal_amount::decimal(18, 2) as principal_amount, {KNOWN}
        from (values ('M1', 'disbursed', timestamptz '2026-02-01 10:00:00+08', 1000),
                     ('M2', 'repaid', timestamptz '2026-03-01 12:00:00+08', -500))
             as t(movement_id, movement_type, moved_at, principal_amount)""",
    "fct_instalment_clearances_history": f"""
        select 'L1' as loan_id, 1 as term_number, 'C1' as customer_id,
               date '2026-03-01' as due_date,
               timestamptz '2026-03-01 00:30:00+08' as cleared_at, 0 as delay_days,
               510.00::decimal(18, 2) as instalment_amount, {KNOWN}""",
    "fct_compensations_history": f"""
        select 'X1' as compensation_id, 'C1' as customer_id, 'L1' as loan_id, 1 as term_number,
               timestamptz '2026-03-01 10:00:00+08' as compensated_at,
               0.00::decimal(18, 2) as principal_amount,
               'compensation' as compensation_type, {KNOWN}""",
    "fct_compensations": "select * exclude (_known_at, _superseded_at) from fct_compensations_history",
    "fct_consents_history": f"""
        select 'E1' as consent_event_id, 'C1' as customer_id, 'granted' as event, 'credit' as purpose,
               'bank_a' as recipient, 'separate' as consent_kind,
               timestamptz '2026-02-01 08:59:00+08' as occurred_at, date '9999-12-31' as valid_to, {KNOWN}""",
    "customer_360": "select 'C1' as customer_id, 'repaying' as lifecycle_stage",
    "mtr_delinquency__daily": "select date '2026-03-02' as metric_date",
    "mtr_balance_bridge__daily": """
        select date '2026-03-02' as metric_date, 0.00::decimal(18, 2) as unexplained_amount""",
    "rec_loans__funder": """
        select 'L1' as loan_id, 'matched' as break_type, 0.00::decimal(18, 2) as amount_difference_amount""",
}
Change = Callable[[str], None]


@pytest.fixture
def shipped(settings: Settings, change: Change) -> Settings:
    for table, query in BOOK.items():
        change(f"create table {table} as {query}")
    return replace(settings, suites=SHIPPED)


def test_a_sound_book_passes_every_shipped_check_and_is_published(shipped: Settings) -> None:
    verdicts = audit("core", DAY, shipped)
    assert [failure.sentence for verdict in verdicts for failure in verdict.failures] == []
    assert {verdict.table for verdict in verdicts} == set(BOOK)
    audit_and_publish("core", DAY, shipped)
    held = open_published("warehouse", shipped)
    assert set(held.manifest["tables"]) == set(BOOK) - {"rec_loans__funder"}
    assert len(held.bucket_paths("fct_consents_history")) == 16


BREACHES = [
    ("fct_loans", "principal_amount = 1000.01", {"funded_within_approval"}),
    ("fct_loans", "application_id = 'A9'", {"decision_exists"}),
    ("fct_loans", "customer_id = 'C9'", {"customer_is_known"}),
    ("fct_loans", "funded_at = timestamptz '2026-03-03 00:00:00+08'", {"no_future_event"}),
    ("fct_instalments", "principal_amount = 500.01 where term_number = 2", {
        "plan_principal_equals_loan", "components_sum_to_instalment"}),
    ("fct_instalments", "due_date = date '2026-04-01'", {"due_dates_increase"}),
    ("fct_instalments", "dpd_ever_before_compensation = -1", {"dpd_is_not_negative"}),
    ("fct_instalments", "loan_id = 'L9' where term_number = 2", {
        "terms_are_complete", "plan_principal_equals_loan"}),
    ("fct_repayments", "total_amount = 510.01", {"allocation_sums_to_receipt"}),
    ("fct_repayments", "paid_at = timestamptz '2026-01-31 10:00:00+08'", {"paid_after_funding"}),
    ("fct_balance_movements_history", "principal_amount = -1000.01 where movement_id = 'M2'", {
        "balance_is_not_negative"}),
    ("fct_balance_movements_history", "principal_amount = -principal_amount", {
        "sign_follows_type", "balance_is_not_negative"}),
    ("fct_balance_movements_history", "_superseded_at = _known_at", {"superseded_after_known"}),
    ("fct_instalment_clearances_history", "delay_days = -1", {"delay_is_cleared_minus_due"}),
    ("fct_decisions_history", "decision = 'pending'", {"decision_is_accepted"}),
    ("fct_decisions_history", "approved_amount = null", {"approval_names_an_amount"}),
    ("fct_decisions_history", "decided_at = timestamptz '2026-02-01 08:00:00+08'", {
        "decision_follows_application"}),
    ("fct_consents_history", "valid_to = date '2026-01-01'", {"validity_follows_the_grant"}),
    ("fct_consents_history", "customer_id = null", {"customer_id_is_present"}),
    ("customer_360", "customer_id = 'C9'", {"same_customers_as_dimension"}),
    ("mtr_delinquency__daily", "metric_date = date '2026-03-01'", {"batch_date_is_present"}),
    ("mtr_balance_bridge__daily", "unexplained_amount = 0.01", {"bridge_explains_everything"}),
    ("rec_loans__funder", "break_type = 'only_right'", {"every_loan_matches_the_bank"}),
    ("fct_compensations", "loan_id = 'L9'", {"loan_is_known"}),
    ("fct_applications", "application_id = 'A9'", {"agrees_with_history"}),
]  # fmt: skip


def test_each_breach_is_found_by_its_check(shipped: Settings, change: Change) -> None:
    """One process, many breaches: the book is broken in one place, audited, and restored."""
    found: dict[str, set[str]] = {}
    for table, breach, _ in BREACHES:
        change(f"create table kept as from {table}")
        change(f"update {table} set {breach}")
        (verdict,) = audit("core", DAY, shipped, tables=[table])
        found[f"{table}: {breach}"] = {failure.check for failure in verdict.failures}
        change(f"drop table {table}")
        change(f"alter table kept rename to {table}")
    assert found == {f"{table}: {breach}": expected for table, breach, expected in BREACHES}
