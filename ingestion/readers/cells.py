"""Typed cells (单元格) of workbooks and Parquet as text: what was typed, or marked as what it is not.

A cell holds a number as a double, which keeps 15 digits; an identifier of more is no longer what was typed, and who
reads it takes another person's for it. Such a number and an error cell carry `UNSURE`, which no type reads and a row
rule names.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa

from ingestion.delivery.extracted_text import LARGEST_WHOLE, UNSURE
from ingestion.readers.reading import FileUnreadable

DIGITS = {"DOUBLE": 15, "FLOAT": 6}
NESTED = ("STRUCT", "MAP", "UNION")
LONG = r"^-?[0-9]{16,}$"
CUT = r"[.][0-9]{9}$"  # the workbook's reader writes no more decimals
CHUNK = 1 << 20
LONG_CELL = re.compile(rb"<v>-?(?:[0-9]{16}|[0-9.]+E[+]?[1-9])")
FORMULA = b"<f"
NO_VALUE = re.compile(rb"<c ([^>]*)>\s*<f(?:[^>]*/>|[^>]*[^/>]>[^<]*</f>|>[^<]*</f>)\s*(?:<v\s*/>|<v></v>)?\s*</c>")
ATTRIBUTE = re.compile(r'([\w:]+)\s*=\s*"([^"]*)"')


def cell_text_sql(name: str, kind: str, wanted: str | None) -> str:
    """SQL of a Parquet column as text, from its type and that of the contract's column."""
    if kind in DIGITS and wanted != "DOUBLE":
        shown = f"cast(format('{{:.{DIGITS[kind]}g}}', {name}) as {kind})"
        is_sure = f"not isfinite({name}) or ({shown} = {name} and abs({name}) < {LARGEST_WHOLE})"
        return f"case when {is_sure} then {name}::varchar else {name}::varchar || '{UNSURE}' end"
    if kind == "TIMESTAMP WITH TIME ZONE":  # whose text rounds the offsets of before 1901 to minutes
        return f"timezone('UTC', {name})::varchar || '+00:00'"
    if kind == "BLOB":
        return f"coalesce(try(decode({name})), {name}::varchar || '{UNSURE}')"
    if kind.startswith(NESTED) or kind.endswith("]"):
        return f"to_json({name})::varchar"
    return f"{name}::varchar"


def load_cells(path: Path, book: Any, sheet: str, header_row: int) -> pa.Table:
    """All cells of a sheet below its heading as text; `book` is the opened workbook.

    Raises:
        FileUnreadable: a formula was saved without its value.
    """
    batch, errors = book.load_sheet(sheet, header_row=header_row, dtypes="string").to_arrow_with_errors()
    frame = pl.DataFrame(pa.Table.from_batches([batch]))
    long, cut = (_list_columns(frame, pattern) for pattern in (LONG, CUT))
    if long or any(series.null_count() for series in frame):
        has_long, formula = _scan_sheet(path, sheet, bool(long))
        if formula:
            raise FileUnreadable(
                f"holds a formula without its value in cell {formula}, as programs write that do not calculate;"
                " ask for the file with values"
            )
        long = long if has_long else []
    if long or cut:
        frame = _mark_numbers(frame, book, sheet, header_row, sorted({*long, *cut}))
    if errors:
        frame = _mark_errors(frame, errors.errors)
    return frame.to_arrow(compat_level=pl.CompatLevel.oldest())


def _list_columns(frame: pl.DataFrame, pattern: str) -> list[int]:
    return [place for place, series in enumerate(frame) if series.str.contains(pattern).any()]


