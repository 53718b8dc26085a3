"""Scoring of a date: the newest model that may score it, applied to the gated scoring frame, and published."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl

from features.purpose import SCORING_PURPOSE
from features.scorecard.model_files import ModelMissing, find_newest_model
from features.scorecard.points import REASONS, Model, apply
from features.scorecard.training import train
from features.store import open_features, scoring_frame, select_views
from features.tables import EXCLUSIONS, LINEAGE, SCORES, SCORING_TABLE
from features.view import combine_versions
from ingestion.foundation import Settings, load_settings
from ingestion.foundation.events import report_event
from quality.publication import Publication, audit_and_publish
from quality.published import Published
from quality.source import ParquetFiles, Rows


@dataclass(frozen=True)
class ScoringReport:
    """What one scoring run wrote."""

    batch_date: date
    path: Path
    customers: int
    excluded: Mapping[str, int]
    model_version: str
    feature_version: str
    warehouse_version: str
    trained: bool

    def __str__(self) -> str:
        return f"{self.customers:,} scored with {self.model_version}"


def score(batch_date: date, settings: Settings | None = None, overrides_as_of: date | None = None) -> ScoringReport:
    """Score the gated scoring frame of a date, and publish the set `scores` through a gate of its own.

    A row for each customer of the scoring frame, sorted by customer. Trains only when no model of the
    features' version was trained by the date. Atomic and idempotent. An override of the gate counts on the day
    `overrides_as_of`, by default the business date.

    Raises: as `scoring_frame` and `train`; ModelMissing when the views have changed since the features were
    built; PublicationRefused by the gate.
    """
    settings = settings or load_settings()
    published = open_features(batch_date, settings)
    lineage = published.scan(LINEAGE).collect()
    feature_version = str(lineage["set_feature_version"][0])
    warehouse_version = str(lineage["source_version"][0])
    model = find_newest_model(feature_version, batch_date, settings)
    trained = model is None
    if model is None:
        model = _train_as_declared(feature_version, batch_date, settings)
    model_version = str(model["model_version"])
    frame = scoring_frame(batch_date, settings, published.version)
    scores = _make_scores(model, frame).with_columns(
        pl.lit(model_version).alias("model_version"),
        pl.lit(feature_version).alias("feature_version"),
        pl.lit(warehouse_version).alias("warehouse_version"),
        frame["as_of"],
    )
    done = _publish(scores, published, settings, overrides_as_of)
    counted = published.scan(EXCLUSIONS).collect()
    report_event("customers_scored", batch_date=batch_date, rows=scores.height, version=model_version)
    return ScoringReport(
        batch_date,
        done.path / SCORES / "part-00.parquet",
        scores.height,
        {str(row["reason"]): int(row["rows"]) for row in counted.iter_rows(named=True)},
        model_version,
        feature_version,
        warehouse_version,
        trained,
    )


def _train_as_declared(feature_version: str, batch_date: date, settings: Settings) -> Model:
    """Train for features of a version, which the declared views must still have."""
    declared = combine_versions(select_views(settings, None, SCORING_PURPOSE))
    if declared != feature_version:
        raise ModelMissing(
            f"The features of {batch_date} are of version {feature_version}, the declared views of "
            f"{declared}; run `python -m features build --date {batch_date}` first."
        )
    return train(batch_date, settings)


def _make_scores(model: Model, frame: pl.DataFrame) -> pl.DataFrame:
    """A row for each customer of the frame: points, probability of default and the reasons."""
    points, probability, reasons = apply(model, frame)
    return frame.select("customer_id").with_columns(
        pl.Series("score", points, dtype=pl.Int64),
        pl.Series("probability_of_default", probability, dtype=pl.Float64),
        *(pl.Series(f"reason_{n + 1}", reasons[n], dtype=pl.String) for n in range(REASONS)),
    )


def _publish(
    scores: pl.DataFrame, features: Published, settings: Settings, overrides_as_of: date | None
) -> Publication:
    """Audit scores beside the features they come from, then publish them."""
    rows: dict[str, Rows] = {
        SCORES: scores.to_arrow(),
        SCORING_TABLE: ParquetFiles(tuple(features.list_bucket_paths(SCORING_TABLE))),
    }
    return audit_and_publish(SCORES, features.batch_date, settings, rows=rows, as_of=overrides_as_of)
