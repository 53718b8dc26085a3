"""One column at a time (逐列起草): sensitive, or typed by the first reading that fits, with its codes and its unit."""

from __future__ import annotations

import re

import duckdb
import polars as pl

from ingestion.identifiers.sensitive import classify_identifying_name
from ingestion.identifiers.within import holds_identifier_sql
from ingestion.scaffold.codes import find_codes
from ingestion.scaffold.column_draft import ColumnDraft
from ingestion.scaffold.moments import type_moment
from ingestion.scaffold.naming import form_unique_names
from ingestion.scaffold.quantities import type_number
from ingestion.scaffold.sensitivity import Sensitivity, judge_sensitivity
from ingestion.scaffold.spellings import report_spellings
from ingestion.scaffold.table import Table
from ingestion.scaffold.units import suggest_unit
from ingestion.scaffold.vocabulary import SPELLINGS


def draft_columns(table: Table) -> list[ColumnDraft]:
    """Draft every column, and put what several columns spell "no value" with into the delivery."""
    names = form_unique_names(table.names)
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'Asia/Shanghai'")
        drafts = [_draft(table, number, name, connection) for number, name in enumerate(names)]
    spelled = [spelling for draft in drafts for spelling in draft.missing if spelling in SPELLINGS]
    common = sorted({spelling for spelling in spelled if spelled.count(spelling) > 1})
    if common:
        table.delivery["missing"] = ["", *common]
        for draft in drafts:
            draft.missing = [spelling for spelling in draft.missing if spelling not in common]
        reported = ", ".join(f"{spelling!r} in {spelled.count(spelling)} columns" for spelling in common)
        table.doubt("missing", f"{reported}; a code anywhere?")
    return drafts


def _draft(table: Table, number: int, name: str, connection: duckdb.DuckDBPyConnection) -> ColumnDraft:
    physical = table.names[number]
    draft = ColumnDraft(name, physical or name)
    if physical and name.startswith("column_"):
        draft.checks.append("no English name is known for it; give one")
    if table.widths:
        draft.width = table.widths[number]
    if table.paths:
        draft.path = table.paths[number]
    draft.description = physical if physical and not physical.isascii() else ""
    counted = (
        table.frame.select(value=f"c{number + 1}").group_by("value").agg(n=pl.len()).sort("n", "value", descending=True)
    )
    text = pl.col("value").str.strip_chars()
    present = counted.filter(text.is_not_null() & (text != "") & ~text.is_in(SPELLINGS))
    draft.missing = sorted(
        set(counted.filter(text.is_in(SPELLINGS)).select(text)["value"].to_list()), key=SPELLINGS.index
    )
    draft.required = int(present["n"].sum()) == table.frame.height
    draft.distinct = present.height
    if present.is_empty():
        draft.checks.append(f"no value in {table.frame.height} rows; kept as text")
        draft.sensitivity = judge_sensitivity(name, draft.physical, present, connection)
        return _refuse(draft)
    draft.sensitivity = judge_sensitivity(name, draft.physical, present, connection)
    if draft.sensitivity:
        return _refuse(draft)
    _type(draft, present, table, connection)
    find_codes(draft, present, table.frame.height)
    suggest_unit(draft, present)
    if _protect_by_name(draft):
        return _refuse(draft)
    _search_inside(draft, present, connection)
    report_spellings(draft, present)
    if draft.missing:
        total = counted.filter(~text.is_in(draft.missing) | text.is_null())["n"].sum()
        draft.checks.append(
            f"{', '.join(map(repr, draft.missing))} in {table.frame.height - int(total)} rows taken for no value"
        )
    return draft


def _protect_by_name(draft: ColumnDraft) -> bool:
    """Whether only the name says identifier, so that `check` would refuse the column as it is."""
    kind = classify_identifying_name(draft.physical) or classify_identifying_name(draft.name)
    if kind is None or draft.codes or draft.type in ("BOOLEAN", "DATE", "TIMESTAMPTZ"):
        return False
    evidence = f"its name says {kind}, its values do not; protected until `clear` says why it stays as it is"
    draft.sensitivity, draft.type, draft.thousands = Sensitivity(kind, "opaque", evidence), "VARCHAR", False
    return True


def _search_inside(draft: ColumnDraft, present: pl.DataFrame, connection: duckdb.DuckDBPyConnection) -> None:
    """Search texts for identifiers; where some are found, stars replace them."""
    if draft.type != "VARCHAR" or draft.codes:
        return
    connection.register("texts", present)
    found = connection.execute(
        f"select coalesce(sum(n) filter ({holds_identifier_sql('value')}), 0), sum(n) from texts"
    ).fetchall()[0]
    connection.unregister("texts")
    if found[0]:
        draft.masks_identifiers = True
        draft.checks.append(
            f"{found[0]} of {found[1]} values hold identifiers of people inside the text; stars replace them: or"
            " quarantine, refuse, or protect the column"
        )


def _refuse(draft: ColumnDraft) -> ColumnDraft:
    """Write down what is sensitive about a column; a spelling of no value stays one."""
    sensitivity = draft.sensitivity
    if sensitivity is None:
        return draft
    if sensitivity.is_refused:
        draft.required = False
        draft.checks.append(
            f"{sensitivity.evidence}: ask the party to leave it out, then delete it here; dropped until then"
        )
    else:
        draft.checks.append(f"{sensitivity.kind}: {sensitivity.evidence}")
    return draft


def _type(draft: ColumnDraft, present: pl.DataFrame, table: Table, connection: duckdb.DuckDBPyConnection) -> None:
    """Choose the narrowest type that reads the values exactly, by the expressions that land them."""
    values = present.select(v=pl.col("value").str.strip_chars(), n="n")
    connection.register("present", values)
    try:
        called = f"{draft.name} {draft.physical.lower()}"
        if type_moment(draft, values, called, connection):
            return
        for reading in (_type_boolean, type_number):
            if reading(draft, values, called, connection):
                return
    finally:
        connection.unregister("present")


def _type_boolean(
    draft: ColumnDraft, values: pl.DataFrame, called: str, _connection: duckdb.DuckDBPyConnection
) -> bool:
    found = set(values["v"].str.to_lowercase().to_list())
    words = found <= {"true", "false"}
    if words or (found <= {"0", "1"} and re.search(r"(^|_)(is|has)_", draft.name)):
        draft.type = "BOOLEAN"
        if len(found) == 1:
            draft.checks.append("only one of the two values occurs")
        return True
    return False
