"""Files of every kind in which a clear identifier could lie: each function writes one with a leak in it."""

from __future__ import annotations

import gzip
import json
import pickle
import sqlite3
import zipfile
from collections.abc import Callable
from pathlib import Path

import duckdb
import polars as pl


def parquet(path: Path, leak: str) -> None:
    pl.DataFrame({"id": list(range(1000)), "note": ["nothing"] * 999 + [f"call {leak} now"]}).write_parquet(path)


def nested_parquet(path: Path, leak: str) -> None:
    pl.DataFrame({"id": [1], "deep": [[{"note": leak}]]}).write_parquet(path)


def warehouse(path: Path, leak: str) -> None:
    with duckdb.connect(str(path)) as connection:
        connection.execute('create schema core; create table core."a table" as select 1 as id').fetchall()
        connection.execute("create table notes as select i, 'x' || i as note from range(5000) r(i)").fetchall()
        connection.execute("insert into notes values (1, $1)", [leak]).fetchall()


def sqlite_text(path: Path, leak: str) -> None:
    with sqlite3.connect(path) as database:
        database.execute("create table log (id integer, message text)")
        database.execute("insert into log values (1, ?)", [json.dumps({"message": leak}, ensure_ascii=False)])


def write(encoding: str) -> Callable[[Path, str], None]:
    def plant(path: Path, leak: str) -> None:
        path.write_bytes(f"2026-03-02 ERROR row 7: {leak}, skipped\n".encode(encoding))

    return plant


def zipped(path: Path, leak: str) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inside.csv", f"a,{leak}\n" * 100)


def gzipped(path: Path, leak: str) -> None:
    path.write_bytes(gzip.compress(f"a,{leak}\n".encode() * 100))


def pickled(path: Path, leak: str) -> None:
    path.write_bytes(pickle.dumps({"rows": [leak]}))


STORES: dict[str, Callable[[Path, str], None]] = {
    "part-00.parquet": parquet,
    "nested.parquet": nested_parquet,
    "warehouse.duckdb": warehouse,
    "ledger.db": sqlite_text,
    "run.log": write("utf-8"),
    "legacy.log": write("gb18030"),
    "report.html": write("utf-8"),
    "archive.zip": zipped,
    "old.log.gz": gzipped,
    "xcom.pickle": pickled,
}
