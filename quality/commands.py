"""`python -m quality`: check the declarations, audit, override, publish, and show verdicts and published sets.

Exit codes: 0 done, 1 a verdict failed or a publication was refused, 2 the command or a declaration is wrong.
"""

from __future__ import annotations

import argparse
import getpass
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

from ingestion.foundation import BUSINESS_TIMEZONE, Settings, load_settings
from ingestion.foundation.command_line import CommandParser, run_command
from ingestion.foundation.events import listen_as_set
from quality.override import SHORT, OverrideRefused, judge_overrides, override_verdict
from quality.published import NothingPublished, kept_versions, open_published
from quality.rules import read_rules
from quality.sets import SetUnknown, check_sets, find_guarded_set, load_set, load_suites_in_force
from quality.suite import SuitesInvalid
from quality.verdict import LANDING, Outcome, Verdict, read_verdicts


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; a user's error is one sentence on standard error."""
    from ingestion.contract import ContractInvalid
    from quality.gate import GateUnusable
    from quality.publication import PublicationRefused
    from quality.source import WarehouseUnusable
    from quality.warehouse import WarehouseBuildFailed

    wrong = (
        ContractInvalid,
        GateUnusable,
        NothingPublished,
        OverrideRefused,
        SetUnknown,
        SuitesInvalid,
        WarehouseBuildFailed,
        WarehouseUnusable,
    )
    exit_codes = {PublicationRefused: 1, **dict.fromkeys(wrong, 2)}
    return run_command(lambda: _run(_parser().parse_args(arguments), listen_as_set(load_settings())), exit_codes)


def _run(given: argparse.Namespace, settings: Settings) -> int:
    match given.command:
        case "check":
            checked = check_sets(settings)
            suites = [suite for _, found in checked for suite in found]
            checks = sum(len(suite.all_checks) for suite in suites)
            print(f"{len(checked)} sets and {len(suites)} suites with {checks} checks are valid.")
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

            chosen = _choose_tables(given, settings)
            verdicts = [
                verdict for gate, tables in chosen.items() for verdict in audit(gate, given.date, settings, tables)
            ]
            code = _show(verdicts, settings, given.date)
            for gate in chosen:
                print(f"Report: {settings.reports / 'quality' / gate / given.date.isoformat() / 'index.html'}")
            return code
        case "override":
            verdict, override = override_verdict(
                given.verdict,
                given.by or getpass.getuser(),
                given.reason,
                given.until,
                datetime.now(BUSINESS_TIMEZONE).isoformat(timespec="seconds"),
                settings,
            )
            print(f"Verdict {verdict.verdict_id[:SHORT]} on {verdict.table} is {override.sentence}")
            return 0
        case "publish":
            from quality.publication import audit_and_publish

            done = audit_and_publish(given.set, given.date, settings)
            state = "Published" if done.is_new else "Already published:"
            pointer = "it is current" if done.is_current else "a later business date stays current"
            print(f"{state} {done.set_name} {done.version}; {pointer}.")
            return 0
        case "verdicts":
            return _show_verdicts(given, settings)
        case "published":
            return _show_published(settings)
        case "point":
            from quality.publication import point_to

            published = point_to(given.set, given.version, settings)
            print(f"Set {published.set_name} now points to {published.version}.")
            return 0
        case unknown:
            raise AssertionError(unknown)


def _choose_tables(given: argparse.Namespace, settings: Settings) -> dict[str, list[str] | None]:
    """The named tables, by the gate that audits them; all of a gate, or of every gate of the warehouse, without names.

    Raises:
        SetUnknown: no gate of the warehouse audits a named table.
    """
    declared = load_set("warehouse", settings)
    if given.gate or not given.table:
        return dict.fromkeys([given.gate] if given.gate else declared.gates, given.table)
    gates = {suite.table: suite.gate for suite in load_suites_in_force(declared, given.date, settings)}
    unknown = [table for table in given.table if table not in gates]
    if unknown:
        remedy = f"add suites/{declared.gates[0]}/{unknown[0]}.yml"
        raise SetUnknown(f"No gate of the warehouse has a suite for {', '.join(unknown)}; {remedy}.")
    return {
        gate: [table for table in given.table if gates[table] == gate]
        for gate in declared.gates
        if gate in {gates[table] for table in given.table}
    }


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


