"""Verdicts (检核结论): what a gate decided about one delivery or table on one date, as a value in the ledger.

The gate `landing` judges deliveries, and the gates of the sets judge tables; `quality` reads what both recorded.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from enum import StrEnum
from typing import Any, Literal, Self

import sqlalchemy as sa

from ingestion.foundation.events import report_event
from ingestion.foundation.ledger import open_ledger
from ingestion.foundation.ledger.tables import verdicts
from ingestion.foundation.settings import Settings

LANDING = "landing"
KEEPS_ITS_ROWS = "keeps_its_rows"  # the check of deliveries and of tables that most rows are not lost at once
Severity = Literal["fail", "warn"]


class Outcome(StrEnum):
    """States of a verdict (DOMAIN 6.8); all but FAIL allow publication.

    No verdict is recorded as OVERRIDDEN: it is what a failed one becomes while an override points to it.
    """

    PASS = "PASS"
    PASS_WITH_WARNINGS = "PASS_WITH_WARNINGS"
    OVERRIDDEN = "OVERRIDDEN"
    FAIL = "FAIL"


@dataclass(frozen=True)
class Failure:
    """A check that did not hold: `sample_keys` are the first keys in key order, `failing_rows` counts all.

    `failing_rows` is None where only the table as a whole can fail (a sum, a row count) or the check could
    not run.
    """

    check: str
    severity: Severity
    rule: str
    observed: str
    because: str
    failing_rows: int | None = None
    sample_keys: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        rows = "" if self.failing_rows is None else f", {self.failing_rows:,} rows"
        sample = f", e.g. {'; '.join(self.sample_keys)}" if self.sample_keys else ""
        return f"{self.check} ({self.rule}: {self.observed}{rows}{sample})"


@dataclass(frozen=True)
class Verdict:
    """The decision about one delivery or table, bound to gate, business date and content; a frozen value.

    `beside` binds it to the other tables that its checks read as well; empty where they read none.
    """

    gate: str
    table: str
    batch_date: date
    fingerprint: str
    suite_version: str
    rows: int
    checks: int
    failures: tuple[Failure, ...] = ()
    beside: str = ""

    @property
    def outcome(self) -> Outcome:
        if any(failure.severity == "fail" for failure in self.failures):
            return Outcome.FAIL
        return Outcome.PASS_WITH_WARNINGS if self.failures else Outcome.PASS

    @property
    def passed(self) -> bool:
        return self.outcome is not Outcome.FAIL

    @property
    def verdict_id(self) -> str:
        content = asdict(self) | {"batch_date": self.batch_date.isoformat(), "outcome": self.outcome}
        text = json.dumps(content, ensure_ascii=False, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    @property
    def failing_checks(self) -> tuple[Failure, ...]:
        return tuple(failure for failure in self.failures if failure.severity == "fail")

    @classmethod
    def from_row(cls, row: sa.Row[Any]) -> Self:
        failures = tuple(
            Failure(**(failure | {"sample_keys": tuple(failure["sample_keys"])})) for failure in row.failures
        )
        return cls(
            gate=row.gate,
            table=row.table_name,
            batch_date=row.batch_date,
            fingerprint=row.fingerprint,
            suite_version=row.suite_version,
            rows=row.row_count,
            checks=row.check_count,
            failures=failures,
            beside=row.beside or "",
        )


def record_verdicts(recorded: Sequence[Verdict], settings: Settings) -> None:
    """Write verdicts to the ledger; one that is already there is moved to the end, as the latest word."""
    engine = open_ledger(settings)
    write_verdicts(recorded, engine)
    engine.dispose()
    for verdict in recorded:
        report_event(
            "verdict_recorded",
            batch_date=verdict.batch_date,
            gate=verdict.gate,
            table=verdict.table,
            outcome=verdict.outcome.value,
            rows=verdict.rows,
            checks_failed=len(verdict.failures),
        )


def write_verdicts(recorded: Sequence[Verdict], engine: sa.Engine) -> None:
    """As `record_verdicts`, in a ledger that is open; the event is the caller's to report."""
    with engine.begin() as ledger:
        for verdict in recorded:
            ledger.execute(sa.delete(verdicts).where(verdicts.c.verdict_id == verdict.verdict_id))
            ledger.execute(
                sa.insert(verdicts).values(
                    verdict_id=verdict.verdict_id,
                    gate=verdict.gate,
                    table_name=verdict.table,
                    batch_date=verdict.batch_date,
                    fingerprint=verdict.fingerprint,
                    outcome=verdict.outcome.value,
                    suite_version=verdict.suite_version,
                    row_count=verdict.rows,
                    check_count=verdict.checks,
                    failures=[asdict(failure) for failure in verdict.failures],
                    beside=verdict.beside,
                )
            )
