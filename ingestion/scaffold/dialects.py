"""The dialect of a text sample: JSON lines, separated values or fixed width, and what stands above the rows."""

from __future__ import annotations

import contextlib
import csv
import json
import re
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from ingestion.foundation.sql import quote_text
from ingestion.scaffold.headings import are_names, find_odd_names
from ingestion.scaffold.hints import NO_HINTS, Hints
from ingestion.scaffold.sampling import Text
from ingestion.scaffold.table import SampleUnusable, Table
from ingestion.scaffold.widths import read_fixed_width

SEPARATORS = ("|+|", "||", "\x01", "\x1b", "\x1e", "\t", "|", ";", ",")
COUNT_ROW = re.compile(r"dataRowCount(.{1,4}?)(\d+)\s*")
MOST_PREAMBLE = 20
TOTAL = re.compile(r"合计|总计|小计|共\s*\d+\s*[笔条户行]|制表人|复核人|\b(?i:total)\b")
LAST_LINES = 12
PROSE = r"[.,;:!?。，；：！？、]\s|[。，；：！？、]|\S \S+ \S+ \S"
STEADY = 0.9
VARYING_KEY = re.compile(r"\d{6,}|[0-9a-f]{16,}", re.IGNORECASE)
MOST_KEYS = 60


@dataclass(frozen=True)
class Split:
    """One way to split lines: `count` separators on a `share` of them."""

    separator: str
    quote: str
    count: int
    share: float


def read_dialect(text: Text, name: str, hints: Hints = NO_HINTS) -> Table:
    """Find out how a text is laid out and give its rows.

    Raises:
        SampleUnusable: no reader knows the layout, or there is no row.
    """
    lines = text.lines
    start = lines[0].lstrip()
    if start.startswith("{") and _share_of_json(lines) >= STEADY:
        table = _read_json_lines(lines, text)
    elif hints.separator:
        table = _read_delimited(text, _split_by(lines, hints.separator), [], name, hints)
    elif start.startswith("["):
        raise SampleUnusable(f"{name} is one JSON array; ask for JSON lines, one object a line.")
    elif start.startswith("<"):
        raise SampleUnusable(f"{name} is XML or HTML, which no reader takes; ask for JSON lines or separated values.")
    else:
        split, rivals = find_split(lines)
        fixed = read_fixed_width(text) if split is None or split.share < STEADY else None
        if fixed is None and split is None and _is_prose(lines):
            raise SampleUnusable(
                f"{name} is running text and no rows; give the data file, or say with --separator what divides it."
            )
        table = fixed or _read_delimited(text, split, rivals, name, hints)
    if table.frame.is_empty():
        raise SampleUnusable(f"{name} has no row; give a sample with rows.")
    table.delivery = {"reader": table.delivery.pop("reader"), "encoding": text.encoding, **table.delivery}
    if text.doubt:
        table.doubt("encoding", text.doubt)
    if text.line_doubt:
        table.doubt("reader", text.line_doubt)
    if any(TOTAL.search(line) for line in lines[-LAST_LINES:]):
        table.doubt("reader", "lines at the end look like totals or signatures, which would be read as rows")
    return table


def _split_by(lines: list[str], separator: str) -> Split:
    """The split by a separator that a person has named."""
    series = pl.Series(lines)
    quote = _quotes(series, separator)[0]
    bare = series.str.replace_all(f"{quote}[^{quote}]*{quote}", "") if quote else series
    counts = bare.str.count_matches(separator, literal=True)
    start = _first_regular(counts)
    usual, number = Counter(counts.slice(start).to_list()).most_common(1)[0]
    return Split(separator, quote, usual, number / max(len(lines) - start, 1))


def _is_prose(lines: list[str]) -> bool:
    """Whether most lines that nothing divides are sentences or parts of some."""
    share = pl.Series(lines).str.contains(PROSE).mean()
    return isinstance(share, float) and share >= 0.5


def estimate_rows(text: Text, sampled: int) -> int:
    """Rows of the whole file, by the bytes that the sampled ones take."""
    taken = sum(len(piece) for piece in text.sample.pieces)
    return sampled if text.sample.is_complete else round(sampled * text.sample.size / max(taken, 1))


def _share_of_json(lines: list[str]) -> float:
    with duckdb.connect() as connection:
        connection.register("sample", pl.DataFrame({"line": lines}))
        found = connection.execute("select avg(cast(json_valid(line) as integer)) from sample").fetchall()
    return float(found[0][0])


