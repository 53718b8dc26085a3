"""Evaluates feature views for a spine of (entity, as_of): exactly what was visible then, for any spine.

An event version counts for a spine row when it happened strictly before `as_of`, and not before `as_of -
window`, was known at `as_of`, and was not superseded at `as_of` (rule T of DOMAIN 5). The same function makes
the daily scoring table and every training set, so the two cannot differ.

The spine comes back complete: same rows, same order, duplicates and unknown entities included, feature
columns added. Memory is bounded by one bucket of a source; results do not depend on the number of buckets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import polars as pl

from features.bucket import CODE, Bucket
from features.source import EventSource, place_in_buckets
from features.timeline import Instants
from features.values import SourceInvalid, choose_polars_type, read_instants
from features.view import View

_NOBODY = "\0"


class SpineInvalid(ValueError):
    """The spine cannot be evaluated; the message says which column and how to correct it."""


def evaluate(
    spine: pl.DataFrame,
    views: Sequence[View],
    source_of: Callable[[View], EventSource],
    purpose: str | None = None,
) -> pl.DataFrame:
    """The spine with the public features of `views` that `purpose` may use (all, without a purpose) added.

    Raises: SpineInvalid for a missing or naive `as_of`, a missing entity, or a name that is taken;
    SourceInvalid when a source cannot carry a declared feature.
    """
    taken = set(spine.columns)
    for view in views:
        _check_spine(spine, view)
        for feature in view.list_features(purpose):
            if feature.name in taken:
                raise SpineInvalid(f"The spine or another view already has a column {feature.name}; rename it.")
            taken.add(feature.name)
    parts = [_evaluate_view(spine, view, source_of(view), purpose) for view in views]
    return pl.concat([spine, *parts], how="horizontal") if parts else spine


def _check_spine(spine: pl.DataFrame, view: View) -> None:
    for column in (view.entity, "as_of"):
        if column not in spine.columns:
            raise SpineInvalid(f"The spine has no column {column}, which view {view.view} needs; add it.")
    try:
        read_instants(spine["as_of"].head(0), "Spine column as_of")
    except SourceInvalid as error:
        raise SpineInvalid(str(error)) from None
    if spine["as_of"].dtype == pl.Date:
        raise SpineInvalid("Spine column as_of is a DATE; give the instant, a timestamp with a time zone.")
    missing = spine["as_of"].null_count()
    if missing:
        raise SpineInvalid(f"{missing} spine rows have no as_of; fill them or leave the rows out.")


def _evaluate_view(spine: pl.DataFrame, view: View, source: EventSource, purpose: str | None) -> pl.DataFrame:
    try:
        as_of = read_instants(spine["as_of"], "Spine column as_of")
    except SourceInvalid as error:
        raise SpineInvalid(str(error)) from None
    entity = spine[view.entity].cast(pl.String).fill_null(_NOBODY)
    known = entity.unique().sort()
    code = entity.replace_strict(known, pl.int_range(len(known), eager=True)).to_numpy().astype(np.int64)
    bucket = place_in_buckets(known, source.buckets).to_numpy()[code] if len(known) else code
    order = np.lexsort((as_of, code, bucket))
    bounds = np.searchsorted(bucket[order], np.arange(source.buckets + 1))
    results = []
    for number in range(source.buckets):
        rows = order[bounds[number] : bounds[number + 1]]
        if not len(rows):
            continue
        present, local = np.unique(code[rows], return_inverse=True)
        entities = pl.DataFrame({view.entity: known[present], CODE: np.arange(len(present))})
        events = source.read(number, view.source_columns, view.entity, entities)
        asked = Instants(local.astype(np.int64), as_of[rows])
        results.append(Bucket(view, source.name, events, len(present), asked).evaluate(purpose))
    names = [f.name for f in view.list_features(purpose)]
    if not results:
        return pl.DataFrame(schema={f.name: choose_polars_type(f.type) for f in view.list_features(purpose)})
    back = np.empty(len(order), dtype=np.int64)
    back[order] = np.arange(len(order))
    return pl.concat(results).select(pl.col(names).gather(back))
