"""The page of one audit: failures first, each with its rule in words and its failing rows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Protocol

import duckdb

from ingestion.foundation.files import replace_atomically
from ingestion.foundation.sql import quote_text
from quality.check import Check
from quality.reports.rendering import write_page
from quality.verdict import Failure, Outcome, Verdict

SHOWN_ROWS = 20
WORST_FIRST = (Outcome.FAIL, Outcome.OVERRIDDEN, Outcome.PASS_WITH_WARNINGS, Outcome.PASS)


class Described(Protocol):
    """What a page says of a table beside its verdict: a suite, or a contract's dataset."""

    @property
    def table(self) -> str: ...
    @property
    def term(self) -> str: ...
    @property
    def owner(self) -> str: ...
    @property
    def description(self) -> str: ...
    @property
    def all_checks(self) -> tuple[Check, ...]: ...


@dataclass(frozen=True)
class FailedCheck:
    """A failure with the first of its rows; `link` leads to all of them."""

    failure: Failure
    link: str | None = None
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class TableSection:
    """One table of a page: its verdict, what failed, and what held."""

    verdict: Verdict
    described: Described
    failed: tuple[FailedCheck, ...] = ()
    held: tuple[Check, ...] = field(default=())


def locate_failing_rows(folder: Path, verdict_of: tuple[str, str, str], table: str) -> Path:
    """Folder of the failing rows of one table, content and suite: another audit of the date has another one."""
    digest = hashlib.sha256("\x1f".join(verdict_of).encode()).hexdigest()[:8]
    return folder / "failing_rows" / table / digest


def write_gate_page(
    gate: str, batch_date: date, verdicts: Sequence[Verdict], described: Sequence[Described], folder: Path
) -> Path:
    """Write the page of an audit into `folder` and return the path of `index.html`, which shows the latest one.

    Every audit keeps a page of its own, `<digest of its verdicts>.html`: a later audit of the same date does not
    erase what was refused. `verdicts.md` says the same in plain text, `<digest>.json` what an index needs.
    """
    by_table = {entry.table: entry for entry in described}
    sections = sorted(
        (_describe(verdict, by_table[verdict.table], folder) for verdict in verdicts),
        key=lambda section: (WORST_FIRST.index(section.verdict.outcome), section.verdict.table),
    )
    worst = sections[0].verdict.outcome if sections else Outcome.PASS
    digest = hashlib.sha256("".join(sorted(verdict.verdict_id for verdict in verdicts)).encode()).hexdigest()[:8]
    failed = [section.verdict.table for section in sections if not section.verdict.passed]
    summary = {
        "gate": gate,
        "batch_date": batch_date.isoformat(),
        "audit": digest,
        "outcome": worst.value,
        "tables": len(sections),
        "failed": failed,
        "checks": [failure.check for section in sections for failure in section.verdict.failing_checks],
    }
    with replace_atomically(folder / f"{digest}.json") as draft:
        draft.write_text(json.dumps(summary, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    values: dict[str, Any] = {"gate": gate, "batch_date": batch_date, "worst": worst, "sections": sections}
    values |= {"others": [entry for entry in read_summaries(folder) if entry["audit"] != digest]}
    write_page("gate.md", folder / "verdicts.md", **values)
    write_page("gate.html", folder / f"{digest}.html", **values)
    return write_page("gate.html", folder / "index.html", **values)


def read_summaries(folder: Path) -> list[dict[str, Any]]:
    """What every audit below a folder came to, refused ones first, then by date, gate and audit."""
    found = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.rglob("????????.json"))]
    return sorted(
        found, key=lambda entry: (entry["outcome"] != "FAIL", entry["batch_date"], entry["gate"], entry["audit"])
    )


def _describe(verdict: Verdict, described: Described, folder: Path) -> TableSection:
    rows = locate_failing_rows(folder, (verdict.fingerprint, verdict.beside, verdict.suite_version), verdict.table)
    failed = tuple(_read_rows(failure, rows / f"{failure.check}.parquet", folder) for failure in verdict.failures)
    names = {failure.check for failure in verdict.failures}
    held = tuple(check for check in described.all_checks if check.name not in names)
    return TableSection(verdict, described, failed, () if "table_is_present" in names else held)


def _read_rows(failure: Failure, path: Path, folder: Path) -> FailedCheck:
    if not path.is_file():
        return FailedCheck(failure)
    with duckdb.connect(":memory:") as connection:
        read = connection.sql(f"select columns(*)::varchar from read_parquet({quote_text(path)}) limit {SHOWN_ROWS}")
        rows = tuple(tuple("" if value is None else str(value) for value in row) for row in read.fetchall())
        return FailedCheck(failure, path.relative_to(folder).as_posix(), tuple(read.columns), rows)
