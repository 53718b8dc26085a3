"""`python -m quality`: check declarations, build, audit, override, publish, and show verdicts and published sets."""

from __future__ import annotations

import argparse
import getpass
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

from ingestion.foundation import BUSINESS_TIMEZONE, Settings
from ingestion.foundation.command_line import (
    BUSINESS_DATE,
    DONE,
    NO,
    WRONG,
    Command,
    ExitCodes,
    argument,
    run_program,
)
from ingestion.foundation.overrides import Override
from quality.override import SHORT, judge_overrides, override_verdict, withdraw_override
from quality.published import list_kept_versions, open_published
from quality.sets import SetUnknown, check_sets, find_guarded_set, load_set, load_suites_in_force
from quality.verdict import LANDING, Outcome, Verdict, read_verdicts
from quality.wording import describe_decision


def check(_given: argparse.Namespace, settings: Settings) -> int:
    """Read every set and every suite; report all problems of all files."""
    checked = check_sets(settings)
    suites = [suite for _, found in checked for suite in found]
    checks = sum(len(suite.all_checks) for suite in suites)
    print(f"{len(checked)} sets and {len(suites)} suites with {checks} checks are valid.")
    return DONE


def check_portability(_given: argparse.Namespace, settings: Settings) -> int:
    """Compile the models for Spark and print what two engines would answer differently."""
    from quality.portable_sql import find_unportable
    from quality.warehouse import compile_models

    with tempfile.TemporaryDirectory() as home:
        own = replace(settings, home=Path(home), ledger_url=f"sqlite:///{home}/ledger.db")
        compiled = compile_models("spark", own)
    findings = [finding for model, sql in compiled.items() for finding in find_unportable(model, sql)]
    for finding in findings:
        print(finding, file=sys.stderr)
    print(f"{len(compiled)} models compiled for Spark: {len(findings) or 'no'} findings.")
    return NO if findings else DONE


def build(given: argparse.Namespace, settings: Settings) -> int:
    """Run dbt for a business date, from what has landed."""
    from quality.warehouse import build as run_build

    run_build(given.date, settings, known_at=given.known_at)
    print(f"Built {settings.warehouse} for {given.date}.")
    return DONE


def audit(given: argparse.Namespace, settings: Settings) -> int:
    """Run one gate, or all of the warehouse, and record the verdicts."""
    from quality.gate import audit as run_gate

    as_of, chosen = _day(given), _choose_tables(given, settings)
    verdicts = [
        verdict for gate, tables in chosen.items() for verdict in run_gate(gate, given.date, settings, tables, as_of)
    ]
    code = _show(verdicts, settings, as_of)
    for gate in chosen:
        print(f"Report: {settings.reports / 'quality' / gate / given.date.isoformat() / 'index.html'}")
    return code


def override(given: argparse.Namespace, settings: Settings) -> int:
    """Let a failed verdict pass; the page of its audit and every version that rests on it say so from now on."""
    recorded_at = datetime.now(BUSINESS_TIMEZONE).isoformat(timespec="seconds")
    by, as_of = given.by or getpass.getuser(), _day(given)
    verdict, word = override_verdict(given.verdict, by, given.reason, given.until, recorded_at, settings, as_of)
    _show_word(verdict, word, settings, as_of)
    if verdict.gate == LANDING:
        source = verdict.table.partition(".")[0]
        print(f"Land it with `python -m ingestion land {source} --date {verdict.batch_date}`.")
    return DONE


def withdraw(given: argparse.Namespace, settings: Settings) -> int:
    """Take an override back: the verdict fails again, and what was published on it says so."""
    recorded_at = datetime.now(BUSINESS_TIMEZONE).isoformat(timespec="seconds")
    by, as_of = given.by or getpass.getuser(), _day(given)
    verdict, word = withdraw_override(given.verdict, by, given.reason, recorded_at, settings, as_of)
    for version in _show_word(verdict, word, settings, as_of):
        print(f"Version {version} rests on it and is not to be used; `python -m quality published` lists the others.")
    return DONE


