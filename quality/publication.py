"""Publication (发布): write an audited set as an immutable version and move one pointer to it.

Write, audit, publish: nobody hands in verdicts. A set is published only if the ledger holds, for every suite in
force at every gate of the set, a verdict that passed or was overridden, on its business date and on the very
content that is written. A version is built in a hidden folder, renamed into place, and pointed to by an atomic
replace; killed anywhere, the old pointer still leads to a complete version and running again finishes the work.
A part that has not changed (`quality.parts`) is linked from the version before.

    published/<set>/current.json                                 the pointer
    published/<set>/<version>/manifest.json
    published/<set>/<version>/<table>/bucket-00.parquet … | part-00.parquet | <date>.parquet of a daily table
    published/warehouse/<version>/warehouse-<version>.duckdb     the same tables for SQL, opened read-only
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, MutableMapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from ingestion.delivery import mark_published
from ingestion.foundation import Settings, load_settings
from ingestion.foundation.events import report_event
from ingestion.foundation.locks import hold_lock
from quality.baseline import count_current_rows
from quality.contents import Contents, expose_rows
from quality.durable_files import seal_folder, sync_path, write_json
from quality.gate import GateUnusable, audit, audit_rows
from quality.landing import write_landing_report
from quality.manifest import describe_version, hash_set, renew_manifest
from quality.objections import decide, explain_failure, find_unlisted
from quality.override import judge_overrides
from quality.parts import Held, describe_parts, read_held
from quality.pointer import NothingPublished, move_pointer, read_pointer, write_pointer
from quality.publication_log import LoggedPublication, list_published_versions, record_publication
from quality.published import LOCK, MANIFEST, Published, list_kept_versions, open_published
from quality.remembered import remember_fingerprints
from quality.reports import write_index, write_version_page
from quality.sets import GatedSet, find_guarded_set, list_published_tables, load_set, load_suites_in_force
from quality.source import Rows, connect, open_warehouse, run
from quality.suite import Suite
from quality.verdict import Outcome, Verdict
from quality.version_files import find_changes, find_inexact_columns, write_tables
from quality.warehouse import write_docs

__all__ = [
    "NothingPublished",
    "Publication",
    "PublicationRefused",
    "Published",
    "audit_and_publish",
    "audit_gate",
    "open_published",
    "point_to",
    "publish",
]

KEPT_VERSIONS = 5


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


def audit_gate(
    gate: str, batch_date: date, settings: Settings | None = None, as_of: date | None = None
) -> list[Verdict]:
    """Audit one gate of the warehouse between two layers of its build, so that nothing is built on what it refuses.

    A table that has not changed keeps its verdict, here and when the set is published later.

    Raises:
        PublicationRefused: a verdict failed; the last good version stays and is marked as a fallback.
        SetUnknown, SetsInvalid, SuitesInvalid, GateUnusable, WarehouseUnusable: the gate cannot be run.
    """
    settings = settings or load_settings()
    verdicts = audit(gate, batch_date, settings, as_of=as_of, again=False)
    decisions = judge_overrides(verdicts, settings, as_of or batch_date)
    reasons = [explain_failure(decision) for decision in decisions if decision.outcome is Outcome.FAIL]
    if reasons:
        raise _refuse(find_guarded_set(gate, settings).set, batch_date, reasons, settings)
    return verdicts


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
        remedy = declared.explain_publishing(batch_date)
        raise GateUnusable(f"Set {set_name} is published by the stage that makes its rows; {remedy}.")
    if declared.rows == "warehouse":
        write_landing_report(batch_date, settings)
    for gate in declared.gates:
        if declared.rows == "warehouse":
            audit(gate, batch_date, settings, as_of=as_of, again=False)
        else:
            audit_rows(gate, batch_date, rows or {}, settings, as_of)
    done = publish(set_name, batch_date, settings, run_id, rows, as_of)
    if declared.rows == "warehouse":
        mark_published(_list_built_deliveries(settings), done.version, settings)
        write_docs(batch_date, done.version, settings)
    write_version_page(open_published(set_name, settings, done.version), settings)
    write_index(settings)
    return done


def _list_built_deliveries(settings: Settings) -> list[str]:
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
            present = expose_rows(connection, declared, suites, rows, batch_date, settings)
            with _remember(declared, settings) as known:
                contents = Contents(connection, present, known)
                for suite in suites:
                    if suite.table in contents:
                        contents.fingerprint(suite.table)
            decisions, reasons = decide(declared, suites, batch_date, as_of or batch_date, contents, settings)
            reasons += find_inexact_columns(connection, [name for name in members if name in contents])
        except duckdb.Error as error:
            reason = str(error).splitlines()[0]
            raise _refuse(set_name, batch_date, [f"its tables cannot be read ({reason})"], settings) from None
        reasons += find_unlisted(declared, members, batch_date, settings)
        if reasons:
            raise _refuse(set_name, batch_date, reasons, settings)
        audited = {name: decision.verdict.fingerprint for name, decision in decisions.items()}
        whole = hash_set(layouts, audited)
        version = f"{batch_date.isoformat()}-{whole[:8]}"
        target = folder / version
        is_new = not target.exists()
        run_name = run_id or f"{set_name}-{batch_date.isoformat()}"
        held = read_held(set_name, settings)
        parts = {
            name: describe_parts(connection, suite, audited[name], held, batch_date) for name, suite in layouts.items()
        }
        manifest = describe_version(declared, version, batch_date, run_name, whole, layouts, decisions, parts)
        if is_new:
            reasons = _write_version(connection, declared, version, folder, layouts, manifest, held, settings)
            if reasons:
                raise _refuse(set_name, batch_date, reasons, settings)
        else:
            renew_manifest(target, manifest)
        counts = {name: decision.verdict.rows for name, decision in decisions.items()}
        current = count_current_rows(connection, suites)
        logged = LoggedPublication(version, batch_date, counts, audited, tuple(members), current)
        record_publication(set_name, logged, run_name, whole, settings)
        is_current = move_pointer(folder, version, batch_date)
        _drop_old_versions(folder, set_name, settings)
    report_event("set_published", set_name=set_name, batch_date=batch_date, version=version)
    return Publication(set_name, version, batch_date, target, is_new, is_current)


def _remember(declared: GatedSet, settings: Settings) -> AbstractContextManager[MutableMapping[str, str]]:
    """Fingerprints of the warehouse that a gate has taken already; of rows that are handed over none are known."""
    if declared.rows == "warehouse":
        return remember_fingerprints(settings)
    return nullcontext(enter_result={})


def _write_version(
    connection: duckdb.DuckDBPyConnection,
    declared: GatedSet,
    version: str,
    folder: Path,
    layouts: Mapping[str, Suite],
    manifest: Mapping[str, Any],
    held: Held,
    settings: Settings,
) -> list[str]:
    """Write a version into a hidden folder and rename it into place, or say why what was written is not what it should.

    What was written is read again first: nothing is visible that differs from what was audited.
    """
    partial = folder / f".{version}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    audited = {name: entry["fingerprint"] for name, entry in manifest["tables"].items()}
    try:
        write_tables(connection, declared, version, partial, layouts, manifest["tables"], held, settings)
        reasons = find_changes(connection, audited, partial)
    except duckdb.Error as error:
        reasons = [f"its tables cannot be read ({str(error).splitlines()[0]})"]
    if reasons:
        shutil.rmtree(partial)
        return reasons
    write_json(partial / MANIFEST, manifest)
    seal_folder(partial)
    partial.rename(folder / version)
    sync_path(folder)
    return []


def point_to(set_name: str, version: str, settings: Settings | None = None) -> Published:
    """Move the pointer to a version that is still kept, even back in time: how an operator withdraws data.

    Raises:
        NothingPublished: the version is not kept.
    """
    settings = settings or load_settings()
    chosen = open_published(set_name, settings, version)
    with hold_lock(settings.published / set_name / LOCK):
        write_pointer(settings.published / set_name, version, chosen.batch_date)
    return open_published(set_name, settings)


def _refuse(set_name: str, batch_date: date, reasons: Sequence[str], settings: Settings) -> PublicationRefused:
    """Mark the current version as a fallback, if it stands in for this date, and word the refusal."""
    pointer = read_pointer(settings.published / set_name)
    stays = "nothing was published before"
    if pointer is not None:
        stays = f"last good version {pointer['version']} stays"
        if batch_date.isoformat() >= pointer["batch_date"]:
            folder = settings.published / set_name
            write_pointer(folder, pointer["version"], date.fromisoformat(pointer["batch_date"]), batch_date)
    sentence = f"Set {set_name} is not published for {batch_date.isoformat()}: {'; '.join(reasons)}; {stays}."
    report_event("set_refused", set_name=set_name, batch_date=batch_date)
    return PublicationRefused(sentence)


def _drop_old_versions(folder: Path, set_name: str, settings: Settings) -> None:
    """Keep the last five published versions and the current one; a version is hidden before it is deleted."""
    pointer = read_pointer(folder)
    order = {version: position for position, version in enumerate(list_published_versions(set_name, settings))}
    kept = sorted(list_kept_versions(set_name, settings), key=lambda version: (order.get(version, -1), version))
    for version in kept[:-KEPT_VERSIONS]:
        if pointer is None or version != pointer["version"]:
            (folder / version).rename(folder / f".{version}.removed")
    for leftover in [*folder.glob(".*.removed"), *folder.glob(".*.partial")]:
        shutil.rmtree(leftover)