def _show_verdicts(given: argparse.Namespace, settings: Settings) -> int:
    if given.gate is not None and given.gate != LANDING:
        find_guarded_set(given.gate, settings)
    verdicts = read_verdicts(settings, given.date, given.gate)
    if not verdicts:
        of = "".join([f" of gate {given.gate}" if given.gate else "", f" for {given.date}" if given.date else ""])
        remedy = "python -m ingestion land" if given.gate == LANDING else "python -m quality publish"
        print(f"No verdict{of} is recorded; run `{remedy} --date yyyy-mm-dd`.")
    return _show(verdicts, settings, given.as_of)


def _show(verdicts: Sequence[Verdict], settings: Settings, as_of: date | None = None) -> int:
    """Failed verdicts first, each with its failing sentences; 1 if any is neither passed nor overridden."""
    order = (Outcome.FAIL, Outcome.OVERRIDDEN, Outcome.PASS_WITH_WARNINGS, Outcome.PASS)
    decisions, rules = judge_overrides(verdicts, settings, as_of), read_rules()
    for decision in sorted(decisions, key=lambda decision: order.index(decision.outcome)):
        verdict = decision.verdict
        subject = f"{verdict.batch_date}  {verdict.gate}  {verdict.table:<40}"
        print(f"{verdict.verdict_id[:SHORT]}  {subject} {decision.outcome:<18} {verdict.rows:>12,} rows")
        for failure in verdict.failures:
            print(f"    {failure.severity}  {failure.sentence}: {failure.because}")
            if failure.rule in rules:
                print(f"          {failure.rule} {rules[failure.rule].words}")
        if decision.override:
            print(f"    {decision.override.sentence}")
        if decision.ended:
            print(f"    no longer {decision.ended.sentence}")
    return int(any(decision.outcome is Outcome.FAIL for decision in decisions))


def _show_published(settings: Settings) -> int:
    names = sorted(path.parent.name for path in settings.published.glob("*/current.json"))
    if not names:
        print("Nothing is published; run `python -m quality publish --date yyyy-mm-dd` for a date that has been built.")
    for name in names:
        current = open_published(name, settings)
        fallback = f", fallback since {current.refused_batch_date} was refused" if current.is_fallback else ""
        print(f"{name}: {current.version} of {current.batch_date}{fallback}")
        print(f"    kept: {', '.join(kept_versions(name, settings))}")
        for table, entry in sorted(current.manifest["tables"].items()):
            print(f"    {table:<40} {entry['rows']:>12,} rows  {entry['quality_status']}")
        for table, said in current.overrides.items():
            print(f"    {table} was accepted by {said['by']} until {said['until']}: {said['reason']}")
    return 0


def _parser() -> CommandParser:
    parser = CommandParser(prog="python -m quality", description="Gates and publication.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("check", help="validate every set and every suite")
    commands.add_parser("portable", help="hold the compiled models to the SQL that two engines answer alike")
    _dated(commands.add_parser("build", help="run dbt for a business date, from what has landed"))
    command = _dated(commands.add_parser("audit", help="run a gate and record its verdicts"))
    command.add_argument("--gate", help="by default every gate of the warehouse, one after the other")
    command.add_argument("--table", action="append", help="only this table of the gate; may be repeated")
    command = commands.add_parser("override", help="let a failed verdict pass, with a reason, until a day")
    command.add_argument("verdict", help="identifier that `verdicts` shows, or the beginning of it")
    command.add_argument("--reason", required=True, help="why the content is right although its check failed")
    command.add_argument(
        "--until", type=date.fromisoformat, required=True, help="last day on which it holds, yyyy-mm-dd"
    )
    command.add_argument("--by", help="who accepts it; by default the user of the system")
    command = _dated(commands.add_parser("publish", help="audit every gate of a set and publish it"))
    command.add_argument("--set", default="warehouse")
    command = commands.add_parser("verdicts", help="show recorded verdicts, failures first")
    command.add_argument("--date", type=date.fromisoformat, help="business date, yyyy-mm-dd")
    command.add_argument("--gate")
    command.add_argument(
        "--as-of", type=date.fromisoformat, help="day on which overrides are judged; by default the business date"
    )
    commands.add_parser("published", help="show what is published")
    command = commands.add_parser("point", help="move a set's pointer to a kept version")
    command.add_argument("--set", required=True)
    command.add_argument("--version", required=True)
    return parser


def _dated(command: argparse.ArgumentParser) -> argparse.ArgumentParser:
    command.add_argument("--date", type=date.fromisoformat, required=True, help="business date, yyyy-mm-dd")
    return command


if __name__ == "__main__":
    sys.exit(main())
