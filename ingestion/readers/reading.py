"""What every reader gives: one SQL relation of text columns, and an account of the lines it could not split."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import numpy.typing as npt
import polars as pl

from ingestion.contract import Dataset
from ingestion.readers.transcode import transcode
from ingestion.typing_rules import quoted

REJECTS = {"line_number": pl.Int64, "column": pl.String, "rule": pl.String, "raw": pl.String}
NO_CHARACTER = "\x1e"


class FileUnreadable(Exception):
    """The file as a whole does not match its contract's dialect; nothing of it can be trusted."""


@dataclass(frozen=True)
class Reading:
    """One opened file.

    `relation` is SQL yielding the contract's physical columns as text, in file order. `text` is the UTF-8 form of a
    line-oriented file, with `heading` lines before the first row; None for a file whose rows have no lines.
    """

    relation: str
    text: Path | None = None
    heading: int = 0
    announced_rows: int | None = None
    has_quotes: bool = False


def open_reading(path: Path, dataset: Dataset, work: Path) -> Reading:
    """Open one delivered file by its contract.

    Raises:
        FileUnreadable: header, column names or announced counts contradict the contract.
    """
    match dataset.delivery.reader:
        case "parquet" | "database":
            return _open_parquet(path, dataset)
        case "json_lines":
            return _open_json_lines(transcode(path, dataset.delivery.encoding, work))
        case "delimited":
            return _open_delimited(transcode(path, dataset.delivery.encoding, work), dataset)


def _open_parquet(path: Path, dataset: Dataset) -> Reading:
    file = _literal(str(path))
    try:
        found = [row[0] for row in duckdb.execute(f"describe select * from read_parquet({file})").fetchall()]
    except duckdb.Error:
        raise FileUnreadable("is not a Parquet file") from None
    _compare_columns(found, dataset, ordered=False)
    columns = ", ".join(
        f"cast({quoted(column.physical_name)} as varchar) as {quoted(column.physical_name)}"
        for column in dataset.columns
    )
    return Reading(
        f"select {columns}, file_row_number + 1 as _ordinal from read_parquet({file}, file_row_number = true)"
    )


def _open_json_lines(text: Path) -> Reading:
    return Reading(_lines_sql(text, ("line",), NO_CHARACTER, "", 0), text)


def _open_delimited(text: Path, dataset: Dataset) -> Reading:
    delivery = dataset.delivery
    heading, announced = 0, None
    if delivery.header != "none":
        heading = 1
        with text.open(encoding="utf-8-sig", errors="replace") as handle:
            first = handle.readline().rstrip("\r\n")
        parts = [part.strip().strip(delivery.quote or None).strip() for part in first.split(delivery.separator)]
        if delivery.header == "names":
            _compare_columns(parts, dataset, ordered=True)
        else:
            if len(parts) != 2 or parts[0] != "dataRowCount" or not parts[1].isdigit():
                raise FileUnreadable("line 1 is not dataRowCount and a number")
            announced = int(parts[1])
    columns = tuple(column.physical_name for column in dataset.columns)
    sql = _lines_sql(text, columns, delivery.separator, delivery.quote, heading)
    return Reading(sql, text, heading, announced, bool(delivery.quote))


def _lines_sql(text: Path, columns: tuple[str, ...], separator: str, quote: str, heading: int) -> str:
    spec = ", ".join(f"{_literal(column)}: 'VARCHAR'" for column in columns)
    return (
        f"select *, row_number() over () as _ordinal from read_csv({_literal(str(text))}, columns = {{{spec}}},"
        f" delim = {_literal(separator)}, quote = {_literal(quote)}, escape = {_literal(quote)}, header = false,"
        f" skip = {heading}, auto_detect = false, nullstr = '', store_rejects = true, rejects_limit = 0)"
    )


def _compare_columns(found: list[str], dataset: Dataset, ordered: bool) -> None:
    """Refuse a file whose columns are not the contract's, naming each difference."""
    expected = [column.physical_name for column in dataset.columns]
    missing = [name for name in expected if name not in found]
    added = [name for name in found if name not in expected]
    if missing or added:
        raise FileUnreadable(
            f"has other columns than the contract: missing {missing or 'none'}, added {added or 'none'}"
        )
    if ordered and found != expected:
        raise FileUnreadable(f"has the contract's columns in another order: {found}")


def read_rejects(connection: duckdb.DuckDBPyConnection, reading: Reading) -> pl.DataFrame:
    """Lines that could not be split into the contract's columns, each physical line once (REJECTS schema).

    Call after the relation has been read to its end on the same connection. A reject may have swallowed good lines
    (an open quote): every line of it is told, so that nothing is lost.
    """
    if reading.text is None:
        return pl.DataFrame(schema=REJECTS)
    errors: pl.DataFrame = connection.sql(
        'select line_byte_position as position, min(column_name) as "column",'
        " min(lower(cast(error_type as varchar))) as rule, min(csv_line) as raw"
        " from reject_errors group by line_byte_position order by position"
    ).pl()
    if errors.is_empty():
        return pl.DataFrame(schema=REJECTS)
    # DuckDB's position may lie on the line ends before the line; `raw` then starts with them.
    led = errors.with_columns(
        lead=pl.col("raw").str.len_bytes() - pl.col("raw").str.strip_chars_start("\r\n").str.len_bytes(),
        raw=pl.col("raw").str.strip_chars("\r\n"),
    )
    offsets = (led["position"] + led["lead"]).to_list()
    return (
        led.with_columns(line_number=pl.Series(_line_numbers(reading.text, offsets), dtype=pl.Int64))
        .with_columns(pl.col("raw").str.split("\n"))
        .with_columns(inner=pl.int_ranges(0, pl.col("raw").list.len()))
        .explode("raw", "inner")
        .select(
            (pl.col("line_number") + pl.col("inner")).alias("line_number"),
            "column",
            "rule",
            pl.col("raw").str.strip_chars_end("\r"),
        )
        .sort("line_number")
    )


def _line_numbers(text: Path, offsets: list[int]) -> list[int]:
    """Physical line numbers (from 1) at ascending byte offsets, reading the file once in pieces."""
    numbers, line, position = [], 1, 0
    with text.open("rb") as handle:
        for offset in offsets:
            while position < offset:
                piece = handle.read(min(1 << 20, offset - position))
                if not piece:
                    break
                line += piece.count(b"\n")
                position += len(piece)
            numbers.append(line)
    return numbers


@dataclass(frozen=True)
class LineCount:
    """Physical lines of a text file, counted without any parser."""

    total: int
    blank: npt.NDArray[np.int64]


def count_lines(text: Path) -> LineCount:
    """Count lines and note the blank ones, which are no rows; an unended last line counts."""
    total, blank, previous, last = 0, [], -1, b"\n"
    position = 0
    with text.open("rb") as handle:
        while piece := handle.read(1 << 22):
            block = np.frombuffer(last + piece, dtype=np.uint8)
            ends = np.flatnonzero(block[1:] == 10)
            lengths = np.diff(ends + position, prepend=previous) - 1
            bare = (lengths == 0) | ((lengths == 1) & (block[ends] == 13))
            blank.append(np.flatnonzero(bare) + total + 1)
            if len(ends):
                previous = int(ends[-1]) + position
            total += len(ends)
            position += len(piece)
            last = piece[-1:]
    return LineCount(total + (last != b"\n"), np.concatenate(blank) if blank else np.zeros(0, dtype=np.int64))


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
