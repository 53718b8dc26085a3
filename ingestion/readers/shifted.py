"""Lines of too many columns with nothing behind the last separators (错位行), which the parser takes for whole rows.

Only a line that ends with a separator can be one, so other lines cost no more than a search for that.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa

from ingestion.readers.lines import Numbers, read_lines
from ingestion.readers.reading import Lines, Reading
from ingestion.readers.surrounding import locate_lines, read_whole_lines

MARK = b"x"


def find_shifted(reading: Reading, marks: Numbers, wide_rows: pl.DataFrame) -> Numbers:
    """Lines of rows that hold more separators than they may and end with one.

    `wide_rows` are the rows of several lines (`line_number`, `inner`); such a row is given by its last line.
    """
    lines = reading.lines
    assert lines is not None
    end = reading.separator.encode()
    inside = _list_inside(wide_rows)
    found = [np.zeros(0, dtype=np.int64)]
    before = 0
    with lines.text.open("rb") as source:
        for piece in read_whole_lines(source):
            starts, stops = locate_lines(piece)
            numbers = np.arange(before + 1, before + len(starts) + 1)
            block = np.frombuffer(piece, dtype=np.uint8)
            are_rows = (numbers > lines.heading) & (stops > starts) & (block[np.maximum(stops - 1, 0)] == end[-1])
            if len(inside):
                are_rows &= ~np.isin(numbers, inside)
            if are_rows.any() and len(end) == 1 and not reading.quote:
                counts = np.diff(np.searchsorted(np.flatnonzero(block == end[0]), np.append(starts, len(piece))))
                found.append(numbers[are_rows & (counts >= reading.columns)])
            elif are_rows.any():
                texts = _slice_lines(piece, starts[are_rows], stops[are_rows])
                found.append(numbers[are_rows][_are_too_wide(texts, reading)])
            before += len(starts)
    return np.concatenate([*found, _find_wide(reading, marks, wide_rows)])


def _list_inside(wide_rows: pl.DataFrame) -> Numbers:
    """All lines of rows of several lines."""
    if wide_rows.is_empty():
        return np.zeros(0, dtype=np.int64)
    ranges = wide_rows.select(pl.int_ranges("line_number", pl.col("line_number") + pl.col("inner") + 1))
    return ranges.to_series().explode().to_numpy()


def _find_wide(reading: Reading, marks: Numbers, wide_rows: pl.DataFrame) -> Numbers:
    """The last lines of rows of several lines that are too wide."""
    assert reading.lines is not None
    if wide_rows.is_empty():
        return np.zeros(0, dtype=np.int64)
    spans = wide_rows.with_columns(
        line_number=pl.int_ranges(pl.col("line_number"), pl.col("line_number") + pl.col("inner") + 1),
        last=pl.col("line_number") + pl.col("inner"),
    ).explode("line_number")
    texts = read_lines(reading.lines.text, marks, spans["line_number"], "utf-8")
    rows = spans.join(texts, on="line_number").sort("line_number").group_by("last").agg(pl.col("raw").str.join("\n"))
    rows = rows.filter(pl.col("raw").str.ends_with(reading.separator)).sort("last")
    is_wide = _are_too_wide(rows["raw"].to_arrow().cast(pa.string()), reading)
    return rows["last"].filter(pl.Series(is_wide)).to_numpy()


def _slice_lines(piece: bytes, starts: Numbers, stops: Numbers) -> pa.Array:
    """Lines of a piece, without their ends."""
    bounds = np.empty(2 * len(starts) + 1, dtype=np.int32)
    bounds[:-1:2], bounds[1::2], bounds[-1] = starts, stops, len(piece)
    whole = pa.Array.from_buffers(pa.string(), len(bounds) - 1, [None, pa.py_buffer(bounds), pa.py_buffer(piece)])
    return whole.take(pa.array(np.arange(0, len(bounds) - 1, 2)))


def _are_too_wide(texts: pa.Array, reading: Reading) -> np.ndarray:
    import pyarrow.compute as pc  # slow to load, and few deliveries need it

    if reading.quote:
        quote, escape = re.escape(reading.quote), re.escape(reading.escape)
        inner = f"{escape}.|[^{quote}{escape}]" if escape else f"{quote}{quote}|[^{quote}]"
        texts = pc.replace_substring_regex(texts, f"(?s){quote}(?:{inner})*{quote}", "q")
    counts = pc.count_substring(texts, reading.separator).to_numpy(zero_copy_only=False)
    return np.asarray(counts >= reading.columns)


def mark_shifted(lines: Lines, separator: str, shifted: Numbers, work: Path) -> Lines:
    """The same lines in a file where the shifted ones have something behind their last separator."""
    target = work / f"{lines.text.name}.marked"
    before = 0
    with lines.text.open("rb") as source, target.open("wb") as sink:
        for piece in read_whole_lines(source):
            _, stops = locate_lines(piece)
            here = shifted[(shifted > before) & (shifted <= before + len(stops))] - before - 1
            block = np.frombuffer(piece, dtype=np.uint8)
            sink.write(np.insert(block, stops[here], MARK[0]).tobytes())
            before += len(stops)
    return replace(lines, text=target, counted=None)
