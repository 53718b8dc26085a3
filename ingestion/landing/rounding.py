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
    suspects = [
        column
        for column in dataset.columns
        if column.type == "VARCHAR" and not (column.accepted or column.profile.round_numbers)
        if column.profile.protect or not column.profile.drop
    ]
    for rows, is_protected in ((landed, False), ("identifier_sets", True)):
        columns = {
            column.name: quote_name(f"v_{column.name}" if is_protected else column.name)
            for column in suspects
            if bool(column.profile.protect) == is_protected
        }
        for name in _list_long(connection, columns, rows):
            counted = _count_rounded(connection, columns[name], rows)
            if counted is not None:
                return RoundedNumbers(name, *counted)
    return None


def _list_long(connection: duckdb.DuckDBPyConnection, columns: dict[str, str], rows: str) -> list[str]:
    """Columns that hold a long number in a sample."""
    if not columns:
        return []
    found = ", ".join(f"bool_or({_long_sql(name)})" for name in columns.values())
    answer = connection.execute(
        f"select {found} from (select {', '.join(columns.values())} from {rows} limit {SAMPLE})"
    ).fetchall()[0]
    return [name for name, is_long in zip(columns, answer, strict=True) if is_long]


def _long_sql(name: str) -> str:
    return f"strlen({name}) between {KEPT + 1} and {LONGEST} and {name} >= '1' and {name} < ':'"


def _count_rounded(connection: duckdb.DuckDBPyConnection, name: str, rows: str) -> tuple[int, int] | None:
    """Distinct numbers and rounded ones, where they are too many."""
    is_rounded = f"ends_with({name}, repeat('0', strlen({name}) - {KEPT})) and regexp_full_match({name}, '[1-9][0-9]+')"
    for counted in (name, f"distinct {name}"):  # a number that recurs is no further evidence
        counts = connection.execute(
            f"select strlen({name}), count({counted}), count({counted}) filter ({is_rounded}) from {rows}"
            f" where {_long_sql(name)} group by all"
        ).fetchall()
        numbers, rounded = sum(row[1] for row in counts), sum(row[2] for row in counts)
        expected = sum(count * 10.0 ** (KEPT - length) for length, count, _ in counts)
        if rounded < 2 or rounded <= 2 * expected + 6 * sqrt(expected) + 1:
            return None
    return numbers, rounded
