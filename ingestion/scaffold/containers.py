"""How a sample is packed: Parquet, workbook, zip archive or plain text, by its first bytes and not by its name."""

from __future__ import annotations

import re
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from ingestion.scaffold.dialects import read_dialect
from ingestion.scaffold.headings import are_names, find_odd_names
from ingestion.scaffold.hints import NO_HINTS, Hints
from ingestion.scaffold.sampling import read_text, take_sample
from ingestion.scaffold.table import SampleUnusable, Table

BATCH = 10_000
MOST_SHEET_ROWS = 10_000
PACKED = {
    b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"7z\xbc\xaf": "7-Zip", b"Rar!": "RAR", b"\xfd7zXZ": "xz",
    b"\x28\xb5\x2f\xfd": "Zstandard",
}  # fmt: skip


def open_sample(path: Path, hints: Hints = NO_HINTS) -> Table:
    """Read a sample of a file, whatever it is packed in.

    Raises:
        SampleUnusable: in one sentence, why no draft can be made of it.
    """
    name = path.name
    if not path.exists():
        raise SampleUnusable(f"{path} does not exist; give the path of a sample file.")
    if not path.is_file():
        raise SampleUnusable(f"{path} is not a file; give one sample file of the partner.")
    size = path.stat().st_size
    if size == 0:
        raise SampleUnusable(f"{name} is empty; give a sample with rows.")
    with path.open("rb") as handle:
        start = handle.read(16)
    if start.startswith(b"PAR1"):
        return _read_parquet(path)
    if start.startswith(b"PK\x03\x04"):
        return _read_zip(path, hints)
    if start.startswith(b"\xd0\xcf\x11\xe0"):
        return _read_workbook(path, hints)
    if start.startswith(b"SQLite format 3"):
        raise SampleUnusable(
            f"{name} is a database; copy ingestion/contracts/dept_loan_core.yml and write its queries."
        )
    for magic, kind in PACKED.items():
        if start.startswith(magic):
            raise SampleUnusable(f"{name} is packed with {kind}, which no reader opens; unpack it, or ask for zip.")
    with path.open("rb") as handle:
        return read_dialect(read_text(take_sample(handle, size), name, hints.encoding), name, hints)


