"""Delimited text (分隔文本): any separator, headings of three kinds, quotes with line feeds inside."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import duckdb

from ingestion.contract import Dataset
from ingestion.contract.profiles import DeliveryProfile
from ingestion.foundation.sql import quote_name, quote_text
from ingestion.readers.drift import match_columns, match_width, number_names
from ingestion.readers.json_numbers import marked_relation_sql
from ingestion.readers.members import match_members
from ingestion.readers.reading import FileUnreadable, Lines, Reading

NO_CHARACTER = "\x1e"
LONGEST_HEADING, MOST_LINES = 1 << 20, 100
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
    first, further = _first_row(lines.text, delivery)
    parts = number_names(_split_heading(first, delivery), dataset)
    if delivery.header != "none":
        lines = replace(lines, heading=lines.heading + further, heading_rows=lines.heading)
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
        delivery.trailing_separator, delivery.escape,
    )  # fmt: skip
    absent = [column.physical_name for column in dataset.columns if column.physical_name not in delivered]
    if absent:
        nulls = ", ".join(f"null::varchar as {quote_name(name)}" for name in absent)
        relation = f"select *, {nulls} from ({relation})"
    return Reading(
        relation, lines, announced, bool(delivery.quote), columns=len(delivered) + delivery.trailing_separator,
        separator=delivery.separator, quote=delivery.quote, escape=delivery.escape,
    )  # fmt: skip


def open_json_lines(lines: Lines, dataset: Dataset) -> Reading:
    """Open a file of one JSON object a line; the row rules look into it.

    Raises:
        LayoutChanged: the first objects have a member of authentication data or one that the contract does not know, or
            no object has a member that the contract names.
    """
    relation = lines_sql(lines, ["line"], NO_CHARACTER)
    with suppress(duckdb.Error):  # what is no text at all is reported by the pass that counts
        match_members(relation, dataset)
    return Reading(marked_relation_sql(relation), lines)


def lines_sql(
    lines: Lines,
    columns: list[str],
    separator: str,
    quote: str = "",
    has_trailing_separator: bool = False,
    escape: str = "",
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
        f" delim = {quote_text(separator)}, quote = {quote_text(quote)}, escape = {quote_text(escape or quote)},"
        f" header = false, skip = {lines.heading_rows or lines.heading}, buffer_size = {BUFFER}, auto_detect = false,"
        f" nullstr = '',"
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


def _first_row(text: Path, delivery: DeliveryProfile) -> tuple[str, int]:
    """The row after the preamble, without its end (empty where there is none), and how many further lines it has."""
    quote, escape = delivery.quote, delivery.escape
    with text.open(encoding="utf-8-sig", errors="replace", newline="\n") as handle:
        for _ in range(delivery.preamble):
            handle.readline(LONGEST_HEADING)
        row, further = handle.readline(LONGEST_HEADING), 0
        while quote and (row.count(quote) - (row.count(escape + quote) if escape else 0)) % 2 and further < MOST_LINES:
            row, further = row + handle.readline(LONGEST_HEADING), further + 1
    if further == MOST_LINES:
        row, further = row.partition("\n")[0], 0
    row = row.replace("\r\n", "\n").rstrip("\n")
    returns = (found.start() for found in re.finditer("\r", row))  # bare ones end the line in no value
    bare = (place for place in returns if not quote or row[:place].count(quote) % 2 == 0)
    return row[: next(bare, len(row))], further


def _split_heading(row: str, delivery: DeliveryProfile) -> list[str]:
    """The names of a heading; in quotes, one may hold separators, quotes and line feeds."""
    if not delivery.quote:
        return [part.strip() for part in row.split(delivery.separator)]
    quote, separator = re.escape(delivery.quote), re.escape(delivery.separator)
    escape = re.escape(delivery.escape)
    inner = rf"{escape}.|[^{quote}{escape}]" if escape else rf"{quote}{quote}|[^{quote}]"
    cell = re.compile(
        rf"[ \t]*{quote}((?:{inner})*){quote}[ \t]*(?={separator}|\Z)|(.*?)(?={separator}|\Z)",
        re.DOTALL,
    )
    names, place = list[str](), 0
    while place <= len(row) and (found := cell.match(row, place)) is not None:
        quoted, plain = found.groups()
        name = plain.strip().strip(delivery.quote) if quoted is None else quoted
        names.append(name.replace((delivery.escape or delivery.quote) + delivery.quote, delivery.quote).strip())
        place = found.end() + len(delivery.separator)
    return names


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
