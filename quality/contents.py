"""What the tables of a connection hold (内容指纹), each fingerprinted once, and what its checks read beside it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from datetime import date

import duckdb

from ingestion.foundation import Settings
from quality.baseline import Baseline
from quality.expectation import UnexpectedRows
from quality.fingerprint import fingerprint_table
from quality.sets import GatedSet
from quality.source import Rows, WarehouseTable, attach, demand_built_for, expose, list_tables
from quality.suite import Suite


class Contents:
    """Fingerprints of the tables of a connection that nobody else writes meanwhile."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        present: Iterable[str],
        known: MutableMapping[str, str] | None = None,
    ) -> None:
        """`known` are fingerprints that were taken of the same file before; new ones are added."""
        self._connection = connection
        self._present = frozenset(present)
        self._known = {} if known is None else known

    def __contains__(self, table: str) -> bool:
        return table in self._present

    def fingerprint(self, table: str) -> str:
        """Fingerprint of one table."""
        if table not in self._known:
            self._known[table] = fingerprint_table(self._connection, table)
        return self._known[table]

    def hash_beside(self, suite: Suite) -> str:
        """Hash of the other tables that the suite's queries read; empty where they read none.

        A verdict rests on them too: the same loans against other decisions are another question.
        """
        read = {table: self.fingerprint(table) for table in sorted(read_beside(suite, self._present))}
        return _hash(read) if read else ""

    def bind(self, suite: Suite, held_to: Baseline) -> str:
        """Hash of what a verdict on the suite's table rests on beside its content; empty where that is nothing.

        The other tables that its queries read, and the published rows against which its own are counted.
        """
        beside = self.hash_beside(suite)
        counts = [held_to.rows, held_to.current if suite.is_history else 0, held_to.last_rows]
        return _hash([beside, counts]) if any(counts) else beside


def _hash(described: object) -> str:
    return hashlib.sha256(json.dumps(described).encode()).hexdigest()[:32]


def read_beside(suite: Suite, present: Iterable[str]) -> frozenset[str]:
    """Those of the tables, other than its own, whose names stand in the queries of a suite."""
    words: set[str] = set()
    for check in suite.all_checks:
        if isinstance(check.arguments, UnexpectedRows):
            words |= {word.casefold() for word in re.findall(r"\w+", check.arguments.query)}
    return frozenset(table for table in present if table.casefold() in words and table != suite.table)


def expose_rows(
    connection: duckdb.DuckDBPyConnection,
    declared: GatedSet,
    suites: Sequence[Suite],
    rows: Mapping[str, Rows] | None,
    batch_date: date,
    settings: Settings,
) -> list[str]:
    """Make every table that a suite reads a view of the connection, those of the warehouse from its file.

    Returns the names of all tables that are there.
    """
    if declared.rows == "warehouse":
        if rows is not None:
            raise ValueError(f"set {declared.set} is published from the warehouse file, not from rows handed over")
        attached = attach(connection, settings.warehouse)
        demand_built_for(batch_date, connection, attached)
        rows = {name: WarehouseTable(settings.warehouse, name) for name in list_tables(connection, attached)}
    there = rows or {}
    read = {name for suite in suites for name in (suite.table, *read_beside(suite, there)) if name in there}
    for name in sorted(read):
        expose(connection, name, there[name])
    return sorted(there)
