"""From a plain file to one of lines (成行): line ends of other kinds, UTF-16, and arrays of a document."""

from __future__ import annotations

import codecs
from pathlib import Path

import numpy as np

from ingestion.contract import Dataset
from ingestion.readers.json_array import place_rows
from ingestion.readers.transcode import transcode_file

CHUNK = 1 << 20


def lay_lines(path: Path, dataset: Dataset, work: Path) -> tuple[Path, Dataset, tuple[str, ...]]:
    """The file with one row a line, the dataset as that file has it, and what a document says beside its rows.

    A file that has lines already is returned as it is; others are written to `work`, in bounded memory.

    Raises:
        FileUnreadable: a document holds no such array, or was cut.
    """
    delivery, remarks = dataset.delivery, tuple[str, ...]()
    encoding = delivery.encoding
    if delivery.line_end == "none":
        path = _break_records(path, sum(column.profile.width or 0 for column in dataset.columns), work)
    if encoding == "utf-16":
        path, encoding = _decode_utf16(path, work), "utf-8"
    if delivery.line_end == "cr":
        path = _end_by_feeds(path, work)
    if delivery.records is not None and delivery.reader == "json_lines":
        text, _, _ = transcode_file(path, encoding, work)
        path, encoding = work / f"{path.name}.lines", "utf-8"
        remarks = place_rows(text, delivery.records, path)
    plain = {"encoding": encoding, "line_end": "lf"}
    if plain.items() <= delivery.model_dump(include=set(plain)).items():
        return path, dataset, remarks
    return path, dataset.model_copy(update={"delivery": delivery.model_copy(update=plain)}), remarks


def decode_text(path: Path, encoding: str, work: Path) -> Path:
    """The UTF-8 form of a text file, of which nobody counts the lines."""
    return _decode_utf16(path, work) if encoding == "utf-16" else transcode_file(path, encoding, work)[0]


def _break_records(path: Path, width: int, work: Path) -> Path:
    """Put a line feed behind every record; one at the end that is shorter stays without."""
    target = work / f"{path.name}.lines"
    with path.open("rb") as source, target.open("wb") as sink:
        while piece := source.read(width * max(CHUNK // width, 1)):
            count = len(piece) // width
            records = np.full((count, width + 1), ord("\n"), dtype=np.uint8)
            records[:, :width] = np.frombuffer(piece, dtype=np.uint8, count=count * width).reshape(count, width)
            sink.write(records.tobytes())
            sink.write(piece[count * width :].rstrip(b"\r\n"))
    return target


def _decode_utf16(path: Path, work: Path) -> Path:
    """The UTF-8 form; little-endian where no mark says otherwise."""
    target = work / f"{path.name}.utf8"
    with path.open("rb") as source, target.open("wb") as sink:
        is_big = source.read(2) == codecs.BOM_UTF16_BE
        source.seek(0)
        decoder = codecs.getincrementaldecoder("utf-16-be" if is_big else "utf-16-le")(errors="replace")
        is_first = True
        while piece := source.read(CHUNK):
            text = decoder.decode(piece)
            sink.write((text.removeprefix("\ufeff") if is_first else text).encode())
            is_first = False
        sink.write(decoder.decode(b"", True).encode())
    return target


def _end_by_feeds(path: Path, work: Path) -> Path:
    """Line feeds for carriage returns."""
    target = work / f"{path.name}.feeds"
    table = bytes.maketrans(b"\r", b"\n")
    with path.open("rb") as source, target.open("wb") as sink:
        while piece := source.read(CHUNK):
            sink.write(piece.translate(table))
    return target
