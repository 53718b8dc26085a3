"""What the stages behind the Airflow dags did, in a sentence and in figures; no identifier is in either."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

from ingestion.foundation.runs import Account

if TYPE_CHECKING:
    from features.scorecard import ScoringReport
    from ingestion.landing import LandingReport
    from quality.publication import Publication
    from quality.verdict import Verdict


def account_for_landing(report: LandingReport) -> Account:
    """Rows and deliveries that this run brought into the lake, what a re-send changed, and what somebody should see."""
    new = [entry for entry in report.arrivals if entry.outcome == "landed"]
    rows, held = sum(entry.rows_landed for entry in new), sum(entry.rows_quarantined for entry in new)
    same = len(report.arrivals) - len(new)
    came = f"{_count(rows, 'row')} of {_count(len(new), 'delivery', 'deliveries')} landed, {held:,} quarantined"
    known = f"{_count(same, 'delivery', 'deliveries')} known before" if same else ""
    did = "; ".join(part for part in (came if new else "", known) if part) or "nothing new was delivered"
    sentences = [f"{report.source} up to {report.batch_date}: {did}."]
    sentences += [entry.difference for entry in report.arrivals if entry.difference]
    sentences += report.warnings
    figures = {"rows_landed": rows, "rows_quarantined": held, "deliveries": len(new), "unchanged": same}
    return Account("\n".join(sentences), {**figures, "warnings": len(report.warnings)})


def account_for_build(batch_date: date, layers: str) -> Account:
    """What dbt made; what the gate says of it comes with the next step."""
    return Account(f"Built {layers} of the warehouse as of {batch_date}.")


def account_for_gate(gate: str, verdicts: Sequence[Verdict]) -> Account:
    """How many tables passed a gate, and with how many warnings."""
    warned = sum(1 for verdict in verdicts for _ in verdict.failures)
    sentence = f"Gate {gate} passed {_count(len(verdicts), 'table')} with {_count(warned, 'warning')}."
    return Account(sentence, {"gate": gate, "tables": len(verdicts), "warnings": warned})


def account_for_publication(done: Publication) -> Account:
    """The version, its size, and whether readers see it."""
    from quality.published import open_published

    tables = open_published(done.set_name, version=done.version).manifest["tables"]
    rows = sum(entry["rows"] for entry in tables.values())
    state = "Published" if done.is_new else "Already published, with the same content:"
    current = "readers see it" if done.is_current else "a later business date stays current"
    sentence = (
        f"{state} {done.set_name} {done.version}, {_count(len(tables), 'table')}, {_count(rows, 'row')}; {current}."
    )
    figures = {"set": done.set_name, "version": done.version, "tables": len(tables), "rows": rows}
    return Account(sentence, {**figures, "is_new": done.is_new, "is_current": done.is_current})


def account_for_scores(report: ScoringReport) -> Account:
    """How many customers were scored, by which model, and how many were left out for which reason."""
    left_out = ", ".join(f"{count:,} {reason}" for reason, count in sorted(report.excluded.items())) or "nobody"
    trained = "was trained for it" if report.trained else "had been trained before"
    sentence = f"{report}, which {trained}; left out: {left_out}."
    figures = {
        "version": report.path.parents[1].name,
        "model_version": report.model_version,
        "scored": report.customers,
    }
    return Account(sentence, {**figures, "excluded": dict(report.excluded)})


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"
