"""The line of a row by SQL is that of `number_rows`, whichever lines lie between the rows."""

from __future__ import annotations

import duckdb
import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from ingestion.readers.layout import MOST_STEPS, REJECTS, LineLayout

NONE = np.zeros(0, dtype=np.int64)


def layout(between: list[int], heading: int) -> LineLayout:
    """Of rows that are one line each, with these lines among them that are no rows."""
    lines = np.array(sorted(between), dtype=np.int64)
    return LineLayout(
        rows=60,
        rejects=pl.DataFrame(schema=REJECTS),
        holds_replacements=False,
        heading=heading,
        wide_after=NONE,
        wide_by=NONE,
        gaps=lines - np.arange(len(lines)),
        marks=NONE,
        wide_rows=pl.DataFrame(schema={"line_number": pl.Int64, "inner": pl.Int64}),
    )


@given(st.integers(0, 3), st.data())
def test_sql_gives_the_line_of_each_row(heading: int, data: st.DataObject) -> None:
    between = data.draw(st.sets(st.integers(heading + 1, 90)))
    given_layout = layout(sorted(between), heading)
    ordinals = pl.int_range(1, 61, dtype=pl.Int64, eager=True)
    rows = duckdb.execute(f"select {given_layout.line_sql('i')} from range(1, 61) as t (i) order by i").fetchall()
    wanted = [line for line in range(heading + 1, 200) if line not in between][:60]
    assert [line for (line,) in rows] == wanted
    assert pl.Series(given_layout.number_rows(ordinals.to_arrow())).to_list() == wanted


def test_many_lines_between_rows_are_left_to_the_function() -> None:
    assert layout(list(range(2, MOST_STEPS + 2)), 1).line_sql("i").startswith("i + case")
    assert layout(list(range(2, MOST_STEPS + 3)), 1).line_sql("i") == "line_of(i)"
