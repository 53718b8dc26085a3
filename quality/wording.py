"""A verdict in words for a terminal: what failed and why, the first failing rows, and who accepted it."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

from ingestion.foundation import Settings
from quality.failing_rows import FailingRows, locate_report, read_failing_rows
from quality.override import SHORT, Decision
from quality.rules import read_rules
from quality.verdict import Failure

SHOWN_ROWS = 5
WIDEST = 40
FAILURE, BELOW = " " * 4, " " * 10


def describe_decision(decision: Decision, settings: Settings) -> Iterator[str]:
    """The lines of one verdict: its subject, each failed check with its rule and rows, and its override."""
    verdict, rules = decision.verdict, read_rules(settings.seeds)
    folder = locate_report(verdict.gate, verdict.batch_date, settings)
    subject = f"{verdict.batch_date}  {verdict.gate}  {verdict.table:<40}"
    yield f"{verdict.verdict_id[:SHORT]}  {subject} {decision.outcome:<18} {verdict.rows:>12,} rows"
    for failure in verdict.failures:
        yield f"{FAILURE}{failure.severity}  {failure.sentence}: {failure.because}"
        if failure.rule in rules:
            yield f"{BELOW}{failure.rule} {rules[failure.rule].words}"
        failing = read_failing_rows(verdict, failure, folder, SHOWN_ROWS)
        if failing:
            yield from _tabulate(failing, failure)
    if decision.override:
        yield f"{FAILURE}{decision.override.sentence}"
    if decision.ended:
        yield f"{FAILURE}{'' if decision.ended.is_withdrawal else 'no longer '}{decision.ended.sentence}"


def _tabulate(failing: FailingRows, failure: Failure) -> Iterator[str]:
    table = [[_shorten(value) for value in row] for row in (failing.columns, *failing.rows)]
    widths = [max(map(_measure, column)) for column in zip(*table, strict=True)]
    for row in table:
        padded = (value + " " * (width - _measure(value)) for value, width in zip(row, widths, strict=True))
        yield BELOW + "  ".join(padded).rstrip()
    count = len(failing.rows) if failure.failing_rows is None else failure.failing_rows
    shown = "all" if count <= len(failing.rows) else f"{len(failing.rows)} of"
    yield f"{BELOW}{shown} {count:,} rows, whole in {failing.path}"


def _shorten(value: str) -> str:
    line = " ".join(value.split())
    return line if len(line) <= WIDEST else f"{line[: WIDEST - 1]}…"


def _measure(text: str) -> int:
    """Columns of a terminal that a text takes: a Chinese character takes two."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)
