"""Columns as arrays and back: money as whole units of its scale, days and instants as integers, text as ranks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

import numpy as np
import polars as pl
import pyarrow as pa

from features.arrays import Flags, Ints, Numbers
from features.feature import parse_decimal_type
from ingestion.foundation import BUSINESS_TIMEZONE

Kind = Literal["integer", "decimal", "double", "date", "timestamptz", "varchar"]
ZONE = BUSINESS_TIMEZONE.key


class SourceInvalid(ValueError):
    """A published table cannot carry the feature declared on it."""


@dataclass(frozen=True)
class Encoded:
    """One column: values (meaningless where not valid), the scale of a decimal, the texts behind text ranks."""

    kind: Kind
    values: Numbers
    valid: Flags
    scale: int = 0
    texts: pl.Series | None = None

    def take(self, rows: Ints | Flags) -> Encoded:
        return Encoded(self.kind, self.values[rows], self.valid[rows], self.scale, self.texts)


def encode(series: pl.Series, where: str) -> Encoded:
    """Raises: SourceInvalid for a type without an exact encoding; the message starts with `where`."""
    valid = series.is_not_null().to_numpy()
    kind_of = series.dtype
    if kind_of.is_integer() or kind_of == pl.Boolean:
        return Encoded("integer", _filled(series.cast(pl.Int64)), valid)
    if kind_of.is_decimal():
        try:
            units = series.to_physical().cast(pl.Int64)
        except pl.exceptions.InvalidOperationError:
            raise SourceInvalid(f"{where} holds amounts beyond 64 bits; narrow the decimal type.") from None
        return Encoded("decimal", _filled(units), valid, scale=series.dtype.scale or 0)  # type: ignore[attr-defined]
    if kind_of.is_float():
        numbers = series.cast(pl.Float64).fill_nan(None)
        return Encoded("double", numbers.fill_null(0.0).to_numpy(), numbers.is_not_null().to_numpy())
    if kind_of == pl.Date:
        return Encoded("date", _filled(series.to_physical().cast(pl.Int64)), valid)
    if isinstance(kind_of, pl.Datetime):
        return Encoded("timestamptz", read_instants(series, where), valid)
    if kind_of in {pl.String, pl.Categorical} or isinstance(kind_of, pl.Enum):
        text = series.cast(pl.String)
        texts = text.drop_nulls().unique().sort()
        ranks = text.replace_strict(texts, np.arange(len(texts)), return_dtype=pl.Int64, default=None)
        return Encoded("varchar", _filled(ranks), valid, texts=texts)
    raise SourceInvalid(f"{where} has type {kind_of}; cast it to a number, date, timestamptz or text in the model.")


def read_instants(series: pl.Series, where: str) -> Ints:
    """Microseconds since the epoch; a DATE is the last instant of that business day; null is 0.

    Raises: SourceInvalid for a timestamp without a time zone, or digits below the microsecond.
    """
    if series.dtype == pl.Date:
        midnight = series.cast(pl.Datetime("us")) + timedelta(days=1)
        zoned = midnight.dt.replace_time_zone(ZONE, non_existent="null").to_physical()
        # A midnight that the change to summer time skipped (1919, and 1940 to 1949) is the instant of the change.
        skipped = midnight.dt.replace_time_zone("Etc/GMT-8").to_physical()
        return _filled(zoned.zip_with(zoned.is_not_null(), skipped)) - 1
    if not isinstance(series.dtype, pl.Datetime):
        raise SourceInvalid(f"{where} has type {series.dtype}; it must be TIMESTAMPTZ or DATE.")
    if series.dtype.time_zone is None:
        raise SourceInvalid(
            f"{where} is a timestamp without a time zone; state it, for example with "
            f'.dt.replace_time_zone("{ZONE}") or TIMESTAMPTZ.'
        )
    micros = series.cast(pl.Datetime("us", series.dtype.time_zone))
    if series.dtype.time_unit == "ns" and (series != micros.cast(series.dtype)).any():
        raise SourceInvalid(f"{where} has digits below the microsecond; round it to microseconds.")
    return _filled(micros.to_physical())


def convert_to_business_zone(table: pl.LazyFrame, name: str) -> pl.LazyFrame:
    """The table with every timestamp in Asia/Shanghai, in microseconds, so that they compare.

    Raises: SourceInvalid naming a timestamp without a time zone.
    """
    for column, kind in table.collect_schema().items():
        if isinstance(kind, pl.Datetime):
            if kind.time_zone is None:
                raise SourceInvalid(f"{name}.{column} is a timestamp without a time zone; make it TIMESTAMPTZ.")
            table = table.with_columns(pl.col(column).dt.convert_time_zone(ZONE).dt.cast_time_unit("us"))
    return table


def number_business_days(micros: Ints) -> Ints:
    """Number of the business day each instant lies on."""
    times = pl.Series(micros).cast(pl.Datetime("us", "UTC")).dt.convert_time_zone(ZONE)
    return times.dt.date().to_physical().cast(pl.Int64).to_numpy()


def _filled(series: pl.Series) -> Ints:
    filled: Ints = series.cast(pl.Int64).fill_null(0).to_numpy()
    return filled


def choose_polars_type(type_name: str) -> pl.DataType:
    """Polars type of a declared feature type."""
    if type_name.startswith("decimal"):
        precision, scale = parse_decimal_type(type_name)
        return pl.Decimal(precision, scale)
    types: dict[str, pl.DataType] = {
        "bigint": pl.Int64(),
        "double": pl.Float64(),
        "date": pl.Date(),
        "timestamptz": pl.Datetime("us", ZONE),
        "varchar": pl.String(),
    }
    return types[type_name]


def decode(encoded: Encoded, type_name: str, where: str) -> pl.Series:
    """A column of the declared type.

    Raises: SourceInvalid when the declared type would lose digits or does not fit the kind.
    """
    kind, values, valid = encoded.kind, encoded.values, encoded.valid
    if type_name == "double" and kind in {"integer", "decimal", "double"}:
        numbers = np.asarray(values, dtype=np.float64)
        if encoded.scale:
            numbers = numbers / 10.0**encoded.scale
        return _nulled(pl.Series(numbers), valid)
    if type_name == "bigint" and kind == "integer":
        return _nulled(pl.Series(values), valid)
    if type_name.startswith("decimal") and kind in {"integer", "decimal"}:
        precision, scale = parse_decimal_type(type_name)
        if scale < encoded.scale:
            raise SourceInvalid(f"{where} is declared {type_name} but its source has {encoded.scale} decimal places.")
        return _decimals(values, valid, 10 ** (scale - encoded.scale), precision, scale, where)
    if type_name == kind == "date":
        return _nulled(pl.Series(values).cast(pl.Int32).cast(pl.Date), valid)
    if type_name == kind == "timestamptz":
        return _nulled(pl.Series(values).cast(pl.Datetime("us", ZONE)), valid)
    if type_name == kind == "varchar" and encoded.texts is not None:
        if not len(encoded.texts):
            return pl.Series([None] * len(values), dtype=pl.String)
        return _nulled(encoded.texts.gather(np.where(valid, values, 0)), valid)
    raise SourceInvalid(f"{where} is declared {type_name} but its value is {kind}; correct `type`.")


def derive_rounded_mean(sums: Ints, counts: Ints, valid: Flags, scale: int, type_name: str) -> Encoded:
    """Mean of integers of a scale: a double, or a decimal rounded half up (away from zero), never through a float."""
    counts = np.where(valid, counts, 1)
    if not type_name.startswith("decimal"):
        return Encoded("double", sums / (counts * 10.0**scale), valid)
    _, wanted = parse_decimal_type(type_name)
    up, down = 10 ** max(wanted - scale, 0), 10 ** max(scale - wanted, 0)
    size = np.abs(sums)
    if len(sums) and int(size.max()) * up >= 2**61:
        raise SourceInvalid(f"A mean declared {type_name} does not fit; declare fewer decimal places.")
    half_up = (2 * size * up + counts * down) // (2 * counts * down)
    return Encoded("decimal", np.sign(sums) * half_up, valid, scale=wanted)


def _nulled(series: pl.Series, valid: Flags) -> pl.Series:
    if valid.all():
        return series
    return series.to_frame("v").select(pl.when(pl.Series(valid)).then(pl.col("v"))).to_series()


def _decimals(values: Numbers, valid: Flags, factor: int, precision: int, scale: int, where: str) -> pl.Series:
    whole = np.where(valid, np.asarray(values, dtype=np.int64), 0)
    size = int(np.abs(whole).max()) * factor if len(whole) else 0
    if size >= min(2**63, 10**precision):
        raise SourceInvalid(f"{where} does not fit decimal({precision},{scale}); declare a wider type.")
    units = np.empty((len(whole), 2), dtype=np.int64)
    units[:, 0] = whole * factor
    units[:, 1] = units[:, 0] >> 63
    bits = np.packbits(valid, bitorder="little")
    buffers = [pa.py_buffer(bits.tobytes()), pa.py_buffer(units.tobytes())]
    array = pa.Array.from_buffers(pa.decimal128(precision, scale), len(whole), buffers)
    series = pl.from_arrow(array)
    assert isinstance(series, pl.Series)
    return series


def encode_doubles(numbers: Numbers) -> Encoded:
    """A double column in which NaN is null."""
    return Encoded("double", numbers, ~np.isnan(numbers))
