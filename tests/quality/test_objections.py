"""A set cannot be published around its gates: whatever the ledger does not say of today's content refuses it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
import yaml

import quality.suite
from ingestion.foundation import Settings
from ingestion.foundation.ledger import deliveries, use_ledger
from quality.gate import GateUnusable, audit
from quality.publication import NothingPublished, PublicationRefused, audit_and_publish, open_published, publish
from quality.sets import SetsInvalid, load_set
from quality.source import WarehouseUnusable
from quality.verdict import LANDING, Failure, Verdict, read_verdicts, record_verdicts

DAY = date(2026, 3, 2)
LATER = DAY + timedelta(days=1)
pytestmark = pytest.mark.usefixtures("book")
Change = Callable[[str], None]
Rewrite = Callable[[str, Callable[[dict[str, Any]], object]], str]


@pytest.fixture
def rewrite(settings: Settings) -> Rewrite:
    """Change a suite or set file as data and give back the text that it had."""

    def run(name: str, change: Callable[[dict[str, Any]], object]) -> str:
        path = settings.sets.parent / name
        held = path.read_text(encoding="utf-8")
        declared = yaml.safe_load(held)
        change(declared)
        path.write_text(yaml.safe_dump(declared, allow_unicode=True), encoding="utf-8")
        return held

    return run


def refuse(settings: Settings, match: str, day: date = DAY) -> None:
    with pytest.raises(PublicationRefused, match=match):
        publish("warehouse", day, settings)
    with pytest.raises(NothingPublished):
        open_published("warehouse", settings)


def test_a_failed_reconciliation_cannot_be_left_out_of_the_audit(settings: Settings, change: Change) -> None:
    change("update rec_loans__funder set break_type = 'amount_diff' where loan_id = 'L00001'")
    audit("core", DAY, settings, tables=["fct_loans"])
    refuse(settings, "rec_loans__funder has no verdict of gate core for 2026-03-02")
    audit("core", DAY, settings)
    audit("core", DAY, settings, tables=["fct_loans"])
    refuse(settings, "rec_loans__funder failed every_loan_matches")


def test_a_verdict_of_an_older_weaker_suite_is_none(settings: Settings, change: Change, rewrite: Rewrite) -> None:
    change("update fct_loans set principal_amount = 0 where loan_id = 'L00001'")
    strict = rewrite(
        "suites/core/fct_loans.yml",
        lambda suite: suite["checks"].pop([check["name"] for check in suite["checks"]].index("principal_is_positive")),
    )
    assert all(verdict.passed for verdict in audit("core", DAY, settings))
    (settings.suites / "core" / "fct_loans.yml").write_text(strict, encoding="utf-8")
    refuse(settings, r"fct_loans was audited by suite 1\+\w+, which today is 1\+\w+; audit gate core again")


def test_a_verdict_of_another_date_is_none(settings: Settings) -> None:
    audit("core", DAY, settings)
    refuse(settings, "fct_loans has no verdict of gate core for 2026-03-03", LATER)


def test_nothing_audited_is_nothing_published(settings: Settings) -> None:
    refuse(settings, "fct_loans has no verdict .*; rec_loans__funder has no verdict")


def test_the_last_verdict_on_the_present_content_decides(settings: Settings, change: Change) -> None:
    broken = "update rec_loans__funder set break_type = 'only_left' where loan_id = 'L00001'"
    sound = "update rec_loans__funder set break_type = 'matched' where loan_id = 'L00001'"
    change(broken)
    audit("core", DAY, settings)
    change(sound)
    audit("core", DAY, settings)
    change(broken)
    refuse(settings, "rec_loans__funder failed every_loan_matches")
    change(sound)
    assert publish("warehouse", DAY, settings).is_new


def test_an_unpublished_table_that_changed_since_its_verdict_refuses(settings: Settings, change: Change) -> None:
    audit("core", DAY, settings)
    change("delete from rec_loans__funder where loan_id = 'L00001'")
    refuse(settings, "rec_loans__funder has changed since its verdict")
    change("drop table rec_loans__funder")
    refuse(settings, "rec_loans__funder does not exist")


def test_what_a_check_reads_beside_its_table_may_not_change(
    settings: Settings, change: Change, rewrite: Rewrite
) -> None:
    change("create table decisions as select loan_id, principal_amount as approved_amount from fct_loans")
    within = {
        "name": "within_approval",
        "expectation": "unexpected_rows",
        "arguments": {
            "query": "select * from {table} join decisions using (loan_id) where principal_amount > approved_amount"
        },
        "severity": "fail",
        "because": "nobody may be lent more than was approved",
        "rule": "T33",
    }
    rewrite("suites/core/fct_loans.yml", lambda suite: suite["checks"].append(within))
    audit("core", DAY, settings)
    change("update decisions set approved_amount = 1")
    refuse(settings, "what fct_loans is compared with has changed since its verdict")
    audit("core", DAY, settings)
    refuse(settings, "fct_loans failed within_approval")


def test_a_suite_that_was_removed_after_its_audit_is_missed(settings: Settings, change: Change) -> None:
    change("update rec_loans__funder set break_type = 'only_left' where loan_id = 'L00001'")
    audit("core", DAY, settings)
    (settings.suites / "core" / "rec_loans__funder.yml").unlink()
    refuse(settings, "rec_loans__funder was audited for this date and has no suite now; restore its suite, or name")
    (settings.suites / "core" / "fct_loans.yml").unlink()
    with pytest.raises(SetsInvalid, match="lists fct_loans, which no gate of the set audits; add suites/core/fct_loa"):
        publish("warehouse", DAY, settings)


def test_a_suite_that_is_gone_the_next_day_is_missed_unless_retired(settings: Settings, rewrite: Rewrite) -> None:
    first = audit_and_publish("warehouse", DAY, settings)
    (settings.suites / "core" / "rec_loans__funder.yml").unlink()
    with pytest.raises(PublicationRefused, match=f"audited by version {first.version} and has no suite now"):
        audit_and_publish("warehouse", LATER, settings)
    rewrite("sets/warehouse.yml", lambda declared: declared.update(retired=["rec_loans__funder"]))
    assert audit_and_publish("warehouse", LATER, settings).is_current


def test_a_set_cannot_lose_a_table_unless_retired(settings: Settings, change: Change, rewrite: Rewrite) -> None:
    rewrite("sets/warehouse.yml", lambda declared: declared.update(tables=["fct_loans", "rec_loans__funder"]))
    audit_and_publish("warehouse", DAY, settings)
    rewrite("sets/warehouse.yml", lambda declared: declared.update(tables=["fct_loans"]))
    with pytest.raises(PublicationRefused, match=r"rec_loans__funder is published in version .* does not list it now"):
        audit_and_publish("warehouse", DAY, settings)
    (settings.suites / "core" / "rec_loans__funder.yml").unlink()
    rewrite("sets/warehouse.yml", lambda declared: declared.update(retired=["rec_loans__funder"]))
    audit_and_publish("warehouse", LATER, settings)
    assert set(open_published("warehouse", settings).manifest["tables"]) == {"fct_loans"}


def test_a_gate_that_its_set_drops_guards_nobody_and_stops_everything(settings: Settings, rewrite: Rewrite) -> None:
    folder = settings.suites / "metrics"
    folder.mkdir()
    (settings.suites / "core" / "rec_loans__funder.yml").rename(folder / "rec_loans__funder.yml")
    rewrite("suites/metrics/rec_loans__funder.yml", lambda suite: suite.update(gate="metrics"))
    with pytest.raises(SetsInvalid, match=r"suites/metrics: \(folder\): is a gate of no set; name it under gates"):
        audit_and_publish("warehouse", DAY, settings)
    rewrite("sets/warehouse.yml", lambda declared: declared.update(gates=["core", "metrics"]))
    audit("core", DAY, settings)
    refuse(settings, "rec_loans__funder has no verdict of gate metrics")
    assert audit_and_publish("warehouse", DAY, settings).is_new


def test_a_gate_without_suites_opens_nothing(settings: Settings, rewrite: Rewrite) -> None:
    audit("core", DAY, settings)
    rewrite("sets/warehouse.yml", lambda declared: declared.update(gates=["core", "exports"]))
    with pytest.raises(SetsInvalid, match="names exports, which holds no suite; add suites/exports/<table>.yml"):
        publish("warehouse", DAY, settings)


def test_rows_handed_over_are_not_the_warehouse(settings: Settings) -> None:
    audit("core", DAY, settings)
    with pytest.raises(ValueError, match="from the warehouse file, not from rows handed over"):
        publish("warehouse", DAY, settings, rows={})


def test_what_a_stage_hands_over_is_audited_whole(settings: Settings) -> None:
    with pytest.raises(PublicationRefused, match="view_repayment does not exist"):
        audit_and_publish("features", DAY, settings, rows={})


def test_a_verdict_from_before_an_implied_check_is_of_another_suite(
    settings: Settings, change: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    change("insert into fct_loans select * from fct_loans where loan_id = 'L00001'")
    with monkeypatch.context() as past:
        past.setattr(quality.suite, "imply_checks", lambda *_: iter(()))
        assert all(verdict.passed for verdict in audit("core", DAY, settings))
    refuse(settings, "fct_loans was audited by suite")


def test_a_query_may_name_another_table_in_capitals(settings: Settings, change: Change, rewrite: Rewrite) -> None:
    query = "select t.* from {table} as t anti join FCT_LOANS using (loan_id)"
    check = {
        "name": "loan_is_known", "expectation": "unexpected_rows", "arguments": {"query": query},
        "severity": "fail", "because": "a break of no loan is nobody's", "rule": "X63",
    }  # fmt: skip
    rewrite("suites/core/rec_loans__funder.yml", lambda suite: suite["checks"].append(check))
    audit("core", DAY, settings)
    change("delete from fct_loans where loan_id = 'L00001'")
    audit("core", DAY, settings, tables=["fct_loans"])
    refuse(settings, "what rec_loans__funder is compared with has changed since its verdict")


def test_a_warehouse_cannot_be_published_under_another_date(settings: Settings, change: Change) -> None:
    audit_and_publish("warehouse", DAY, settings)
    change(f"create view stg_platform__runs as select date '{DAY}' as batch_date")
    for refused in (audit_and_publish, publish):
        with pytest.raises(WarehouseUnusable, match=r"built for 2026-03-02 and not for 2026-03-03; run"):
            refused("warehouse", LATER, settings)
    assert not open_published("warehouse", settings).is_fallback


def test_rows_are_counted_against_the_version_that_is_current_now(settings: Settings, change: Change) -> None:
    """A verdict from before the first publication does not let a table pass that has lost its rows since."""
    full = settings.warehouse.read_bytes()
    change("delete from rec_loans__funder where loan_id > 'L00002'")
    change("delete from fct_loans where loan_id > 'L00002'")
    emptied = settings.warehouse.read_bytes()
    audit("core", DAY, settings)
    settings.warehouse.write_bytes(full)
    held = audit_and_publish("warehouse", DAY, settings)
    settings.warehouse.write_bytes(emptied)
    with pytest.raises(PublicationRefused, match="what fct_loans is compared with has changed since its verdict"):
        publish("warehouse", DAY, settings)
    assert open_published("warehouse", settings).version == held.version


def test_a_version_that_the_ledger_does_not_know_stops_publication(settings: Settings, change: Change) -> None:
    audit_and_publish("warehouse", DAY, settings)
    change("delete from fct_loans where loan_id > 'L00002'")
    change("delete from rec_loans__funder where loan_id > 'L00002'")
    fresh = replace(settings, ledger_url=f"sqlite:///{settings.home / 'another.db'}")
    with pytest.raises(PublicationRefused, match="the ledger does not know the current version"):
        audit_and_publish("warehouse", DAY, fresh)


def test_a_delivery_that_landing_refused_stops_its_date(settings: Settings) -> None:
    failure = Failure("volume", "fail", "L17", "0 rows", "an empty file is a lost file")
    verdict = Verdict(LANDING, "bank_a.loans", DAY, "f" * 32, "1.0.0+0", 0, 1, (failure,))
    record_verdicts([verdict], settings)
    with pytest.raises(PublicationRefused, match=r"the delivery of bank_a\.loans was refused at landing"):
        audit_and_publish("warehouse", DAY, settings)
    record_verdicts([replace(verdict, fingerprint="e" * 32, failures=())], settings)
    audit_and_publish("warehouse", DAY, settings)


def test_a_delivery_from_before_verdicts_is_judged_by_the_ledger(settings: Settings) -> None:
    """A ledger that was made before landing recorded verdicts: what landed is no objection, what was refused is one."""
    row = {
        "source": "bank_a", "dataset": "loans", "batch_date": DAY, "sequence": 1, "content_hash": "0", "version": 1,
        "contract_version": "1.0.0", "received_at": "2026-03-02T08:00:00+08:00", "file_name": "f", "file_size": 1,
        "file_mtime_ns": 1, "rows_in": 3, "rows_landed": 3, "rows_quarantined": 0, "reason": None,
    }  # fmt: skip
    reason = "loans of 2026-03-02 has no row\n a | b"
    with use_ledger(settings) as ledger:
        ledger.execute(deliveries.insert(), [row | {"delivery_id": "1" * 32, "state": "landed"}])
    first = audit_and_publish("warehouse", DAY, settings)
    refused = {"delivery_id": "2" * 32, "state": "refused", "version": 2, "reason": reason}
    with use_ledger(settings) as ledger:
        ledger.execute(deliveries.insert(), [row | refused])
    why = (
        r"the delivery of bank_a\.loans was refused at landing before verdicts were recorded \(loans of 2026-03-02"
        r" has no row\); land a corrected one with `python -m ingestion land bank_a --date 2026-03-02`"
    )
    with pytest.raises(PublicationRefused, match=why) as caught:
        audit_and_publish("warehouse", DAY, settings)
    assert "\n" not in str(caught.value)
    with use_ledger(settings) as ledger:
        ledger.execute(deliveries.insert(), [row | {"delivery_id": "3" * 32, "state": "landed", "version": 3}])
    assert audit_and_publish("warehouse", DAY, settings).version == first.version


def test_the_command_that_publishes_a_set_is_named(settings: Settings, rewrite: Rewrite) -> None:
    rewrite("sets/features.yml", lambda declared: declared.update(command="python -m features build --date {date}"))
    with pytest.raises(GateUnusable, match=r"run `python -m features build --date 2026-03-02`\."):
        audit_and_publish("features", DAY, settings)
    with pytest.raises(GateUnusable, match=r"run `python -m features build --date 2026-03-02`\."):
        audit("features", DAY, settings)
    for name, command in (
        ("features", "python -m features build --date yyyy-mm-dd"),
        ("warehouse", "python -m quality publish --date yyyy-mm-dd"),
    ):
        with pytest.raises(NothingPublished, match=f"Nothing is published in set {name} yet; run `{command}`\\."):
            open_published(name, settings)
    with pytest.raises(NothingPublished, match="There is no set warehose; .* the nearest is warehouse"):
        open_published("warehose", settings)


def test_only_a_stage_has_a_command_of_its_own(settings: Settings, rewrite: Rewrite) -> None:
    rewrite("sets/warehouse.yml", lambda declared: declared.update(command="python -m quality publish --date {date}"))
    with pytest.raises(SetsInvalid, match=r"warehouse.yml: \(file\): has a command, and its rows are the warehouse's"):
        load_set("features", settings)


def test_a_set_whose_rows_a_stage_makes_is_left_to_that_stage(settings: Settings) -> None:
    with pytest.raises(GateUnusable, match="is published by the stage that makes its rows"):
        audit_and_publish("features", DAY, settings)
    assert read_verdicts(settings, DAY, "features") == []
