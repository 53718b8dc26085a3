"""The register of publications (发布台账) in the ledger: which versions were published, in what order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import sqlalchemy as sa

from ingestion.foundation import Settings
from ingestion.foundation.ledger import use_ledger
from ingestion.foundation.ledger.tables import publications


@dataclass(frozen=True)
class Register:
    """What one publication held, by table: rows and content of all that was audited, and what was published."""

    version: str
    batch_date: date
    row_counts: Mapping[str, int]
    contents: Mapping[str, str]
    members: tuple[str, ...]


def register_publication(set_name: str, held: Register, run: str, fingerprint: str, settings: Settings) -> None:
    """Record a publication as the latest of its set; a version published again moves to the end."""
    with use_ledger(settings) as ledger:
        table = publications.c
        ledger.execute(sa.delete(publications).where(table.set_name == set_name, table.version == held.version))
        ledger.execute(
            sa.insert(publications).values(
                set_name=set_name,
                version=held.version,
                batch_date=held.batch_date,
                run=run,
                fingerprint=fingerprint,
                row_counts=dict(held.row_counts),
                contents=dict(held.contents),
                members=list(held.members),
            )
        )


def published_order(set_name: str, settings: Settings) -> list[str]:
    """Versions of a set in the order of their latest publication, oldest first, kept on disk or not."""
    query = (
        sa.select(publications.c.version).where(publications.c.set_name == set_name).order_by(publications.c.sequence)
    )
    with use_ledger(settings) as ledger:
        return [str(row.version) for row in ledger.execute(query)]


def read_earlier_publications(set_name: str, batch_date: date, settings: Settings) -> list[Register]:
    """Publications of a set on a business date, the latest first, and then the last one of an earlier date."""
    of_set = sa.select(publications).where(publications.c.set_name == set_name)
    same = of_set.where(publications.c.batch_date == batch_date).order_by(publications.c.sequence.desc())
    before = of_set.where(publications.c.batch_date < batch_date).order_by(
        publications.c.batch_date.desc(), publications.c.sequence.desc()
    )
    with use_ledger(settings) as ledger:
        rows = [*ledger.execute(same), *ledger.execute(before.limit(1))]
    return [
        Register(
            row.version,
            row.batch_date,
            {str(name): int(count) for name, count in row.row_counts.items()},
            dict(row.contents or {}),
            tuple(row.members or row.row_counts),
        )
        for row in rows
    ]


def last_published_rows(table: str, earlier: Sequence[Register], batch_date: date) -> int:
    """Rows of a table in the latest publication of an *earlier* business date; 0 before the first one.

    Earlier, because a re-run of the same date may rightly hold fewer rows (a quarantined line, a recalled
    file).
    """
    return next((one.row_counts.get(table, 0) for one in earlier if one.batch_date < batch_date), 0)


def find_other_version(table: str, content: str, earlier: Sequence[Register], batch_date: date) -> Register | None:
    """The publication against which the rows of a table are counted, so that most of them cannot be lost.

    The latest one up to the date; within the date one of other content, so that auditing a published content
    again asks the same question and gives the same answer.
    """
    return next(
        (one for one in earlier if one.batch_date < batch_date or one.contents.get(table) != content),
        None,
    )
