"""The models' own unit tests (dbt unit tests) hold, and what no given rows can show is shown on a copy of the lake."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from datetime import date

import pytest
import sqlalchemy as sa

from ingestion.foundation.ledger import deliveries, open_ledger
from quality.gate import audit
from quality.publication import audit_and_publish
from quality.warehouse import WarehouseBuildFailed, build, run_unit_tests


@pytest.fixture
def built(golden, tmp_path):
    """A copy of the golden portfolio's warehouse, whose column types the tests need."""
    ledger = tmp_path / "ledger.db"
    settings = replace(golden[0], home=tmp_path, ledger_url=f"sqlite:///{ledger}")
    shutil.copyfile(golden[0].home / "ledger.db", ledger)
    shutil.copyfile(golden[0].warehouse, settings.warehouse)
    shutil.copytree(golden[0].lake, settings.lake)
    return settings


def test_every_unit_test_of_the_models_holds(built):
    run_unit_tests(built)
    results = json.loads((built.home / "dbt" / "target" / "run_results.json").read_text())["results"]
    assert len(results) >= 6
    assert {result["status"] for result in results} == {"pass"}


def test_a_broken_model_fails_its_unit_test(built, tmp_path):
    models = tmp_path / "models"
    shutil.copytree(built.dbt_project / "models", models)
    model = models / "intermediate" / "identity" / "int_loans_owned.sql"
    model.write_text(
        "select loan_id, min(customer_id) as customer_id, min(loan_id_funder) as loan_id_funder"
        " from {{ ref('fct_loans_history') }} group by loan_id\n"
    )
    with pytest.raises(WarehouseBuildFailed, match="a_loan_belongs_to_the_customer_known_last"):
        run_unit_tests(replace(built, models=models))


def test_a_delivery_that_left_the_lake_fails_the_gate(built):
    day = date(2026, 4, 30)
    build(day, built, select=["+rec_rows__lake"])
    (verdict,) = audit("metrics", day, built, tables=["rec_rows__lake"])
    assert verdict.passed
    (lost,) = (built.lake / "bank_a" / "loans" / "batch_date=2026-04-29").iterdir()
    shutil.rmtree(lost)
    build(day, built, select=["+rec_rows__lake"])
    (verdict,) = audit("metrics", day, built, tables=["rec_rows__lake"])
    (failure,) = verdict.failing_checks
    assert (failure.check, failure.failing_rows) == ("no_row_is_lost", 1)


def test_only_deliveries_in_the_build_are_noted_as_published(built):
    """One that lands between build and publication waits for the next build."""
    ledger = open_ledger(built)
    with ledger.begin() as connection:
        late = dict(connection.execute(sa.select(deliveries).limit(1)).one()._mapping) | {"delivery_id": "late"}
        connection.execute(sa.insert(deliveries).values(late))
    published = audit_and_publish("warehouse", date(2026, 4, 30), built)
    with ledger.connect() as connection:
        noted = dict(connection.execute(sa.select(deliveries.c.delivery_id, deliveries.c.published_in)).all())
    assert noted.pop("late") is None
    assert set(noted.values()) == {published.version}
