"""XML documents (XML 报文): every element at one path is a row, read as a stream.

The parser calls back for each element, whatever reads it; only the texts of the contracted paths are kept, and rows go
to a file in batches, so that memory does not grow with the document.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from xml.parsers import expat

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from ingestion.contract import Dataset
from ingestion.foundation.sql import quote_name, quote_text
from ingestion.readers.drift import ColumnDifference, LayoutChanged, render_differences
from ingestion.readers.line_form import decode_text
from ingestion.readers.reading import FileUnreadable, Reading

CHUNK, BATCH = 1 << 20, 20_000


def open_xml(path: Path, dataset: Dataset, work: Path) -> Reading:
    """Open an XML document by its contract; its rows are numbered in the order of their elements.

    Raises:
        FileUnreadable: it is no whole document, declares entities, or has no element that holds rows.
        LayoutChanged: no row has one of the contracted paths.
    """
    target = work / f"{path.name}.parquet"
    names = [column.physical_name for column in dataset.columns]
    with pq.ParquetWriter(target, pa.schema([(name, pa.string()) for name in names]), compression="lz4") as sink:
        records = _Records(dataset, sink)
        parser = expat.ParserCreate("utf-8")
        parser.buffer_text = True
        parser.StartElementHandler, parser.EndElementHandler = records.start, records.end
        parser.CharacterDataHandler = records.add_text
        parser.StartDoctypeDeclHandler = _refuse_doctype
        try:
            with decode_text(path, dataset.delivery.encoding, work).open("rb") as source:
                while piece := source.read(CHUNK):
                    parser.Parse(piece, False)
                parser.Parse(b"", True)
        except expat.ExpatError as error:
            raise FileUnreadable(
                f"is no whole XML document: {expat.ErrorString(error.code)} in line {error.lineno}"
            ) from None
        records.flush()
    if not records.has_parent:
        raise FileUnreadable(f"has no element {records.parent}, in which its rows lie")
    _refuse_missing(dataset, target)
    columns = ", ".join(map(quote_name, names))
    rows = f"read_parquet({quote_text(str(target))}, file_row_number = true)"
    return Reading(f"select {columns}, file_row_number + 1 as _row from {rows}")


def _refuse_doctype(*_declared: object) -> None:
    raise FileUnreadable("declares a document type, whose entities are not resolved here; ask for it without")


def _refuse_missing(dataset: Dataset, target: Path) -> None:
    """Raise where no row has what the contract names, unless it tolerates that or there is no row."""
    drift = dataset.delivery.drift
    counts = ", ".join(f"count({quote_name(column.physical_name)})" for column in dataset.columns)
    total, *found = duckdb.execute(
        f"select count(*), {counts} from read_parquet({quote_text(str(target))})"
    ).fetchall()[0]
    missing = [
        ColumnDifference("missing", str(column.profile.path), "-")
        for column, count in zip(dataset.columns, found, strict=True)
        if total and not count and (column.required or drift.missing == "refuse")
    ]
    if missing:
        raise LayoutChanged(f"has other elements than the contract\n{render_differences(missing)}")


class _Records:
    """Follows the elements of a document, and gathers the texts of the contracted paths of each record."""

    def __init__(self, dataset: Dataset, sink: pq.ParquetWriter) -> None:
        self.record = f"/{dataset.delivery.records}"
        self.parent = self.record.rpartition("/")[0] or "/"
        self.has_parent = self.parent == "/"
        self.sink = sink
        self.texts: dict[str, int] = {}
        self.attributes: dict[str, list[tuple[str, int]]] = {}
        for place, column in enumerate(dataset.columns):
            path, _, attribute = f"{self.record}/{column.profile.path}".partition("/@")
            if attribute:
                self.attributes.setdefault(path, []).append((attribute, place))
            else:
                self.texts[path] = place
        self.width = len(dataset.columns)
        self.path = ""
        self.lengths: list[int] = []
        self.row: list[str | None] = []
        self.rows: list[list[str | None]] = []
        self.is_kept = False
        self.parts: list[str] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """An element begins."""
        self.lengths.append(len(self.path))
        path = self.path = f"{self.path}/{name.rpartition(':')[2]}"
        if path == self.record:
            self.row = [None] * self.width
        elif path == self.parent:
            self.has_parent = True
        if path in self.attributes:
            for attribute, place in self.attributes[path]:
                self._keep(place, next((text for key, text in attributes.items() if key == attribute), None))
        self.is_kept = path in self.texts
        if self.is_kept:
            self.parts = []

    def add_text(self, text: str) -> None:
        """Text between two tags."""
        if self.is_kept:
            self.parts.append(text)

    def end(self, _name: str) -> None:
        """An element ends."""
        path = self.path
        if path in self.texts:
            self._keep(self.texts[path], "".join(self.parts).strip() or None)
            self.parts = []
        if path == self.record:
            self.rows.append(self.row)
            if len(self.rows) == BATCH:
                self.flush()
        self.path = path[: self.lengths.pop()]
        self.is_kept = self.path in self.texts

    def _keep(self, place: int, text: str | None) -> None:
        held = self.row[place] if self.row else None
        if text is not None and self.row:
            self.row[place] = text if held is None else f"{held}\n{text}"

    def flush(self) -> None:
        """Write the gathered rows."""
        if self.rows:
            columns: Iterable[tuple[str | None, ...]] = zip(*self.rows, strict=True)
            arrays = [pa.array(values, pa.string()) for values in columns]
            self.sink.write_table(pa.Table.from_arrays(arrays, schema=self.sink.schema))
            self.rows = []
