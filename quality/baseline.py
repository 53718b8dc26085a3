"""What a table is held to (行数基线): the rows that published versions had, so that most of them cannot be lost."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import duckdb
import sqlalchemy as sa

from ingestion.foundation import Settings
from ingestion.foundation.ledger import use_ledger
from ingestion.foundation.ledger.tables import overrides, verdicts
from ingestion.foundation.overrides import read_last_overrides
from ingestion.foundation.sql import quote_name
from ingestion.foundation.verdict import Verdict
from quality.kinds import SUPERSEDED_AT
from quality.publication_log import LoggedPublication, count_last_published_rows, read_earlier_publications
from quality.source import run
from quality.suite import KEEPS, Suite


@dataclass(frozen=True)
class RowCounts:
    """Rows of a table; of a history also those that no later version supersedes (`current`), None of another table."""

    rows: int
    current: int | None = None


@dataclass(frozen=True)
class Baseline:
    """The most rows, and the most current rows, that a table had in the versions it must not shrink from.

    `last_rows` are those of the last version of an earlier date. Each is 0 where there is no version.
    """

    rows: int = 0
    version: str = ""
    current: int = 0
    current_version: str = ""
    last_rows: int = 0


@dataclass(frozen=True)
class Baselines:
    """The publications of a set against which the tables of one date are counted.

    `accepted` are the contents, as (table, fingerprint), whose loss of rows a person accepted.
    """

    batch_date: date
    earlier: Sequence[LoggedPublication]
    accepted: Collection[tuple[str, str]] = ()

    def find(self, table: str, content: str) -> Baseline:
        """What a table of this content is held to.

        Every publication of the date, of other content, counts, and the last one of an earlier date: whatever is lost
        step by step is lost against the first of them. A loss that was accepted begins again: what came before is
        left out. A version of the same content is none, so that auditing a published content again asks the same
        question and gives the same answer.
        """
        held: list[LoggedPublication] = []
        for one in self.earlier:
            known = one.contents.get(table)
            if one.batch_date < self.batch_date or known != content:
                held.append(one)
            if one.batch_date == self.batch_date and known not in (None, content) and (table, known) in self.accepted:
                break
        held.reverse()  # of versions with as many rows the oldest one is named, for it stays the same
        rows, version = _find_most(table, [(one.row_counts, one.version) for one in held])
        current, current_version = _find_most(table, [(one.current_counts, one.version) for one in held])
        last = count_last_published_rows(table, self.earlier, self.batch_date)
        return Baseline(rows, version, current, current_version, last)


def read_baselines(set_name: str, batch_date: date, settings: Settings) -> Baselines:
    """What the tables of a set are held to on a business date, from the ledger."""
    earlier = read_earlier_publications(set_name, batch_date, settings)
    query = sa.select(verdicts).where(
        verdicts.c.batch_date == batch_date, verdicts.c.verdict_id.in_(sa.select(overrides.c.verdict_id))
    )
    with use_ledger(settings) as ledger:
        overridden = [Verdict.from_row(row) for row in ledger.execute(query)]
        words = read_last_overrides([verdict.verdict_id for verdict in overridden], ledger)
    accepted = {
        (verdict.table, verdict.fingerprint)
        for verdict in overridden
        if not words[verdict.verdict_id].is_withdrawal
        and any(failure.check in KEEPS for failure in verdict.failing_checks)
    }
    return Baselines(batch_date, earlier, accepted)


def count_rows(connection: duckdb.DuckDBPyConnection, suite: Suite) -> RowCounts:
    """Count the rows of a suite's table, and of a history its current ones where it says which they are."""
    columns = {str(name) for name, *_ in run(connection, f"describe {quote_name(suite.table)}")}
    is_counted = suite.is_history and SUPERSEDED_AT in columns
    current = f"count(*) filter (where {SUPERSEDED_AT} is null)" if is_counted else "null"
    rows, standing = run(connection, f"select count(*), {current} from {quote_name(suite.table)}")[0]
    return RowCounts(int(rows), None if standing is None else int(standing))


def count_current_rows(connection: duckdb.DuckDBPyConnection, suites: Sequence[Suite]) -> dict[str, int]:
    """Rows of each history that no later version supersedes; the gates of later dates count against them."""
    counted = {suite.table: count_rows(connection, suite).current for suite in suites if suite.is_history}
    return {table: current for table, current in counted.items() if current is not None}


def _find_most(table: str, counts: Sequence[tuple[Mapping[str, int], str]]) -> tuple[int, str]:
    known = [(of_version.get(table, 0), version) for of_version, version in counts]
    return max(known, key=lambda one: one[0], default=(0, ""))
