"""Publication (发布): write an audited set as an immutable version and move one pointer to it.

Write, audit, publish: nobody hands in verdicts. A set is published only if the ledger holds, for every suite in
force at every gate of the set, a verdict that passed or was overridden, on its business date and on the very
content that is written. A version is built in a hidden folder, renamed into place, and pointed to by an atomic
replace; killed anywhere, the old pointer still leads to a complete version and running again finishes the work.

    published/<set>/current.json                                 the pointer
    published/<set>/<version>/manifest.json
    published/<set>/<version>/<table>/bucket-00.parquet … | part-00.parquet
    published/warehouse/<version>/warehouse-<version>.duckdb     the same tables for SQL, opened read-only
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from ingestion.delivery import mark_published
from ingestion.foundation import Settings, load_settings
from ingestion.foundation.events import report_event
from ingestion.foundation.files import replace_atomically
from ingestion.foundation.locks import hold_lock
from ingestion.foundation.sql import quote_name, quote_text
from quality.baseline import count_rows
from quality.contents import Contents, read_beside
from quality.fingerprint import fingerprint, fingerprint_relation
from quality.gate import GateUnusable, audit, audit_rows
from quality.landing import write_landing_report
from quality.layout import Layout, bucket_expression, order_expression
from quality.objections import decide, describe_decisions, find_unlisted
from quality.override import Decision
from quality.publication_log import LoggedPublication, list_published_versions, record_publication
from quality.published import (
    MANIFEST,
    POINTER,
    NothingPublished,
    Published,
    kept_versions,
    open_published,
    read_pointer,
)
from quality.reports import write_index, write_version_page
from quality.sets import GatedSet, list_published_tables, load_set, load_suites_in_force
from quality.source import (
    Rows,
    WarehouseTable,
    attach,
    connect,
    demand_built_for,
    expose,
    list_tables,
    open_warehouse,
    parquet,
    run,
)
from quality.suite import Suite
from quality.warehouse import write_docs

__all__ = [
    "NothingPublished",
    "Publication",
    "PublicationRefused",
    "Published",
    "audit_and_publish",
    "open_published",
    "point_to",
    "publish",
]

KEPT_VERSIONS = 5
LOCK = ".lock"
ROW_GROUP = 122_880
_INEXACT = ("HUGEINT", "UHUGEINT", "BIGNUM", "INTERVAL", "BIT", "TIME WITH TIME ZONE")


class PublicationRefused(Exception):
    """The set may not be published; the sentence says why, and which version consumers keep reading."""


@dataclass(frozen=True)
class Publication:
    """What `publish` did. `is_new` is False when this very content was published before.

    `is_current` is False when a later business date is already published: the version is kept and can be
    opened by name, but the pointer never moves back in time by itself (`point_to` does that on purpose).
    """

    set_name: str
    version: str
    batch_date: date
    path: Path
    is_new: bool
    is_current: bool

    def __str__(self) -> str:
        return f"{self.version} {'published' if self.is_new else 'already published'}"


def audit_and_publish(
    set_name: str,
    batch_date: date,
    settings: Settings | None = None,
    run_id: str | None = None,
    rows: Mapping[str, Rows] | None = None,
    as_of: date | None = None,
) -> Publication:
    """Audit every gate of a set, then publish it.

    `rows` are the tables of a set that a stage makes, and whatever else the queries of its suites read; the
    tables of the warehouse are in its file. Idempotent. What a gate audits and the set does not list
    (reconciliations) can refuse the set, but is not written. An override counts on the day `as_of`, by default
    the business date.

    Raises:
        PublicationRefused: a verdict failed; the last good version stays and is marked as a fallback.
        SetUnknown, SetsInvalid, SuitesInvalid, GateUnusable, WarehouseUnusable: the gates cannot be run.
    """
    settings = settings or load_settings()
    declared = load_set(set_name, settings)
    if declared.rows == "stage" and rows is None:
        raise GateUnusable(f"Set {set_name} is published by the stage that makes its rows; run that for {batch_date}.")
    if declared.rows == "warehouse":
        write_landing_report(batch_date, settings)
    for gate in declared.gates:
        if declared.rows == "warehouse":
            audit(gate, batch_date, settings, as_of=as_of)
        else:
            audit_rows(gate, batch_date, rows or {}, settings, as_of)
    done = publish(set_name, batch_date, settings, run_id, rows, as_of)
    if declared.rows == "warehouse":
        mark_published(_built_deliveries(settings), done.version, settings)
        write_docs(batch_date, done.version, settings)
    write_version_page(open_published(set_name, settings, done.version), settings)
    write_index(settings)
    return done


def _built_deliveries(settings: Settings) -> list[str]:
    """The deliveries that the warehouse was built from; one that landed since waits for the next build."""
    with open_warehouse(settings) as connection:
        listed = "select 1 from information_schema.tables where table_name = 'stg_platform__deliveries'"
        if not run(connection, listed):
            return []
        query = "select delivery_id from stg_platform__deliveries order by delivery_id"
        return [str(delivery_id) for (delivery_id,) in run(connection, query)]


def publish(
    set_name: str,
    batch_date: date,
    settings: Settings | None = None,
    run_id: str | None = None,
    rows: Mapping[str, Rows] | None = None,
    as_of: date | None = None,
) -> Publication:
    """Publish a set as one version `<batch_date>-<first 8 digits of the content's hash>`.

    The ledger decides: see `quality.objections.decide`. The content is compared twice, at its source and as
    written: the Parquet is fingerprinted before it becomes visible. The same content again is a no-op with the
    same version; the bytes of the Parquet files depend on content and layout only, not on threads or time. An
    override counts on the day `as_of`, by default the business date. Memory stays within
    `settings.memory_limit`. The last five versions are kept.

    Raises:
        PublicationRefused: naming table, date, checks, and the version that stays.
        SetUnknown, SetsInvalid, SuitesInvalid: the set is not declared, or a declaration is wrong.
    """
    settings = settings or load_settings()
    declared = load_set(set_name, settings)
    suites = load_suites_in_force(declared, batch_date, settings)
    members = list_published_tables(declared, suites, settings)
    layouts = {suite.table: suite for suite in suites if suite.table in members}
    folder = settings.published / set_name
    folder.mkdir(parents=True, exist_ok=True)
    with hold_lock(folder / LOCK), connect(":memory:", settings) as connection:
        try:
            contents = Contents(connection, _expose_rows(connection, declared, suites, rows, batch_date, settings))
            decisions, reasons = decide(declared, suites, batch_date, as_of or batch_date, contents, settings)
            reasons += _find_inexact_columns(connection, [name for name in members if name in contents])
        except duckdb.Error as error:
            reason = str(error).splitlines()[0]
            raise _refuse(set_name, batch_date, [f"its tables cannot be read ({reason})"], settings) from None
        reasons += find_unlisted(declared, members, batch_date, settings)
        if reasons:
            raise _refuse(set_name, batch_date, reasons, settings)
        audited = {name: decision.verdict.fingerprint for name, decision in decisions.items()}
        whole = _hash_set(layouts, audited)
        version = f"{batch_date.isoformat()}-{whole[:8]}"
        target = folder / version
        is_new = not target.exists()
        run_name = run_id or f"{set_name}-{batch_date.isoformat()}"
        manifest = _describe_version(declared, version, batch_date, run_name, whole, layouts, decisions)
        if is_new:
            partial = folder / f".{version}.partial"
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            try:
                _write_tables(connection, declared, version, partial, layouts, settings)
                reasons = _find_changes(connection, {name: audited[name] for name in members}, partial)
            except duckdb.Error as error:
                reasons = [f"its tables cannot be read ({str(error).splitlines()[0]})"]
            if reasons:
                shutil.rmtree(partial)
                raise _refuse(set_name, batch_date, reasons, settings)
            _write_json(partial / MANIFEST, manifest)
            _sync_tree(partial)
            partial.rename(target)
            _sync(folder)
        else:
            _renew_manifest(target, manifest)
        counts = {name: decision.verdict.rows for name, decision in decisions.items()}
        current = _count_current_rows(connection, suites)
        held = LoggedPublication(version, batch_date, counts, audited, tuple(members), current)
        record_publication(set_name, held, run_name, whole, settings)
        is_current = _move_pointer(folder, version, batch_date)
        _drop_old_versions(folder, set_name, settings)
    report_event("set_published", set_name=set_name, batch_date=batch_date, version=version)
    return Publication(set_name, version, batch_date, target, is_new, is_current)


def _count_current_rows(connection: duckdb.DuckDBPyConnection, suites: Sequence[Suite]) -> dict[str, int]:
    """Rows of each history that no later version supersedes; the gates of later dates count against them."""
    counted = {suite.table: count_rows(connection, suite).current for suite in suites if suite.is_history}
    return {table: current for table, current in counted.items() if current is not None}


def _expose_rows(
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


def point_to(set_name: str, version: str, settings: Settings | None = None) -> Published:
    """Move the pointer to a version that is still kept, even back in time: how an operator withdraws data.

    Raises:
        NothingPublished: the version is not kept.
    """
    settings = settings or load_settings()
    chosen = open_published(set_name, settings, version)
    with hold_lock(settings.published / set_name / LOCK):
        _write_pointer(settings.published / set_name, version, chosen.batch_date)
    return open_published(set_name, settings)


def _find_inexact_columns(connection: duckdb.DuckDBPyConnection, tables: Sequence[str]) -> list[str]:
    reasons = []
    for name in tables:
        for column, kind, *_ in run(connection, f"describe {quote_name(name)}"):
            if kind in _INEXACT:
                reasons.append(f"{name}.{column} has type {kind}, inexact in Parquet; cast it in its model")
    return reasons


def _refuse(set_name: str, batch_date: date, reasons: Sequence[str], settings: Settings) -> PublicationRefused:
    """Mark the current version as a fallback, if it stands in for this date, and word the refusal."""
    pointer = read_pointer(settings.published / set_name)
    stays = "nothing was published before"
    if pointer is not None:
        stays = f"last good version {pointer['version']} stays"
        if batch_date.isoformat() >= pointer["batch_date"]:
            folder = settings.published / set_name
            _write_pointer(folder, pointer["version"], date.fromisoformat(pointer["batch_date"]), batch_date)
    sentence = f"Set {set_name} is not published for {batch_date.isoformat()}: {'; '.join(reasons)}; {stays}."
    report_event("set_refused", set_name=set_name, batch_date=batch_date)
    return PublicationRefused(sentence)


def _hash_set(layouts: Mapping[str, Suite], contents: Mapping[str, str]) -> str:
    described = {
        name: [contents[name], _describe_layout(suite), list(suite.key)] for name, suite in sorted(layouts.items())
    }
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()


def _write_tables(
    connection: duckdb.DuckDBPyConnection,
    declared: GatedSet,
    version: str,
    folder: Path,
    layouts: Mapping[str, Suite],
    settings: Settings,
) -> None:
    """Sort each table once into a DuckDB file, then copy it to Parquet bucket by bucket.

    The sort uses all threads and spills. Each Parquet file is then written by one thread, several files at a
    time: a file written by several threads has other bytes on a machine with other cores.
    """
    database = folder / f"{declared.set}-{version}.duckdb"
    run(connection, f"attach {quote_text(str(database))} as staged")
    copies: list[str] = []
    for name, suite in sorted(layouts.items()):
        order = order_expression(suite.layout, suite.key)
        run(
            connection,
            f"create table staged.main.{quote_name(name)} as select * from {quote_name(name)} order by {order}",
        )
        (folder / name).mkdir()
        copies += _plan_files(connection, folder / name, name, suite.layout)
    run(connection, "set threads = 1")
    with ThreadPoolExecutor(max_workers=settings.threads) as pool:
        list(pool.map(lambda sql: _copy(connection, sql), copies))
    run(connection, f"set threads = {settings.threads}")
    run(connection, "checkpoint staged")
    run(connection, "detach staged")
    if declared.rows != "warehouse":
        database.unlink()


def _copy(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    with connection.cursor() as cursor:
        run(cursor, sql)


def _plan_files(connection: duckdb.DuckDBPyConnection, folder: Path, name: str, layout: Layout | None) -> list[str]:
    """One COPY per file; a bucket is a range of row ids, because the staged rows lie in bucket order."""
    staged = f"staged.main.{quote_name(name)}"
    options = f"(format parquet, compression zstd, row_group_size {ROW_GROUP})"
    if layout is None or layout.bucket_by is None:
        return [f"copy (select * from {staged}) to {quote_text(str(folder / 'part-00.parquet'))} {options}"]
    bucket = bucket_expression(layout.bucket_by)
    counted = f"select {bucket}, min(rowid), max(rowid) from {staged} group by all"
    ranges = {int(number): (low, high) for number, low, high in run(connection, counted) if number is not None}
    copies = []
    for number in range(layout.buckets):
        low, high = ranges.get(number, (0, -1))
        target = quote_text(str(folder / f"bucket-{number:02d}.parquet"))
        copies.append(f"copy (select * from {staged} where rowid between {low} and {high}) to {target} {options}")
    return copies


def _find_changes(connection: duckdb.DuckDBPyConnection, contents: Mapping[str, str], written: Path) -> list[str]:
    """Tables whose content, as written to a folder, is not the one that was audited.

    The source is read again only to say where a difference arose.
    """
    changed = []
    for name, content in contents.items():
        paths = tuple(sorted((written / name).glob("*.parquet")))
        if fingerprint_relation(connection, parquet(paths)) == content:
            continue
        if fingerprint(connection, name) != content:
            changed.append(f"{name} has changed since its verdict")
        else:
            changed.append(f"{name} was written with other content than its verdict saw")
    return changed


def _describe_layout(suite: Suite) -> dict[str, Any] | None:
    layout = suite.layout
    if layout is None:
        return None
    return {"bucket_by": layout.bucket_by, "buckets": layout.buckets, "sort_by": list(layout.sort_by)}


def _describe_version(
    declared: GatedSet,
    version: str,
    batch_date: date,
    run_name: str,
    whole: str,
    layouts: Mapping[str, Suite],
    decisions: Mapping[str, Decision],
) -> dict[str, Any]:
    described = describe_decisions(decisions)
    return {
        "set": declared.set,
        "version": version,
        "batch_date": batch_date.isoformat(),
        "run": run_name,
        "fingerprint": whole,
        "tables": {name: described[name] | {"layout": _describe_layout(suite)} for name, suite in layouts.items()},
        "audited": {name: entry for name, entry in described.items() if name not in layouts},
    }


def _renew_manifest(target: Path, manifest: Mapping[str, Any]) -> None:
    """Say of a version that was published before how it passes now; its rows and its first run stay as they are."""
    try:
        held = json.loads((target / MANIFEST).read_text(encoding="utf-8"))
    except ValueError:
        held = {}  # damaged: what it says is known
    renewed = {**manifest, "run": held.get("run", manifest["run"])}
    if held != renewed:
        with replace_atomically(target / MANIFEST) as draft:
            _write_json(draft, renewed)
            draft.chmod(0o444)
            _sync(draft)
        _sync(target)


def _move_pointer(folder: Path, version: str, batch_date: date) -> bool:
    """Point to the version unless a later business date is current; True if it is current afterwards."""
    pointer = read_pointer(folder)
    if pointer is not None and pointer["batch_date"] > batch_date.isoformat():
        return False
    _write_pointer(folder, version, batch_date)
    return True


def _write_pointer(folder: Path, version: str, batch_date: date, refused: date | None = None) -> None:
    content = {
        "version": version,
        "batch_date": batch_date.isoformat(),
        "is_fallback": refused is not None,
        "refused_batch_date": refused.isoformat() if refused else None,
    }
    if read_pointer(folder) == content:
        return
    with replace_atomically(folder / POINTER) as draft:
        _write_json(draft, content)
        _sync(draft)
    _sync(folder)


def _drop_old_versions(folder: Path, set_name: str, settings: Settings) -> None:
    """Keep the last five published versions and the current one; a version is hidden before it is deleted."""
    pointer = read_pointer(folder)
    order = {version: position for position, version in enumerate(list_published_versions(set_name, settings))}
    kept = sorted(kept_versions(set_name, settings), key=lambda version: (order.get(version, -1), version))
    for version in kept[:-KEPT_VERSIONS]:
        if pointer is None or version != pointer["version"]:
            (folder / version).rename(folder / f".{version}.removed")
    for leftover in [*folder.glob(".*.removed"), *folder.glob(".*.partial")]:
        shutil.rmtree(leftover)


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def _sync_tree(folder: Path) -> None:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            path.chmod(0o444)
        _sync(path)
    _sync(folder)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
