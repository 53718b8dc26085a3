"""Files that name and hold their columns: Parquet, and workbooks read as text."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import duckdb

from ingestion.contract import Dataset
from ingestion.foundation.sql import quote_name, quote_text
from ingestion.readers.cells import cell_text_sql, load_cells
from ingestion.readers.drift import match_columns
from ingestion.readers.reading import SHEET, FileUnreadable, Reading
from ingestion.readers.sheets import choose_sheets, fill_down, join_sheets


def open_parquet(path: Path, dataset: Dataset) -> Reading:
    """Open a Parquet file by its contract.

    Raises:
        FileUnreadable: it is no Parquet file.
        LayoutChanged: the columns are not the contract's.
    """
    file = quote_text(str(path))
    try:
        described = duckdb.execute(f"describe select * from read_parquet({file})").fetchall()
    except duckdb.Error:
        raise FileUnreadable("is not a Parquet file") from None
    kinds = {str(name): str(kind) for name, kind, *_ in described}
    wanted = {column.physical_name: column.type for column in dataset.columns}
    names = ", ".join(
        f"{'null::varchar' if found is None else cell_text_sql(quote_name(found), kinds[found], wanted[name])}"
        f" as {quote_name(name)}"
        for name, found in match_columns(list(kinds), dataset, is_ordered=False).items()
    )
    return Reading(f"select {names}, file_row_number + 1 as _row from read_parquet({file}, file_row_number = true)")


def open_workbook(path: Path, dataset: Dataset, day: date) -> Reading:
    """Open the sheets of a workbook that hold a dataset on a business date.

    Every cell is read as text, a typed date as `yyyy-mm-dd hh:mm:ss`.
    Error cells, and numbers of more digits than a cell keeps, are marked: see `cells`. Rows are numbered as the sheet
    shows them, those of later sheets on from there. Rows without any value are not rows.

    Raises:
        FileUnreadable: it is no workbook, or the sheet is not there.
        LayoutChanged: the columns are not the contract's.
    """
    import fastexcel

    delivery = dataset.delivery
    try:
        book = fastexcel.read_excel(path)
        names = choose_sheets(book.sheet_names, delivery.sheet, day)
        tables = [(name, load_cells(path, book, name, delivery.preamble)) for name in names]
    except fastexcel.FastExcelError:
        raise FileUnreadable("is not a workbook that can be opened") from None
    table = join_sheets(tables, delivery.preamble)
    found = table.schema.names[:-1]
    matched = match_columns(found, dataset, is_ordered=False)
    table = fill_down(table, matched, dataset)
    is_row = " or ".join(f"{quote_name(name)} is not null" for name in found)
    if any(column.null_count == 0 for column in table.columns[:-1]):  # no need to look at each
        is_row = "true"
    relation = f"select {physical_columns_sql(matched)}, _row from {SHEET} where {is_row}"
    return Reading(relation, sheet=table)


def physical_columns_sql(matched: dict[str, str | None]) -> str:
    """The contract's physical columns as text, from the delivered ones."""
    return ", ".join(
        f"{'null' if delivered is None else quote_name(delivered)}::varchar as {quote_name(name)}"
        for name, delivered in matched.items()
    )
