"""What makes the published DuckDB file speak for itself: the seeds behind its codes, its views, and comments."""

from __future__ import annotations

import json
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
    tables that are there, and every table and column gets its description from dbt as a comment.
    """
    warehouse = attach(connection, settings.warehouse)
    for name in sorted(list_tables(connection, warehouse)):
        if name.startswith(SEED):
            copied = f"select * from {warehouse}.main.{quote_name(name)} order by all"
            run(connection, f"create or replace table {database}.main.{quote_name(name)} as {copied}")
    for name in declared.views:
        run(connection, _move_view_sql(connection, warehouse, database, name))
    for sentence in _comment_sql(connection, database, settings):
        run(connection, sentence)


def _move_view_sql(connection: duckdb.DuckDBPyConnection, warehouse: str, database: str, name: str) -> str:
    """The view of the warehouse over the tables of the published file, whatever that file is called by a reader."""
    where = f"database_name = {quote_text(warehouse)} and view_name = {quote_text(name)}"
    ((sql,),) = run(connection, f"select sql from duckdb_views() where {where}")
    body = re.split(r"\bas\b", str(sql), maxsplit=1, flags=re.IGNORECASE)[1]
    unqualified = re.sub(r'"?\w+"?\."?main"?\.("?\w+"?)', r"main.\1", body)
    return f"use {database}; create view main.{quote_name(name)} as {unqualified}; use memory"


def _comment_sql(connection: duckdb.DuckDBPyConnection, database: str, settings: Settings) -> Iterator[str]:
    """One COMMENT per described table, view and column of the file; nothing where dbt has not built in this home."""
    manifest = settings.home / "dbt" / "target" / "manifest.json"
    if not manifest.is_file():
        return
    nodes = json.loads(manifest.read_text(encoding="utf-8"))["nodes"].values()
    described = {node["name"]: node for node in nodes if node["resource_type"] in ("model", "seed")}
    kinds = dict(
        run(
            connection,
            "select table_name, table_type from information_schema.tables"
            f" where table_catalog = {quote_text(database)} order by table_name",
        )
    )
    for name, kind in kinds.items():
        node = described.get(name)
        if node is None:
            continue
        held = f"{database}.main.{quote_name(name)}"
        if node["description"]:
            yield f"comment on {'view' if kind == 'VIEW' else 'table'} {held} is {quote_text(node['description'])}"
        present = {str(column) for column, *_ in run(connection, f"describe {held}")}
        for column, entry in sorted(node["columns"].items()):
            if entry["description"] and column in present:
                yield f"comment on column {held}.{quote_name(column)} is {quote_text(entry['description'])}"
