"""Where rows lie in a text file (行号): lines that cannot be split, blank ones, and rows that span several.

A first pass lets the parser split the file without typing anything, and counts its lines without any parser; both must
agree, because an open quote may swallow good rows without a word.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa

from ingestion.foundation.sql import quote_name
from ingestion.readers.lines import LineCount, Numbers, count_lines, number_lines
from ingestion.readers.reading import FileUnreadable, LineEndsMixed, Lines, Reading, RowsShifted
from ingestion.readers.shifted import find_shifted

REJECTS = pl.Schema({"line_number": pl.Int64, "inner": pl.Int64, "column": pl.String, "rule": pl.String})
MOST_STEPS = 1000
CUT = ("missing columns", "unquoted value")  # what a line breaks whose end is not there
SPANS = pl.Schema({"ordinal": pl.Int64, "inner": pl.Int64, "filled": pl.Int64, "is_open": pl.Boolean})


@dataclass(frozen=True)
class LineLayout:
    """What the first pass found: rows, lines that are no rows, and how a row's ordinal becomes its line."""

    rows: int
    rejects: pl.DataFrame
    holds_replacements: bool
    heading: int
    wide_after: Numbers
    wide_by: Numbers
    gaps: Numbers
    marks: Numbers
    wide_rows: pl.DataFrame

    def line_sql(self, ordinal: str) -> str:
        """SQL of the line of a row: a few comparisons, or where too many would be needed a call of `line_of`.

        That is `number_rows`, and several times more expensive.
        """
        if len(self.wide_after) or len(self.gaps) > MOST_STEPS:
            return f"line_of({ordinal})"
        steps = np.unique(self.gaps)
        lead = self.heading + np.searchsorted(self.gaps, np.append(-1, steps), side="right")

        def chosen(first: int, last: int) -> str:
            if first == last:
                return str(lead[first])
            middle = (first + last) // 2
            is_before = f"{ordinal} < {steps[middle] - self.heading}"
            return f"case when {is_before} then {chosen(first, middle)} else {chosen(middle + 1, last)} end"

        return f"{ordinal} + {chosen(0, len(steps))}"

    def number_rows(self, ordinals: pa.Array) -> pa.Array:
        """Physical line of each row, from its ordinal: heading, wide rows before it, and gaps before that place."""
        found = pl.Series(ordinals).to_numpy()  # not NumPy's nor Arrow's conversion, which imports pandas
        places = found + self.heading
        if len(self.wide_after):
            places = places + np.concatenate([[0], self.wide_by])[np.searchsorted(self.wide_after, found)]
        return pl.Series(places + np.searchsorted(self.gaps, places, side="right")).to_arrow()

    def find_spans(self, lines: pl.Series) -> pl.DataFrame:
        """The lines at which rows begin, with the line feeds inside each row (`line_number`, `inner`)."""
        begun = pl.DataFrame({"line_number": lines})
        return begun.join(self.wide_rows, on="line_number", how="left").with_columns(pl.col("inner").fill_null(0))


def survey_lines(
    connection: duckdb.DuckDBPyConnection, reading: Reading, texts: Sequence[str], table: str, may_be_cut: bool = False
) -> LineLayout:
    """Pass over a text file once before anything is typed; the distinct `texts` of its rows are put into `table`.

    A file that `may_be_cut` is kept without a last line that breaks off.

    Raises:
        LineEndsMixed: lines end in two ways, and no value can hold a line end.
        RowsShifted: lines have too many columns, which the parser does not see.
        FileUnreadable: it cannot be split into rows, or lines are unaccounted for.
    """
    lines = reading.lines
    assert lines is not None
    counted = lines.counted or count_lines(lines.text)
    if counted.turn and not (counted.bare_return or reading.has_quotes):
        raise LineEndsMixed(f"ends line {counted.turn} otherwise than line 1")
    rows, spans = _split(connection, reading, counted, texts, table)
    rejects = _read_rejects(connection, lines, counted.marks)
    rejected = list_rejected_lines(rejects)["line_number"]
    is_cut = not (counted.is_ended or counted.bare_return) and rejects.height and rejects["rule"][-1] in CUT
    if is_cut and not may_be_cut and rejected[-1] == counted.total:
        raise FileUnreadable(f"breaks off in line {counted.total}; it was cut on the way")
    if rejected.is_duplicated().any():  # the parser ends lines where they do not end
        raise FileUnreadable(f"cannot be split into rows{_describe_ends(counted)}")
    gaps = pl.concat([rejected, pl.Series("line_number", counted.blank[counted.blank > lines.heading])])
    gaps = gaps.unique().sort()
    reported = rows + int((spans["filled"] - 1).sum()) + len(gaps)
    below = max(counted.total - lines.heading, 0)
    if below != reported:
        raise FileUnreadable(
            f"has {below} lines below its heading, but {reported} were accounted for" + _describe_ends(counted)
        )
    layout = LineLayout(
        rows,
        rejects,
        counted.holds_replacements,
        lines.heading,
        spans["ordinal"].to_numpy(),
        (spans["filled"] - 1).cum_sum().to_numpy(),
        gaps.to_numpy() - np.arange(len(gaps)),
        counted.marks,
        pl.DataFrame(schema={"line_number": pl.Int64, "inner": pl.Int64}),
    )
    if spans.is_empty():
        _refuse_shifted(reading, layout, counted)
        return layout
    numbered = spans.with_columns(line_number=pl.Series(layout.number_rows(spans["ordinal"].to_arrow()).to_numpy()))
    opened = numbered.filter("is_open").select(
        "line_number", "inner", column=pl.lit(None, pl.String), rule=pl.lit("open quote")
    )
    layout = replace(
        layout,
        rows=rows - opened.height,
        rejects=pl.concat([rejects, opened]).sort("line_number"),
        wide_rows=numbered.filter(~pl.col("is_open")).select("line_number", "inner"),
    )
    _refuse_shifted(reading, layout, counted)
    return layout


