"""Identifier sets (标识符组): persons recur from row to row, so each distinct set of identifiers is judged once.

The delivered texts of all protected columns of a row are its set. Canonical forms, row rules, tokens and masks are
computed in a table of distinct sets, to which the pass that types the rows is joined.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import duckdb

from ingestion.contract import Dataset
from ingestion.contract.profiles import Column
from ingestion.foundation.sql import quote_name
from ingestion.identifiers import canonical_sql
from ingestion.landing.typing_rules import RowRule, bare_sql, delivered_sql, present_sql
from ingestion.protection import Keys, outputs_sql
from ingestion.protection.tokens import require_kind

TEXTS = "delivered_sets"
IN_ORDER = "set disabled_optimizers = 'join_order,build_side_probe_side'"  # the file is the side that streams


@dataclass(frozen=True)
class IdentifierSets:
    """What is known of the sets of one delivery; without protected columns there is nothing to join.

    `rules` are those of the whole dataset, in their order: what is broken in a set is a column of the table.
    """

    columns: tuple[Column, ...]
    rules: list[RowRule]
    outputs: dict[str, str]

    def joined_sql(self, rows: str, kept: Sequence[str]) -> str:
        """SQL of the columns `kept` of the rows with the findings of their sets."""
        if not self.columns:
            return f"select {', '.join(kept)} from {rows}"
        found = [rule.violated for rule in self.rules if rule.violated.startswith("_broken_")]
        found += self.outputs.values()
        same = " and ".join(
            f"{rows}.{_name_delivered(column)} is not distinct from held.{_name_delivered(column)}"
            for column in self.columns
        )
        return f"select {', '.join([*kept, *found])} from {rows} join identifier_sets as held on {same}"


def texts_sql(dataset: Dataset) -> list[str]:
    """SQL of the delivered text of each protected column."""
    is_json = dataset.delivery.reader == "json_lines"
    return [f"{delivered_sql(column, is_json)} as {_name_delivered(column)}" for column in _list_protected(dataset)]


def judge_sets(
    connection: duckdb.DuckDBPyConnection, dataset: Dataset, rules: Sequence[RowRule], keys: Keys
) -> IdentifierSets:
    """Make table `identifier_sets` of the distinct rows of `delivered_sets`, in order.

    Where two sets meet in the join's hash table, the one that came second is given out later.
    """
    columns = _list_protected(dataset)
    names = {column.name for column in columns}
    judged = {place: f"_broken_{place}" for place, rule in enumerate(rules) if rule.column in names}
    outputs = {
        name: sql
        for column in columns
        if not column.profile.drop
        for name, sql in outputs_sql(column, _name_value(column), keys).items()
    }
    if columns:
        texts = ", ".join(map(_name_delivered, columns))
        bare = ", ".join(f"{bare_sql(column, _name_delivered(column))} as {_name_text(column)}" for column in columns)
        present = ", ".join(f"{present_sql(dataset, column)} as {_name_present(column)}" for column in columns)
        values = ", ".join(
            f"{canonical_sql(require_kind(column), _name_present(column))} as {_name_value(column)}"
            for column in columns
        )
        kept = ", ".join([texts, *map(_name_value, columns)])
        found = [f"{rules[place].violated} as {name}" for place, name in judged.items()]
        found += [f"{sql} as {_name_output(name)}" for name, sql in outputs.items()]
        connection.execute(
            f"create temp table identifier_sets as select {', '.join([kept, *found])}"
            f" from (select *, {values} from (select *, {present} from (select *, {bare}"
            f" from (select distinct {texts} from {TEXTS} order by all))))"
        ).fetchall()
        connection.execute(f"drop table {TEXTS}").fetchall()
    return IdentifierSets(
        columns,
        [replace(rule, violated=judged.get(place, rule.violated)) for place, rule in enumerate(rules)],
        {name: _name_output(name) for name in outputs},
    )


def gather_clear_values(
    connection: duckdb.DuckDBPyConnection, columns: Sequence[Column], landed: str, table: str
) -> None:
    """Of the identifier sets leave a table of the clear values and tokens that occur in the landed rows, each set once.

    `landed` is SQL of the rows in the lake's form.
    """
    tokens = [f"{column.name}_token" for column in columns]
    held = ", ".join(
        f"{_name_value(column)} as {quote_name(column.name)}, {_name_output(token)} as {quote_name(token)}"
        for column, token in zip(columns, tokens, strict=True)
    )
    same = " and ".join(f"held.{quote_name(token)} is not distinct from landed.{quote_name(token)}" for token in tokens)
    connection.execute(
        f"create temp table {table} as select distinct held.* from (select {held} from identifier_sets) as held"
        f" semi join (from {landed}) as landed on {same}"
    ).fetchall()
    connection.execute("drop table identifier_sets").fetchall()  # the rest needs its memory


def _list_protected(dataset: Dataset) -> tuple[Column, ...]:
    return tuple(column for column in dataset.columns if column.profile.protect)


def _name_delivered(column: Column) -> str:
    return quote_name(f"d_{column.name}")


def _name_text(column: Column) -> str:
    return quote_name(f"r_{column.name}")


def _name_present(column: Column) -> str:
    return quote_name(f"p_{column.name}")


def _name_value(column: Column) -> str:
    return quote_name(f"v_{column.name}")


def _name_output(name: str) -> str:
    return quote_name(f"o_{name}")
