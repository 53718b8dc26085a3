"""Rows in the lake by business date and source: the one count behind the demo's lines and its summary."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import sqlalchemy as sa

from ingestion.foundation import Settings
from ingestion.foundation.ledger import deliveries, open_ledger


@dataclass(frozen=True)
class LakeRows:
    """What stands of a source for a business date; `replaced` counts deliveries that a later one superseded."""

    rows: int
    quarantined: int
    replaced: int

    def __str__(self) -> str:
        return f"{self.rows:,} ({self.quarantined}){'*' * self.replaced}"


Lake = Mapping[tuple[date, str], LakeRows]


def count_lake_rows(settings: Settings) -> Lake:
    """Rows landed and quarantined by (business date, source), of deliveries that nothing has superseded."""
    stands = deliveries.c.superseded_at.is_(None)
    counted = sa.select(
        deliveries.c.batch_date,
        deliveries.c.source,
        sa.func.sum(sa.case((stands, deliveries.c.rows_landed), else_=0)),
        sa.func.sum(sa.case((stands, deliveries.c.rows_quarantined), else_=0)),
        sa.func.sum(sa.case((stands, 0), else_=1)),
    ).group_by(deliveries.c.batch_date, deliveries.c.source)
    ledger = open_ledger(settings)
    with ledger.connect() as connection:
        rows: Sequence[tuple[Any, ...]] = connection.execute(counted).tuples().all()
    found: dict[tuple[date, str], LakeRows] = {
        (day, source): LakeRows(landed, held, replaced) for day, source, landed, held, replaced in rows
    }
    ledger.dispose()
    return found


def describe_changes(before: Lake, after: Lake, source: str, batch_date: date) -> Iterator[str]:
    """A line for what stands of the business date, and one for each other date that this run changed."""
    yield f"  {batch_date}  {source:<16} {after.get((batch_date, source), '-')!s:>15}"
    for (day, who), now in sorted(after.items()):
        then = before.get((day, who))
        if who == source and day != batch_date and now != then:
            corrected = now.replaced > (then.replaced if then else 0)
            why = "a corrected file superseded the first one" if corrected else "more of it came late"
            yield f"  {day}  {source:<16} {now!s:>15}  {why}; before: {then or 'nothing'}"
