"""Numbers that a spreadsheet has rounded (舍入): of more than 15 digits, the last ones are zeros far too often.

A program that keeps numbers as doubles writes 440103197001010123 as 440103197001010000. No single one of them is wrong
for sure, but chance gives a number of 18 digits three zeros once in a thousand, and two persons then are one.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import duckdb

from ingestion.contract import Dataset
from ingestion.foundation.sql import quote_name

KEPT = 15
LONGEST = 22
SAMPLE = 20_000


@dataclass(frozen=True)
class RoundedNumbers:
    """A column's numbers of more than 15 digits, and those of them that end in zeros where digits were lost."""

    column: str
    numbers: int
    rounded: int


def find_rounded_numbers(connection: duckdb.DuckDBPyConnection, dataset: Dataset, landed: str) -> RoundedNumbers | None:
    """The first column whose distinct long numbers end in zeros beyond chance; None where there is none.

    `landed` is SQL of the good rows; the clear identifiers of theirs are expected in the table `identifier_sets`.
    """
    for column in dataset.columns:
        profile = column.profile
        if column.type != "VARCHAR" or column.accepted or profile.round_numbers:
            continue
        if not profile.protect and profile.drop:
            continue
        name = quote_name(f"v_{column.name}" if profile.protect else column.name)
        rows = "identifier_sets" if profile.protect else landed
        found = _count_rounded(connection, name, rows)
        if found is not None:
            return RoundedNumbers(column.name, *found)
    return None


def _count_rounded(connection: duckdb.DuckDBPyConnection, name: str, rows: str) -> tuple[int, int] | None:
    """Distinct numbers and rounded ones, where they are too many; most columns are judged by a sample of lengths."""
    longer = f"strlen({name}) between {KEPT + 1} and {LONGEST}"
    sample = f"select bool_or({longer} and {name} < ':') from (select {name} from {rows} limit {SAMPLE})"
    if not connection.execute(sample).fetchall()[0][0]:
        return None
    zeros = f"ends_with({name}, repeat('0', strlen({name}) - {KEPT}))"
    is_rounded = f"{zeros} and regexp_full_match({name}, '[1-9][0-9]+')"
    for counted in (name, f"distinct {name}"):  # a number that recurs is no further evidence
        counts = connection.execute(
            f"select strlen({name}), count({counted}), count({counted}) filter ({is_rounded}) from {rows}"
            f" where {longer} and {name} < ':' group by all"
        ).fetchall()
        numbers, rounded = sum(row[1] for row in counts), sum(row[2] for row in counts)
        expected = sum(count * 10.0 ** (KEPT - length) for length, count, _ in counts)
        if rounded < 2 or rounded <= 2 * expected + 6 * sqrt(expected) + 1:
            return None
    return numbers, rounded
