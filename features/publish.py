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
from features.suite import CONSENT_SOURCE, exclusion_suite, layout_of, lineage_suite, suite_of
from features.values import ZONE, in_business_zone, instants
from features.view import View, combined_version, parse_span
from ingestion.foundation import Settings, load_settings
from ingestion.foundation.events import report_event
from quality.gate import audit_sources
from quality.layout import Layout
from quality.publication import Publication, Published, open_published, publish
from quality.source import ParquetFiles, TableSource
from quality.suite import Suite

ADULT_YEARS = 18

log = logging.getLogger(__name__)


class FeatureBuildRefused(RuntimeError):
    """The features of a date cannot be built from what is published."""


def build_features(batch_date: date, settings: Settings | None = None) -> Publication:
    """Publish the features of every eligible, consenting customer as of `scoring_as_of(batch_date)`.

    One table per view that serves LIMIT_MGMT, the wide table `scoring`, `feature_versions` (lineage) and
    `exclusions` (who was left out, by reason). Idempotent: the same inputs give the same version.

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
    told = ", ".join(f"{row['rows']} {row['reason']}" for row in excluded.iter_rows(named=True)) or "nobody"
    log.info("features of %s: %d of %d customers; excluded: %s", batch_date, spine.height, everybody.height, told)
    report_event("features_built", batch_date=batch_date, rows=spine.height)
    return _publish(spine, views, FEATURE_SET, SCORING_TABLE, SCORING_PURPOSE, excluded, warehouse, settings, as_of)


def build_feature_table(
    spine: pl.DataFrame,
    views: Sequence[str],
    set_name: str,
    settings: Settings | None = None,
    purpose: str = "MODEL_DEV",
) -> Publication:
    """Publish the features of any spine (entity, `as_of`, more) as a set of its own: a table per view and
    `frame`.

    The date of the publication is that of the newest set the views read. Rows are unique over (entity,
    as_of); when a view rests on consent, rows without it at their `as_of` are left out and counted.

    Raises: as `training_frame`; FeatureBuildRefused for views of several entities; PublicationRefused by the
    gate.
    """
    settings = settings or load_settings()
    chosen = select_views(settings, views, purpose)
    if len({view.entity for view in chosen}) != 1 or len({view.source_set for view in chosen}) != 1:
        raise FeatureBuildRefused("The views are of several entities or sets; build a set for each.")
    published = open_published(chosen[0].source_set, settings)
    excluded = _nobody_excluded()
    if any(view.legal_basis == "consent" for view in chosen):
        judged = judge(spine, purpose, published.scan(CONSENTS))
        excluded, spine = count_reasons(judged, purpose), spine.filter(judged.is_null())
    return _publish(spine, chosen, set_name, "frame", purpose, excluded, published, settings, None)


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
    spine: pl.DataFrame,
    views: Sequence[View],
    set_name: str,
    wide: str,
    purpose: str,
    excluded: pl.DataFrame,
    published: Published,
    settings: Settings,
    as_of: datetime | None,
) -> Publication:
    frame = evaluate(spine, views, sources(settings), purpose)
    key = (views[0].entity, "as_of")
    tables = {wide: frame.sort(key)}
    columns = [*spine.columns, *_names(views, purpose)]
    suites: list[Suite] = [suite_of(wide, views, purpose, spine.height, columns, as_of, set_name)]
    for view in views:
        names = _names([view], purpose)
        tables[view.view] = tables[wide].select(*key, *names)
        suites.append(suite_of(view.view, [view], purpose, spine.height, [*key, *names], as_of, set_name))
    held = {name: TableSource(table.to_arrow(), key, layout_of(key[0])) for name, table in tables.items()}
    lineage = _lineage(views, purpose, published, as_of)
    held["feature_versions"] = TableSource(lineage.to_arrow(), ("view",), Layout(sort_by=("view",)))
    suites.append(lineage_suite(len(views), set_name))
    by_reason = ("purpose", "reason")
    held["exclusions"] = TableSource(excluded.to_arrow(), by_reason, Layout(sort_by=by_reason))
    suites.append(exclusion_suite(excluded.height, set_name))
    seen = dict(held)
    if any(view.legal_basis == "consent" for view in views):
        paths = tuple(published.bucket_paths(CONSENTS))
        seen[CONSENT_SOURCE] = TableSource(ParquetFiles(paths), ("consent_event_id",))
    verdicts = audit_sources(set_name, suites, seen, published.batch_date, settings)
    return publish(set_name, published.batch_date, verdicts, held, settings)


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
