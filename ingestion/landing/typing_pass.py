"""The pass that types rows (类型化): good rows go to a Parquet file, broken ones are noted as they pass.

Nothing is held but the notes. One thread writes, so that equal deliveries give equal bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa

from ingestion.contract import Contract
from ingestion.delivery import Delivery
from ingestion.foundation.sql import quote_name, quote_text
from ingestion.lake import choose_parquet_options
from ingestion.landing.identifier_sets import IN_ORDER, judge_sets
from ingestion.landing.kept_out import KEPT_OUT
from ingestion.landing.statement import RULES_A_WORD, count_words, list_rules, pass_sql
from ingestion.landing.typing_rules import JSON_RULE, REFUSING_RULES, RowRule
from ingestion.protection import Keys
from ingestion.readers import Reading
from ingestion.readers.layout import LineLayout

HITS = pl.Schema({"line_number": pl.Int64, "place": pl.Int32, "column": pl.String, "rule": pl.String})


@dataclass(frozen=True)
class TypingResult:
    """What the pass found: broken rows by line, values for which all is refused, and totals over all rows."""

    broken: pl.DataFrame
    forbidden: pl.DataFrame
    sums: dict[str, Decimal]


@dataclass
class _BrokenRows:
    """Broken rows: ordinal, one word of bits for every 60 rules, and the values that control totals add up."""

    batches: list[pa.RecordBatch] = field(default_factory=list)

    def take(self, rows: pa.ChunkedArray) -> pa.Array:
        """Keep the rows, and answer the filter that each is to be dropped."""
        self.batches += [pa.RecordBatch.from_struct_array(chunk) for chunk in rows.chunks]
        return pa.Array.from_buffers(pa.bool_(), len(rows), [None, pa.py_buffer(bytes(len(rows)))])  # all false

    def frame(self) -> pl.DataFrame:
        """All of them; without columns where there are none."""
        return pl.DataFrame(pa.Table.from_batches(self.batches)) if self.batches else pl.DataFrame()


def type_rows(
    connection: duckdb.DuckDBPyConnection,
    contract: Contract,
    delivery: Delivery,
    reading: Reading,
    layout: LineLayout | None,
    part: Path,
    keys: Keys,
    summed: Sequence[str],
) -> TypingResult:
    """Write the good rows to `part`; returns the broken ones, and the totals of the `summed` columns over both.

    The distinct identifiers of the delivery are expected in the table `delivered_sets`.
    """
    dataset = delivery.dataset
    rules = list_rules(dataset, layout.holds_replacements if layout else True)
    sets = judge_sets(connection, dataset, rules, keys)
    notes, words = _BrokenRows(), count_words(rules)
    _register(connection, notes, words, len(summed), layout)
    line_number = layout.line_sql("_ordinal") if layout else None
    rows = pass_sql(contract, delivery, sets, reading.relation, line_number, reading.has_quotes, summed)
    threads = connection.execute("select current_setting('threads')").fetchall()[0][0]
    connection.execute("set threads = 1").fetchall()  # how rows are divided into row groups would depend on it
    connection.execute(IN_ORDER).fetchall()
    connection.execute(f"copy ({rows}) to {quote_text(part)} ({choose_parquet_options(dataset)})").fetchall()
    connection.execute(f"set threads = {threads}").fetchall()
    connection.execute("reset disabled_optimizers").fetchall()
    noted = notes.frame()
    held = noted[:, 1 + words :]
    sums = {
        name: _sum_column(connection, part, name) + Decimal((held[:, place].sum() or 0) if noted.height else 0)
        for place, name in enumerate(summed)
    }
    hits = _list_hits(noted, rules, layout)
    return TypingResult(_name_rules(hits), hits.filter(pl.col("rule").is_in(REFUSING_RULES)), sums)


def _register(
    connection: duckdb.DuckDBPyConnection, notes: _BrokenRows, words: int, totals: int, layout: LineLayout | None
) -> None:
    """Give the connection the functions that the statement calls: `note`, and of a text file `line_of`."""
    create: Any = connection.create_function
    kinds = ["bigint"] * (1 + words) + ["decimal(38,9)"] * totals
    row = ", ".join(f'"{place}" {kind}' for place, kind in enumerate(kinds))
    create("note", notes.take, [f"struct({row})"], "boolean", type="arrow", side_effects=True)
    if layout is not None:
        create("line_of", layout.number_rows, ["bigint"], "bigint", type="arrow")


def _sum_column(connection: duckdb.DuckDBPyConnection, part: Path, column: str) -> Decimal:
    total = f"select sum({quote_name(column)})::decimal(38, 9) from read_parquet({quote_text(part)})"
    return Decimal(connection.execute(total).fetchall()[0][0] or 0)


def _list_hits(noted: pl.DataFrame, rules: Sequence[RowRule], layout: LineLayout | None) -> pl.DataFrame:
    """One row for each broken rule of each broken row, by line and in the order of the rules."""
    hits = [pl.DataFrame(schema=HITS)]
    if noted.height:
        ordinals = noted["0"]
        lines = ordinals if layout is None else pl.Series(layout.number_rows(ordinals.to_arrow()))
        for place, rule in enumerate(rules):
            is_hit = (noted[str(1 + place // RULES_A_WORD)] & (1 << place % RULES_A_WORD)) != 0
            if is_hit.any():
                broken = {"line_number": lines.filter(is_hit), "place": place, "column": rule.column, "rule": rule.rule}
                hits.append(pl.DataFrame(broken).cast(HITS))
    return pl.concat(hits).sort("line_number", "place")


def _name_other_columns() -> pl.Expr:
    """A rule, with its column before it where that is not the row's first broken one."""
    is_other = pl.col("column") != pl.col("column").first().over("line_number")
    return pl.when(is_other & (pl.col("column") != "")).then(pl.col("column") + ": " + pl.col("rule")).otherwise("rule")


def _name_rules(hits: pl.DataFrame) -> pl.DataFrame:
    """One row for each broken row: its line, its first broken column, all broken rules (of no JSON, that one)."""
    is_json = (pl.col("rule") != JSON_RULE).all().over("line_number")
    return (
        hits.filter((pl.col("rule") == JSON_RULE) | is_json)
        .unique(["line_number", "place"], maintain_order=True)
        .with_columns(rule=_name_other_columns())
        .group_by("line_number", maintain_order=True)
        .agg(pl.col("column").first(), pl.col("rule").str.join("; "))
        .with_columns(pl.col("column").replace("", None))
        .cast(KEPT_OUT)
    )