def _refuse_shifted(reading: Reading, layout: LineLayout, counted: LineCount) -> None:
    """Raise where lines have more columns than the parser saw, or where a skipped line was a part of a row."""
    if not reading.separator or reading.lines is None:
        return
    skipped = reading.lines.skipped
    if skipped is not None and len(skipped) and layout.wide_rows.height:
        inside = list_rejected_lines(layout.wide_rows.with_columns(column=None, rule=None))["line_number"]
        within = np.intersect1d(skipped, inside.to_numpy())
        if len(within):
            raise FileUnreadable(f"has a value in quotes whose line {within[0]} has a pattern of `skip`")
    if reading.separator.encode()[-1] not in counted.tails:  # no line can be one
        return
    shifted = find_shifted(reading, layout.marks, layout.wide_rows)
    if len(shifted):
        raise RowsShifted(np.sort(shifted))


def _split(
    connection: duckdb.DuckDBPyConnection, reading: Reading, counted: LineCount, texts: Sequence[str], table: str
) -> tuple[int, pl.DataFrame]:
    """Rows, and those of several lines; a column is only decoded where a byte may be no character."""
    names = [row[0] for row in connection.execute(f"describe {reading.relation}").fetchall()]
    found = ["count(*) as _rows"]
    found += [] if counted.is_utf8 else [f"count({quote_name(name)})" for name in names]
    relation, spans = reading.relation, "null"
    if reading.has_quotes:
        relation = f"select *, row_number() over () as _ordinal from ({relation})"
        span = "{'ordinal': _ordinal, 'inner': _inner, 'filled': _filled, 'is_open': _is_open}"
        found.append(f"list({span}) filter (where _inner > 0) as _spans")
        spans = "list_sort(flatten(list(_spans)))"
    try:
        connection.execute(
            f"create temp table {table} as select {', '.join([*texts, *found])} from ({relation}) group by all"
        ).fetchall()
    except (duckdb.InvalidInputException, duckdb.IOException, duckdb.SerializationException):
        # The engine's own words are not passed on: they may quote the file.
        raise FileUnreadable(f"cannot be split into rows{_describe_ends(counted)}") from None
    answer = connection.execute(f"select coalesce(sum(_rows), 0)::bigint, {spans} from {table}").fetchall()[0]
    return int(answer[0]), pl.DataFrame(answer[1] or [], schema=SPANS)


def _read_rejects(connection: duckdb.DuckDBPyConnection, lines: Lines, marks: Numbers) -> pl.DataFrame:
    """Blocks of lines that could not be split into columns; a block may have swallowed good lines (an open quote)."""
    errors = pl.DataFrame(
        connection.sql(
            "select line_byte_position as position, arg_min(column_name, column_idx) as name,"
            " min(lower(cast(error_type as varchar))) as rule, max(csv_line) as raw"
            " from reject_errors group by line_byte_position order by line_byte_position"
        ).to_arrow_table()
    )
    raw = errors["raw"].cast(pl.String)
    # DuckDB's position may lie on the line ends before the line; `raw` then starts with them.
    lead = raw.str.len_bytes().cast(pl.Int64) - raw.str.strip_chars_start("\r\n").str.len_bytes().cast(pl.Int64)
    rejects = pl.DataFrame(
        {
            "position": errors["position"].cast(pl.Int64) + lead,
            "inner": raw.str.strip_chars("\r\n").str.count_matches("\n", literal=True),
            "column": errors["name"],
            "rule": errors["rule"],
        }
    ).sort("position")
    numbers = number_lines(lines.text, marks, rejects["position"])
    return rejects.select(numbers.alias("line_number"), "inner", "column", "rule").cast(REJECTS)


def list_rejected_lines(blocks: pl.DataFrame) -> pl.DataFrame:
    """One row for each physical line of blocks that begin at `line_number` and hold `inner` line feeds."""
    return (
        blocks.with_columns(offset=pl.int_ranges(0, pl.col("inner") + 1))
        .explode("offset")
        .with_columns(pl.col("line_number") + pl.col("offset"), inner=pl.lit(0, pl.Int64))
        .drop("offset")
        .sort("line_number")
    )


def _describe_ends(counted: LineCount) -> str:
    """Where a text file has a line end that no reader agrees on."""
    if counted.bare_return:
        return f"; line {counted.bare_return} holds a carriage return without a line feed"
    return f"; line {counted.turn} ends otherwise than line 1 (CR LF, or LF alone)" if counted.turn else ""
