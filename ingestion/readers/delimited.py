"""Delimited text (分隔文本): any separator, headings of three kinds, quotes with line feeds inside."""

from __future__ import annotations

from pathlib import Path

import duckdb

from ingestion.contract import Dataset
from ingestion.foundation.sql import quote_name, quote_text
from ingestion.readers.drift import match_columns, match_width, refuse_forbidden
from ingestion.readers.reading import FileUnreadable, Lines, Reading

NO_CHARACTER = "\x1e"
LONGEST_HEADING = 1 << 20
SAMPLE = 10_000
BUFFER = 1 << 24  # half of DuckDB's own, whose memory goes back to the system after each buffer


def open_delimited(lines: Lines, dataset: Dataset) -> Reading:
    """Open a delimited file by its contract.

    Raises:
        FileUnreadable: line 1 is not the announced kind of heading.
        LayoutChanged: the columns are not the contract's.
    """
    delivery = dataset.delivery
    announced = None
    delivered: list[str | None] = [column.physical_name for column in dataset.columns]
    first = _first_line(lines.text, delivery.preamble)
    parts = [part.strip().strip(delivery.quote or None).strip() for part in first.split(delivery.separator)]
    if delivery.trailing_separator and parts[-1] == "":
        parts.pop()
    is_empty = lines.delivered.stat().st_size == 0
    match delivery.header:
        case _ if is_empty:
            pass
        case "names":
            matched = match_columns(parts, dataset, is_ordered=True)
            known = {name: physical for physical, name in matched.items() if name is not None}
            delivered = [known.get(part) for part in parts]
        case "count":
            if len(parts) != 2 or parts[0] != "dataRowCount" or not parts[1].isdigit():
                raise FileUnreadable("line 1 is not dataRowCount and a number")
            announced = int(parts[1])
        case "none" if first and not delivery.quote:
            if _is_steady(lines, delivery.separator, len(parts)):
                match_width(len(parts), dataset)
    relation = lines_sql(
        lines, [name or f"_added_{place}" for place, name in enumerate(delivered)], delivery.separator, delivery.quote,
        delivery.trailing_separator,
    )  # fmt: skip
    absent = [column.physical_name for column in dataset.columns if column.physical_name not in delivered]
    if absent:
        nulls = ", ".join(f"null::varchar as {quote_name(name)}" for name in absent)
        relation = f"select *, {nulls} from ({relation})"
    return Reading(
        relation, lines, announced, bool(delivery.quote), columns=len(delivered) + delivery.trailing_separator,
        separator=delivery.separator, quote=delivery.quote,
    )  # fmt: skip


def open_json_lines(lines: Lines) -> Reading:
    """Open a file of one JSON object a line; the row rules look into it.

    Raises:
        LayoutChanged: one of the first objects has a member of authentication data.
    """
    relation = lines_sql(lines, ["line"], NO_CHARACTER)
    members = f"select distinct unnest(json_keys(line)) from (from ({relation}) limit {SAMPLE}) where json_valid(line)"
    try:
        found = sorted(str(name) for (name,) in duckdb.execute(members).fetchall())
    except duckdb.Error:  # what is no text at all is reported by the pass that counts
        found = []
    refuse_forbidden(found)
    return Reading(f"select *, json_valid(line) as _is_json from ({relation})", lines)


def lines_sql(
    lines: Lines, columns: list[str], separator: str, quote: str = "", has_trailing_separator: bool = False
) -> str:
    """SQL that reads a text file strictly: a line that does not split into the columns becomes a stored reject."""
    names = [*columns, "_end"] if has_trailing_separator else columns
    spec = ", ".join(f"{quote_text(name)}: 'VARCHAR'" for name in names)
    conditions = []
    if len(names) == 1:  # DuckDB skips a blank line, except in a file of one column, where it gives a row of NULL.
        conditions.append(f"{quote_name(names[0])} is not null")
    inner = f", {_inner_sql(names, separator)}" if quote else ""
    where = f" where {' and '.join(conditions)}" if conditions else ""
    return (
        f"select *{inner} from read_csv({quote_text(str(lines.text))}, columns = {{{spec}}},"
        f" delim = {quote_text(separator)}, quote = {quote_text(quote)}, escape = {quote_text(quote)}, header = false,"
        f" skip = {lines.heading}, buffer_size = {BUFFER}, auto_detect = false, nullstr = '',"
        f" store_rejects = true, rejects_limit = 0){where}"
    )


def _inner_sql(columns: list[str], separator: str) -> str:
    """SQL of `_inner`, `_filled` and `_is_open`; a row without a line feed costs one search a column."""
    names = [quote_name(column) for column in columns]
    is_inner = " or ".join(f"contains({name}, chr(10))" for name in names)
    values = ", ".join(f"coalesce({name}, '')" for name in names)
    whole = f"concat_ws({quote_text(separator)}, {values})"
    lines = f"string_split({whole}, chr(10))"
    separators = f"(length(x) - length(replace(x, {quote_text(separator)}, ''))) // {len(separator)}"
    is_row = f"{separators} >= {len(columns) - 1}" if len(columns) > 1 else "false"
    blank = f"list_filter({lines}[2:-2], lambda x: x in ('', chr(13)))"
    rows = f"list_filter({lines}[2:], lambda x: {is_row})"
    return (
        f"case when {is_inner} then length({lines}) - 1 else 0 end as _inner,"
        f" case when {is_inner} then length({lines}) - length({blank}) else 1 end as _filled,"
        f" case when {is_inner} then length({rows}) > 0 else false end as _is_open"
    )


def _first_line(text: Path, preamble: int) -> str:
    """The line after the preamble, without its end; empty where the file has none."""
    with text.open(encoding="utf-8-sig", errors="replace") as handle:
        for _ in range(preamble):
            handle.readline(LONGEST_HEADING)
        return handle.readline(LONGEST_HEADING).rstrip("\r\n")


def _is_steady(lines: Lines, separator: str, width: int) -> bool:
    """Whether the first hundred rows all have this number of columns: then it is the layout, not a broken line."""
    with lines.text.open(encoding="utf-8-sig", errors="replace") as handle:
        rows = [handle.readline(LONGEST_HEADING) for _ in range(lines.heading + 100)][lines.heading :]
    filled = [row for row in rows if row.strip("\r\n")]
    return (
        len(filled) > 1
        and all(row.rstrip("\r\n").count(separator) in (width - 1, width) for row in filled)
        and all(row.rstrip("\r\n").count(separator) == filled[0].rstrip("\r\n").count(separator) for row in filled)
    )
