"""Builds the feature tables of a date, has them audited, and publishes them as the set `features`."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import date, datetime

import polars as pl

from features.clock import scoring_as_of
from features.consent import count_reasons, judge
from features.point_in_time import evaluate
from features.source import published_events
from features.store import CONSENTS, FEATURE_SET, SCORING_PURPOSE, SCORING_TABLE, select_views, sources
from features.suite import ASKED, CONSENT_SOURCE, EXCLUSIONS, FRAME, LINEAGE, read_training_set
from features.values import ZONE, in_business_zone, instants
from features.view import View, combined_version, parse_span
from ingestion.foundation import Settings, load_settings
from ingestion.foundation.events import report_event
from quality.publication import Publication, Published, audit_and_publish, open_published
from quality.sets import load_set
from quality.source import ParquetFiles, Rows

ADULT_YEARS = 18

log = logging.getLogger(__name__)


class FeatureBuildRefused(RuntimeError):
    """The features of a date cannot be built from what is published."""


def build_features(
    batch_date: date, settings: Settings | None = None, overrides_as_of: date | None = None
) -> Publication:
    """Publish the features of every eligible, consenting customer as of `scoring_as_of(batch_date)`.

    One table per view that serves LIMIT_MGMT, the wide table `scoring`, `feature_versions` (lineage) and
    `exclusions` (who was left out, by reason). Idempotent: the same inputs give the same version. An override of
    the gate counts on the day `overrides_as_of`, by default the business date.

    Raises: FeatureBuildRefused when the published warehouse is of another date; PublicationRefused by the
    gate.
    """
    settings = settings or load_settings()
    warehouse = open_published("warehouse", settings)
    if warehouse.batch_date != batch_date:
        raise FeatureBuildRefused(
            f"The published warehouse is of {warehouse.batch_date}, not {batch_date}; "
            f"build and publish the warehouse of {batch_date} first."
        )
    views = select_views(settings, None, SCORING_PURPOSE)
    as_of = scoring_as_of(batch_date)
    customers = warehouse.scan("dim_customers").select("customer_id", "birth_date", "first_seen_at")
    everybody = in_business_zone(customers, "dim_customers").collect()
    spine, excluded = _eligible(everybody, as_of, warehouse.scan(CONSENTS))
    reported = ", ".join(f"{row['rows']} {row['reason']}" for row in excluded.iter_rows(named=True)) or "nobody"
    log.info("features of %s: %d of %d customers; excluded: %s", batch_date, spine.height, everybody.height, reported)
    for table, accepted in warehouse.overrides.items():
        log.warning("%s of the warehouse was accepted by %s: %s", table, accepted["by"], accepted["reason"])
    report_event("features_built", batch_date=batch_date, rows=spine.height)
    asked = everybody.select("customer_id").with_columns(as_of=pl.lit(as_of))
    return _publish(
        asked,
        spine,
        views,
        FEATURE_SET,
        SCORING_TABLE,
        SCORING_PURPOSE,
        excluded,
        warehouse,
        settings,
        as_of,
        overrides_as_of,
    )


def build_feature_table(
    spine: pl.DataFrame, set_name: str, settings: Settings | None = None, overrides_as_of: date | None = None
) -> Publication:
    """Publish the features of any spine (entity, `as_of`, more) as a declared set: a table per view and `frame`.

    The set's file declares purpose and views (`features.suite.TrainingSet`). The date of the publication is that
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
    published = open_published(chosen[0].source_set, settings)
    excluded, asked = _nobody_excluded(), spine
    if any(view.legal_basis == "consent" for view in chosen):
        judged = judge(spine, purpose, published.scan(CONSENTS))
        excluded, spine = count_reasons(judged, purpose), spine.filter(judged.is_null())
    return _publish(
        asked, spine, chosen, set_name, FRAME, purpose, excluded, published, settings, None, overrides_as_of
    )


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


def _publish(
    asked: pl.DataFrame,
    spine: pl.DataFrame,
    views: Sequence[View],
    set_name: str,
    wide: str,
    purpose: str,
    excluded: pl.DataFrame,
    published: Published,
    settings: Settings,
    as_of: datetime | None,
    overrides_as_of: date | None,
) -> Publication:
    frame = evaluate(spine, views, sources(settings), purpose)
    key = (views[0].entity, "as_of")
    tables = {wide: frame.sort(key)}
    for view in views:
        tables[view.view] = tables[wide].select(*key, *_names([view], purpose))
    tables |= {LINEAGE: _lineage(views, purpose, published, as_of), EXCLUSIONS: excluded, ASKED: asked}
    rows: dict[str, Rows] = {name: table.to_arrow() for name, table in tables.items()}
    if any(view.legal_basis == "consent" for view in views):
        rows[CONSENT_SOURCE] = ParquetFiles(tuple(published.list_bucket_paths(CONSENTS)))
    return audit_and_publish(set_name, published.batch_date, settings, rows=rows, as_of=overrides_as_of)


def _names(views: Sequence[View], purpose: str) -> list[str]:
    return [feature.name for view in views for feature in view.shown(purpose)]


def _lineage(views: Sequence[View], purpose: str, published: Published, as_of: datetime | None) -> pl.DataFrame:
    """View, its definition, where it was computed from, and the newest row that could be known."""
    moment = as_of or scoring_as_of(published.batch_date)
    rows = []
    for view in views:
        limit = parse_span(view.max_staleness)
        assert limit is not None
        rows.append(
            {
                "view": view.view,
                "declared_version": view.version,
                "feature_version": view.feature_version,
                "set_feature_version": combined_version(tuple(views)),
                "source_set": view.source_set,
                "source_version": published.version,
                "source_table": view.source,
                "purpose": purpose,
                "newest_known_at": _newest_known_at(view, published, moment),
                "stale_before": moment - limit,
            }
        )
    instant = pl.Datetime("us", ZONE)
    schema = {"declared_version": pl.Int64(), "newest_known_at": instant, "stale_before": instant}
    return pl.DataFrame(rows, schema_overrides=schema, infer_schema_length=None).sort("view")


def _newest_known_at(view: View, published: Published, moment: datetime) -> datetime | None:
    files = [path for part in published_events(published, view).parts for path in part]
    known = pl.scan_parquet(files).select(pl.col(view.known_at).unique()).collect()[view.known_at].drop_nulls()
    times = pl.Series(instants(known, f"{view.source}.{view.known_at}")).cast(pl.Datetime("us", ZONE))
    newest = times.filter(times <= moment).max()
    return newest if isinstance(newest, datetime) else None
