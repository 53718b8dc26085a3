"""What makes the published DuckDB file speak for itself: the seeds behind its codes, its views, and comments."""

from __future__ import annotations

import re
from collections.abc import Iterator

import duckdb

from ingestion.foundation import Settings
from ingestion.foundation.sql import quote_name, quote_text
from quality.sets import GatedSet
from quality.source import attach, list_tables, run

SEED = "ref_"


def explain_database(
    connection: duckdb.DuckDBPyConnection, database: str, declared: GatedSet, settings: Settings
) -> None:
    """Add to an attached file of published tables what explains them.

    The seeds of the warehouse (code tables, thresholds, rules) are copied, the set's views are created over the
    tables that are there, and every table and column keeps the comment that dbt gave it.
    """
    warehouse = attach(connection, settings.warehouse)
    for name in sorted(list_tables(connection, warehouse)):
        if name.startswith(SEED):
            copied = f"select * from {warehouse}.main.{quote_name(name)} order by all"
            run(connection, f"create or replace table {database}.main.{quote_name(name)} as {copied}")
    for name in declared.views:
        run(connection, _move_view_sql(connection, warehouse, database, name))
    for sentence in _comment_sql(connection, warehouse, database):
        run(connection, sentence)


def _move_view_sql(connection: duckdb.DuckDBPyConnection, warehouse: str, database: str, name: str) -> str:
    """The view of the warehouse over the tables of the published file, whatever that file is called by a reader."""
    where = f"database_name = {quote_text(warehouse)} and view_name = {quote_text(name)}"
    ((sql,),) = run(connection, f"select sql from duckdb_views() where {where}")
    body = re.split(r"\bas\b", str(sql), maxsplit=1, flags=re.IGNORECASE)[1]
    unqualified = re.sub(r'"?\w+"?\."?main"?\.("?\w+"?)', r"main.\1", body)
    return f"use {database}; create view main.{quote_name(name)} as {unqualified}; use memory"


def _comment_sql(connection: duckdb.DuckDBPyConnection, warehouse: str, database: str) -> Iterator[str]:
    """One COMMENT per table, view and column of the file that the warehouse describes."""
    for kind, listed in (("table", "duckdb_tables()"), ("view", "duckdb_views()")):
        query = f"""
            select held.{kind}_name, described.comment
            from {listed} as held join {listed} as described using ({kind}_name)
            where held.database_name = {quote_text(database)} and described.database_name = {quote_text(warehouse)}
              and described.comment is not null
            order by all
        """
        for name, text in run(connection, query):
            yield f"comment on {kind} {database}.main.{quote_name(name)} is {quote_text(text)}"
    query = f"""
        select held.table_name, held.column_name, described.comment
        from duckdb_columns() as held join duckdb_columns() as described using (table_name, column_name)
        where held.database_name = {quote_text(database)} and described.database_name = {quote_text(warehouse)}
          and described.comment is not null
        order by all
    """
    for table, column, text in run(connection, query):
        yield f"comment on column {database}.main.{quote_name(table)}.{quote_name(column)} is {quote_text(text)}"
