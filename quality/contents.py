"""What the tables of a connection hold (内容指纹), each fingerprinted once, and what its checks read beside it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable

import duckdb

from quality.expectation import UnexpectedRows
from quality.fingerprint import fingerprint
from quality.register import Register
from quality.suite import Suite


class Contents:
    """Fingerprints of the tables of a connection that nobody else writes meanwhile."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, present: Iterable[str]) -> None:
        self._connection = connection
        self._present = frozenset(present)
        self._known: dict[str, str] = {}

    def __contains__(self, table: str) -> bool:
        return table in self._present

    def of(self, table: str) -> str:
        """Fingerprint of one table."""
        if table not in self._known:
            self._known[table] = fingerprint(self._connection, table)
        return self._known[table]

    def beside(self, suite: Suite) -> str:
        """Hash of the other tables that the suite's queries read; empty where they read none.

        A verdict rests on them too: the same loans against other decisions are another question.
        """
        read = {table: self.of(table) for table in sorted(read_beside(suite, self._present))}
        return _hash(read) if read else ""

    def bind(self, suite: Suite, before: Register | None) -> str:
        """What a verdict on the suite's table rests on beside its content; empty where that is nothing.

        The other tables that its queries read, and the published version against which its rows are counted.
        """
        beside = self.beside(suite)
        if before is None:
            return beside
        return _hash([beside, before.version, before.row_counts.get(suite.table, 0)])


def _hash(described: object) -> str:
    return hashlib.sha256(json.dumps(described).encode()).hexdigest()[:32]


def read_beside(suite: Suite, present: Iterable[str]) -> frozenset[str]:
    """Those of the tables, other than its own, whose names stand in the queries of a suite."""
    words: set[str] = set()
    for check in suite.all_checks:
        if isinstance(check.arguments, UnexpectedRows):
            words |= {word.casefold() for word in re.findall(r"\w+", check.arguments.query)}
    return frozenset(table for table in present if table.casefold() in words and table != suite.table)
