"""What every reader gives: one SQL relation of text columns, and an account of the lines it could not split."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import duckdb
import polars as pl

from ingestion.contract import Dataset
from ingestion.readers.lines import line_numbers
from ingestion.readers.transcode import transcode
from ingestion.typing_rules import quoted

REJECTS = pl.Schema({"line_number": pl.Int64, "column": pl.String, "rule": pl.String})
NO_CHARACTER = "\x1e"


class FileUnreadable(Exception):
    """The file as a whole does not match its contract's dialect; nothing of it can be trusted."""


@dataclass(frozen=True)
class Reading:
    """One opened file.

    `relation` is SQL yielding the contract's physical columns as text, in file order, and `_ordinal`, counted from 1.
    With `has_quotes`, also what a row with line feeds inside its quotes needs: `_inner`, how many it has; `_filled`,
    how many of its lines are not blank; `_is_open`, whether one of them looks like a row of its own, as it does where
    a quote was never closed. `text` is the UTF-8 form of a line-oriented file, with `heading` lines before the first
    row; None for a file whose rows have no lines.
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
    # DuckDB skips a blank line, except in a file of one column, where it gives a row of NULL.
    blank = f"where {quoted(columns[0])} is not null" if len(columns) == 1 else ""
    inner = f", {_inner_sql(columns, separator)}" if quote else ""
    return (
        f"select *, row_number() over () as _ordinal{inner} from (from read_csv({_literal(str(text))},"
        f" columns = {{{spec}}}, delim = {_literal(separator)}, quote = {_literal(quote)}, escape = {_literal(quote)},"
        f" header = false, skip = {heading}, auto_detect = false, nullstr = '', store_rejects = true,"
        f" rejects_limit = 0) {blank})"
    )


def _inner_sql(columns: tuple[str, ...], separator: str) -> str:
    """SQL of `_inner`, `_filled` and `_is_open`; a row without a line feed costs one search a column."""
    names = [quoted(column) for column in columns]
    is_inner = " or ".join(f"contains({name}, chr(10))" for name in names)
    values = ", ".join(f"coalesce({name}, '')" for name in names)
    whole = f"concat_ws({_literal(separator)}, {values})"
    lines = f"string_split({whole}, chr(10))"
    separators = f"(length(x) - length(replace(x, {_literal(separator)}, ''))) // {len(separator)}"
    is_row = f"{separators} >= {len(columns) - 1}" if len(columns) > 1 else "false"
    blank = f"list_filter({lines}[2:-2], lambda x: x in ('', chr(13)))"
    rows = f"list_filter({lines}[2:], lambda x: {is_row})"
    return (
        f"case when {is_inner} then length({lines}) - 1 else 0 end as _inner,"
        f" case when {is_inner} then length({lines}) - length({blank}) else 1 end as _filled,"
        f" case when {is_inner} then length({rows}) > 0 else false end as _is_open"
    )


def _compare_columns(found: list[str], dataset: Dataset, ordered: bool) -> None:
    """Refuse a file whose columns are not the contract's, naming each difference.

    Where most names are missing, line 1 is taken for a row, and nothing of it is told: it may hold identifiers.
    """
    expected = [column.physical_name for column in dataset.columns]
    missing = [name for name in expected if name not in found]
    added = [name for name in found if name not in expected]
    if 2 * len(missing) > len(expected):
        raise FileUnreadable(
            f"has no heading: line 1 holds {len(expected) - len(missing)} of {len(expected)} column names"
        )
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
    errors = pl.DataFrame(
        connection.sql(
            "select line_byte_position, arg_min(column_name, column_idx), min(lower(cast(error_type as varchar))),"
            " max(csv_line) from reject_errors group by line_byte_position order by line_byte_position"
        ).to_arrow_table()
    )
    errors.columns = ["position", "column", "rule", "raw"]
    # DuckDB's position may lie on the line ends before the line; `raw` then starts with them.
    led = errors.with_columns(
        lead=pl.col("raw").str.len_bytes() - pl.col("raw").str.strip_chars_start("\r\n").str.len_bytes(),
        inner=pl.col("raw").str.strip_chars("\r\n").str.count_matches("\n", literal=True),
    )
    offsets = (led["position"] + led["lead"]).to_list()
    return each_line(led.with_columns(line_number=pl.Series(line_numbers(reading.text, offsets), dtype=pl.Int64)))


def each_line(blocks: pl.DataFrame) -> pl.DataFrame:
    """One reject for each physical line of blocks that begin at `line_number` and hold `inner` line feeds."""
    return (
        blocks.with_columns(offset=pl.int_ranges(0, pl.col("inner").cast(pl.Int64) + 1))
        .explode("offset")
        .select(pl.col("line_number") + pl.col("offset"), "column", "rule")
        .cast(REJECTS)
        .sort("line_number")
    )


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
