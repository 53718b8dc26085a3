"""Evaluates one view for the instants asked about in one bucket of its source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from features import aggregates
from features.aggregates import Reduction
from features.arrays import Flags, Ints, Numbers
from features.feature import Feature, parse_span
from features.timeline import (
    NEVER,
    Beginnings,
    Instants,
    Timeline,
    Window,
    find_chronological_order,
    find_order_of_ties,
)
from features.values import (
    ZONE,
    Encoded,
    SourceInvalid,
    choose_polars_type,
    decode,
    derive_rounded_mean,
    encode,
    encode_doubles,
    number_business_days,
    read_instants,
)
from features.view import View

CODE = "__code"
"""The entities of a bucket by number, in its events and in the instants asked about."""

_REDUCTIONS: Mapping[str, Reduction] = {
    "sum": aggregates.add_up,
    "max": aggregates.find_greatest,
    "min": aggregates.find_smallest,
    "last": aggregates.find_latest,
    "first": aggregates.find_earliest,
    "count_distinct": aggregates.count_distinct,
    "std": aggregates.estimate_deviation,
    "min_gap_hours": aggregates.find_smallest_gap,
    "days_since_last": aggregates.find_latest,
    "days_since_first": aggregates.find_earliest,
}
_ORDER_OF_VALUES_MATTERS = frozenset({"last", "first"})


@dataclass(frozen=True)
class _Subset:
    """The versions a feature aggregates: those its filter admits and whose column is not null."""

    key: tuple[str | None, str | None]
    timeline: Timeline
    column: Encoded | None


class Bucket:
    """One bucket of one view: the events' timeline, and caches of what several features share."""

    def __init__(self, view: View, source: str, events: pl.DataFrame, entities: int, asked: Instants) -> None:
        self._view = view
        self._source = source
        self._asked = asked
        zoned = [n for n, t in events.schema.items() if isinstance(t, pl.Datetime) and t.time_zone not in {None, ZONE}]
        events = events.with_columns(pl.col(zoned).dt.convert_time_zone(ZONE))
        events = events.filter(pl.col(view.event_time).is_not_null())
        unknown = events[view.known_at].null_count()
        if unknown:
            raise SourceInvalid(f"{unknown} rows of {source} have no {view.known_at}; every row must say it.")
        code = events[CODE].to_numpy().astype(np.int64)
        happened, known = self._clock(events, view.event_time), self._clock(events, view.known_at)
        superseded = np.full(len(code), NEVER)
        if view.superseded_at is not None and events[view.superseded_at].null_count() < len(events):
            at = self._clock(events, view.superseded_at)
            superseded = np.where(events[view.superseded_at].is_not_null().to_numpy(), at, NEVER)
        order = find_chronological_order(code, happened, known)
        if order is not None:
            code, happened, known, superseded = code[order], happened[order], known[order], superseded[order]
            events = events[order]
        self._events = events
        self._timeline = Timeline.of(code, happened, known, superseded, entities)
        self._columns: dict[str, Encoded] = {}
        self._masks: dict[str, Flags] = {}
        self._subsets: dict[tuple[str | None, str | None], _Subset] = {}
        self._beginnings: dict[tuple[str | None, str | None], Beginnings] = {}
        self._windows: dict[tuple[tuple[str | None, str | None], str], Window] = {}

    def evaluate(self, purpose: str | None) -> pl.DataFrame:
        """The public features for `purpose`, a row for each row asked, in the order asked."""
        shown = [f.name for f in self._view.list_features(purpose)]
        needed = _needed(self._view, shown)
        frame = pl.DataFrame({CODE: self._asked.entity})
        for feature in self._view.features:
            if feature.name not in needed:
                continue
            if feature.expression is not None:
                frame = frame.with_columns(_derive(frame, feature, self._where(feature)))
            else:
                frame = frame.with_columns(self._aggregate(feature).alias(feature.name))
        return frame.select(shown)

    def _clock(self, events: pl.DataFrame, column: str) -> Ints:
        if events[column].dtype == pl.Null:
            return np.zeros(len(events), dtype=np.int64)
        return read_instants(events[column], f"{self._source}.{column}")

    def _where(self, feature: Feature) -> str:
        return f"Feature {self._view.view}.{feature.name}"

    def _encoded(self, column: str) -> Encoded:
        if column not in self._columns:
            self._columns[column] = encode(self._events[column], f"{self._source}.{column}")
        return self._columns[column]

    def _mask(self, sql: str) -> Flags:
        if sql not in self._masks:
            try:
                admitted = self._events.select(pl.sql_expr(sql).alias("admitted"))["admitted"]
            except pl.exceptions.PolarsError as error:
                detail = str(error).splitlines()[0]
                raise SourceInvalid(f"Filter `{sql}` of view {self._view.view} fails: {detail}") from None
            if admitted.dtype not in {pl.Boolean, pl.Null}:
                raise SourceInvalid(f"Filter `{sql}` of view {self._view.view} is not true or false.")
            self._masks[sql] = admitted.cast(pl.Boolean).fill_null(False).to_numpy()
        return self._masks[sql]

    def _subset(self, feature: Feature) -> _Subset:
        cached = self._subsets.get((feature.filter, feature.column))
        if cached is not None:
            return cached
        admitted = (
            np.ones(len(self._timeline), dtype=np.bool_) if feature.filter is None else self._mask(feature.filter)
        )
        column = None if feature.column is None else self._encoded(feature.column)
        own: str | None = None
        if column is not None and not column.valid[admitted].all():
            admitted = admitted & column.valid
            own = feature.column
        timeline = self._timeline
        if not admitted.all():
            timeline = timeline.take(admitted)
            column = column.take(admitted) if column is not None else None
        if column is not None:
            order = find_order_of_ties(timeline, column.values)
            if order is not None:
                timeline, column, own = timeline.take(order), column.take(order), feature.column
        subset = _Subset((feature.filter, own), timeline, column)
        self._subsets[(feature.filter, feature.column)] = subset
        return subset

    def _window(self, subset: _Subset, window: str) -> Window:
        key = (subset.key, window)
        if key not in self._windows:
            length = parse_span(window)
            micros = None if length is None else int(length.total_seconds()) * 1_000_000
            if subset.key not in self._beginnings:
                self._beginnings[subset.key] = Beginnings(subset.timeline, self._asked)
            self._windows[key] = Window(self._beginnings[subset.key], micros)
        return self._windows[key]

    def _aggregate(self, feature: Feature) -> pl.Series:
        assert feature.window is not None
        if not len(self._timeline):
            return pl.repeat(feature.when_empty, len(self._asked), dtype=choose_polars_type(feature.type), eager=True)
        subset = self._subset(feature)
        window = self._window(subset, feature.window)
        value = self._value(feature, subset, window)
        if feature.when_empty is not None:
            empty = ~value.valid
            values = np.where(empty, 0, value.values)
            value = Encoded(value.kind, values, np.ones_like(empty), value.scale, value.texts)
        return decode(value, feature.type, self._where(feature))

    def _value(self, feature: Feature, subset: _Subset, window: Window) -> Encoded:
        name, column = feature.aggregate, subset.column
        counts = window.counts if feature.last is None else np.minimum(window.counts, feature.last)
        seen = counts > 0
        if name == "count":
            return Encoded("integer", counts, seen)
        if name in {"sum", "mean"}:
            assert column is not None
            if column.kind not in {"integer", "decimal", "double"}:
                raise SourceInvalid(f"{self._where(feature)} cannot add up {column.kind} values; use max, min or last.")
            if column.kind == "double":
                sums = self._reduce(feature, window, column.values)
                if name == "mean":
                    return Encoded("double", sums / np.where(seen, counts, 1), seen)
                return Encoded("double", sums, seen)
            self._check_sums_fit(feature, subset, column)
            exact = column.values.astype(np.int64)
            whole = window.add_up(exact) if feature.last is None else self._reduce(feature, window, exact)
            if name == "mean":
                return derive_rounded_mean(whole.astype(np.int64), counts, seen, column.scale, feature.type)
            return Encoded(column.kind, whole, seen, column.scale)
        if name in {"days_since_last", "days_since_first"}:
            times = self._reduce(feature, window, subset.timeline.happened).astype(np.int64)
            days = number_business_days(self._asked.as_of) - number_business_days(times)
            return Encoded("integer", days, seen)
        if name == "min_gap_hours":
            return encode_doubles(self._reduce(feature, window, subset.timeline.happened, np.nan))
        assert column is not None
        if name == "count_distinct":
            return Encoded("integer", self._reduce(feature, window, column.values), seen)
        if name == "std":
            scaled = column.values / 10.0**column.scale
            return encode_doubles(self._reduce(feature, window, scaled, np.nan))
        return Encoded(column.kind, self._reduce(feature, window, column.values), seen, column.scale, column.texts)

    def _reduce(self, feature: Feature, window: Window, values: Numbers, empty: float | None = None) -> Numbers:
        reduction = _REDUCTIONS["sum" if feature.aggregate == "mean" else str(feature.aggregate)]
        result: Numbers
        if feature.aggregate != "count_distinct" and (empty is not None or values.dtype == np.float64):
            result = np.full(len(self._asked), 0.0 if empty is None else empty)
        else:
            result = np.zeros(len(self._asked), dtype=np.int64)
        for selection in window.select_visible():
            result[selection.rows] = reduction(selection.keep_newest(feature.last), values)
        return result

    def _check_sums_fit(self, feature: Feature, subset: _Subset, column: Encoded) -> None:
        if not len(column.values):
            return
        longest = int(np.diff(subset.timeline.offsets).max())
        if longest * int(np.abs(column.values).max()) >= 2**62:
            raise SourceInvalid(f"{self._where(feature)} may exceed 64 bits; narrow the column's values.")


def _needed(view: View, shown: Sequence[str]) -> set[str]:
    needed = set(shown)
    for feature in reversed(view.features):
        if feature.name in needed and feature.expression is not None:
            needed.update(feature.reads)
    return needed


def _derive(frame: pl.DataFrame, feature: Feature, where: str) -> pl.Series:
    """An expression of type double is evaluated in doubles, and has no value where it is not finite."""
    assert feature.expression is not None
    if feature.type == "double":
        numeric = [n for n in feature.reads if frame.schema[n].is_numeric()]
        frame = frame.with_columns(pl.col(numeric).cast(pl.Float64))
    try:
        value = frame.select(pl.sql_expr(feature.expression).alias(feature.name))[feature.name]
        if feature.type == "double":
            doubles = value.cast(pl.Float64)
            value = doubles.to_frame().select(pl.when(doubles.is_finite()).then(doubles)).to_series()
        else:
            value = value.cast(choose_polars_type(feature.type))
    except pl.exceptions.PolarsError as error:
        raise SourceInvalid(f"{where}: `{feature.expression}` fails: {str(error).splitlines()[0]}") from None
    if feature.when_empty is not None:
        value = value.fill_null(0)
    return value.alias(feature.name)
