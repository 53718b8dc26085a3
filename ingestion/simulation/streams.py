"""Independent random streams of one seed, each known by its name."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt
import polars as pl

Clock = npt.NDArray[np.datetime64]
Spans = npt.NDArray[np.timedelta64]
Integers = npt.NDArray[np.int64]
Reals = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


def open_stream(seed: int, *name: object) -> np.random.Generator:
    """Open the stream called `name`: the same draws whatever other streams exist or were read before."""
    digest = hashlib.sha256("/".join(str(part) for part in name).encode()).digest()
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, *digest])))


def draw_daytimes(stream: np.random.Generator, size: int) -> Spans:
    """Seconds into a day at which people act: 07:30 to 23:00, with humps around noon and the evening."""
    centre = np.where(stream.random(size) < 0.45, 12.3, 20.0)
    hours = np.clip(centre + stream.normal(0.0, 2.4, size), 7.5, 22.99)
    return (hours * 3600).astype(np.int64).astype("timedelta64[s]")


def as_moments(times: Clock) -> pl.Series:
    """Hand naive Beijing times over to Polars, in microseconds."""
    return pl.Series(times.astype("datetime64[us]"))