def _read_json_lines(lines: list[str], text: Text) -> Table:
    """Leaves of all objects as columns; keys that vary from line to line are not followed."""
    with duckdb.connect() as connection:
        connection.register("sample", pl.DataFrame({"line": lines}))
        structure = connection.execute(
            "select json_group_structure(cast(line as json)) from sample where json_valid(line)"
        ).fetchall()
        leaves, doubts = _walk(json.loads(structure[0][0]), "$")
        picked = ", ".join(
            f"json_extract_string(line, {quote_text(path)}) as c{number}" for number, path in enumerate(leaves, 1)
        )
        picked_rows = connection.sql(f"select {picked} from sample where json_valid(line)").to_arrow_table()
        frame = pl.DataFrame(picked_rows)
    table = Table(
        {"reader": "json_lines"},
        frame,
        estimate_rows(text, frame.height),
        text.sample.is_complete,
        [re.sub(r'[$".]+', "_", path).strip("_") for path in leaves],
        paths=leaves,
    )
    for doubt in doubts:
        table.doubt("reader", doubt)
    return table


def _walk(structure: Any, path: str) -> tuple[list[str], list[str]]:
    if not isinstance(structure, dict):
        return [path], [f"{path} is a list; it is kept as its JSON text"] if isinstance(structure, list) else []
    if len(structure) > MOST_KEYS or any(VARYING_KEY.search(key) for key in structure):
        return [path], [f"the keys below {path} vary; it is kept as its JSON text"] if path != "$" else []
    leaves: list[str] = []
    doubts: list[str] = []
    for key, inner in structure.items():
        step = key if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", key) else '"' + key.replace('"', '\\"') + '"'
        below, reported = _walk(inner, f"{path}.{step}")
        leaves += below
        doubts += reported
    return leaves, doubts


def find_split(lines: list[str]) -> tuple[Split | None, list[Split]]:
    """The best separator and quote, and others that split the lines just as steadily."""
    series = pl.Series(lines)
    steady: list[Split] = []
    for separator in SEPARATORS:
        for quote in _quotes(series, separator):
            bare = series.str.replace_all(f"{quote}[^{quote}]*{quote}", "") if quote else series
            counts = bare.str.count_matches(separator, literal=True)
            start = _first_regular(counts)
            usual, number = Counter(counts.slice(start).to_list()).most_common(1)[0]
            if usual:
                steady.append(Split(separator, quote, usual, number / (len(lines) - start)))
    best: Split | None = None
    for split in steady:
        if split.share < 0.6 or (best and _is_inside(split, best)):
            continue
        if best is None or (round(split.share, 2), split.count) > (round(best.share, 2), best.count):
            best = split
    rivals = [
        split
        for split in steady
        if best
        and split.separator != best.separator
        and split.share >= max(0.99, best.share)
        and (split.count >= best.count / 2 or _is_inside(split, best))
        and best.separator != "|+|"
        and not (set(split.separator) < set(best.separator))
    ]
    return best, rivals


def _first_regular(counts: pl.Series) -> int:
    """Leading lines that have another number of separators than the rows have."""
    usual = Counter(counts.to_list()).most_common(1)[0][0]
    head = counts.head(MOST_PREAMBLE + 1).to_list()
    return head.index(usual) if usual in head and 2 * head.index(usual) < len(counts) else 0


def _is_inside(split: Split, best: Split) -> bool:
    """True where one separator is merely a piece of the other, on every line."""
    return split.separator in best.separator and split.count == best.count * best.separator.count(split.separator)


def _quotes(lines: pl.Series, separator: str) -> list[str]:
    """Quotes that enclose values between these separators; none when the lines have none."""
    edge = re.escape(separator)
    for quote, least in (('"', 0.0), ("'", 0.5)):
        share = lines.str.contains(f"(^|{edge}){quote}[^{quote}]*{quote}({edge}|$)").mean()
        if isinstance(share, float) and share > least:
            return [quote]
    return [""]