def _show_word(verdict: Verdict, word: Override, settings: Settings, as_of: date) -> list[str]:
    """Print how a verdict stands now, and give back the versions that say so since."""
    from quality.landing import write_landing_report
    from quality.pages import renew_readings

    print(f"Verdict {verdict.verdict_id[:SHORT]} on {verdict.table} is {word.sentence}")
    if verdict.gate == LANDING:
        write_landing_report(verdict.batch_date, settings, as_of)
        return []
    return renew_readings(verdict, settings, as_of)


def publish(given: argparse.Namespace, settings: Settings) -> int:
    """Audit every gate of a set and publish it."""
    from quality.publication import audit_and_publish

    done = audit_and_publish(given.set, given.date, settings, as_of=_day(given))
    state = "Published" if done.is_new else "Already published:"
    pointer = "it is current" if done.is_current else "a later business date stays current"
    print(f"{state} {done.set_name} {done.version}; {pointer}.")
    return DONE


def show_verdicts(given: argparse.Namespace, settings: Settings) -> int:
    """Print recorded verdicts, failures first; the pages of the deliveries among them are drawn where they lack."""
    from quality.landing import write_landing_report

    if given.gate is not None and given.gate != LANDING:
        find_guarded_set(given.gate, settings)
    verdicts = read_verdicts(settings, given.date, given.gate)
    if not verdicts:
        of = "".join([f" of gate {given.gate}" if given.gate else "", f" for {given.date}" if given.date else ""])
        remedy = "python -m ingestion land" if given.gate == LANDING else "python -m quality publish"
        print(f"No verdict{of} is recorded; run `{remedy} --date yyyy-mm-dd`.")
    for day in sorted({verdict.batch_date for verdict in verdicts if verdict.gate == LANDING}):
        write_landing_report(day, settings)
    return _show(verdicts, settings, _day(given))


def show_published(_given: argparse.Namespace, settings: Settings) -> int:
    """Print every published set: its current version, its tables, and what was accepted by whom."""
    names = sorted(path.parent.name for path in settings.published.glob("*/current.json"))
    if not names:
        print("Nothing is published; run `python -m quality publish --date yyyy-mm-dd` for a date that has been built.")
    for name in names:
        current = open_published(name, settings)
        fallback = f", fallback since {current.refused_batch_date} was refused" if current.is_fallback else ""
        print(f"{name}: {current.version} of {current.batch_date}{fallback}")
        print(f"    kept: {', '.join(list_kept_versions(name, settings))}")
        for table, entry in sorted(current.manifest["tables"].items()):
            print(f"    {table:<40} {entry['rows']:>12,} rows  {entry['quality_status']}")
        for table, said in current.overrides.items():
            print(f"    {table} was accepted by {said['by']} until {said['until']}: {said['reason']}")
            if "withdrawn" in said:
                taken = said["withdrawn"]
                print(f"        which {taken['by']} withdrew on {taken['on']}: {taken['reason']}")
    return DONE


def point(given: argparse.Namespace, settings: Settings) -> int:
    """Move a set's pointer to a kept version."""
    from quality.publication import point_to

    published = point_to(given.set, given.version, settings)
    print(f"Set {published.set_name} now points to {published.version}.")
    return DONE


def _day(given: argparse.Namespace) -> date:
    """The day on which overrides are judged: a person asks today, in Shanghai, unless another day is named."""
    named: date | None = given.as_of
    return named or datetime.now(BUSINESS_TIMEZONE).date()


def _parse_instant(text: str) -> datetime:
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text} has no zone; write an instant such as 2026-03-04T09:00:00+08:00")
    return instant


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


def _show(verdicts: Sequence[Verdict], settings: Settings, as_of: date) -> int:
    """Failed verdicts first, each with its failing rows; NO if any is neither passed nor overridden on that day."""
    order = (Outcome.FAIL, Outcome.OVERRIDDEN, Outcome.PASS_WITH_WARNINGS, Outcome.PASS)
    decisions = judge_overrides(verdicts, settings, as_of)
    for decision in sorted(decisions, key=lambda decision: order.index(decision.outcome)):
        for line in describe_decision(decision, settings):
            print(line)
    return NO if any(decision.outcome is Outcome.FAIL for decision in decisions) else DONE


