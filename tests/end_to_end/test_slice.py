"""From a partner's file to a score, by the stage functions that the DAGs call, over four simulated dates."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import duckdb
import polars as pl
import pytest

import features
from features.clock import find_scoring_instant
from features.publish import build_features
from ingestion.contract import load_registry
from ingestion.delivery import DeliveryRefused
from ingestion.foundation import Settings
from ingestion.lake.scan import ClearIdentifiers, find_clear
from ingestion.landing import land_source
from ingestion.simulation import GO_LIVE
from ingestion.simulation.payment_f import LATE_DATE
from quality.override import override_verdict
from quality.publication import PublicationRefused, audit_and_publish
from quality.published import open_published
from quality.verdict import Verdict, read_verdicts
from quality.warehouse import build
from tests.simulated_group import CUSTOMERS, DAYS, LAST, Group

REFUSED = GO_LIVE + timedelta(days=2)


def test_quarantine_is_exactly_the_labelled_defects(group: Group) -> None:
    truth = pl.read_parquet(group.settings.home / "simulation" / "truth" / "defects.parquet")
    labelled = truth.filter(pl.col("expected") == "quarantined").select(
        "source", "dataset", "batch_date", "line_number"
    )
    parts = []
    for path in sorted(group.settings.quarantine.glob("*/*/*/*/rows.parquet")):
        source, dataset, batch = path.parts[-5:-2]
        day = date.fromisoformat(batch.removeprefix("batch_date="))
        rows = pl.read_parquet(path)
        is_parquet = dataset in ("applications", "decisions")
        parts.append(
            rows.select(
                pl.lit(source).alias("source"),
                pl.lit(dataset).alias("dataset"),
                pl.lit(day).alias("batch_date"),
                # The truth counts Parquet rows from 0; the platform numbers them from 1, like lines.
                (pl.col("line_number") - int(is_parquet)).alias("line_number"),
            )
        )
    found = pl.concat(parts)
    assert found.height > 10
    order = ["source", "dataset", "batch_date", "line_number"]
    assert found.sort(order).rows() == labelled.sort(order).cast({"line_number": pl.Int64}).rows()


def test_rows_in_are_landed_plus_quarantined(group: Group) -> None:
    entries = [entry for report in group.landed.values() for entry in report.arrivals]
    assert len(entries) >= 10 * DAYS
    assert all(entry.rows_in == entry.rows_landed + entry.rows_quarantined for entry in entries)


def test_a_correction_that_came_late_and_out_of_order_lands_under_its_own_date(group: Group) -> None:
    corrected = [
        entry.batch_date
        for day in sorted({day for day, _ in group.landed})
        for entry in group.landed[day, "payment_f"].arrivals
        if entry.dataset == "fee_corrections" and entry.outcome == "landed" and entry.rows_landed
    ]
    assert corrected[:2] == [LATE_DATE + timedelta(days=1), LATE_DATE]


def test_the_confused_date_is_refused_and_the_last_good_version_stays(group: Group) -> None:
    assert list(group.refusals) == [REFUSED]
    assert "every_loan_matches_the_bank" in group.refusals[REFUSED]
    day_before = REFUSED - timedelta(days=1)
    assert group.pointers[REFUSED] == group.pointers[day_before]
    assert REFUSED not in group.scored


def test_the_correction_reopens_its_date(group: Group) -> None:
    published = open_published("warehouse", group.settings)
    assert published.batch_date == LAST
    days = published.scan("dim_business_dates").collect()["as_of_date"].to_list()
    assert REFUSED in days
    with duckdb.connect(str(group.settings.warehouse), read_only=True) as connection:
        seen = connection.execute(
            "select count(*) filter (_superseded_at is not null), count(*) filter (_superseded_at is null)"
            " from fct_funder_loans_history where _batch_date = ? and funder = 'bank_a'",
            [REFUSED],
        ).fetchall()[0]
    assert seen[0] == seen[1] > 0, "both versions of the payouts stay readable"


def test_bridge_nets_to_zero_on_real_movements(group: Group) -> None:
    bridge = open_published("warehouse", group.settings).scan("mtr_balance_bridge__daily").collect()
    assert bridge["as_of_date"].to_list() == [GO_LIVE + timedelta(days=number) for number in range(DAYS)]
    assert (bridge["unexplained_amount"] == 0).all()
    assert (bridge["compensated_outstanding_amount"] > 0).all()
    assert (bridge["buyback_outstanding_amount"] > 0).all()


def test_training_on_the_scoring_spine_equals_the_scoring_table(group: Group) -> None:
    scoring = features.scoring_frame(LAST, settings=group.settings)
    spine = scoring.select("customer_id").with_columns(pl.lit(find_scoring_instant(LAST)).alias("as_of"))
    train = features.training_frame(spine, purpose="LIMIT_MGMT", settings=group.settings)
    shared = [name for name in scoring.columns if name in train.columns]
    assert len(shared) >= 14
    assert scoring.select(shared).sort("customer_id").equals(train.select(shared).sort("customer_id"))


def test_every_scored_customer_has_a_consent(group: Group) -> None:
    scores = pl.read_parquet(group.scored[LAST])
    consents = open_published("warehouse", group.settings).scan("fct_consents_history").collect()
    latest = (
        consents.filter(pl.col("purpose") == "LIMIT_MGMT", pl.col("recipient") == "PLATFORM")
        .sort("occurred_at", "consent_event_id")
        .group_by("customer_id")
        .agg(pl.col("event").last())
    )
    allowed = set(latest.filter(pl.col("event") == "granted")["customer_id"])
    withdrawn = set(latest.filter(pl.col("event") == "withdrawn")["customer_id"])
    assert scores.height > CUSTOMERS / 2
    assert withdrawn, "the group must hold somebody who withdrew, or this test shows nothing"
    assert set(scores["customer_id"]) <= allowed
    assert scores["score"].n_unique() > 20
    assert scores["model_version"].n_unique() == 1


def test_running_a_date_again_changes_nothing(group: Group) -> None:
    before = {path: path.read_bytes() for path in sorted(group.settings.lake.glob("*/*/*/*/*.parquet"))}
    for source in load_registry(group.settings).contracts:
        land_source(source, LAST, group.settings)
    build(LAST, group.settings)
    again = audit_and_publish("warehouse", LAST, group.settings)
    assert again.version == group.pointers[LAST] and not again.is_new
    assert {path: path.read_bytes() for path in sorted(group.settings.lake.glob("*/*/*/*/*.parquet"))} == before


def find_failed(gate: str, settings: Settings) -> list[Verdict]:
    """Failed verdicts; the date that the simulated group confuses is refused by the warehouse's gates anyway."""
    failed = (verdict for verdict in read_verdicts(settings, gate=gate) if not verdict.passed)
    return [verdict for verdict in failed if verdict.batch_date != REFUSED or gate == "landing"]