def _mark_numbers(frame: pl.DataFrame, book: Any, sheet: str, header_row: int, places: list[int]) -> pl.DataFrame:
    """Tell numbers from texts, which look alike: numbers of many digits are marked, of many decimals read again."""

    def load(kind: str) -> pl.DataFrame:
        held = book.load_sheet(sheet, header_row=header_row, dtypes=kind, use_columns=places).to_arrow_with_errors()[0]
        return pl.DataFrame(pa.Table.from_batches([held]))

    is_number, numbers = load("boolean"), load("float")
    marked = []
    for place, typed, number in zip(places, is_number, numbers, strict=True):
        text, name = frame[:, place], frame.columns[place]
        written = _write_numbers(number)
        marked.append(
            pl.select(
                pl.when(typed.is_not_null() & text.str.contains(LONG))
                .then(text + UNSURE)
                .when(typed.is_not_null() & text.str.contains(CUT))
                .then(written)
                .otherwise(text)
                .alias(name)
            ).to_series()
        )
    return frame.with_columns(marked)


def _write_numbers(numbers: pl.Series) -> pl.Series:
    """Each number with the 15 digits that its cell keeps."""
    with duckdb.connect() as connection:
        connection.register("numbers", pl.DataFrame({"number": numbers}).to_arrow())
        rows = connection.sql("select format('{:.15g}', number) as written from numbers")
        return pl.DataFrame(rows.to_arrow_table())["written"]


def _mark_errors(frame: pl.DataFrame, errors: Any) -> pl.DataFrame:
    """Put the name of its error into each error cell."""
    found = pl.DataFrame(
        [(*error.offset_position, f"#{_name_error(error.detail)}{UNSURE}") for error in errors],
        schema={"row": pl.Int64, "place": pl.Int64, "text": pl.String},
        orient="row",
    )
    for (place,), cells in found.group_by("place"):
        frame = frame.with_columns(frame[:, int(place)].scatter(cells["row"], cells["text"]))
    return frame


def _name_error(detail: str) -> str:
    named = re.search(r"Error\((\w+)\)", detail)
    return named[1] if named else "error"


def _scan_sheet(path: Path, sheet: str, is_long: bool) -> tuple[bool, str | None]:
    """Whether the sheet may hold a number of many digits, and the first cell with a formula that has no value.

    Of the workbook's reader neither can be learned. What is no zip archive of XML is not looked into.
    """
    try:
        with zipfile.ZipFile(path) as archive, archive.open(_find_member(archive, sheet)) as member:
            return _scan_pieces(iter(lambda: member.read(CHUNK), b""), is_long)
    except (zipfile.BadZipFile, KeyError, NotImplementedError, EOFError):
        return True, None


def _scan_pieces(pieces: Iterator[bytes], is_long: bool) -> tuple[bool, str | None]:
    """What `_scan_sheet` says, of an archive's member; long numbers are only looked for if `is_long`."""
    has_long, held = False, b""
    for piece in pieces:
        block = held + piece
        has_long = has_long or (is_long and LONG_CELL.search(block) is not None)
        if FORMULA in block:
            for cell in NO_VALUE.finditer(block):
                attributes = dict(ATTRIBUTE.findall(cell[1].decode("utf-8", "replace")))
                if attributes.get("t") != "str":
                    return has_long, attributes.get("r", "")
        held = block[max(block.rfind(b"</c>"), len(block) - CHUNK) :]
    return has_long, None


def _find_member(archive: zipfile.ZipFile, sheet: str) -> str:
    """The archive's member that holds a sheet; KeyError if it is not a workbook of that form."""
    listed = _read_tags(archive, "xl/workbook.xml", "sheet")
    identity = next(tag["r:id"] for tag in listed if tag["name"] == sheet)
    related = _read_tags(archive, "xl/_rels/workbook.xml.rels", "Relationship")
    target = next(tag["Target"] for tag in related if tag["Id"] == identity)
    return target.removeprefix("/") if target.startswith("/") else f"xl/{target}"


def _read_tags(archive: zipfile.ZipFile, member: str, tag: str) -> list[dict[str, str]]:
    text = archive.read(member).decode("utf-8", "replace")
    found = re.findall(rf"<(?:\w+:)?{tag}\s([^>]*)>", text)
    return [{name: unescape(value) for name, value in ATTRIBUTE.findall(attributes)} for attributes in found]
