"""Great Expectations on DuckDB: a datasource that works on a connection which this package already holds.

Upstream, every expectation fails on DuckDB because the connection is closed before its rows are fetched
(MEASURED.md B1). Two small subclasses cure it without patching: the engine keeps one connection, and names
PostgreSQL's dialect to the regular-expression helper, whose `~` DuckDB reads alike. The connection is a
cursor of the caller's own read-only one, so that the checks, the fingerprint and the failing keys all see
one content under one lock.

Great Expectations takes seconds to import and is imported by the functions that need it, never by this
module.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any, Literal

import duckdb

from quality.check import Check
from quality.expectation import Scope
from quality.suite import Suite

_SEVERITIES = {"fail": "critical", "warn": "warning"}
_PROGRESS_OFF = {"globally": False}
_DETAILS = {"result_format": "SUMMARY", "partial_unexpected_count": 0}


@dataclass(frozen=True)
class CheckResult:
    """What Great Expectations said of one check; `error` is set when it could not be evaluated."""

    check: Check
    success: bool
    observed: str
    error: str | None = None


class GateRun:
    """One audit by Great Expectations of the tables of one DuckDB connection, in an ephemeral context.

    Validations are dated with the business date, not the clock.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, gate: str, batch_date: date) -> None:
        os.environ["GX_ANALYTICS_ENABLED"] = "false"
        import duckdb_sqlalchemy
        import great_expectations as gx

        logging.getLogger("great_expectations").propagate = False  # it sets itself to INFO and tells of each folder
        _subclasses()
        self.gate = gate
        self._date = batch_date
        self._context = gx.get_context(mode="ephemeral")
        self._context.variables.progress_bars = _PROGRESS_OFF  # type: ignore[assignment]
        self._datasource = self._context.data_sources.add_duckdb(
            gate,
            connection_string="duckdb:///:memory:",
            create_temp_table=False,
            kwargs={"creator": lambda: duckdb_sqlalchemy.ConnectionWrapper(connection.cursor())},
        )
        self._assets: dict[str, Any] = {}

    def validate(self, suite: Suite, scope: Scope) -> list[CheckResult]:
        """Evaluate every check of a suite: pass or fail first, then the details of what failed only."""
        checks = suite.all_checks
        quick = self._run(suite.table, checks, scope, "", "BOOLEAN_ONLY")
        failed = [check for check in checks if not quick[check.name].success]
        detailed = self._run(suite.table, failed, scope, "_failed", _DETAILS) if failed else {}
        return [_read_result(check, detailed.get(check.name, quick[check.name])) for check in checks]

    def close(self) -> None:
        """Give back every connection taken, before the caller closes the one they are cursors of."""
        execution = self._datasource.get_execution_engine()
        execution.release()
        execution.engine.dispose()
        self._datasource.get_engine().dispose()

    def _run(
        self,
        table: str,
        checks: Sequence[Check],
        scope: Scope,
        suffix: str,
        result_format: str | Mapping[str, object],
    ) -> dict[str, Any]:
        import great_expectations as gx
        from great_expectations.core.run_identifier import RunIdentifier

        if table not in self._assets:
            asset = self._datasource.add_table_asset(table, table_name=table)
            self._assets[table] = asset.add_batch_definition_whole_table(table)
        name = f"{self.gate}.{table}{suffix}"
        suite = self._context.suites.add(gx.ExpectationSuite(name))
        suite.expectations = [_translate(check, scope) for check in checks]
        suite.save()
        definition = self._context.validation_definitions.add(
            gx.ValidationDefinition(name=name, data=self._assets[table], suite=suite)
        )
        run_time = datetime.combine(self._date, time(), UTC)
        result = definition.run(
            result_format=result_format,  # type: ignore[arg-type]
            run_id=RunIdentifier(self._date.isoformat(), run_time),
        )
        return {str(item.expectation_config.meta["check"]): item for item in result.results if item.expectation_config}


def _translate(check: Check, scope: Scope) -> Any:
    from great_expectations import expectations

    kind = getattr(expectations, check.arguments.gx_class)
    return kind(
        **check.arguments.resolve(scope),
        severity=_SEVERITIES[check.severity],
        meta={"check": check.name, "rule": check.rule},
        notes=f"{check.name} ({check.rule}): {check.because}",
    )


def _read_result(check: Check, item: Any) -> CheckResult:
    if item.success:
        return CheckResult(check, True, "holds")
    error = _find_error(item.exception_info)
    if error is not None:
        return CheckResult(check, False, "could not be evaluated", error)
    result: dict[str, Any] = item.result or {}
    if "unexpected_count" in result:
        return CheckResult(
            check, False, f"{result['unexpected_count']:,} of {result['element_count']:,} values break it"
        )
    observed = result.get("observed_value")
    if check.arguments.expectation == "unexpected_rows":
        return CheckResult(check, False, f"{observed:,} rows break it")
    return CheckResult(check, False, f"observed {observed}")


def _find_error(info: Mapping[str, Any] | None) -> str | None:
    """First line of the exception of a check, wherever Great Expectations nested it."""
    if not info:
        return None
    entries = [info] if "raised_exception" in info else list(info.values())
    for entry in entries:
        if entry.get("raised_exception"):
            lines = str(entry.get("exception_message") or "no message").strip().splitlines()
            return lines[0][:300]
    return None


@functools.cache
def _subclasses() -> tuple[type[Any], type[Any]]:
    """Define and register the engine and the datasource, once per process (`data_sources.add_duckdb`)."""
    import sqlalchemy as sa
    from great_expectations.datasource.fluent.sql_datasource import SQLDatasource
    from great_expectations.execution_engine.sqlalchemy_execution_engine import (
        SqlAlchemyExecutionEngine,
    )
    from sqlalchemy.dialects import postgresql

    types_known = (
        "VARCHAR",
        "INTEGER",
        "BIGINT",
        "DECIMAL",
        "NUMERIC",
        "DATE",
        "TIMESTAMP",
        "BOOLEAN",
        "DOUBLE",
        "FLOAT",
    )

    class DuckDBExecutionEngine(SqlAlchemyExecutionEngine):
        _kept: sa.Connection | None = None

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.dialect_module = types.SimpleNamespace(  # type: ignore[assignment]
                dialect=postgresql.dialect, sa=sa, **{name: getattr(sa, name) for name in types_known}
            )

        @contextlib.contextmanager
        def get_connection(self) -> Iterator[sa.Connection]:
            if self._kept is None:
                self._kept = self.engine.connect()
            yield self._kept

        def release(self) -> None:
            if self._kept is not None:
                self._kept.close()
            self._kept = None

    class DuckDBDatasource(SQLDatasource):
        type: Literal["duckdb"] = "duckdb"  # type: ignore[assignment]

        @property
        def execution_engine_type(self) -> Any:
            return DuckDBExecutionEngine

        def _execution_engine_type(self) -> Any:
            return DuckDBExecutionEngine

    return DuckDBExecutionEngine, DuckDBDatasource
