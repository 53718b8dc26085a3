"""Publication (发布): write an audited set as an immutable version and move one pointer to it.

Write, audit, publish: a set is published only on verdicts that passed, speak of its business date, and
carry the fingerprint of the content that is actually written. A version is built in a hidden folder,
renamed into place, and pointed to by an atomic replace; killed anywhere, the old pointer still leads to a
complete version and running again finishes the work.

    published/<set>/current.json                                 the pointer
    published/<set>/<version>/manifest.json
    published/<set>/<version>/<table>/bucket-00.parquet … | part-00.parquet
    published/warehouse/<version>/warehouse-<version>.duckdb     the same tables for SQL, opened read-only
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from ingestion.delivery import mark_published
from ingestion.foundation import Settings, load_settings
from ingestion.foundation.events import report_event
from quality.fingerprint import fingerprint, fingerprint_relation
from quality.gate import audit, audit_sources
from quality.layout import bucket_expression, order_expression, quote, quote_text
from quality.published import (
    MANIFEST,
    POINTER,
    NothingPublished,
    Published,
    kept_versions,
    open_published,
    read_pointer,
)
from quality.register import published_order, register_publication, set_of
from quality.source import TableSource, WarehouseTable, connect, expose, open_warehouse, parquet, run
from quality.suite import Suite, load_suites
from quality.verdict import Verdict, are_recorded

__all__ = [
    "NothingPublished",
    "Publication",
    "PublicationRefused",
    "Published",
    "audit_and_publish",
    "audit_and_publish_sources",
    "open_published",
    "point_to",
    "publish",
]

KEPT_VERSIONS = 5
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
    gate: str, batch_date: date, settings: Settings | None = None, run_id: str | None = None
) -> Publication:
    """Audit every table of a gate in the warehouse file, then publish the set that the gate guards.

    Idempotent. Tables whose suite says `published: false` (reconciliations) are audited and can refuse the
    set, but are not written.

    Raises:
        PublicationRefused: a verdict failed; the last good version stays and is marked as a fallback.
        GateUnusable, SuitesInvalid, WarehouseUnusable: the gate cannot be run.
    """
    settings = settings or load_settings()
    suites = load_suites(settings.suites, gate)
    verdicts = audit(gate, batch_date, settings)
    tables = {
        suite.table: TableSource(WarehouseTable(settings.warehouse, suite.table), suite.key, suite.layout)
        for suite in suites
        if suite.published
    }
    done = publish(set_of(gate), batch_date, verdicts, tables, settings, run_id)
    mark_published(_built_deliveries(settings), done.version, settings)
    return done


def _built_deliveries(settings: Settings) -> list[str]:
    """The deliveries that the warehouse was built from; one that landed since waits for the next build."""
    with open_warehouse(settings) as connection:
        listed = "select 1 from information_schema.tables where table_name = 'stg_platform__deliveries'"
        if not run(connection, listed):
            return []
        query = "select delivery_id from stg_platform__deliveries order by delivery_id"
        return [str(delivery_id) for (delivery_id,) in run(connection, query)]


def audit_and_publish_sources(
    gate: str,
    suites: Sequence[Suite],
    sources: Mapping[str, TableSource],
    batch_date: date,
    settings: Settings | None = None,
    run_id: str | None = None,
) -> Publication:
    """Audit sources outside the warehouse (feature tables), then publish them as one set."""
    settings = settings or load_settings()
    verdicts = audit_sources(gate, suites, sources, batch_date, settings)
    return publish(set_of(gate), batch_date, verdicts, sources, settings, run_id)


def publish(
    set_name: str,
    batch_date: date,
    verdicts: Sequence[Verdict],
    tables: Mapping[str, TableSource],
    settings: Settings | None = None,
    run_id: str | None = None,
) -> Publication:
    """Publish `tables` as one version `<batch_date>-<first 8 digits of the content's hash>` of a set.

    Every table needs a recorded, passing verdict for its name, this date and its present content, and no
    other verdict handed in may have failed. The content is compared once, as written: the Parquet is
    fingerprinted before it becomes visible. The same content again is a no-op with the same version; the
    bytes of the Parquet files depend on content and layout only, not on threads or time. Memory stays within
    `settings.memory_limit`. The last five versions are kept.

    Raises:
        PublicationRefused: naming table, date, checks, and the version that stays.
    """
    settings = settings or load_settings()
    folder = settings.published / set_name
    folder.mkdir(parents=True, exist_ok=True)
    with _exclusive(folder), connect(":memory:", settings) as connection:
        try:
            for name, source in sorted(tables.items()):
                expose(connection, name, source)
        except duckdb.Error as error:
            reason = str(error).splitlines()[0]
            raise _refuse(set_name, batch_date, [f"its tables cannot be read ({reason})"], settings) from None
        reasons = _find_objections(set_name, batch_date, verdicts, tables, settings)
        reasons += _find_inexact_columns(connection, tables)
        if reasons:
            raise _refuse(set_name, batch_date, reasons, settings)
        accepted = {verdict.table: verdict for verdict in verdicts}
        contents = {name: accepted[name].fingerprint for name in sorted(tables)}
        whole = _hash_set(tables, contents)
        version = f"{batch_date.isoformat()}-{whole[:8]}"
        target = folder / version
        is_new = not target.exists()
        run_name = run_id or f"{set_name}-{batch_date.isoformat()}"
        if is_new:
            partial = folder / f".{version}.partial"
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            try:
                _write_tables(connection, set_name, version, partial, tables, settings)
                reasons = _find_changes(connection, contents, partial)
            except duckdb.Error as error:
                reasons = [f"its tables cannot be read ({str(error).splitlines()[0]})"]
            if reasons:
                shutil.rmtree(partial)
                raise _refuse(set_name, batch_date, reasons, settings)
            manifest = _describe_version(set_name, version, batch_date, run_name, whole, tables, accepted)
            _write_json(partial / MANIFEST, manifest)
            _sync_tree(partial)
            partial.rename(target)
            _sync(folder)
        elif reasons := _find_changes(connection, contents):
            raise _refuse(set_name, batch_date, reasons, settings)
        row_counts = {name: accepted[name].rows for name in sorted(tables)}
        is_current = _move_pointer(folder, version, batch_date)
        register_publication(set_name, version, batch_date, run_name, whole, row_counts, settings)
        _drop_old_versions(folder, set_name, settings)
    report_event("set_published", set_name=set_name, batch_date=batch_date, version=version)
    return Publication(set_name, version, batch_date, target, is_new, is_current)


def point_to(set_name: str, version: str, settings: Settings | None = None) -> Published:
    """Move the pointer to a version that is still kept, even back in time: how an operator withdraws data.

    Raises:
        NothingPublished: the version is not kept.
    """
    settings = settings or load_settings()
    chosen = open_published(set_name, settings, version)
    with _exclusive(settings.published / set_name):
        _write_pointer(settings.published / set_name, version, chosen.batch_date)
    return open_published(set_name, settings)


def _find_objections(
    set_name: str,
    batch_date: date,
    verdicts: Sequence[Verdict],
    tables: Mapping[str, TableSource],
    settings: Settings,
) -> list[str]:
    reasons = [
        f"{verdict.table} failed {', '.join(failure.sentence for failure in verdict.failing_checks)}"
        for verdict in sorted(verdicts, key=lambda verdict: verdict.table)
        if not verdict.passed
    ]
    recorded = are_recorded([verdict.verdict_id for verdict in verdicts], settings)
    given = {verdict.table: verdict for verdict in verdicts}
    for name in sorted(tables):
        verdict = given.get(name)
        if verdict is None:
            reasons.append(f"{name} has no verdict")
        elif not verdict.passed:
            continue
        elif set_of(verdict.gate) != set_name:
            reasons.append(f"the verdict of {name} is of gate {verdict.gate}, which does not guard this set")
        elif verdict.batch_date != batch_date:
            reasons.append(f"the verdict of {name} is for {verdict.batch_date.isoformat()}")
        elif verdict.verdict_id not in recorded:
            reasons.append(f"the verdict of {name} is not in the ledger")
    return reasons


def _find_inexact_columns(connection: duckdb.DuckDBPyConnection, tables: Mapping[str, TableSource]) -> list[str]:
    reasons = []
    for name in sorted(tables):
        for column, kind, *_ in run(connection, f"describe {quote(name)}"):
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


def _hash_set(tables: Mapping[str, TableSource], contents: Mapping[str, str]) -> str:
    described = {
        name: [contents[name], _describe_layout(tables[name]), list(tables[name].key)] for name in sorted(tables)
    }
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()


def _write_tables(
    connection: duckdb.DuckDBPyConnection,
    set_name: str,
    version: str,
    folder: Path,
    tables: Mapping[str, TableSource],
    settings: Settings,
) -> None:
    """Sort each table once into a DuckDB file, then copy it to Parquet bucket by bucket.

    The sort uses all threads and spills. Each Parquet file is then written by one thread, several files at a
    time: a file written by several threads has other bytes on a machine with other cores.
    """
    database = folder / f"{set_name}-{version}.duckdb"
    run(connection, f"attach {quote_text(str(database))} as staged")
    copies: list[str] = []
    for name, source in sorted(tables.items()):
        order = order_expression(source.layout, source.key)
        run(
            connection,
            f"create table staged.main.{quote(name)} as select * from {quote(name)} order by {order}",
        )
        (folder / name).mkdir()
        copies += _plan_files(connection, folder / name, name, source)
    run(connection, "set threads = 1")
    with ThreadPoolExecutor(max_workers=settings.threads) as pool:
        list(pool.map(lambda sql: _copy(connection, sql), copies))
    run(connection, f"set threads = {settings.threads}")
    run(connection, "checkpoint staged")
    run(connection, "detach staged")
    if set_name != "warehouse":
        database.unlink()


def _copy(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    with connection.cursor() as cursor:
        run(cursor, sql)


def _plan_files(connection: duckdb.DuckDBPyConnection, folder: Path, name: str, source: TableSource) -> list[str]:
    """One COPY per file; a bucket is a range of row ids, because the staged rows lie in bucket order."""
    staged = f"staged.main.{quote(name)}"
    options = f"(format parquet, compression zstd, row_group_size {ROW_GROUP})"
    if source.layout is None or source.layout.bucket_by is None:
        return [f"copy (select * from {staged}) to {quote_text(str(folder / 'part-00.parquet'))} {options}"]
    bucket = bucket_expression(source.layout.bucket_by)
    counted = f"select {bucket}, min(rowid), max(rowid) from {staged} group by all"
    ranges = {int(number): (low, high) for number, low, high in run(connection, counted) if number is not None}
    copies = []
    for number in range(source.layout.buckets):
        low, high = ranges.get(number, (0, -1))
        target = quote_text(str(folder / f"bucket-{number:02d}.parquet"))
        copies.append(f"copy (select * from {staged} where rowid between {low} and {high}) to {target} {options}")
    return copies


def _find_changes(
    connection: duckdb.DuckDBPyConnection, contents: Mapping[str, str], written: Path | None = None
) -> list[str]:
    """Tables whose content, as written to a folder or else at its source, is not the one that was audited.

    What was written answers for the source too, which is read again only to say where a difference arose.
    """
    changed = []
    for name, content in contents.items():
        if written:
            paths = tuple(sorted((written / name).glob("*.parquet")))
            if fingerprint_relation(connection, parquet(paths)) == content:
                continue
        if fingerprint(connection, name) != content:
            changed.append(f"{name} has changed since its verdict")
        elif written:
            changed.append(f"{name} was written with other content than its verdict saw")
    return changed


def _describe_layout(source: TableSource) -> dict[str, Any] | None:
    layout = source.layout
    if layout is None:
        return None
    return {"bucket_by": layout.bucket_by, "buckets": layout.buckets, "sort_by": list(layout.sort_by)}


def _describe_version(
    set_name: str,
    version: str,
    batch_date: date,
    run_name: str,
    whole: str,
    tables: Mapping[str, TableSource],
    verdicts: Mapping[str, Verdict],
) -> dict[str, Any]:
    described = {
        name: {
            "rows": verdicts[name].rows,
            "fingerprint": verdicts[name].fingerprint,
            "verdict_id": verdicts[name].verdict_id,
            "quality_status": verdicts[name].outcome.value,
            "suite_version": verdicts[name].suite_version,
            "layout": _describe_layout(tables[name]),
        }
        for name in sorted(tables)
    }
    return {
        "set": set_name,
        "version": version,
        "batch_date": batch_date.isoformat(),
        "run": run_name,
        "fingerprint": whole,
        "tables": described,
    }


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
    fresh = folder / f".{POINTER}.new"
    _write_json(fresh, content)
    _sync(fresh)
    fresh.replace(folder / POINTER)
    _sync(folder)


def _drop_old_versions(folder: Path, set_name: str, settings: Settings) -> None:
    """Keep the last five published versions and the current one; a version is hidden before it is deleted."""
    pointer = read_pointer(folder)
    order = {version: position for position, version in enumerate(published_order(set_name, settings))}
    kept = sorted(kept_versions(set_name, settings), key=lambda version: (order.get(version, -1), version))
    for version in kept[:-KEPT_VERSIONS]:
        if pointer is None or version != pointer["version"]:
            (folder / version).rename(folder / f".{version}.removed")
    for leftover in [*folder.glob(".*.removed"), *folder.glob(".*.partial")]:
        shutil.rmtree(leftover)


@contextlib.contextmanager
def _exclusive(folder: Path) -> Iterator[None]:
    """Let one publisher of a set work at a time; the lock dies with its process."""
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


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
