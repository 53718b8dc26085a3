"""The register of publications (发布台账) in the ledger: which versions were published, in what order."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import sqlalchemy as sa

from ingestion.foundation import Settings
from ingestion.foundation.ledger import use_ledger
from ingestion.foundation.ledger.tables import publications

SET_OF_GATE: Mapping[str, str] = {"core": "warehouse", "features": "features"}


def set_of(gate: str) -> str:
    """Name of the set that a gate guards."""
    return SET_OF_GATE.get(gate, gate)


def register_publication(
    set_name: str,
    version: str,
    batch_date: date,
    run: str,
    fingerprint: str,
    row_counts: Mapping[str, int],
    settings: Settings,
) -> None:
    """Record a publication as the latest of its set; a version published again moves to the end."""
    with use_ledger(settings) as ledger:
        table = publications.c
        ledger.execute(sa.delete(publications).where(table.set_name == set_name, table.version == version))
        ledger.execute(
            sa.insert(publications).values(
                set_name=set_name,
                version=version,
                batch_date=batch_date,
                run=run,
                fingerprint=fingerprint,
                row_counts=dict(row_counts),
            )
        )


def published_order(set_name: str, settings: Settings) -> list[str]:
    """Versions of a set in the order of their latest publication, oldest first, kept on disk or not."""
    query = (
        sa.select(publications.c.version).where(publications.c.set_name == set_name).order_by(publications.c.sequence)
    )
    with use_ledger(settings) as ledger:
        return [str(row.version) for row in ledger.execute(query)]


def last_published_rows(gate: str, batch_date: date, settings: Settings) -> dict[str, int]:
    """Rows by table in the latest publication of an *earlier* business date; empty before the first one.

    Earlier, because a re-run of the same date may rightly hold fewer rows (a quarantined line, a recalled
    file).
    """
    query = (
        sa.select(publications.c.row_counts)
        .where(publications.c.set_name == set_of(gate), publications.c.batch_date < batch_date)
        .order_by(publications.c.batch_date.desc(), publications.c.sequence.desc())
        .limit(1)
    )
    with use_ledger(settings) as ledger:
        row = ledger.execute(query).first()
    return {} if row is None else {str(name): int(rows) for name, rows in row.row_counts.items()}
