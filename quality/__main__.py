"""`python -m quality`: check the suites, audit, publish, and show verdicts and published sets.

Exit codes: 0 done, 1 a verdict failed or a publication was refused, 2 the command or a declaration is wrong.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

from ingestion.foundation import Settings, load_settings
from ingestion.foundation.command_line import CommandParser, run_command
from ingestion.foundation.events import listen_as_set
from quality.published import NothingPublished, kept_versions, open_published
from quality.suite import SuitesInvalid, load_suites
from quality.verdict import Verdict, read_verdicts


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; a user's error is one sentence on standard error."""
    from ingestion.contract import ContractInvalid
    from quality.gate import GateUnusable
    from quality.publication import PublicationRefused
    from quality.source import WarehouseUnusable
    from quality.warehouse import WarehouseBuildFailed

    wrong = (ContractInvalid, GateUnusable, NothingPublished, SuitesInvalid, WarehouseBuildFailed, WarehouseUnusable)
    exit_codes = {PublicationRefused: 1, **dict.fromkeys(wrong, 2)}
    return run_command(lambda: _run(_parser().parse_args(arguments), listen_as_set(load_settings())), exit_codes)


def _run(given: argparse.Namespace, settings: Settings) -> int:
    match given.command:
        case "check":
            suites = load_suites(settings.suites)
            checks = sum(len(suite.all_checks) for suite in suites)
            print(f"{len(suites)} suites with {checks} checks are valid.")
            return 0
        case "build":
            from quality.warehouse import build

            build(given.date, settings)
            print(f"Built {settings.warehouse} for {given.date}.")
            return 0
        case "portable":
            return _check_portability(settings)
        case "audit":
            from quality.gate import audit

            verdicts = audit(given.gate, given.date, settings, given.table or None)
            _show(verdicts)
            print(f"Report: {settings.reports / 'quality' / given.gate / given.date.isoformat() / 'index.html'}")
            return 0 if all(verdict.passed for verdict in verdicts) else 1
        case "publish":
            from quality.publication import audit_and_publish

            done = audit_and_publish(given.gate, given.date, settings)
            state = "Published" if done.is_new else "Already published:"
            pointer = "it is current" if done.is_current else "a later business date stays current"
            print(f"{state} {done.set_name} {done.version}; {pointer}.")
            return 0
        case "verdicts":
            verdicts = read_verdicts(settings, given.date, given.gate)
            _show(verdicts)
            return 0 if all(verdict.passed for verdict in verdicts) else 1
        case "published":
            return _show_published(settings)
        case "point":
            from quality.publication import point_to

            published = point_to(given.set, given.version, settings)
            print(f"Set {published.set_name} now points to {published.version}.")
            return 0
        case unknown:
            raise AssertionError(unknown)


def _check_portability(settings: Settings) -> int:
    from quality.portable_sql import find_unportable
    from quality.warehouse import compile_models

    with tempfile.TemporaryDirectory() as home:
        own = replace(settings, home=Path(home), ledger_url=f"sqlite:///{home}/ledger.db")
        compiled = compile_models("spark", own)
    findings = [finding for model, sql in compiled.items() for finding in find_unportable(model, sql)]
    for finding in findings:
        print(finding, file=sys.stderr)
    print(f"{len(compiled)} models compiled for Spark: {len(findings) or 'no'} findings.")
    return int(bool(findings))


def _show(verdicts: Sequence[Verdict]) -> None:
    if not verdicts:
        print("No verdict is recorded.")
    for verdict in verdicts:
        subject = f"{verdict.batch_date}  {verdict.gate}  {verdict.table:<40}"
        print(f"{subject} {verdict.outcome:<18} {verdict.rows:>12,} rows")
        for failure in verdict.failures:
            print(f"    {failure.severity}  {failure.sentence}: {failure.because}")


def _show_published(settings: Settings) -> int:
    names = sorted(path.parent.name for path in settings.published.glob("*/current.json"))
    if not names:
        print("Nothing is published.")
    for name in names:
        current = open_published(name, settings)
        fallback = f", fallback since {current.refused_batch_date} was refused" if current.is_fallback else ""
        print(f"{name}: {current.version} of {current.batch_date}{fallback}")
        print(f"    kept: {', '.join(kept_versions(name, settings))}")
        for table, entry in sorted(current.manifest["tables"].items()):
            print(f"    {table:<40} {entry['rows']:>12,} rows  {entry['quality_status']}")
    return 0


def _parser() -> CommandParser:
    parser = CommandParser(prog="python -m quality", description="Gates and publication.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("check", help="validate every suite file")
    commands.add_parser("portable", help="hold the compiled models to the SQL that two engines answer alike")
    command = commands.add_parser("build", help="run dbt for a business date, from what has landed")
    command.add_argument("--date", type=date.fromisoformat, required=True, help="business date, yyyy-mm-dd")
    for name, text in (
        ("audit", "run a gate and record its verdicts"),
        ("publish", "audit a gate and publish its set"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("--gate", default="core")
        command.add_argument("--date", type=date.fromisoformat, required=True, help="business date, yyyy-mm-dd")
        if name == "audit":
            command.add_argument("--table", action="append", help="only this table; may be repeated")
    command = commands.add_parser("verdicts", help="show recorded verdicts")
    command.add_argument("--date", type=date.fromisoformat, help="business date, yyyy-mm-dd")
    command.add_argument("--gate")
    commands.add_parser("published", help="show what is published")
    command = commands.add_parser("point", help="move a set's pointer to a kept version")
    command.add_argument("--set", required=True)
    command.add_argument("--version", required=True)
    return parser


if __name__ == "__main__":
    sys.exit(main())
