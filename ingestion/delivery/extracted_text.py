"""Values of a database as text (取数成文): as they are there, or marked as what no type can read.

A double keeps 15 digits. A number that may have had more is no longer what was typed, and carries `UNSURE`, as such a
cell of a workbook or of Parquet does.
"""

from __future__ import annotations

import polars as pl

from ingestion.contract import Dataset

UNSURE = "⁇"
MOST_DIGITS, LARGEST_WHOLE = 15, 2**53
SECONDS = "%Y-%m-%d %H:%M:%S%.f"


def render_batch(batch: pl.DataFrame, dataset: Dataset) -> pl.DataFrame:
    """All columns of an answer as text: an instant in UTC with its offset, a number with all its digits.

    Raises:
        ValueError: a column holds members, which have no text of their own.
    """
    wanted = {column.physical_name: column.type for column in dataset.columns}
    return batch.select(_render(series, wanted.get(series.name)) for series in batch)


def _render(series: pl.Series, wanted: str | None) -> pl.Series:
    match series.dtype:
        case pl.Datetime(time_zone=zone) if zone is not None:
            return series.dt.convert_time_zone("UTC").dt.to_string(f"{SECONDS}+00:00")
        case pl.Datetime():
            return series.dt.to_string(SECONDS)
        case pl.Struct() | pl.List() | pl.Array() | pl.Object():
            raise ValueError(f"column {series.name} holds members; cast it to text in the query")
        case pl.Float64() | pl.Float32() if wanted != "DOUBLE":
            return _render_numbers(series)
        case _:
            return series.cast(pl.String)


def _render_numbers(series: pl.Series) -> pl.Series:
    """Doubles for a column of another type; in their shortest form, all digits of which count."""
    text = series.cast(pl.String)
    digits = text.str.replace("[eE].*$", "").str.replace_all("[-.]", "").str.strip_chars_start("0")
    is_unsure = (digits.str.strip_chars_end("0").str.len_bytes() > MOST_DIGITS) | (series.abs() >= LARGEST_WHOLE)
    return pl.select(pl.when(is_unsure).then(text + UNSURE).otherwise(text).alias(series.name)).to_series()


def keep_json(text: str | bytes) -> str:
    """JSON as the database writes it: read into members it would lose their names, their order and digits."""
    return text if isinstance(text, str) else text.decode()
