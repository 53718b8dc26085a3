"""Reading verdicts (检核结论) from the ledger, where landing and the gates of the sets record them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import sqlalchemy as sa

from ingestion.foundation import Settings
from ingestion.foundation.ledger import use_ledger
from ingestion.foundation.ledger.tables import verdicts
from ingestion.foundation.verdict import (
    KEEPS_ITS_ROWS,
    LANDING,
    Failure,
    Outcome,
    Severity,
    Verdict,
    record_verdicts,
)

__all__ = [
    "KEEPS_ITS_ROWS",
    "LANDING",
    "Failure",
    "Outcome",
    "Severity",
    "Verdict",
    "are_recorded",
    "find_place",
    "find_verdicts",
    "read_history",
    "read_verdicts",
    "record_verdicts",
]


def read_verdicts(settings: Settings, batch_date: date | None = None, gate: str | None = None) -> list[Verdict]:
    """Latest verdict of each (gate, date, table), sorted by them."""
    query = sa.select(verdicts).order_by(verdicts.c.sequence)
    if batch_date is not None:
        query = query.where(verdicts.c.batch_date == batch_date)
    if gate is not None:
        query = query.where(verdicts.c.gate == gate)
    with use_ledger(settings) as ledger:
        found = [Verdict.from_row(row) for row in ledger.execute(query)]
    latest = {(verdict.gate, verdict.batch_date, verdict.table): verdict for verdict in found}
    return [latest[identity] for identity in sorted(latest)]


def read_history(gates: Sequence[str], batch_date: date, settings: Settings) -> list[Verdict]:
    """Every verdict of the gates on a date, in the order of recording: the last one on a content is the word on it."""
    query = (
        sa.select(verdicts)
        .where(verdicts.c.gate.in_(list(gates)), verdicts.c.batch_date == batch_date)
        .order_by(verdicts.c.sequence)
    )
    with use_ledger(settings) as ledger:
        return [Verdict.from_row(row) for row in ledger.execute(query)]


def find_verdicts(prefix: str, settings: Settings) -> list[Verdict]:
    """Verdicts whose identifier begins with `prefix`."""
    query = sa.select(verdicts).where(verdicts.c.verdict_id.startswith(prefix, autoescape=True))
    with use_ledger(settings) as ledger:
        return [Verdict.from_row(row) for row in ledger.execute(query.order_by(verdicts.c.verdict_id))]


def are_recorded(identifiers: Sequence[str], settings: Settings) -> set[str]:
    """Those of the identifiers that the ledger holds."""
    with use_ledger(settings) as ledger:
        query = sa.select(verdicts.c.verdict_id).where(verdicts.c.verdict_id.in_(list(identifiers)))
        return {str(row.verdict_id) for row in ledger.execute(query)}


def find_place(identifiers: Sequence[str], settings: Settings) -> int:
    """Where the ledger has the last of these verdicts, in the order of recording; 0 where it has none."""
    with use_ledger(settings) as ledger:
        last = sa.select(sa.func.max(verdicts.c.sequence)).where(verdicts.c.verdict_id.in_(list(identifiers)))
        return int(ledger.execute(last).scalar() or 0)
