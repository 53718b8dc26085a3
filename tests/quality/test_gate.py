"""Gates run real Great Expectations on a real DuckDB file and return verdicts."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import FrozenInstanceError
from datetime import date, timedelta

import duckdb
import polars as pl
import pytest

from ingestion.foundation import Settings
from quality import gx_duckdb
from quality.check import Check
from quality.gate import GateUnusable, audit, audit_rows
from quality.source import ParquetFiles, WarehouseUnusable
from quality.verdict import Outcome, Verdict, read_verdicts

DAY = date(2026, 3, 2)
pytestmark = pytest.mark.usefixtures("book")
Change = Callable[[str], None]


def verdict_of(verdicts: list[Verdict], table: str) -> Verdict:
    return next(verdict for verdict in verdicts if verdict.table == table)


def test_sound_tables_pass(settings: Settings) -> None:
    verdicts = audit("core", DAY, settings)
    assert [(v.table, v.outcome, v.rows) for v in verdicts] == [
        ("fct_loans", Outcome.PASS, 400),
        ("rec_loans__funder", Outcome.PASS, 400),
    ]
    assert read_verdicts(settings, DAY) == verdicts
    assert audit("core", DAY, settings) == verdicts


def test_a_warning_lets_the_table_pass_and_names_its_rows(settings: Settings, change: Change) -> None:
    change("update fct_loans set funder = 'bank_z' where loan_id in ('L00007', 'L00003')")
    verdict = verdict_of(audit("core", DAY, settings), "fct_loans")
    assert verdict.outcome is Outcome.PASS_WITH_WARNINGS
    assert verdict.passed
    (failure,) = verdict.failures
    assert (failure.check, failure.severity, failure.rule) == ("funder_is_accepted", "warn", "I27")
    assert failure.observed == "2 of 400 values break it"
    assert (failure.failing_rows, failure.sample_keys) == (2, ("L00003", "L00007"))


def test_failures_fail_and_every_failing_row_is_kept(settings: Settings, change: Change) -> None:
    change("update fct_loans set principal_amount = 0 where loan_id < 'L00030'")
    change("update fct_loans set funded_at = '2026-03-03 00:00:00+08' where loan_id = 'L00050'")
    change("insert into fct_loans select * from fct_loans where loan_id = 'L00060'")
    verdict = verdict_of(audit("core", DAY, settings), "fct_loans")
    assert verdict.outcome is Outcome.FAIL
    found = {failure.check: failure for failure in verdict.failures}
    assert set(found) == {"principal_is_positive", "no_future_event", "key_is_unique"}
    assert found["principal_is_positive"].failing_rows == 30
    assert len(found["principal_is_positive"].sample_keys) == 5
    assert found["no_future_event"].sample_keys == ("L00050",)
    assert found["key_is_unique"].failing_rows == 2
    (folder,) = (settings.reports / "quality" / "core" / DAY.isoformat() / "failing_rows" / "fct_loans").iterdir()
    kept = pl.read_parquet(folder / "principal_is_positive.parquet")
    assert kept.columns == ["loan_id", "principal_amount"]
    assert kept["loan_id"].to_list() == [f"L{i:05d}" for i in range(30)]


def test_the_last_instant_of_the_business_day_is_not_the_future(settings: Settings, change: Change) -> None:
    change("update fct_loans set funded_at = '2026-03-02 23:59:59.999999+08' where loan_id = 'L00050'")
    assert verdict_of(audit("core", DAY, settings), "fct_loans").outcome is Outcome.PASS


def test_a_broken_reconciliation_names_the_loan(settings: Settings, change: Change) -> None:
    change("update rec_loans__funder set break_type = 'only_left' where loan_id = 'L00011'")
    verdict = verdict_of(audit("core", DAY, settings), "rec_loans__funder")
    assert not verdict.passed
    assert verdict.failures[0].sentence == "every_loan_matches (X63: 1 rows break it, 1 rows, e.g. L00011)"


def test_absent_table_and_unevaluable_check_fail_loudly(settings: Settings, change: Change) -> None:
    change("drop table rec_loans__funder")
    change("alter table fct_loans drop column funder")
    verdicts = audit("core", DAY, settings)
    (absent,) = verdict_of(verdicts, "rec_loans__funder").failures
    assert absent.observed == "the table does not exist"
    (blind,) = verdict_of(verdicts, "fct_loans").failures
    assert (blind.check, blind.severity) == ("funder_is_accepted", "fail")
    assert "funder" in blind.observed


def test_details_are_asked_only_of_failed_checks(
    settings: Settings, change: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    change("update fct_loans set principal_amount = -1 where loan_id = 'L00001'")
    asked: list[tuple[str, object, list[str]]] = []
    original = gx_duckdb.GateRun._run

    def spy(self: gx_duckdb.GateRun, table: str, checks: list[Check], *rest: object) -> dict[str, object]:
        asked.append((table, rest[-1], [check.name for check in checks]))
        return original(self, table, checks, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(gx_duckdb.GateRun, "_run", spy)
    audit("core", DAY, settings)
    assert [(table, form) for table, form, _ in asked] == [
        ("fct_loans", "BOOLEAN_ONLY"),
        ("fct_loans", {"result_format": "SUMMARY", "partial_unexpected_count": 0}),
        ("rec_loans__funder", "BOOLEAN_ONLY"),
    ]
    assert asked[1][2] == ["principal_is_positive"]


def test_reports_name_table_and_check_and_need_no_network(settings: Settings, change: Change) -> None:
    change("update fct_loans set principal_amount = -1 where loan_id = 'L00001'")
    audit("core", DAY, settings)
    folder = settings.reports / "quality" / "core"
    page = (folder / DAY.isoformat() / "index.html").read_text(encoding="utf-8")
    text = (folder / DAY.isoformat() / "verdicts.md").read_text(encoding="utf-8")
    for report in (page, text):
        for named in ("fct_loans", "principal_is_positive", "L00001", "放款借据", "FAIL"):
            assert named in report
    assert "http" not in page
    assert "<link" not in page
    assert "<script" not in page


def test_the_gate_reads_only_and_releases_the_file(settings: Settings, change: Change) -> None:
    before = settings.warehouse.read_bytes()
    audit("core", DAY, settings)
    assert settings.warehouse.read_bytes() == before
    change("insert into fct_loans select * from fct_loans limit 0")


def test_only_named_tables_are_audited(settings: Settings) -> None:
    assert [v.table for v in audit("core", DAY, settings, tables=["fct_loans"])] == ["fct_loans"]
    with pytest.raises(GateUnusable, match="has no suite for fct_nothing"):
        audit("core", DAY, settings, tables=["fct_nothing"])


def test_a_missing_or_locked_warehouse_is_one_sentence(settings: Settings) -> None:
    settings.warehouse.unlink()
    with pytest.raises(WarehouseUnusable, match="There is no warehouse"):
        audit("core", DAY, settings)
    with duckdb.connect(str(settings.warehouse)), pytest.raises(WarehouseUnusable, match="is being written"):
        audit("core", DAY, settings)


def test_verdicts_are_frozen_values(settings: Settings) -> None:
    verdict = audit("core", DAY, settings)[0]
    with pytest.raises(FrozenInstanceError):
        verdict.fingerprint = "0"  # type: ignore[misc]
    later = audit("core", DAY + timedelta(days=1), settings)[0]
    assert later.fingerprint == verdict.fingerprint
    assert later.verdict_id != verdict.verdict_id


@pytest.mark.parametrize("kind", ["arrow", "parquet"])
def test_frames_and_files_are_audited(settings: Settings, kind: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    frame = pl.DataFrame(
        {
            "customer_id": ["C1", "C2", "C2"],
            "as_of": [date(2026, 3, 3)] * 3,
            "repaid_count_30d": [1, 101, None],
        }
    )
    path = tmp_path_factory.mktemp("view") / "part-00.parquet"
    frame.write_parquet(path)
    rows = frame.to_arrow() if kind == "arrow" else ParquetFiles((path,))
    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    killed = settings.home / "scratch" / f"audit-{int(gone.stdout)}-x"
    killed.mkdir(parents=True)
    (verdict,) = audit_rows("features", DAY, {"view_repayment": rows}, settings)
    assert {failure.check: failure.sample_keys for failure in verdict.failures} == {
        "count_in_range": ("C2, 2026-03-03",),
        "key_is_unique": ("C2, 2026-03-03",),
    }
    assert list((settings.home / "scratch").iterdir()) == []
