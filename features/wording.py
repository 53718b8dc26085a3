"""What features did and mean, in the words of the command line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from features.feature import Feature
from features.scorecard.points import Model
from features.tables import EXCLUSIONS, SCORING_TABLE
from ingestion.foundation import Settings
from quality.publication import Publication
from quality.published import open_published


def describe_formula(feature: Feature) -> str:
    """What a feature is computed from: its expression, or its aggregate, filter and window."""
    if feature.expression is not None:
        return feature.expression
    where = f" where {feature.filter}" if feature.filter else ""
    newest = f", newest {feature.last}" if feature.last else ""
    return f"{feature.aggregate}({feature.column or ''}){where}, window {feature.window}{newest}"


def describe_population(publication: Publication, settings: Settings) -> str:
    """Of how many customers the scoring table of a publication has a row, and why the others have none."""
    published = open_published(publication.set_name, settings, publication.version)
    excluded = published.scan(EXCLUSIONS).collect()
    held = int(published.manifest["tables"][SCORING_TABLE]["rows"])
    asked = held + int(excluded["rows"].sum())
    return f"features of {publication.batch_date}: {held} of {asked} customers; excluded: {describe_reasons(excluded)}"


def describe_reasons(counted: pl.DataFrame) -> str:
    """Exclusions as `count_reasons` counts them, in words."""
    return ", ".join(f"{row['rows']} {row['reason']}" for row in counted.iter_rows(named=True)) or "nobody"


def describe_metrics(model: Model) -> list[str]:
    """A line for the loans learned from, one for those held out, and one for those that consent leaves out."""
    metrics = model["metrics"]
    excluded, matured = metrics["excluded_by_consent"], metrics["matured_loans"]
    return [
        f"    learned from:  {_describe_part(metrics['training'])}",
        f"    held out:      {_describe_part(metrics['holdout'])}",
        f"    left out:      {excluded:,} of {matured:,} matured loans, without consent for {model['purpose']}",
    ]


def _describe_part(part: Mapping[str, Any]) -> str:
    measured = [f"{name.upper()} {part[name]:.3f}" for name in ("auc", "ks") if part[name] is not None]
    return f"{part['rows']:,} loans, {part['bad']:,} of them bad; {', '.join(measured) or 'one class only'}"
