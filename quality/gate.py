"""Gates (质量闸口): run the suites of a gate against its tables and return one verdict per table."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import duckdb

from ingestion.foundation import Settings, load_settings
from ingestion.foundation.sql import quote_name, quote_text
from quality.baseline import Baseline, Baselines, RowCounts, count_rows, read_baselines
from quality.contents import Contents
from quality.expectation import Scope, UnexpectedRows
from quality.failing_rows import locate_failing_rows, locate_report
from quality.gx_duckdb import CheckResult, GateRun
from quality.kept_verdicts import KeptVerdicts, read_kept_verdicts
from quality.kinds import KEEPS_ITS_CURRENT_ROWS
from quality.pages import draw_page
from quality.remembered import remember_fingerprints
from quality.sets import GatedSet, find_guarded_set, load_suites_in_force
from quality.source import Rows, connect, demand_built_for, expose, list_tables, open_warehouse, run
from quality.suite import KEEPS, Suite
from quality.verdict import KEEPS_ITS_ROWS, LANDING, Failure, Verdict, record_verdicts

SAMPLE = 5
ABSENT = "absent"


class GateUnusable(Exception):
    """The gate cannot be run at all: it audits something else, or a named table has no suite."""


def audit(
    gate: str,
    batch_date: date,
    settings: Settings | None = None,
    tables: Sequence[str] | None = None,
    as_of: date | None = None,
    again: bool = True,
) -> list[Verdict]:
    """Audit the warehouse file with every suite of a gate; one recorded verdict per table, sorted by table.

    Clock: `batch_date` is the business date in Asia/Shanghai; nothing reads the wall clock. Idempotent. The
    file is held read-only from the first check to the last fingerprint, so a verdict speaks of one content.
    `as_of` is the day on which the page judges overrides, by default the business date. Without `again` a table that
    has not changed keeps its verdict (`quality.kept_verdicts`).

    Raises:
        SetUnknown, SetsInvalid, SuitesInvalid: no set has the gate, or a declaration is wrong.
        GateUnusable: the gate does not audit the warehouse, or `tables` names one that has no suite.
        WarehouseUnusable: the warehouse file is missing, being written, damaged, or built for another date.
    """
    settings = settings or load_settings()
    if gate == LANDING:
        raise GateUnusable(f"Gate {gate} judges deliveries as they land; run `python -m ingestion land`.")
    declared = find_guarded_set(gate, settings)
    if declared.rows != "warehouse":
        remedy = f"; {declared.explain_publishing(batch_date)}" if declared.command else ""
        raise GateUnusable(
            f"Gate {gate} audits what a stage hands over; it runs when set {declared.set} is built{remedy}."
        )
    every = suites = [suite for suite in load_suites_in_force(declared, batch_date, settings) if suite.gate == gate]
    if tables is not None:
        unknown = sorted(set(tables) - {suite.table for suite in suites})
        if unknown:
            raise GateUnusable(
                f"Gate {gate} has no suite for {', '.join(unknown)}; add suites/{gate}/{unknown[0]}.yml."
            )
        suites = [suite for suite in suites if suite.table in tables]
    with open_warehouse(settings) as connection, remember_fingerprints(settings) as known:
        demand_built_for(batch_date, connection)
        return audit_relations(
            declared, gate, suites, batch_date, connection, settings, every, as_of, known=known, again=again
        )


def audit_rows(
    gate: str,
    batch_date: date,
    rows: Mapping[str, Rows],
    settings: Settings | None = None,
    as_of: date | None = None,
) -> list[Verdict]:
    """Audit what a stage made, under the names that the suites use; one recorded verdict per suite of the gate.

    The rows are copied once into a scratch file, which is deleted afterwards: a gate reads them many times.
    The queries of a suite see all tables of the call. The suites are today's, not the caller's.

    Raises:
        SetUnknown, SetsInvalid, SuitesInvalid: no set has the gate, or a declaration is wrong.
    """
    settings = settings or load_settings()
    declared = find_guarded_set(gate, settings)
    suites = [suite for suite in load_suites_in_force(declared, batch_date, settings) if suite.gate == gate]
    with _scratch(settings) as scratch, connect(scratch / f"{gate}.duckdb", settings) as connection:
        for name, source in sorted(rows.items()):
            expose(connection, f"source_of_{name}", source)
            materialise = f"create table main.{quote_name(name)} as select * from {quote_name(f'source_of_{name}')}"
            run(connection, materialise)
        return audit_relations(declared, gate, suites, batch_date, connection, settings, suites, as_of)


@contextlib.contextmanager
def _scratch(settings: Settings) -> Iterator[Path]:
    """A folder of this process, removed at the end; those of processes that were killed are removed at the start."""
    folder = settings.home / "scratch"
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.glob("audit-*-*"):
        if not _is_running(int(left.name.split("-")[1])):
            shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=f"audit-{os.getpid()}-") as scratch:
        yield Path(scratch)


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def audit_relations(
    declared: GatedSet,
    gate: str,
    suites: Sequence[Suite],
    batch_date: date,
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
    described: Sequence[Suite],
    as_of: date | None = None,
    known: MutableMapping[str, str] | None = None,
    again: bool = True,
) -> list[Verdict]:
    """Audit the tables of schema `main` of an open connection, record the verdicts and write the reports.

    Reports: `<reports>/quality/<gate>/<batch_date>/index.html` with all failing rows as Parquet beside it, and the
    index of all reports.
    """
    contents = Contents(connection, list_tables(connection), known)
    baselines = read_baselines(declared.set, batch_date, settings)
    present = [suite for suite in suites if suite.table in contents]
    kept = KeptVerdicts(batch_date)
    if not again:
        kept = read_kept_verdicts(gate, batch_date, [contents.fingerprint(suite.table) for suite in present], settings)
    standing = {suite.table: _find_standing(connection, suite, contents, baselines, kept) for suite in present}
    decided = [verdict for verdict in standing.values() if verdict is not None]
    decided += [_refuse_absent(suite, batch_date) for suite in suites if suite.table not in contents]
    changed = sorted((suite for suite in present if standing[suite.table] is None), key=lambda suite: suite.table)
    if changed:
        folder = locate_report(gate, batch_date, settings)
        with contextlib.closing(GateRun(connection, gate, batch_date)) as gate_run:
            decided += [
                _decide(connection, gate_run, suite, contents, baselines, folder, batch_date) for suite in changed
            ]
    decided.sort(key=lambda verdict: verdict.table)
    record_verdicts(decided, settings)
    draw_page(gate, batch_date, described, settings, as_of)
    return decided


def _find_standing(
    connection: duckdb.DuckDBPyConnection,
    suite: Suite,
    contents: Contents,
    baselines: Baselines,
    kept: KeptVerdicts,
) -> Verdict | None:
    """The verdict that an unchanged table keeps."""
    content = contents.fingerprint(suite.table)
    held_to = baselines.find(suite.table, content)
    reads = bool(contents.hash_beside(suite))
    return kept.find(suite, content, contents.bind(suite, held_to), reads, count_rows(connection, suite), held_to)


def _decide(
    connection: duckdb.DuckDBPyConnection,
    gate_run: GateRun,
    suite: Suite,
    contents: Contents,
    baselines: Baselines,
    folder: Path,
    batch_date: date,
) -> Verdict:
    """Audit one table that exists; its failing rows have a folder of their own for each content and suite."""
    content = contents.fingerprint(suite.table)
    held_to = baselines.find(suite.table, content)
    beside = contents.bind(suite, held_to)
    failing_rows = locate_failing_rows(folder, (content, beside, suite.suite_version), suite.table)
    shutil.rmtree(failing_rows, ignore_errors=True)
    counts = count_rows(connection, suite)
    least, least_current = suite.count_least_rows(held_to.rows), suite.count_least_rows(held_to.current)
    scope = Scope(suite.table, batch_date, held_to.last_rows, least, least_current)
    results = gate_run.validate(suite, scope)
    failures = [
        _describe_failure(connection, suite, scope, result, failing_rows) for result in results if not result.success
    ]
    return Verdict(
        gate=gate_run.gate,
        table=suite.table,
        batch_date=batch_date,
        fingerprint=content,
        suite_version=suite.suite_version,
        rows=counts.rows,
        checks=len(results),
        failures=tuple(_describe_loss(failure, counts, held_to) for failure in failures),
        beside=beside,
    )


def _describe_loss(failure: Failure, counts: RowCounts, held_to: Baseline) -> Failure:
    """Name the rows that are left, those there were, and the version that had them."""
    if failure.check == KEEPS_ITS_ROWS:
        observed = f"{counts.rows:,} rows of {held_to.rows:,} in version {held_to.version} are left"
    elif failure.check == KEEPS_ITS_CURRENT_ROWS and counts.current is not None:
        left = f"{counts.current:,} current rows of {held_to.current:,}"
        observed = f"{left} in version {held_to.current_version} are left"
    else:
        return failure
    return replace(failure, observed=observed)


def _refuse_absent(suite: Suite, batch_date: date) -> Verdict:
    failure = Failure(
        check="table_is_present",
        severity="fail",
        rule="I26",
        observed="the table does not exist",
        because="a table that the gate expects and nobody built is a broken build, not an empty day",
    )
    return Verdict(
        gate=suite.gate,
        table=suite.table,
        batch_date=batch_date,
        fingerprint=ABSENT,
        suite_version=suite.suite_version,
        rows=0,
        checks=1,
        failures=(failure,),
    )


def _describe_failure(
    connection: duckdb.DuckDBPyConnection, suite: Suite, scope: Scope, result: CheckResult, folder: Path
) -> Failure:
    """Turn a failed check into a failure with its keys; all failing rows go to `<folder>/<check>.parquet`.

    A check that could not be evaluated is grave whatever its severity: a warning that never runs is no
    warning.
    """
    check = result.check
    if result.error is not None:
        observed = f"{result.observed}: {result.error}"
        return Failure(check.name, "fail", check.rule, observed, check.because)
    rows = None if check.name in KEEPS else check.arguments.failing_rows_sql(scope)
    if rows is None:
        return Failure(check.name, check.severity, check.rule, result.observed, check.because)
    if not isinstance(check.arguments, UnexpectedRows):
        shown = _list(dict.fromkeys([*suite.key, *check.arguments.list_columns()]))
        rows = f"select {shown} from ({rows})"
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{check.name}.parquet"
    order = "order by all nulls last"
    options = "(format parquet, compression zstd)"
    run(connection, f"copy (select * from ({rows}) {order}) to {quote_text(str(target))} {options}")
    failing = f"read_parquet({quote_text(str(target))})"
    count = int(run(connection, f"select count(*) from {failing}")[0][0])
    columns = [str(name) for name, *_ in run(connection, f"describe select * from {failing}")]
    named = [column for column in suite.key if column in columns] or columns[:1]
    sample = run(connection, f"select distinct {_list(named)} from {failing} {order} limit {SAMPLE}")
    keys = tuple(", ".join(str(value) for value in row) for row in sample)
    return Failure(check.name, check.severity, check.rule, result.observed, check.because, count, keys)


def _list(columns: Iterable[str]) -> str:
    return ", ".join(quote_name(column) for column in columns)
