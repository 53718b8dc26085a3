"""Sheets of a workbook (工作表): which of them hold a dataset, put together, with merged cells filled down."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date

import polars as pl
import pyarrow as pa

from ingestion.contract import Dataset
from ingestion.delivery.patterns import FREE, fill_in_date
from ingestion.readers.drift import LayoutChanged
from ingestion.readers.reading import FileUnreadable


def choose_sheets(sheets: list[str], wanted: str | None, day: date) -> list[str]:
    """The sheets of a dataset, in the workbook's order: the one of that name, all that it fits, or the only one.

    Raises:
        FileUnreadable: there is none, or more than one where the contract names none.
    """
    if wanted is None:
        found = sheets if len(sheets) == 1 else []
    else:
        name = fill_in_date(wanted, day)
        shape = re.compile(re.escape(name).replace(re.escape(FREE), ".*"))
        found = [sheet for sheet in sheets if shape.fullmatch(sheet)]
    if not found:
        named = f"a sheet {fill_in_date(wanted, day)}" if wanted else "only one"
        raise FileUnreadable(f"has {len(sheets)} sheets, but the contract wants {named}")
    return found


def join_sheets(tables: Iterable[tuple[str, pa.Table]], preamble: int) -> pa.Table:
    """Sheets of one heading as one table, whose `_row` counts the rows of a later sheet on after those before it.

    Raises:
        LayoutChanged: a sheet has another heading than the first.
    """
    joined: list[pa.Table] = []
    before = 0
    for name, sheet in tables:
        first = before + preamble + 2
        before = first + sheet.num_rows - 1
        rows = pl.int_range(first, first + sheet.num_rows, dtype=pl.Int64, eager=True).to_arrow()
        names = [column.strip() for column in sheet.schema.names]
        table = sheet.rename_columns(names).append_column("_row", rows)
        if joined and table.schema.names != joined[0].schema.names:
            raise LayoutChanged(f"has another heading in sheet {name} than in the first")
        joined.append(table)
    return joined[0] if len(joined) == 1 else pa.concat_tables(joined, promote_options="permissive")


def fill_down(table: pa.Table, matched: dict[str, str | None], dataset: Dataset) -> pa.Table:
    """The rows that hold a value, with the declared columns filled from above, as merged cells mean."""
    declared = [matched[column.physical_name] for column in dataset.columns if column.profile.fill_down]
    names = [name for name in declared if name is not None]
    if not names:
        return table
    rows = pl.DataFrame(table)
    is_row = pl.any_horizontal(pl.col(name).is_not_null() for name in table.schema.names if name != "_row")
    return rows.filter(is_row).with_columns(pl.col(names).forward_fill()).to_arrow()
