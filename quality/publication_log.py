"""The log of publications (发布台账) in the ledger: which versions were published, when, and what they held."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import sqlalchemy as sa

from ingestion.foundation import Settings
from ingestion.foundation.ledger import use_ledger
from ingestion.foundation.ledger.tables import publications


@dataclass(frozen=True)
class LoggedPublication:
    """What one publication held, by table: rows and content of all that was audited, and what was published.

    `current_counts` are the rows of each history that no later version supersedes; an older ledger does not know them.
    """

    version: str
    batch_date: date
    row_counts: Mapping[str, int]
    contents: Mapping[str, str]
    members: tuple[str, ...]
    current_counts: Mapping[str, int] = field(default_factory=dict)


def record_publication(set_name: str, held: LoggedPublication, run: str, fingerprint: str, settings: Settings) -> None:
    """Record a publication as the latest of its set; one that held the very same moves to the end.

    A version that is published again beside other reconciliations stays in the log as it was, so that no row count is
    forgotten against which later ones are held.
    """
    log = publications.c
    with use_ledger(settings) as ledger:
        of_version = sa.select(log.sequence, log.contents).where(log.set_name == set_name, log.version == held.version)
        same = [row.sequence for row in ledger.execute(of_version) if row.contents in (None, dict(held.contents))]
        ledger.execute(sa.delete(publications).where(log.sequence.in_(same)))
        ledger.execute(
            sa.insert(publications).values(
                set_name=set_name,
                version=held.version,
                batch_date=held.batch_date,
                run=run,
                fingerprint=fingerprint,
                row_counts=dict(held.row_counts),
                current_counts=dict(held.current_counts),
                contents=dict(held.contents),
                members=list(held.members),
            )
        )


def list_published_versions(set_name: str, settings: Settings) -> list[str]:
    """Versions of a set in the order of their latest publication, oldest first, kept on disk or not."""
    latest = sa.func.max(publications.c.sequence)
    query = sa.select(publications.c.version).where(publications.c.set_name == set_name)
    with use_ledger(settings) as ledger:
        return [str(row.version) for row in ledger.execute(query.group_by(publications.c.version).order_by(latest))]


def read_earlier_publications(set_name: str, batch_date: date, settings: Settings) -> list[LoggedPublication]:
    """Publications of a set on a business date, the latest first, and then the last one of an earlier date."""
    of_set = sa.select(publications).where(publications.c.set_name == set_name)
    same = of_set.where(publications.c.batch_date == batch_date).order_by(publications.c.sequence.desc())
    before = of_set.where(publications.c.batch_date < batch_date).order_by(
        publications.c.batch_date.desc(), publications.c.sequence.desc()
    )
    with use_ledger(settings) as ledger:
        rows = [*ledger.execute(same), *ledger.execute(before.limit(1))]
    return [
        LoggedPublication(
            row.version,
            row.batch_date,
            _read_counts(row.row_counts),
            dict(row.contents or {}),
            tuple(row.members or row.row_counts),
            _read_counts(row.current_counts),
        )
        for row in rows
    ]


def _read_counts(held: Mapping[str, int] | None) -> dict[str, int]:
    return {str(name): int(count) for name, count in (held or {}).items()}


def count_last_published_rows(table: str, earlier: Sequence[LoggedPublication], batch_date: date) -> int:
    """Rows of a table in the latest publication of an *earlier* business date; 0 before the first one.

    Earlier, because a re-run of the same date may rightly hold fewer rows (a quarantined line, a recalled
    file).
    """
    return next((one.row_counts.get(table, 0) for one in earlier if one.batch_date < batch_date), 0)
