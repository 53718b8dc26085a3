"""Duplicates (重复主键): a business key occurs once in a delivery; later occurrences leave the written rows.

Where keys rise from row to row none repeats. One that repeats has to come down to itself somewhere: it lies within a
*descent*, two neighbouring keys out of order. So only keys within a descent are compared at all; of those first the
hashes, which take less memory.
"""

from __future__ import annotations

from pathlib import Path

import duckdb
import polars as pl

from ingestion.contract import Dataset
from ingestion.foundation.sql import quote_name, quote_text
from ingestion.lake import choose_parquet_options
from ingestion.landing.kept_out import KEPT_OUT

MOST_DESCENTS = 16


def drop_duplicates(connection: duckdb.DuckDBPyConnection, dataset: Dataset, part: Path) -> pl.DataFrame:
    """Rewrite a part file without the later occurrences of a key; returns what was kept out, by line.

    Facts without a key are all kept, equal ones too.
    """
    if not dataset.key:
        return pl.DataFrame(schema=KEPT_OUT)
    columns = {column.name: column for column in dataset.columns}
    key = ", ".join(quote_name(f"{name}_token" if columns[name].profile.protect else name) for name in dataset.key)
    rows = f"read_parquet({quote_text(part)})"
    suspects = f"{rows} where {_find_suspects(connection, rows, key)}"
    hashed = f"select 1 from {suspects} group by hash({key}) having count(*) > 1 limit 1"
    twice = f"select {key} from {suspects} group by {key} having count(*) > 1"
    if not all(connection.execute(sql).fetchall() for sql in (hashed, f"{twice} limit 1")):
        return pl.DataFrame(schema=KEPT_OUT)
    connection.execute(
        f"""
        create temp table duplicates as
        select _line_number from {rows} semi join ({twice}) using ({key})
        qualify row_number() over (partition by {key} order by _line_number) > 1
        """
    ).fetchall()
    kept = part.with_name("kept.parquet")
    connection.execute(
        f"copy (from {rows} anti join duplicates using (_line_number))"
        f" to {quote_text(kept)} ({choose_parquet_options(dataset)})"
    ).fetchall()
    kept.replace(part)
    lines = pl.DataFrame(connection.sql("from duplicates order by _line_number").to_arrow_table())
    return lines.select(
        line_number="_line_number", column=pl.lit(", ".join(dataset.key)), rule=pl.lit("unique key")
    ).cast(KEPT_OUT)


def _find_suspects(connection: duckdb.DuckDBPyConnection, rows: str, key: str) -> str:
    """Note the descents of a key in the table `descents`; returns a predicate: the key lies within one of them.

    False where there is none, true where there are more than MOST_DESCENTS.
    """
    connection.execute(
        f"create temp table descents as select row_number() over () as place, low, high"
        f" from (select ({key}) as low, lag(({key})) over () as high from {rows}) where low <= high"
        f" limit {MOST_DESCENTS + 1}"
    ).fetchall()
    count = int(connection.execute("select count(*) from descents").fetchall()[0][0])
    if count > MOST_DESCENTS:
        return "true"
    within = (
        f"({key}) between (select low from descents where place = {place})"
        f" and (select high from descents where place = {place})"
        for place in range(1, count + 1)
    )
    return " or ".join(within) or "false"