def _read_delimited(text: Text, split: Split | None, rivals: list[Split], name: str, hints: Hints = NO_HINTS) -> Table:
    lines = text.pieces[0].replace("\r\n", "\n").split("\n")
    filled = [number for number, line in enumerate(lines) if line.strip()]
    counted = COUNT_ROW.fullmatch(lines[filled[0]])
    separator = split.separator if split else counted[1] if counted else ","
    quote = split.quote if split else ""
    fields = (split.count if split else 0) + 1
    table = Table({"reader": "delimited"}, pl.DataFrame(), 0, text.sample.is_complete, [])
    trailing = fields > 1 and _ends_with(text.lines[1:], separator) >= 0.9
    start = filled[0] if counted else _skip_preamble(lines, filled, separator, quote, {fields, fields - trailing})
    first = _cells(lines[start], separator, quote)
    if trailing and len(first) == fields and first[-1].strip():
        trailing = False
    body = [lines[start + 1 :], *(piece.replace("\r\n", "\n").split("\n") for piece in text.pieces[1:])]
    width = fields - trailing
    if trailing:
        body = [[line.removesuffix(separator) for line in piece] for piece in body]
    if counted:
        header, named = "count", False
    else:
        first = first[:-1] if trailing and len(first) == fields else first
        rows, _ = _parse(body, separator, quote, width)
        values = [rows[column].to_list() for column in rows.columns]
        verdict = are_names(first, values) if len(first) == width else False
        verdict = hints.header == "names" if hints.header else verdict
        if verdict is None:
            table.doubt("header", "line 1 could be names or a row: no column differs from it in kind")
        header, named = ("none", False) if verdict is False else ("names", True)
        if not named:
            body[0] = [lines[start].removesuffix(separator) if trailing else lines[start], *body[0]]
    frame, broken = _parse(body, separator, quote, width)
    table.frame, table.rows = frame, estimate_rows(text, frame.height)
    table.names = [cell.strip() or None for cell in first] if named else [None] * width
    table.delivery |= {"separator": separator}
    if quote:
        table.delivery["quote"] = quote
    if trailing:
        table.delivery["trailing_separator"] = True
        if not named:
            table.doubt(
                "trailing_separator", f"every row ends with the separator: {width} columns, or one more that is empty"
            )
    if not counted and start:
        table.delivery["preamble"] = start
        table.doubt("preamble", f"{start} lines above the {'names' if named else 'rows'}; is it always as many?")
    table.delivery["header"] = header
    for cell in find_odd_names(first) if named else ():
        table.doubt("header", f"{cell!r} in line 1 is spelled like no usual name; is it the column's?")
    _doubt_split(table, split, rivals, broken)
    if counted and table.is_complete and int(counted[2]) != frame.height + broken:
        table.doubt("header", f"line 1 announces {counted[2]} rows, {frame.height + broken} are there")
    if named and None in table.names:
        table.doubt("header", "a column has no name in line 1, so its physicalName cannot match; ask for a name")
    return table


def _doubt_split(table: Table, split: Split | None, rivals: list[Split], broken: int) -> None:
    if split is None:
        table.doubt("separator", "none of the known separators occurs; read as one column")
    elif rivals:
        others = ", ".join(repr(rival.separator) for rival in rivals)
        table.doubt("separator", f"{others} splits as many lines just as evenly; two readings are equally good")
    if broken:
        table.doubt(
            "separator", f"{broken} sampled lines do not split into {len(table.names)} columns and would be quarantined"
        )


def _skip_preamble(lines: list[str], filled: list[int], separator: str, quote: str, fields: set[int]) -> int:
    """Number of the first line that splits like the rows, among the first ones."""
    regular = (n for n in filled[: MOST_PREAMBLE + 1] if len(_cells(lines[n], separator, quote)) in fields)
    return next(regular, filled[0])


def _cells(line: str, separator: str, quote: str) -> list[str]:
    if quote and len(separator) == 1:
        with contextlib.suppress(csv.Error):
            return next(csv.reader([line.replace("\r", " ")], delimiter=separator, quotechar=quote), [])
    return line.split(separator)


def _ends_with(lines: list[str], separator: str) -> float:
    return sum(line.endswith(separator) for line in lines) / max(len(lines), 1)


def _parse(pieces: list[list[str]], separator: str, quote: str, width: int) -> tuple[pl.DataFrame, int]:
    """Rows by the engine that lands files, and the number of lines that it cannot split."""
    names = [f"c{number}" for number in range(1, width + 1)]
    spec = ", ".join(f"'{name}': 'VARCHAR'" for name in names)
    with tempfile.TemporaryDirectory() as folder, duckdb.connect() as connection:
        paths = []
        for number, lines in enumerate(pieces):
            path = Path(folder) / f"{number}.txt"
            # A bare carriage return is noted as a doubt about the reader; here it would end a line.
            text = "\n".join([*filter(str.strip, lines), ""]).replace("\r", " ")
            path.write_text(text, encoding="utf-8", newline="")
            if path.stat().st_size > 1:
                paths.append(str(path))
        if not paths:
            return pl.DataFrame(schema=dict.fromkeys(names, pl.String())), 0
        try:
            rows = connection.sql(
                f"from read_csv($1, columns = {{{spec}}}, delim = $2, quote = $3, escape = $3, header = false,"
                " auto_detect = false, nullstr = '', store_rejects = true, rejects_limit = 0)",
                params=[paths, separator, quote],
            ).to_arrow_table()
        except duckdb.Error:
            raise SampleUnusable(
                f"cannot be split by {separator!r} into rows of {width} columns; ask for a sample without broken lines."
            ) from None
        frame = pl.DataFrame(rows)
        rejected = connection.execute(
            "select count(distinct (file_id, line_byte_position)) from reject_errors"
        ).fetchall()
    return frame, int(rejected[0][0])
