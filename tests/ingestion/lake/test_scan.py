"""The search for clear identifiers finds a planted leak in every kind of store, and does not cry wolf."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import duckdb
import polars as pl
import pytest

import ingestion.lake.scan
from ingestion.lake.scan import ClearIdentifiers, Finding, find_clear
from tests.ingestion.lake.stores import STORES

CERT_NO, PHONE, CARD, NAME, MAIL = (
    "11010519491231002X",
    "13812341234",
    "6222021234567890123",
    "阿卜杜拉·买买提",
    "li.ming@example.com",
)
KNOWN = ClearIdentifiers([CERT_NO, PHONE, CARD, NAME, MAIL, "张三", "欧阳锋"])


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("leak", [CERT_NO, f"+86{PHONE}", NAME])
def test_a_planted_leak_is_found(tmp_path: Path, store: str, leak: str) -> None:
    path = tmp_path / "deep" / store
    path.parent.mkdir()
    STORES[store](path, leak)
    (tmp_path / "clean.log").write_text("nothing")
    findings = find_clear([tmp_path], KNOWN)
    assert {finding.path for finding in findings} == {path}
    assert {finding.count for finding in findings} == {1}
    assert all(leak not in str(finding) for finding in findings)


@pytest.mark.parametrize("leak", [CERT_NO.lower(), PHONE, f"A{CARD}Z", f"客户{NAME}先生来电", MAIL.upper()])
def test_every_spelling_is_found(tmp_path: Path, leak: str) -> None:
    (tmp_path / "run.log").write_text(leak)
    assert find_clear([tmp_path], KNOWN) == [Finding(tmp_path / "run.log", "bytes", 1)]


@pytest.mark.parametrize("store", STORES)
def test_a_clean_store_is_silent(tmp_path: Path, store: str) -> None:
    STORES[store](tmp_path / store, "138****1234 张* 张三丰 13812341235 110105194912310029 欧阳锋")
    assert find_clear([tmp_path], KNOWN) == []


def test_numbers_stored_as_numbers_are_found(tmp_path: Path) -> None:
    pl.DataFrame({"phone": [int(PHONE)]}).write_parquet(tmp_path / "a.parquet")
    with duckdb.connect(str(tmp_path / "b.duckdb")) as connection:
        connection.execute(f"create table t as select {PHONE}::bigint as phone").fetchall()
    with sqlite3.connect(tmp_path / "c.db") as database:
        database.execute("create table t (phone integer)")
        database.execute("insert into t values (?)", [int(PHONE)])
    (tmp_path / "d.txt").write_text(PHONE, encoding="utf-16")
    assert [(finding.path.name, finding.place) for finding in find_clear([tmp_path], KNOWN)] == [
        ("a.parquet", "column phone"),
        ("b.duckdb", "column main.t.phone"),
        ("c.db", "column t.phone"),
        ("d.txt", "bytes"),
    ]


def test_a_leak_across_two_chunks_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingestion.lake.scan, "CHUNK", 1000)
    (tmp_path / "run.log").write_text("x" * 995 + CERT_NO + "x" * 3000)
    assert find_clear([tmp_path], KNOWN) == [Finding(tmp_path / "run.log", "bytes", 1)]


def test_folders_outside_are_left_alone(tmp_path: Path) -> None:
    for folder in ("landing", "lake"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "file.txt").write_text(PHONE)
    (finding,) = find_clear([tmp_path], KNOWN, outside=[tmp_path / "landing"])
    assert finding.path == tmp_path / "lake" / "file.txt"
    assert str(finding).endswith("holds 1 clear identifiers (bytes)")
