"""Features cut into bins (分箱), each with its weight of evidence; null has a bin of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from features.arrays import Floats, Ints
from features.feature import Feature

BINS, SMOOTHING, LEAST_INFORMATION = 5, 1.0, 0.02


@dataclass(frozen=True)
class Binned:
    """One feature cut into intervals (lower, upper]; the last bin is for null."""

    feature: Feature
    upper_bounds: tuple[float, ...]
    weights: tuple[float, ...]
    information: float


def cut_into_bins(series: pl.Series, label: Ints, feature: Feature) -> Binned:
    """Cut at quantiles of the training values; a bin's weight is ln(share of goods / share of bads), smoothed."""
    bounds = _find_bounds(series)
    number = number_bins(series, bounds)
    bad = np.bincount(number, weights=label, minlength=len(bounds) + 2)
    good = np.bincount(number, weights=1 - label, minlength=len(bounds) + 2)
    bad_share, good_share = bad.sum() / len(label), good.sum() / len(label)
    bad, good = bad + SMOOTHING * bad_share, good + SMOOTHING * good_share
    shares = good / good.sum(), bad / bad.sum()
    weights = np.log(shares[0] / shares[1])
    information = float(((shares[0] - shares[1]) * weights).sum())
    return Binned(feature, bounds, tuple(round(float(w), 12) for w in weights), information)


def number_bins(series: pl.Series, upper_bounds: Sequence[float]) -> Ints:
    """Number of the bin that each value lies in."""
    values = _read_numbers(series)
    number = np.searchsorted(np.array(upper_bounds, dtype=np.float64), values, side="left")
    return np.where(np.isnan(values), len(upper_bounds) + 1, number).astype(np.int64)


def keep_informative(binned: Sequence[Binned]) -> list[Binned]:
    """The features whose bins separate good from bad enough, or the best one when none does."""
    kept = [one for one in binned if one.information >= LEAST_INFORMATION]
    return kept or [max(binned, key=lambda one: one.information)]


def _find_bounds(series: pl.Series) -> tuple[float, ...]:
    values = _read_numbers(series)
    present = values[~np.isnan(values)]
    if not len(present):
        return ()
    cuts = np.quantile(present, np.arange(1, BINS) / BINS, method="inverted_cdf")
    return tuple(float(cut) for cut in np.unique(cuts) if cut < present.max())


def _read_numbers(series: pl.Series) -> Floats:
    return series.cast(pl.Float64).fill_null(np.nan).to_numpy()
