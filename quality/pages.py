"""Drawing the page of a gate from what the ledger holds now: after an audit, an override and its withdrawal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

from ingestion.foundation import Settings
from ingestion.foundation.locks import hold_lock
from quality.failing_rows import locate_report
from quality.manifest import renew_decision
from quality.override import judge_overrides
from quality.published import open_published
from quality.reports import Described, write_gate_page, write_index, write_version_page
from quality.rules import read_rules
from quality.sets import find_guarded_set, load_suites_in_force
from quality.verdict import Verdict, find_place, read_verdicts


def draw_page(
    gate: str, batch_date: date, described: Sequence[Described], settings: Settings, as_of: date | None = None
) -> Path:
    """Write the page of a gate's latest verdicts on the tables `described`, and the index of all reports.

    Overrides are judged on the day `as_of`, by default the business date.
    """
    known = {entry.table for entry in described}
    with hold_lock(settings.reports / ".drawing"):  # deliveries land side by side: the last to draw has seen them all
        latest = [verdict for verdict in read_verdicts(settings, batch_date, gate) if verdict.table in known]
        decisions = judge_overrides(latest, settings, as_of)
        folder, rules = locate_report(gate, batch_date, settings), read_rules(settings.seeds)
        recorded = find_place([verdict.verdict_id for verdict in latest], settings)
        page = write_gate_page(gate, batch_date, decisions, described, rules, recorded, folder)
        write_index(settings)
        return page


def renew_readings(verdict: Verdict, settings: Settings, as_of: date | None = None) -> list[str]:
    """Let everybody who reads of a verdict see its last override or withdrawal; returns the versions that it changes.

    That is the page of the audit, and the manifest and page of every kept version that rests on the verdict.

    Raises:
        SetUnknown, SetsInvalid, SuitesInvalid: no set has the gate any more, or a declaration is wrong.
    """
    declared = find_guarded_set(verdict.gate, settings)
    suites = load_suites_in_force(declared, verdict.batch_date, settings)
    of_gate = [suite for suite in suites if suite.gate == verdict.gate]
    draw_page(verdict.gate, verdict.batch_date, of_gate, settings, as_of)
    (decision,) = judge_overrides([verdict], settings, as_of)
    changed = renew_decision(declared, decision, settings)
    for version in changed:
        write_version_page(open_published(declared.set, settings, version), settings)
    return changed
