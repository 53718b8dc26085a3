"""What the stages behind the Airflow dags did, in a sentence and in figures; no identifier is in either."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from ingestion.foundation.runs import Account

if TYPE_CHECKING:
    from features.scorecard import ScoringReport
    from ingestion.landing import LandingReport
    from quality.publication import Publication


def account_for_landing(report: LandingReport) -> Account:
    """Rows and deliveries that this run brought into the lake, what a re-send changed, and what somebody should see."""
    new = [entry for entry in report.landed if entry.outcome == "landed"]
    rows, held = sum(entry.rows_landed for entry in new), sum(entry.rows_quarantined for entry in new)
    same = len(report.landed) - len(new)
    sentences = [
        f"{report.source} of {report.batch_date}: {rows:,} rows of {len(new)} deliveries landed, {held:,} quarantined;"
        f" {same} deliveries were in the lake before."
    ]
    sentences += [entry.difference for entry in report.landed if entry.difference]
    sentences += report.warnings
    figures = {"rows_landed": rows, "rows_quarantined": held, "deliveries": len(new), "unchanged": same}
    return Account("\n".join(sentences), {**figures, "warnings": len(report.warnings)})


def account_for_build(batch_date: date) -> Account:
    """What dbt made; what the gate says of it comes with the next step."""
    return Account(f"The warehouse is built as of {batch_date}, from every delivery in the lake.")


def account_for_publication(done: Publication) -> Account:
    """The version, its size, and whether readers see it."""
    from quality.published import open_published

    tables = open_published(done.set_name, version=done.version).manifest["tables"]
    rows = sum(entry["rows"] for entry in tables.values())
    state = "published" if done.is_new else "was published before, with the same content"
    current = "readers see it" if done.is_current else "a later business date stays current"
    sentence = f"{done.set_name} {done.version} {state}: {len(tables)} tables, {rows:,} rows; {current}."
    figures = {"set": done.set_name, "version": done.version, "tables": len(tables), "rows": rows}
    return Account(sentence, {**figures, "is_new": done.is_new, "is_current": done.is_current})


def account_for_scores(report: ScoringReport) -> Account:
    """How many customers were scored, by which model, and how many were left out for which reason."""
    left_out = ", ".join(f"{count:,} {reason}" for reason, count in sorted(report.excluded.items())) or "nobody"
    trained = "was trained for it" if report.trained else "had been trained before"
    sentence = f"{report}, which {trained}; left out: {left_out}."
    figures = {"version": report.path.parent.name, "model_version": report.model_version, "scored": report.customers}
    return Account(sentence, {**figures, "excluded": dict(report.excluded)})
