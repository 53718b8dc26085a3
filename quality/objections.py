"""Why a set may not be published (发布异议): what the ledger does not say of the content that is there now."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

import sqlalchemy as sa

from ingestion.foundation import Settings
from ingestion.foundation.ledger import deliveries, use_ledger
from quality.baseline import read_baselines
from quality.contents import Contents
from quality.override import SHORT, Decision, judge_overrides
from quality.pointer import read_pointer
from quality.publication_log import list_published_versions, read_earlier_publications
from quality.sets import GatedSet
from quality.suite import Suite
from quality.verdict import LANDING, Outcome, Verdict, read_history, read_verdicts


def decide(
    declared: GatedSet,
    suites: Sequence[Suite],
    batch_date: date,
    as_of: date,
    contents: Contents,
    settings: Settings,
) -> tuple[dict[str, Decision], list[str]]:
    """The decision on each table of a set's gates, and every reason why the set may not be published.

    For every suite in force the last verdict on this table, date and present content decides. It must be of
    today's version of the suite, rest on the other tables as they are now, and have passed, or be overridden on
    the day `as_of`.
    """
    history = read_history(declared.gates, batch_date, settings)
    baselines = read_baselines(declared.set, batch_date, settings)
    words = {(verdict.gate, verdict.table, verdict.fingerprint): verdict for verdict in history}
    audited = {(verdict.gate, verdict.table) for verdict in history}
    found: list[Verdict] = []
    reasons: list[str] = []
    for suite in suites:
        if suite.table not in contents:
            reasons.append(f"{suite.table} does not exist")
            continue
        content = contents.fingerprint(suite.table)
        verdict = words.get((suite.gate, suite.table, content))
        bound = contents.bind(suite, baselines.find(suite.table, content))
        objection = _object_to(verdict, suite, batch_date, bound, (suite.gate, suite.table) in audited)
        if verdict is None or objection:
            reasons.append(objection)
        else:
            found.append(verdict)
    decisions = {decision.verdict.table: decision for decision in judge_overrides(found, settings, as_of)}
    reasons += [explain_failure(decision) for decision in decisions.values() if decision.outcome is Outcome.FAIL]
    reasons += _find_missing(declared, suites, history, batch_date, settings)
    reasons += _find_strangers(declared, settings)
    if declared.rows == "warehouse":
        reasons += _find_refused_deliveries(batch_date, as_of, settings)
    return decisions, reasons


def _find_strangers(declared: GatedSet, settings: Settings) -> list[str]:
    """A current version that the ledger does not know: without it nobody would miss what the version holds."""
    pointer = read_pointer(settings.published / declared.set)
    if pointer is None or pointer["version"] in list_published_versions(declared.set, settings):
        return []
    remedy = "put the ledger that published it back, or move the published folder away"
    return [f"the ledger does not know the current version {pointer['version']}; {remedy}"]


def _find_refused_deliveries(batch_date: date, as_of: date, settings: Settings) -> list[str]:
    """Datasets of the date whose last delivery was refused at landing and that nobody has overridden.

    A delivery from before landing recorded verdicts is judged by what the ledger says of it.
    """
    decisions = judge_overrides(read_verdicts(settings, batch_date, LANDING), settings, as_of)
    remedy = "land a corrected one, or override its verdict"
    refused = [
        f"the delivery of {decision.verdict.table} was refused at landing (verdict"
        f" {decision.verdict.verdict_id[:SHORT]}; {remedy})"
        for decision in decisions
        if decision.outcome is Outcome.FAIL
    ]
    judged = {verdict.fingerprint for verdict in read_history([LANDING], batch_date, settings)}
    for delivery in _list_last_deliveries(batch_date, settings):
        if delivery.state == "refused" and delivery.delivery_id not in judged:
            why = (delivery.reason or "no reason was kept").partition("\n")[0].rstrip(".:")
            refused.append(
                f"the delivery of {delivery.source}.{delivery.dataset} was refused at landing before verdicts were"
                f" recorded ({why}); land a corrected one with `python -m ingestion land {delivery.source} --date"
                f" {batch_date}`"
            )
    return refused


def _list_last_deliveries(batch_date: date, settings: Settings) -> list[sa.Row[Any]]:
    """The last delivery of each dataset on a date, as the ledger has it."""
    query = sa.select(deliveries).where(deliveries.c.batch_date == batch_date).order_by(deliveries.c.version)
    with use_ledger(settings) as ledger:
        last = {(row.source, row.dataset): row for row in ledger.execute(query)}
    return [last[dataset] for dataset in sorted(last)]


def _object_to(verdict: Verdict | None, suite: Suite, batch_date: date, bound: str, was_audited: bool) -> str:
    """Why a verdict does not speak of what is there now; empty if it does."""
    if verdict is None and was_audited:
        return f"{suite.table} has changed since its verdict"
    if verdict is None:
        return f"{suite.table} has no verdict of gate {suite.gate} for {batch_date.isoformat()}"
    if verdict.suite_version != suite.suite_version:
        versions = f"{verdict.suite_version}, which today is {suite.suite_version}"
        return f"{suite.table} was audited by suite {versions}; audit gate {suite.gate} again"
    if verdict.beside != bound:
        return f"what {suite.table} is compared with has changed since its verdict"
    return ""


def explain_failure(decision: Decision) -> str:
    """Which checks a table failed, with the identifier by which its verdict can be overridden."""
    verdict, ended = decision.verdict, decision.ended
    failing = ", ".join(failure.sentence for failure in verdict.failing_checks)
    how = "was withdrawn" if ended and ended.is_withdrawal else "ended"
    until = f" and its override {how} on {ended.valid_until}" if ended else ""
    return f"{verdict.table} failed {failing}{until} (verdict {verdict.verdict_id[:SHORT]})"


def _find_missing(
    declared: GatedSet, suites: Sequence[Suite], history: Iterable[Verdict], batch_date: date, settings: Settings
) -> list[str]:
    """Tables that nobody guards or publishes any more, although they were audited on this date or published last."""
    guarded = {suite.table for suite in suites}
    remedy = f"restore its suite, or name it under retired in sets/{declared.set}.yml"
    gone = {verdict.table: "was audited for this date" for verdict in history}
    earlier = read_earlier_publications(declared.set, batch_date, settings)
    if earlier:
        gone |= dict.fromkeys(earlier[0].row_counts, f"is held or was audited by version {earlier[0].version}")
    return [
        f"{table} {why} and has no suite now; {remedy}"
        for table, why in sorted(gone.items())
        if table not in guarded and table not in declared.retired
    ]


def find_unlisted(declared: GatedSet, members: Iterable[str], batch_date: date, settings: Settings) -> list[str]:
    """Tables that the last version published and the set does not list any more, nor names as retired."""
    earlier = read_earlier_publications(declared.set, batch_date, settings)
    lost = set(earlier[0].members) - set(members) - set(declared.retired) if earlier else set()
    return [
        f"{table} is published in version {earlier[0].version} and the set does not list it now;"
        f" list it, or name it under retired in sets/{declared.set}.yml"
        for table in sorted(lost)
    ]
