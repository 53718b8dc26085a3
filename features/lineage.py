"""Where the values of a feature set come from (血缘): the definition and source version of each view."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import polars as pl

from features.clock import find_scoring_instant
from features.feature import parse_span
from features.source import find_published_events
from features.values import ZONE, read_instants
from features.view import View, combine_versions
from quality.published import Published


def make_lineage(views: Sequence[View], purpose: str, published: Published, as_of: datetime | None) -> pl.DataFrame:
    """A row for each view: its definition, where it was computed from, and the newest row that could be known.

    `as_of` is given when all rows share it; otherwise what is newest is judged at the scoring instant of the source.
    """
    moment = as_of or find_scoring_instant(published.batch_date)
    rows = []
    for view in views:
        limit = parse_span(view.max_staleness)
        assert limit is not None
        rows.append(
            {
                "view": view.view,
                "declared_version": view.version,
                "feature_version": view.feature_version,
                "set_feature_version": combine_versions(tuple(views)),
                "source_set": view.source_set,
                "source_version": published.version,
                "source_table": view.source,
                "purpose": purpose,
                "newest_known_at": _find_newest(view, published, moment),
                "stale_before": moment - limit,
            }
        )
    instant = pl.Datetime("us", ZONE)
    schema = {"declared_version": pl.Int64(), "newest_known_at": instant, "stale_before": instant}
    return pl.DataFrame(rows, schema_overrides=schema, infer_schema_length=None).sort("view")


def _find_newest(view: View, published: Published, moment: datetime) -> datetime | None:
    files = [path for part in find_published_events(published, view).parts for path in part]
    known = pl.scan_parquet(files).select(pl.col(view.known_at).unique()).collect()[view.known_at].drop_nulls()
    times = pl.Series(read_instants(known, f"{view.source}.{view.known_at}")).cast(pl.Datetime("us", ZONE))
    newest = times.filter(times <= moment).max()
    return newest if isinstance(newest, datetime) else None
