"""Verdicts that still speak (沿用结论): a table that has not changed keeps its verdict and is not audited again.

On its own date a verdict on the same content, by the same suite, beside the same tables, that let the table pass is the
answer that another audit would give. On a later date so is a clean one, of a suite that looks at nothing but its table
and at dates only to find what lies ahead of them: what was not in the future then is not now. Rows are counted again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date

import sqlalchemy as sa

from ingestion.foundation import Settings
from ingestion.foundation.ledger import use_ledger
from ingestion.foundation.ledger.tables import verdicts
from quality.baseline import Baseline, RowCounts
from quality.kinds import LOOKING_AHEAD
from quality.suite import Suite
from quality.verdict import Outcome, Verdict

CLOCKS = ("{batch_date}", "{day_end}")


@dataclass(frozen=True)
class KeptVerdicts:
    """The verdicts of a gate that may still speak, the latest of each table, content and suite; none by default."""

    batch_date: date
    by_content: dict[tuple[str, str, str], list[Verdict]] = field(default_factory=dict)

    def find(
        self, suite: Suite, content: str, beside: str, reads: bool, counts: RowCounts, held_to: Baseline
    ) -> Verdict | None:
        """The verdict on what is there now, or None if it has to be audited; `reads`: it looks at other tables too."""
        known = self.by_content.get((suite.table, content, suite.suite_version), [])
        for verdict in reversed(known):
            if verdict.batch_date == self.batch_date and verdict.beside == beside and verdict.passed:
                return verdict
        is_timeless = not reads and _looks_at_no_date(suite)
        if is_timeless and _holds_its_rows(suite, counts, held_to):
            for verdict in reversed(known):
                if verdict.batch_date < self.batch_date and verdict.outcome is Outcome.PASS:
                    return replace(verdict, batch_date=self.batch_date, beside=beside)
        return None


def read_kept_verdicts(gate: str, batch_date: date, contents: Sequence[str], settings: Settings) -> KeptVerdicts:
    """Verdicts of a gate on any of these contents, up to a business date."""
    query = (
        sa.select(verdicts)
        .where(
            verdicts.c.gate == gate,
            verdicts.c.batch_date <= batch_date,
            verdicts.c.fingerprint.in_(sorted(set(contents))),
        )
        .order_by(verdicts.c.sequence)
    )
    held = KeptVerdicts(batch_date)
    with use_ledger(settings) as ledger:
        for row in ledger.execute(query):
            verdict = Verdict.from_row(row)
            place = (verdict.table, verdict.fingerprint, verdict.suite_version)
            held.by_content.setdefault(place, []).append(verdict)
    return held


def _looks_at_no_date(suite: Suite) -> bool:
    """Whether no check but those for what lies ahead names the business date."""
    return not any(
        clock in check.arguments.model_dump_json()
        for check in suite.all_checks
        if check.name not in LOOKING_AHEAD
        for clock in CLOCKS
    )


def _holds_its_rows(suite: Suite, counts: RowCounts, held_to: Baseline) -> bool:
    least, least_current = suite.count_least_rows(held_to.rows), suite.count_least_rows(held_to.current)
    return counts.rows >= max(least, held_to.last_rows) and (counts.current is None or counts.current >= least_current)
