"""Rows that are kept out (隔离): written beside the landed ones, rules in clear and delivered text sealed."""

from __future__ import annotations

import io
from pathlib import Path

import duckdb
import polars as pl

from ingestion.delivery import Delivery
from ingestion.foundation.sql import quote_name
from ingestion.protection import Keys
from ingestion.protection.sealing import seal_text
from ingestion.readers import Lines, Reading
from ingestion.readers.layout import LineLayout, list_rejected_lines
from ingestion.readers.lines import mark_lines, read_lines
from ingestion.readers.parts import locate_part_lines
from ingestion.readers.reading import SHEET

KEPT_OUT = pl.Schema({"line_number": pl.Int64, "column": pl.String, "rule": pl.String})
ROWS, RAW = "rows.parquet", "raw.sealed"


def write_kept_out(
    connection: duckdb.DuckDBPyConnection,
    delivery: Delivery,
    reading: Reading,
    layout: LineLayout | None,
    rows: pl.DataFrame,
    folder: Path,
    keys: Keys,
) -> pl.DataFrame:
    """Write the rows that are kept out into a new folder; returns them with their parts, where there are parts.

    `connection` is the one that reads the delivery. Equal rows give equal bytes.
    """
    if delivery.parts:
        rows = rows.hstack(locate_part_lines(delivery).locate(rows["line_number"]))
    folder.mkdir()
    rows.write_parquet(folder / ROWS, compression="zstd")
    if reading.lines is None or layout is None:
        raw = _fetch_rows(connection, delivery, reading, rows["line_number"])
    else:
        raw = _read_text(reading.lines, layout, rows["line_number"])
    buffer = io.BytesIO()
    rows.select("line_number").join(raw, on="line_number", how="left").write_parquet(buffer, compression="zstd")
    (folder / RAW).write_bytes(seal_text(buffer.getvalue(), keys.quarantine, delivery.delivery_id))
    return rows


def _fetch_rows(
    connection: duckdb.DuckDBPyConnection, delivery: Delivery, reading: Reading, numbers: pl.Series
) -> pl.DataFrame:
    """The wanted rows of a file without lines, each as JSON."""
    if reading.sheet is not None:
        is_wanted = pl.Series(reading.sheet.column("_row")).is_in(numbers.implode())
        connection.register(SHEET, reading.sheet.filter(is_wanted.to_arrow()))
    connection.register("wanted", numbers.to_frame().to_arrow())
    names = ", ".join(quote_name(column.physical_name) for column in delivery.dataset.columns)
    rows = connection.sql(
        f"select _row as line_number, cast(to_json(struct_pack({names})) as varchar) as raw"
        f" from ({reading.relation}) semi join wanted on _row = line_number"
    )
    return pl.DataFrame(rows.to_arrow_table()).cast({"line_number": pl.Int64, "raw": pl.String})


def _read_text(lines: Lines, layout: LineLayout, starts: pl.Series) -> pl.DataFrame:
    """The delivered text of the rows that begin at the given lines."""
    spans = layout.find_spans(starts)
    marks = layout.marks if lines.delivered == lines.text else lines.marks
    marks = mark_lines(lines.delivered) if marks is None else marks
    texts = read_lines(lines.delivered, marks, list_rejected_lines(spans)["line_number"], lines.encoding)
    return (
        spans.rename({"line_number": "row"})
        .with_columns(line_number=pl.int_ranges(pl.col("row"), pl.col("row") + pl.col("inner") + 1))
        .explode("line_number")
        .join(texts, on="line_number")
        .sort("line_number")
        .group_by(line_number="row", maintain_order=True)
        .agg(pl.col("raw").str.join("\n"))
    )