def _read_parquet(path: Path) -> Table:
    try:
        file = pq.ParquetFile(path)
        groups = sorted({0, file.num_row_groups // 2, file.num_row_groups - 1} & set(range(file.num_row_groups)))
        batches = [next(iter(file.iter_batches(BATCH, row_groups=[group])), None) for group in groups]
        sample = pa.Table.from_batches([batch for batch in batches if batch is not None], file.schema_arrow)
        sample.validate(full=True)
    except (pa.ArrowException, OSError):
        raise SampleUnusable(f"{path.name} begins like Parquet but cannot be read; ask for it again.") from None
    rows = file.metadata.num_rows
    if not rows:
        raise SampleUnusable(f"{path.name} has no row; give a sample with rows.")
    names = list(sample.column_names)
    sample = sample.rename_columns([f"c{number}" for number in range(1, len(names) + 1)])
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'Asia/Shanghai'")
        connection.register("sample", sample)
        text = connection.sql("select cast(columns(*) as varchar) from sample").to_arrow_table()
    frame = pl.DataFrame(text)
    return Table({"reader": "parquet"}, frame, rows, frame.height == rows, names)


def _read_zip(path: Path, hints: Hints) -> Table:
    try:
        with zipfile.ZipFile(path) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
            if any(member.filename == "[Content_Types].xml" for member in members):
                return _read_workbook(path, hints)
            return _read_member(archive, members, path.name, hints)
    except (zipfile.BadZipFile, NotImplementedError, EOFError, zipfile.zlib.error):  # type: ignore[attr-defined]
        raise SampleUnusable(f"{path.name} begins like a zip archive but cannot be read; ask for it again.") from None


def _read_member(archive: zipfile.ZipFile, members: list[zipfile.ZipInfo], name: str, hints: Hints) -> Table:
    if not members:
        raise SampleUnusable(f"{name} is an archive without files; give a sample with rows.")
    member = max(members, key=lambda entry: entry.file_size)
    if member.flag_bits & 1:
        raise SampleUnusable(
            f"{name} is locked with a password; unpack it, scaffold the file inside, and add `archive` with `password`."
        )
    if not member.file_size:
        raise SampleUnusable(f"{name} holds an empty file; give a sample with rows.")
    inner, charset, doubt = _member_name(member)
    with archive.open(member) as handle:
        sample = take_sample(handle, member.file_size, jumps=False)  # type: ignore[arg-type]
    inside = f"the file inside {name}"
    table = read_dialect(read_text(sample, inside, hints.encoding), inside, hints)
    table.delivery["archive"] = {"member": inner, "names": charset}
    if doubt:
        table.doubt("archive", doubt)
    if len(members) > 1:
        table.doubt("archive", f"the largest of {len(members)} files inside; a contract reads one")
    return table


def _member_name(member: zipfile.ZipInfo) -> tuple[str, str, str | None]:
    """The name of a file inside, the character set of names, and what is doubtful about it."""
    if member.flag_bits & 0x800:
        return member.filename, "utf-8", None
    raw = member.filename.encode("cp437", "replace")
    if raw.isascii():
        return member.filename, "gbk", None
    for charset in ("utf-8", "gbk"):
        try:
            return raw.decode(charset), charset, f"the name inside is not marked; it reads as {charset}"
        except UnicodeDecodeError:
            continue
    return member.filename, "gbk", "the name inside is in no known character set"


def _read_workbook(path: Path, hints: Hints) -> Table:
    import fastexcel

    try:
        book = fastexcel.read_excel(path)
        sheets = {
            name: book.load_sheet(name, header_row=None, skip_rows=0, n_rows=MOST_SHEET_ROWS, dtypes="string")
            for name in book.sheet_names
        }
    except fastexcel.FastExcelError:
        raise SampleUnusable(
            f"{path.name} is no workbook that can be read; ask for it again, unlocked, as .xlsx."
        ) from None
    sheets = {name: sheet for name, sheet in sheets.items() if sheet.height and sheet.width}
    if not sheets:
        raise SampleUnusable(f"{path.name} has no row; give a sample with rows.")
    if hints.sheet is not None and hints.sheet not in sheets:
        raise SampleUnusable(f"{path.name} has no sheet {hints.sheet} with rows, but {', '.join(sheets)}; name one.")
    chosen = hints.sheet or max(sheets, key=lambda name: sheets[name].height * sheets[name].width)
    return _read_sheet(path.name, chosen, len(book.sheet_names), sheets[chosen], hints)


def _read_sheet(name: str, chosen: str, sheets: int, sheet: Any, hints: Hints) -> Table:
    cells: pl.DataFrame = sheet.to_polars()
    columns = [cells[column].to_list() for column in cells.columns]
    lines = list(zip(*columns, strict=True))
    filled = [sum(bool(cell and cell.strip()) for cell in line) for line in lines]
    usual = Counter(filled).most_common(1)[0][0]
    start = next(number for number, count in enumerate(filled) if count >= max(2 if usual > 1 else 1, 0.8 * usual))
    body = [[column[number] for number in range(start + 1, len(lines))] for column in columns]
    first = [cell or "" for cell in lines[start]]
    verdict = are_names(first, body) if hints.header is None else hints.header == "names"
    named = verdict is not False
    if not named:
        body = [column[start:] for column in columns]
    frame = pl.DataFrame(
        {f"c{number}": values for number, values in enumerate(body, 1)},
        schema={f"c{number}": pl.String for number in range(1, len(body) + 1)},
    ).filter(~pl.all_horizontal(pl.all().is_null()))
    if frame.is_empty():
        raise SampleUnusable(f"{name} has no row; give a sample with rows.")
    heading = start + named
    table = Table(
        {"reader": "excel"},
        frame,
        sheet.total_height - heading,
        sheet.total_height <= MOST_SHEET_ROWS,
        [cell.strip() or None for cell in first] if named else [None] * len(columns),
    )
    if sheets > 1:
        table.delivery["sheet"] = chosen
        if hints.sheet is None:
            table.doubt("sheet", f"the largest of {sheets} sheets")
    if start:
        table.delivery["preamble"] = start
        table.doubt("preamble", f"{start} lines above the {'names' if named else 'rows'}; is it always as many?")
    table.delivery["header"] = "names" if named else "none"
    for cell in find_odd_names(first) if named else ():
        table.doubt("header", f"{cell!r} in line 1 is spelled like no usual name; is it the column's?")
    if verdict is None:
        table.doubt("header", "line 1 could be names or a row: no column differs from it in kind")
    if re.search(r"(?i)total|合计|总计", " ".join(cell or "" for cell in lines[-1])):
        table.doubt("preamble", "the last line looks like a total, which would be read as a row")
    return table
