"""Builds the feature tables of a date, has them audited, and publishes them as the set `features`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

import polars as pl

from features.clock import find_scoring_instant
from features.consent import count_reasons, judge
from features.lineage import make_lineage
from features.point_in_time import evaluate
from features.purpose import SCORING_PURPOSE
from features.store import open_set, open_sources, select_views, warn_of_overrides
from features.tables import ASKED, CONSENT_SOURCE, CONSENTS, EXCLUSIONS, FEATURE_SET, FRAME, LINEAGE, SCORING_TABLE
from features.training_set import read_training_set
from features.values import ZONE, convert_to_business_zone
from features.view import View
from ingestion.foundation import Settings, load_settings
from ingestion.foundation.events import report_event
from quality.publication import Publication, audit_and_publish
from quality.published import Published
from quality.sets import load_set
from quality.source import ParquetFiles, Rows

ADULT_YEARS = 18


class FeatureBuildRefused(RuntimeError):
    """The features of a date cannot be built from what is published."""


@dataclass(frozen=True)
class _Population:
    """Who was asked for, the spine of those who may be processed, and the others counted by reason."""

    asked: pl.DataFrame
    spine: pl.DataFrame
    excluded: pl.DataFrame


def build_features(
    batch_date: date, settings: Settings | None = None, overrides_as_of: date | None = None
) -> Publication:
    """Publish the features of every eligible, consenting customer as of `find_scoring_instant(batch_date)`.

    One table per view that serves LIMIT_MGMT, the wide table `scoring`, `feature_versions` (lineage) and
    `exclusions` (who was left out, by reason). Idempotent: the same inputs give the same version. An override of
    the gate counts on the day `overrides_as_of`, by default the business date.

    Raises: FeatureBuildRefused when the published warehouse is of another date; PublicationRefused by the
    gate.
    """
    settings = settings or load_settings()
    warehouse = open_set("warehouse", settings, batch_date)
    if warehouse.batch_date != batch_date:
        raise FeatureBuildRefused(
            f"The published warehouse is of {warehouse.batch_date}, not {batch_date}; "
            f"run `python -m quality build --date {batch_date}`, then `python -m quality publish --date {batch_date}`."
        )
    views = select_views(settings, None, SCORING_PURPOSE)
    as_of = find_scoring_instant(batch_date)
    customers = warehouse.scan("dim_customers").select("customer_id", "birth_date", "first_seen_at")
    everybody = convert_to_business_zone(customers, "dim_customers").collect()
    spine, excluded = _eligible(everybody, as_of, warehouse.scan(CONSENTS))
    warn_of_overrides(warehouse)
    asked = everybody.select("customer_id").with_columns(as_of=pl.lit(as_of))
    rows = _make_rows(
        _Population(asked, spine, excluded), views, SCORING_TABLE, SCORING_PURPOSE, warehouse, settings, as_of
    )
    report_event("features_built", batch_date=batch_date, rows_in=everybody.height, rows=spine.height)
    return audit_and_publish(FEATURE_SET, batch_date, settings, rows=rows, as_of=overrides_as_of)


def build_feature_table(
    spine: pl.DataFrame, set_name: str, settings: Settings | None = None, overrides_as_of: date | None = None
) -> Publication:
    """Publish the features of any spine (entity, `as_of`, more) as a declared set: a table per view and `frame`.

    The set's file declares purpose and views (`features.training_set.TrainingSet`). The date of the publication is that
    of the newest set the views read. Rows are unique over (entity, as_of); when a view rests on consent, rows
    without it at their `as_of` are left out and counted. An override counts on the day `overrides_as_of`, by
    default the business date.

    Raises: as `training_frame`; SetUnknown or SetsInvalid when the set is not declared as one of training rows;
    FeatureBuildRefused for views of several entities; PublicationRefused by the gate.
    """
    settings = settings or load_settings()
    training = read_training_set(load_set(set_name, settings))
    purpose = training.purpose
    chosen = select_views(settings, training.views, purpose)
    if len({view.entity for view in chosen}) != 1 or len({view.source_set for view in chosen}) != 1:
        raise FeatureBuildRefused("The views are of several entities or sets; build a set for each.")
    published = open_set(chosen[0].source_set, settings)
    population = _Population(spine, spine, _nobody_excluded())
    if any(view.legal_basis == "consent" for view in chosen):
        judged = judge(spine, purpose, published.scan(CONSENTS))
        population = _Population(spine, spine.filter(judged.is_null()), count_reasons(judged, purpose))
    rows = _make_rows(population, chosen, FRAME, purpose, published, settings, None)
    return audit_and_publish(set_name, published.batch_date, settings, rows=rows, as_of=overrides_as_of)


def _eligible(everybody: pl.DataFrame, as_of: datetime, consents: pl.LazyFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Adults first seen by `as_of` who consent; and the others counted by reason."""
    spine = everybody.with_columns(pl.lit(as_of).dt.convert_time_zone(ZONE).dt.cast_time_unit("us").alias("as_of"))
    consent = judge(spine, SCORING_PURPOSE, consents)
    day = as_of.date()
    of_age = pl.col("birth_date").dt.offset_by(f"{ADULT_YEARS}y") <= pl.lit(day)
    reason = (
        pl.when(pl.col("first_seen_at") > pl.col("as_of"))
        .then(pl.lit("not_yet_seen"))
        .when(pl.col("birth_date").is_not_null() & ~of_age)
        .then(pl.lit("under_18"))
        .otherwise(consent)
    )
    judged = spine.select(reason.alias("reason"))["reason"]
    permitted = spine.filter(judged.is_null()).select("customer_id", "as_of").sort("customer_id")
    return permitted, count_reasons(judged, SCORING_PURPOSE)


def _nobody_excluded() -> pl.DataFrame:
    return pl.DataFrame(schema={"purpose": pl.String, "reason": pl.String, "rows": pl.Int64})


def _make_rows(
    population: _Population,
    views: Sequence[View],
    wide: str,
    purpose: str,
    published: Published,
    settings: Settings,
    as_of: datetime | None,
) -> dict[str, Rows]:
    """The tables of a feature set by name, and what its audit reads beside them."""
    frame = evaluate(population.spine, views, open_sources(settings), purpose)
    key = (views[0].entity, "as_of")
    tables = {wide: frame.sort(key)}
    for view in views:
        names = [feature.name for feature in view.list_features(purpose)]
        tables[view.view] = tables[wide].select(*key, *names)
    lineage = make_lineage(views, purpose, published, as_of)
    tables |= {LINEAGE: lineage, EXCLUSIONS: population.excluded, ASKED: population.asked}
    rows: dict[str, Rows] = {name: table.to_arrow() for name, table in tables.items()}
    if any(view.legal_basis == "consent" for view in views):
        rows[CONSENT_SOURCE] = ParquetFiles(tuple(published.list_bucket_paths(CONSENTS)))
    return rows