def _exit_codes() -> ExitCodes:
    from ingestion.contract import ContractInvalid
    from quality.gate import GateUnusable
    from quality.override import OverrideRefused
    from quality.publication import PublicationRefused
    from quality.published import NothingPublished
    from quality.source import WarehouseUnusable
    from quality.suite import SuitesInvalid
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
    return {PublicationRefused: NO, **dict.fromkeys(wrong, WRONG)}


_AS_OF = argument(
    "--as-of", type=date.fromisoformat, help="day on which overrides are judged, yyyy-mm-dd; by default today"
)
_SET = argument("--set", default="warehouse", help="the declared set; by default the warehouse")
COMMANDS = (
    Command("check", "validate every set and every suite", check, "check", (), _exit_codes),
    Command(
        "portable",
        "hold the compiled models to the SQL that two engines answer alike",
        check_portability,
        "portable",
        (),
        _exit_codes,
    ),
    Command(
        "build",
        "run dbt for a business date, from what has landed",
        build,
        "build --date 2026-03-02",
        (
            BUSINESS_DATE,
            argument("--known-at", type=_parse_instant, help="leave out what was known later; with zone"),
        ),
        _exit_codes,
    ),
    Command(
        "audit",
        "run a gate and record its verdicts",
        audit,
        "audit --gate core --date 2026-03-02",
        (
            BUSINESS_DATE,
            argument("--gate", help="by default every gate of the warehouse, one after the other"),
            argument("--table", action="append", help="only this table of the gate; may be repeated"),
            _AS_OF,
        ),
        _exit_codes,
    ),
    Command(
        "override",
        "let a failed verdict pass, with a reason, until a day",
        override,
        'override 3f9a01c2 --reason "the bank confirmed it by letter" --until 2026-12-31',
        (
            argument("verdict", help="identifier that `verdicts` shows, or the beginning of it"),
            argument("--reason", required=True, help="why the content is right although its check failed"),
            argument("--until", type=date.fromisoformat, required=True, help="last day on which it holds, yyyy-mm-dd"),
            argument("--by", help="who accepts it; by default the user of the system"),
            _AS_OF,
        ),
        _exit_codes,
    ),
    Command(
        "withdraw",
        "take the override of a verdict back, with a reason",
        withdraw,
        'withdraw 3f9a01c2 --reason "the letter was about another loan"',
        (
            argument("verdict", help="identifier that `verdicts` shows, or the beginning of it"),
            argument("--reason", required=True, help="why what was accepted is accepted no longer"),
            argument("--by", help="who takes it back; by default the user of the system"),
            _AS_OF,
        ),
        _exit_codes,
    ),
    Command(
        "publish",
        "audit every gate of a set and publish it",
        publish,
        "publish --date 2026-03-02",
        (BUSINESS_DATE, _SET, _AS_OF),
        _exit_codes,
    ),
    Command(
        "verdicts",
        "show recorded verdicts, failures first, with their failing rows",
        show_verdicts,
        "verdicts --date 2026-03-02 --gate core",
        (
            argument("--date", type=date.fromisoformat, help="of one business date only, yyyy-mm-dd"),
            argument("--gate", help="of one gate only; `landing` judges deliveries"),
            _AS_OF,
        ),
        _exit_codes,
    ),
    Command("published", "show what is published", show_published, "published", (), _exit_codes),
    Command(
        "point",
        "move a set's pointer to a kept version",
        point,
        "point --set warehouse --version 2026-03-02-1a2b3c4d",
        (
            argument("--set", required=True, help="the declared set, such as warehouse"),
            argument("--version", required=True, help="a version that `published` lists as kept"),
        ),
        _exit_codes,
    ),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; a user's error is one sentence on standard error."""
    return run_program("python -m quality", "Gates and publication.", COMMANDS, argv)
