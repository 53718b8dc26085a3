"""Aggregates of the versions of events that are visible at an instant, without loss (see `features.timeline`)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from features.arrays import Floats, Ints, Numbers
from features.timeline import Selection, expand_ranges

MICROSECONDS_PER_HOUR = 3_600_000_000

Reduction = Callable[[Selection, Numbers], Numbers]


def find_latest(selection: Selection, values: Numbers) -> Numbers:
    """Value of the last selected event."""
    return selection.gather(values)[selection.end - 1]


def find_earliest(selection: Selection, values: Numbers) -> Numbers:
    """Value of the first selected event."""
    return selection.gather(values)[selection.low]


def find_greatest(selection: Selection, values: Numbers) -> Numbers:
    """Greatest selected value."""
    return _reduce(np.maximum, selection.gather(values), selection.low, selection.end)


def find_smallest(selection: Selection, values: Numbers) -> Numbers:
    """Smallest selected value."""
    return _reduce(np.minimum, selection.gather(values), selection.low, selection.end)


def add_up(selection: Selection, values: Numbers) -> Numbers:
    """Sum of each row's versions alone, in timeline order: floats do not depend on what else the bucket holds."""
    return _reduce(np.add, selection.gather(values), selection.low, selection.end)


def estimate_deviation(selection: Selection, values: Numbers) -> Floats:
    """Sample standard deviation in two passes; NaN with fewer than two versions."""
    count = selection.counts
    mean = np.asarray(add_up(selection, values), dtype=np.float64) / count
    owner, index = expand_ranges(selection.low, selection.end)
    square = (np.asarray(selection.gather(values), dtype=np.float64)[index] - mean[owner]) ** 2
    ends = np.cumsum(count)
    summed = _reduce(np.add, square, ends - count, ends)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(count > 1, np.sqrt(summed / (count - 1)), np.nan)


def count_distinct(selection: Selection, values: Numbers) -> Ints:
    """Number of different values."""
    owner, index = expand_ranges(selection.low, selection.end)
    value = selection.gather(values)[index]
    order = np.lexsort((value, owner))
    value, owner = value[order], owner[order]
    new = np.ones(len(owner), dtype=np.bool_)
    new[1:] = (owner[1:] != owner[:-1]) | (value[1:] != value[:-1])
    return np.bincount(owner[new], minlength=len(selection.rows)).astype(np.int64)


def find_smallest_gap(selection: Selection, happened: Numbers) -> Floats:
    """Hours between the two closest consecutive events; NaN with fewer than two."""
    times = selection.gather(happened)
    gaps = np.diff(times)
    paired = np.flatnonzero(selection.counts > 1)
    hours = np.full(len(selection.rows), np.nan)
    if len(paired):
        least = _reduce(np.minimum, gaps, selection.low[paired], selection.end[paired] - 1)
        hours[paired] = least / MICROSECONDS_PER_HOUR
    return hours


def _reduce(operation: np.ufunc, values: Numbers, low: Ints, end: Ints) -> Numbers:
    """Reduce values[low[i]:end[i]], none empty; `low` ascending keeps the work in the gaps linear."""
    padded = np.append(values, values[-1:])
    result: Numbers = operation.reduceat(padded, np.column_stack((low, end)).ravel())[::2]
    return result
