"""The page of one audit: failures first, each with its rule in words and its failing rows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Protocol

from ingestion.foundation.files import replace_atomically
from quality.check import Check
from quality.failing_rows import read_failing_rows
from quality.override import Decision
from quality.reports.rendering import write_page
from quality.rules import Rule
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
    """One table of a page: its verdict, who overrode it, what failed, and what held."""

    decision: Decision
    described: Described
    failed: tuple[FailedCheck, ...] = ()
    held: tuple[Check, ...] = field(default=())

    @property
    def verdict(self) -> Verdict:
        return self.decision.verdict

    @property
    def outcome(self) -> Outcome:
        return self.decision.outcome


def write_gate_page(
    gate: str,
    batch_date: date,
    decisions: Sequence[Decision],
    described: Sequence[Described],
    rules: Mapping[str, Rule],
    recorded: int,
    folder: Path,
) -> Path:
    """Write the page of an audit into `folder` and return the path of `index.html`, which shows the latest one.

    Every audit keeps a page of its own, `<digest of its verdicts>.html`: a later audit of the same date does not
    erase what was refused; an override is written into the page of what it accepts. `verdicts.md` says the same in
    plain text, `<digest>.json` what an index needs, such as the place in the ledger where it was `recorded`.
    """
    by_table = {entry.table: entry for entry in described}
    sections = sorted(
        (_describe(decision, by_table[decision.verdict.table], folder) for decision in decisions),
        key=lambda section: (WORST_FIRST.index(section.outcome), section.verdict.table),
    )
    worst = sections[0].outcome if sections else Outcome.PASS
    digest = hashlib.sha256("".join(sorted(section.verdict.verdict_id for section in sections)).encode()).hexdigest()[
        :8
    ]
    failed = [section for section in sections if section.outcome is Outcome.FAIL]
    summary = {
        "gate": gate,
        "batch_date": batch_date.isoformat(),
        "audit": digest,
        "recorded": recorded,
        "outcome": worst.value,
        "tables": len(sections),
        "failed": [section.verdict.table for section in failed],
        "checks": [failure.check for section in failed for failure in section.verdict.failing_checks],
        "overridden": [
            {"table": section.verdict.table, **section.decision.override.describe()}
            for section in sections
            if section.decision.override
        ],
    }
    with replace_atomically(folder / f"{digest}.json") as draft:
        draft.write_text(json.dumps(summary, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    values: dict[str, Any] = {
        "gate": gate,
        "batch_date": batch_date,
        "worst": worst,
        "sections": sections,
        "rules": rules,
    }
    values |= {"others": [entry for entry in read_summaries(folder) if entry["audit"] != digest]}
    write_page("gate.md", folder / "verdicts.md", **values)
    write_page("gate.html", folder / f"{digest}.html", **values)
    return write_page("gate.html", folder / "index.html", **values)


def read_summaries(folder: Path) -> list[dict[str, Any]]:
    """What every audit below a folder came to, by business date and then in the order of recording."""
    found = [{"recorded": 0} | json.loads(path.read_text(encoding="utf-8")) for path in folder.rglob("????????.json")]
    return sorted(found, key=lambda entry: (entry["batch_date"], entry["recorded"], entry["gate"], entry["audit"]))


def _describe(decision: Decision, described: Described, folder: Path) -> TableSection:
    verdict = decision.verdict
    failed = tuple(_read_rows(verdict, failure, folder) for failure in verdict.failures)
    names = {failure.check for failure in verdict.failures}
    held = tuple(check for check in described.all_checks if check.name not in names)
    return TableSection(decision, described, failed, () if "table_is_present" in names else held)


def _read_rows(verdict: Verdict, failure: Failure, folder: Path) -> FailedCheck:
    failing = read_failing_rows(verdict, failure, folder, SHOWN_ROWS)
    if failing is None:
        return FailedCheck(failure)
    return FailedCheck(failure, failing.path.relative_to(folder).as_posix(), failing.columns, failing.rows)
