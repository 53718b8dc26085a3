"""The failing rows of a check (不合格明细): all of them as Parquet, the first ones as text for pages and terminals."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb

from ingestion.foundation import Settings
from ingestion.foundation.sql import quote_text
from quality.verdict import Failure, Verdict


@dataclass(frozen=True)
class FailingRows:
    """The first rows of a failed check as text, in the order of the file; `path` holds all of them."""

    path: Path
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def locate_report(gate: str, batch_date: date, settings: Settings) -> Path:
    """Folder of the pages of a gate on a date, with the failing rows below it."""
    return settings.reports / "quality" / gate / batch_date.isoformat()


def locate_failing_rows(folder: Path, verdict_of: tuple[str, str, str], table: str) -> Path:
    """Folder of the failing rows of one table, content and suite: another audit of the date has another one.

    `folder` is that of the report, `verdict_of` a verdict's fingerprint, what lies beside it, and its suite's version.
    """
    digest = hashlib.sha256("\x1f".join(verdict_of).encode()).hexdigest()[:8]
    return folder / "failing_rows" / table / digest


def read_failing_rows(verdict: Verdict, failure: Failure, folder: Path, limit: int) -> FailingRows | None:
    """The first `limit` failing rows of a check; None where only the table as a whole can fail, or they are gone."""
    of = (verdict.fingerprint, verdict.beside, verdict.suite_version)
    path = locate_failing_rows(folder, of, verdict.table) / f"{failure.check}.parquet"
    if not path.is_file():
        return None
    with duckdb.connect(":memory:") as connection:
        read = connection.sql(f"select columns(*)::varchar from read_parquet({quote_text(path)}) limit {limit}")
        rows = tuple(tuple("" if value is None else str(value) for value in row) for row in read.fetchall())
        return FailingRows(path, tuple(read.columns), rows)
