"""Nothing unaudited is ever visible: refusals, kills, repetitions and readers."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import duckdb
import polars as pl
import pytest

from ingestion.foundation import Settings
from quality import pointer, publication
from quality.gate import audit
from quality.publication import (
    NothingPublished,
    PublicationRefused,
    audit_and_publish,
    open_published,
    point_to,
    publish,
)

DAY = date(2026, 3, 2)
pytestmark = pytest.mark.usefixtures("book")
Change = Callable[[str], None]


def digest(folder: Path, pattern: str = "**/*") -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.glob(pattern))
        if path.is_file()
    }


def test_a_published_set_is_complete_bucketed_sorted_and_readable(settings: Settings) -> None:
    done = audit_and_publish("warehouse", DAY, settings)
    assert done.is_new
    assert done.is_current
    published = open_published("warehouse", settings)
    assert published.version == done.version
    assert published.version.startswith("2026-03-02-")
    assert len(published.version) == len("2026-03-02-") + 8
    assert set(published.manifest["tables"]) == {"fct_loans"}
    entry = published.manifest["tables"]["fct_loans"]
    assert entry["rows"] == 400
    assert entry["quality_status"] == "PASS"
    assert published.describe_layout("fct_loans") == {
        "bucket_by": "customer_id", "buckets": 16, "sort_by": ["customer_id", "funded_at"],
    }  # fmt: skip
    paths = published.list_bucket_paths("fct_loans")
    assert [path.name for path in paths] == [f"bucket-{number:02d}.parquet" for number in range(16)]
    total = 0
    for number, path in enumerate(paths):
        rows = pl.read_parquet(path)
        total += len(rows)
        for customer in rows["customer_id"].unique():
            assert int(hashlib.md5(customer.encode()).hexdigest()[:8], 16) % 16 == number
        assert rows.equals(rows.sort("customer_id", "funded_at"))
    assert total == 400
    assert published.scan("fct_loans").select(pl.len()).collect().item() == 400
    with duckdb.connect(str(published.database), read_only=True) as connection:
        assert connection.execute("select count(*), min(loan_id) from fct_loans").fetchall() == [(400, "L00000")]
    with pytest.raises(NothingPublished, match="has no table nope; it holds fct_loans"):
        published.scan("nope")


def test_publishing_the_same_content_again_changes_nothing(settings: Settings) -> None:
    first = audit_and_publish("warehouse", DAY, settings)
    before = digest(settings.published)
    second = audit_and_publish("warehouse", DAY, settings, run_id="another run")
    assert (second.version, second.is_new) == (first.version, False)
    assert digest(settings.published) == before


def test_bytes_depend_on_content_only(settings: Settings, change: Change, tmp_path: Path) -> None:
    first = audit_and_publish("warehouse", DAY, settings)
    change("create table copied as from fct_loans order by md5(loan_id)")
    change("drop table fct_loans")
    change("alter table copied rename to fct_loans")
    ledger_url = f"sqlite:///{tmp_path / 'other.db'}"
    elsewhere = replace(settings, threads=1, home=tmp_path / "elsewhere", ledger_url=ledger_url)
    elsewhere.home.mkdir()
    settings.warehouse.rename(elsewhere.warehouse)
    second = audit_and_publish("warehouse", DAY, elsewhere)
    assert second.version == first.version
    assert digest(first.path, "**/*.parquet") == digest(second.path, "**/*.parquet")


def test_a_failed_gate_keeps_the_last_good_version_as_fallback(settings: Settings, change: Change) -> None:
    good = audit_and_publish("warehouse", DAY, settings)
    before = digest(good.path)
    change("update fct_loans set principal_amount = -1 where loan_id = 'L00001'")
    next_day = DAY + timedelta(days=1)
    with pytest.raises(PublicationRefused) as refusal:
        audit_and_publish("warehouse", next_day, settings)
    sentence = str(refusal.value)
    stays = f"last good version {good.version} stays"
    for named in ("2026-03-03", "fct_loans", "principal_is_positive", "M53", stays):
        assert named in sentence
    assert "\n" not in sentence
    published = open_published("warehouse", settings)
    assert published.version == good.version
    assert published.is_fallback
    assert published.refused_batch_date == next_day
    assert published.scan("fct_loans").select(pl.col("principal_amount").min()).collect().item() > 0
    assert digest(good.path) == before
    change("update fct_loans set principal_amount = 1001 where loan_id = 'L00001'")
    repaired = audit_and_publish("warehouse", next_day, settings)
    assert repaired.is_current
    assert not open_published("warehouse", settings).is_fallback


def test_a_failing_table_outside_the_set_refuses_it(settings: Settings, change: Change) -> None:
    change("update rec_loans__funder set break_type = 'amount_diff' where loan_id = 'L00001'")
    with pytest.raises(PublicationRefused, match=r"rec_loans__funder failed every_loan_matches.*nothing was published"):
        audit_and_publish("warehouse", DAY, settings)
    with pytest.raises(NothingPublished):
        open_published("warehouse", settings)


def test_content_changed_after_its_verdict_is_refused(settings: Settings, change: Change) -> None:
    audit("core", DAY, settings)
    change("update fct_loans set principal_amount = principal_amount + 0.01 where loan_id = 'L00399'")
    with pytest.raises(PublicationRefused, match="fct_loans has changed since its verdict"):
        publish("warehouse", DAY, settings)


def test_content_changed_while_it_is_written_is_refused(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    audit("core", DAY, settings)
    original = publication.write_tables

    def tamper(*arguments: object) -> None:
        original(*arguments)  # type: ignore[arg-type]
        part = Path(str(arguments[3])) / "fct_loans" / "bucket-03.parquet"
        pl.read_parquet(part).head(1).write_parquet(part)

    monkeypatch.setattr(publication, "write_tables", tamper)
    with pytest.raises(PublicationRefused, match="written with other content"):
        publish("warehouse", DAY, settings)
    assert [path.name for path in (settings.published / "warehouse").glob("*/*")] == []


def test_a_type_that_parquet_cannot_hold_is_refused(settings: Settings, change: Change) -> None:
    change("alter table fct_loans add column wide hugeint default 1")
    with pytest.raises(PublicationRefused, match=r"fct_loans\.wide has type HUGEINT.*cast it in its model"):
        audit_and_publish("warehouse", DAY, settings)


@pytest.mark.parametrize("moment", ["find_changes", "seal_folder", "move_pointer", "record_publication"])
def test_killed_anywhere_leaves_a_complete_version_and_a_rerun_finishes(
    settings: Settings, change: Change, moment: str
) -> None:
    good = audit_and_publish("warehouse", DAY, settings)
    change("insert into fct_loans values ('L99999', 'C0001', 'bank_a', 5000, '2026-03-02 10:00:00+08')")
    later = DAY + timedelta(days=1)
    code = f"""