def accept_losses(gate: str, settings: Settings) -> None:
    for verdict in find_failed(gate, settings):
        reason = "the test accepts the loss to see the next gate"
        override_verdict(verdict.verdict_id, "li.wei", reason, LAST, f"{LAST}T09:00:00+08:00", settings)


def test_a_consent_file_replaced_by_its_heading_alone_is_refused(group: Group, tmp_path: Path) -> None:
    """Every row that is left holds every check, for nobody is left: each gate in turn sees what is lost."""
    home = tmp_path / "home"
    shutil.copytree(group.settings.home, home)
    ledger_url = f"sqlite:///{home / 'ledger.db'}"
    settings = replace(group.settings, home=home, ledger_url=ledger_url, vault_url=f"sqlite:///{home}/vault/vault.db")
    received = (find_scoring_instant(LAST) - timedelta(hours=1)).timestamp()
    for path in (home / "landing" / "dept_compliance").glob("*/consents_*.csv"):
        heading = path.read_bytes().splitlines(keepends=True)[0]
        path.chmod(0o644)
        path.write_bytes(heading)
        os.utime(path, (received, received))
    with pytest.raises(DeliveryRefused, match="brings 0 rows where up to"):
        land_source("dept_compliance", LAST, settings)
    accept_losses("landing", settings)
    for day in sorted({verdict.batch_date for verdict in find_failed("landing", settings)}):
        land_source("dept_compliance", day, settings)
    build(LAST, settings)
    lost = r"fct_consents_history failed keeps_its_current_rows \(L17: 0 current rows of"
    with pytest.raises(PublicationRefused, match=lost):
        audit_and_publish("warehouse", LAST, settings)
    accept_losses("core", settings)
    with pytest.raises(PublicationRefused, match=r"scoring failed keeps_its_rows \(L17: 0 rows of"):
        audit_and_publish("warehouse", LAST, settings)
        build_features(LAST, settings)
    assert open_published("features", settings).version == open_published("features", group.settings).version
    assert features.scoring_frame(LAST, settings=settings).height > CUSTOMERS / 2


def test_no_clear_identifier_leaves_the_door(group: Group) -> None:
    """Everything but what partners delivered and the truth, searched for every identity number and phone."""
    home = group.settings.home
    persons = pl.read_parquet(home / "simulation" / "truth" / "persons.parquet")
    clear = ClearIdentifiers(value for column in ("cert_no", "mobile") for value in persons[column].drop_nulls())
    assert len(clear.values) > CUSTOMERS
    outside = [group.settings.landing, home / "simulation", home / "tenant"]
    assert find_clear([home], clear, outside) == []
    assert find_clear([group.settings.landing], clear), "the search must see what partners delivered"
