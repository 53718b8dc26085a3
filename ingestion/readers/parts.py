"""A delivery in parts (分片): put together for reading, and taken apart again to say where a line was."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from ingestion.contract import Dataset
from ingestion.delivery import Delivery
from ingestion.readers.reading import FileUnreadable

CHUNK = 1 << 20
BYTE_ORDER_MARK = {"utf-8": b"\xef\xbb\xbf", "gb18030": b"\x84\x31\x95\x33", "cp1252": b""}


@dataclass(frozen=True)
class PartLines:
    """Where the lines of parts that were put together come from: the first line of each part, and what it lost."""

    parts: tuple[Path, ...]
    starts: tuple[int, ...]
    dropped: int

    def locate(self, lines: pl.Series) -> pl.DataFrame:
        """For each line of the whole the name of the `part` that holds it, and its number there, `part_line`."""
        numbers = lines.to_numpy()
        places = np.searchsorted(self.starts, numbers, side="right") - 1
        names = pl.Series("part", [part.name for part in self.parts])
        return pl.DataFrame(
            {
                "part": names.gather(places),
                "part_line": numbers - np.asarray(self.starts)[places] + 1 + np.where(places > 0, self.dropped, 0),
            },
            schema={"part": pl.String, "part_line": pl.Int64},
        )


def locate_part_lines(delivery: Delivery) -> PartLines:
    """Where each line of `plain_file` lies in what was delivered; line ends are counted, so call it when asked."""
    if not delivery.parts:
        return PartLines((delivery.path,), (1,), 0)
    dropped = _heading_lines(delivery.dataset)
    starts = [1]
    for place, part in enumerate(delivery.parts[:-1]):
        starts.append(starts[-1] + _count_lines(part) - (dropped if place else 0))
    return PartLines(delivery.parts, tuple(starts), dropped)


def _heading_lines(dataset: Dataset) -> int:
    """Lines above the first row of each part."""
    delivery = dataset.delivery
    return 0 if delivery.reader == "json_lines" else delivery.preamble + (delivery.header != "none")


def _count_lines(path: Path) -> int:
    count, last = 0, b"\n"
    with path.open("rb") as handle:
        while piece := handle.read(CHUNK):
            count += piece.count(b"\n")
            last = piece[-1:]
    return count + (last != b"\n")


def join_parts(delivery: Delivery, target: Path) -> Path:
    """Put the parts together: later ones without byte-order mark and heading, each ending with a line feed."""
    dataset = delivery.dataset
    mark, count = BYTE_ORDER_MARK[dataset.delivery.encoding], _heading_lines(dataset)
    has_heading = dataset.delivery.reader != "json_lines" and dataset.delivery.header != "none"
    headings = [_read_heading(part, mark, count, has_heading) for part in delivery.parts]
    heading = _agree(delivery, headings) if has_heading else b"".join(headings[0])
    with target.open("wb") as sink:
        for place, (part, lines) in enumerate(zip(delivery.parts, headings, strict=True)):
            with part.open("rb") as source:
                has_mark = bool(mark) and source.read(len(mark)) == mark
                source.seek(len(mark) * has_mark + sum(map(len, lines)))
                if place == 0:
                    sink.write(mark * has_mark + heading)
                last = b"\n"
                while piece := source.read(CHUNK):
                    sink.write(piece)
                    last = piece[-1:]
                if last != b"\n":
                    sink.write(b"\n")
    return target


def _read_heading(part: Path, mark: bytes, count: int, has_heading: bool) -> list[bytes]:
    with part.open("rb") as handle:
        if not mark or handle.read(len(mark)) != mark:
            handle.seek(0)
        lines = [handle.readline(CHUNK) for _ in range(count)]
    if has_heading and not lines[-1].strip():
        raise FileUnreadable(f"cannot be put together: part {part.name} has no heading")
    return lines


def _agree(delivery: Delivery, headings: list[list[bytes]]) -> bytes:
    """The heading of the whole: the same names as in each part, or the sum of the rows that each announces."""
    contracted = delivery.dataset.delivery
    first = headings[0]
    if contracted.header == "count":
        separator = contracted.separator.encode(contracted.encoding)
        total = 0
        for part, lines in zip(delivery.parts, headings, strict=True):
            words = [word.strip() for word in lines[-1].split(separator)]
            if len(words) != 2 or words[0] != b"dataRowCount" or not words[1].isdigit() or len(words[1]) > 18:
                raise FileUnreadable(
                    f"cannot be put together: line {len(lines)} of part {part.name} is not dataRowCount and a number"
                )
            total += int(words[1])
        return b"".join(first[:-1]) + b"dataRowCount" + separator + str(total).encode() + b"\n"
    for part, lines in zip(delivery.parts, headings, strict=True):
        if lines[-1].strip() != first[-1].strip():
            raise FileUnreadable(
                f"cannot be put together: part {part.name} has another heading than {delivery.parts[0].name}"
            )
    return b"".join(first).removesuffix(b"\n") + b"\n"