import os, signal
from datetime import date
from pathlib import Path, PosixPath
from ingestion.foundation import Settings
from quality import pointer, publication
setattr(publication, {moment!r}, lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL))
publication.audit_and_publish("warehouse", date({later.year}, {later.month}, {later.day}), {settings!r})
"""
    root = Path(__file__).resolve().parents[2]
    killed = subprocess.run([sys.executable, "-c", code], capture_output=True, cwd=root, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    seen = open_published("warehouse", settings)
    if moment != "record_publication":
        assert seen.version == good.version
    assert seen.scan("fct_loans").select(pl.len()).collect().item() in (400, 401)
    finished = audit_and_publish("warehouse", later, settings)
    current = open_published("warehouse", settings)
    assert current.version == finished.version
    assert current.scan("fct_loans").select(pl.len()).collect().item() == 401
    assert not list((settings.published / "warehouse").glob(".*.partial"))


def test_an_exception_before_the_pointer_moves_leaves_the_old_one(
    settings: Settings, change: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = audit_and_publish("warehouse", DAY, settings)
    change("update fct_loans set principal_amount = principal_amount + 1")
    (settings.published / "warehouse" / ".2026-03-02-leftover.partial").mkdir()

    def fail(*_: object) -> bool:
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(pointer, "write_pointer", fail)
        with pytest.raises(OSError, match="disk full"):
            audit_and_publish("warehouse", DAY, settings)
    assert open_published("warehouse", settings).version == good.version


def test_volume_may_not_shrink_from_one_day_to_the_next(settings: Settings, change: Change) -> None:
    audit_and_publish("warehouse", DAY, settings)
    change("delete from fct_loans where loan_id = 'L00399'")
    with pytest.raises(PublicationRefused, match="volume_does_not_shrink"):
        audit_and_publish("warehouse", DAY + timedelta(days=1), settings)
    assert audit_and_publish("warehouse", DAY, settings).is_new


def test_an_earlier_date_is_published_without_moving_the_pointer_back(settings: Settings, change: Change) -> None:
    current = audit_and_publish("warehouse", DAY, settings)
    change("delete from fct_loans where loan_id > 'L00100'")
    earlier = audit_and_publish("warehouse", DAY - timedelta(days=1), settings)
    assert not earlier.is_current
    assert open_published("warehouse", settings).version == current.version
    assert open_published("warehouse", settings, earlier.version).batch_date == date(2026, 3, 1)
    assert point_to("warehouse", earlier.version, settings).version == earlier.version
    with pytest.raises(NothingPublished, match="keeps no version 2020-01-01-00000000"):
        point_to("warehouse", "2020-01-01-00000000", settings)


def test_the_last_five_are_kept_and_a_reader_keeps_its_version(settings: Settings, change: Change) -> None:
    versions = []
    for number in range(7):
        change(f"update fct_loans set principal_amount = {2000 + number} where loan_id = 'L00000'")
        versions.append(audit_and_publish("warehouse", DAY + timedelta(days=number), settings).version)
        if number == 1:
            held = open_published("warehouse", settings)
    folder = settings.published / "warehouse"
    assert sorted(path.name for path in folder.iterdir() if path.is_dir()) == versions[2:]
    assert held.version == versions[1]
    assert json.loads((folder / "current.json").read_text())["version"] == versions[-1]


def test_an_empty_table_still_has_all_its_files(settings: Settings, change: Change) -> None:
    change("delete from fct_loans")
    done = audit_and_publish("warehouse", DAY, settings)
    published = open_published("warehouse", settings)
    assert published.version == done.version
    assert published.scan("fct_loans").collect().schema["principal_amount"] == pl.Decimal(18, 2)
    assert len(published.list_bucket_paths("fct_loans")) == 16


def test_feature_frames_are_audited_and_published(settings: Settings) -> None:
    frame = pl.DataFrame(
        {
            "customer_id": [f"C{number:03d}" for number in range(50)],
            "as_of": pl.Series([date(2026, 3, 3)] * 50),
            "repaid_count_30d": pl.Series([number % 5 for number in range(50)], dtype=pl.Int32),
            "channel": pl.Series(["app", "agent"] * 25, dtype=pl.Categorical),
        }
    )
    done = audit_and_publish("features", DAY, settings, rows={"view_repayment": frame.to_arrow()})
    published = open_published("features", settings)
    assert published.version == done.version
    assert [path.name for path in published.list_bucket_paths("view_repayment")] == ["part-00.parquet"]
    assert sorted(path.name for path in done.path.iterdir()) == ["manifest.json", "view_repayment"]
    assert published.scan("view_repayment").collect()["customer_id"].to_list() == frame["customer_id"].to_list()


def test_a_broken_view_that_no_suite_reads_stops_nothing(settings: Settings, change: Change) -> None:
    change("create table gone as select 1 as n")
    change("create view stg_old as select * from gone")
    change("drop table gone")
    assert audit_and_publish("warehouse", DAY, settings).is_new
