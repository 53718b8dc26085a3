"""One delivery through the door (解析): verified, opened, typed, judged, in a working folder of its own.

Rows in = rows landed + rows kept out, or the judgement says that they are not.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import duckdb
import polars as pl

from ingestion.contract import Contract, Dataset
from ingestion.delivery import Delivery, verify_delivery
from ingestion.delivery.verification import read_totals
from ingestion.foundation import Settings
from ingestion.foundation.sql import quote_name, quote_text
from ingestion.lake import choose_parquet_options, derive_lake_schema, open_connection
from ingestion.landing.clear_values import keep_clear_values
from ingestion.landing.duplicates import drop_duplicates
from ingestion.landing.identifier_sets import TEXTS, texts_sql
from ingestion.landing.judgement import Counts, Judgement, Replaced, check_totals, judge_delivery, judge_loss
from ingestion.landing.kept_out import KEPT_OUT, write_kept_out
from ingestion.landing.typing_pass import type_rows
from ingestion.protection import Keys, register_functions
from ingestion.readers import Reading, open_reading
from ingestion.readers.layout import LineLayout, list_rejected_lines, survey_lines
from ingestion.readers.plain import make_plain_file
from ingestion.readers.reading import SHEET, LineEndsMixed, RowsShifted

MEMORY_LIMIT = "640MB"
NOTHING = Replaced()
LANDED, QUARANTINED, PART = "landed", "quarantined", "part-00.parquet"


@dataclass(frozen=True)
class Parsed:
    """What became of a delivery's rows; of one that is not refused, `folder` holds them in LANDED and QUARANTINED."""

    rows_in: int
    rows_landed: int
    quarantine: pl.DataFrame
    judgement: Judgement
    folder: Path

    @property
    def counted(self) -> tuple[int, int, int]:
        """Rows in, landed and quarantined."""
        return self.rows_in, self.rows_landed, self.rows_in - self.rows_landed


def parse_delivery(
    contract: Contract,
    delivery: Delivery,
    settings: Settings,
    keys: Keys,
    work: Path,
    lands_as: Delivery | None = None,
    replaced: Replaced = NOTHING,
) -> Parsed:
    """Verify, open, type and judge one delivery in a working folder, and keep its clear values if it may land.

    Nothing else outside the folder is touched. A replay `lands_as` a delivery of its own; a restated one is held to the
    rows that are `replaced`.

    Raises:
        DeliveryRefused: it contradicts what its sender says of it, before anything is read.
        FileUnreadable: it is not of the contracted dialect.
        LayoutChanged: its columns are not the contract's.
        DeliveryIncomplete: a file of it changed or went away meanwhile.
    """
    stated = verify_delivery(delivery, settings)
    path = make_plain_file(delivery, settings, work)
    landing, dataset = lands_as or delivery, delivery.dataset
    part = work / LANDED / PART
    part.parent.mkdir()
    with closing(open_connection(settings, MEMORY_LIMIT, work / "spill")) as connection:
        register_functions(connection, keys)
        if delivery.is_empty:
            _write_nothing(connection, dataset, part)
            judgement = judge_loss(check_totals(stated, 0, {}), 0, replaced)
            return Parsed(0, 0, pl.DataFrame(schema=KEPT_OUT), judgement, work)
        reading, layout = _open(connection, path, delivery, work)
        stated = read_totals(landing, reading.remarks, stated)
        typed = type_rows(connection, contract, landing, reading, layout, part, keys, list(stated.sums))
        kept_out = [typed.broken, drop_duplicates(connection, dataset, part)]
        if layout is not None:
            kept_out.append(list_rejected_lines(layout.rejects).select(*KEPT_OUT))
        quarantine = pl.concat(kept_out).sort("line_number")
        counts = _count(connection, reading, layout, part, quarantine)
        judgement = judge_delivery(
            connection, landing, reading, part, counts, quarantine, typed.forbidden, stated, typed.sums, replaced
        )
        if judgement.refusal is None:
            folder = work / QUARANTINED
            quarantine = write_kept_out(connection, landing, reading, layout, quarantine, folder, keys)
            keep_clear_values(connection, f"read_parquet({quote_text(part)})", delivery, settings, keys)
    return Parsed(counts.rows_in, counts.rows_landed, quarantine, judgement, work)


def _open(
    connection: duckdb.DuckDBPyConnection, path: Path, delivery: Delivery, work: Path
) -> tuple[Reading, LineLayout | None]:
    """Open a plain file, of a text file find where its rows lie, and put its distinct identifiers into a table."""
    texts = texts_sql(delivery.dataset)
    try:
        reading, layout = _survey(connection, path, delivery, work, texts)
    except LineEndsMixed:
        reading, layout = _survey(connection, path, delivery, work, texts, is_normalised=True)
    if reading.sheet is not None:
        connection.register(SHEET, reading.sheet)
    if layout is None and texts:
        _list_texts(connection, reading, texts)
    return reading, layout


def _survey(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    delivery: Delivery,
    work: Path,
    texts: Sequence[str],
    is_normalised: bool = False,
) -> tuple[Reading, LineLayout | None]:
    """Open a plain file and find where its rows lie; once more where the parser did not see that lines are too wide."""
    reading = open_reading(path, delivery.dataset, work, delivery.batch_date, is_normalised)
    if reading.lines is None:
        return reading, None
    may_be_cut = delivery.dataset.delivery.cut_line == "quarantine"
    try:
        return reading, survey_lines(connection, reading, texts, TEXTS, may_be_cut)
    except RowsShifted as found:
        for table in (TEXTS, "reject_errors", "reject_scans"):
            connection.execute(f"drop table {table}").fetchall()
        reading = open_reading(path, delivery.dataset, work, delivery.batch_date, is_normalised, found.lines)
        return reading, survey_lines(connection, reading, texts, TEXTS, may_be_cut)


def _list_texts(connection: duckdb.DuckDBPyConnection, reading: Reading, texts: Sequence[str]) -> None:
    connection.execute(
        f"create temp table {TEXTS} as select distinct {', '.join(texts)} from ({reading.relation})"
    ).fetchall()


def _count(
    connection: duckdb.DuckDBPyConnection,
    reading: Reading,
    layout: LineLayout | None,
    part: Path,
    kept_out: pl.DataFrame,
) -> Counts:
    """Rows delivered, counted by the first pass over a text file on its own, and rows written and kept out."""
    landed = int(connection.execute(f"select count(*) from read_parquet({quote_text(part)})").fetchall()[0][0])
    rows_in = landed + kept_out.height if layout is None else layout.rows + list_rejected_lines(layout.rejects).height
    return Counts(rows_in, landed, kept_out.height, reading.announced_rows)


def _write_nothing(connection: duckdb.DuckDBPyConnection, dataset: Dataset, part: Path) -> None:
    """A marker came alone: no rows today, in the lake's schema."""
    columns = ", ".join(f"null::{kind} as {quote_name(name)}" for name, kind in derive_lake_schema(dataset).items())
    connection.execute(
        f"copy (select {columns} limit 0) to {quote_text(part)} ({choose_parquet_options(dataset)})"
    ).fetchall()
