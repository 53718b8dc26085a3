"""Lines that are no rows (非数据行): skipped by pattern or below the rows, and what they state of the rows.

A skipped line stays as a blank one and a trailer is cut off at the end, so that every row keeps its line number.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ingestion.contract.profiles import DeliveryProfile, Trailer
from ingestion.readers.lines import LINE_FEED, PIECE, Numbers
from ingestion.readers.reading import FileUnreadable

BYTE_ORDER_MARK = "\ufeff".encode()
LARGEST_TRAILER, MOST_LINES = 1 << 18, 100
MOST_KEPT = 10_000


@dataclass(frozen=True)
class Surroundings:
    """A file without its lines that are no rows: their texts (the first MOST_KEPT), and the skipped ones' numbers."""

    file: Path
    texts: tuple[str, ...] = ()
    skipped: Numbers | None = None


def drop_surroundings(path: Path, delivery: DeliveryProfile, heading: int, work: Path) -> Surroundings:
    """Take the lines that are no rows out of a text file, in bounded memory; the first `heading` lines stay.

    Raises:
        FileUnreadable: the trailer is not there, or more follows its beginning than a trailer is.
    """
    if not (delivery.skip or delivery.trailer or delivery.totals):
        return Surroundings(path)
    texts, skipped = _read_above(path, delivery.encoding, heading), [np.zeros(0, dtype=np.int64)]
    if not (delivery.skip or delivery.trailer):
        return Surroundings(path, tuple(texts))
    target, trailer = work / f"{path.name}.rows", delivery.trailer
    begins = trailer.begins if trailer else None
    total, position, is_begun = 0, 0, False
    with path.open("rb") as source, target.open("wb") as sink:
        for piece in read_whole_lines(source):
            starts, stops = locate_lines(piece)
            lines = _decode_lines(piece, delivery.encoding, is_first=total == 0)
            above, size, end = min(max(heading - total, 0), len(starts)), len(starts), len(piece)
            if begins is not None and (first := _find_beginning(lines, begins, above)) >= 0:
                is_begun, size, end = True, first, int(starts[first])
            are_skipped = _match_any(lines, delivery.skip)[:size]
            are_skipped[:above] = False
            texts += _list_texts(lines[:size].filter(pa.array(are_skipped)))[: max(MOST_KEPT - len(texts), 0)]
            skipped.append(np.flatnonzero(are_skipped) + total + 1)
            sink.write(_blank_lines(piece[:end], starts[:size], stops[:size], are_skipped))
            total, position = total + size, position + end
            if trailer is not None and is_begun:
                source.seek(position)
                texts += _read_trailer(source, trailer, delivery.encoding, total + 1)
                break
    if begins is not None and not is_begun:
        raise FileUnreadable("has no trailer that begins as the contract says; it may have been cut on the way")
    if trailer is not None and trailer.lines and begins is None:
        texts += _cut_last_lines(target, trailer.lines, delivery.encoding, heading)
    return Surroundings(target, tuple(texts), np.concatenate(skipped))


def read_whole_lines(source: BinaryIO) -> Iterator[bytes]:
    """Pieces of a file that end at a line feed, but for the last one."""
    held = b""
    while piece := source.read(PIECE):
        held += piece
        end = held.rfind(b"\n") + 1
        if end:
            yield held[:end]
            held = held[end:]
    if held:
        yield held


def locate_lines(piece: bytes) -> tuple[Numbers, Numbers]:
    """Where the lines of a piece begin and where their text stops, without line ends."""
    block = np.frombuffer(piece, dtype=np.uint8)
    ends = np.flatnonzero(block == LINE_FEED)
    if piece[-1] != LINE_FEED:
        ends = np.append(ends, len(piece))
    starts = np.concatenate([[0], ends[:-1] + 1]).astype(np.int64)
    is_crlf = (ends > starts) & (block[np.maximum(ends - 1, 0)] == ord("\r"))
    return starts, ends - is_crlf


def _decode_lines(piece: bytes, encoding: str, is_first: bool) -> pa.Array:
    """The lines of a piece as UTF-8 with their ends, without a mark of the byte order."""
    text = piece if encoding == "utf-8" else piece.decode(encoding, "replace").encode()
    starts, _ = locate_lines(text)
    if is_first and text.startswith(BYTE_ORDER_MARK):
        starts[0] = len(BYTE_ORDER_MARK)
    offsets = pa.py_buffer(np.append(starts, len(text)).astype(np.int32))
    return pa.Array.from_buffers(pa.string(), len(starts), [None, offsets, pa.py_buffer(text)])


def _match_any(lines: pa.Array, patterns: list[str]) -> npt.NDArray[np.bool_]:
    """Which lines as a whole have one of the patterns."""
    import pyarrow.compute as pc  # slow to load, and few deliveries need it

    found = np.zeros(len(lines), dtype=bool)
    for pattern in patterns:
        matched = pc.match_substring_regex(lines, rf"\A(?:{pattern})\r?\n?\z")
        found |= matched.to_numpy(zero_copy_only=False)
    return found


def _find_beginning(lines: pa.Array, text: str, first: int) -> int:
    """Place of the first line from `first` on that begins with a text; -1 where none does."""
    import pyarrow.compute as pc

    found = pc.starts_with(lines, text).to_numpy(zero_copy_only=False)[first:]
    return first + int(np.argmax(found)) if found.any() else -1


def _blank_lines(piece: bytes, starts: Numbers, stops: Numbers, are_blank: npt.NDArray[np.bool_]) -> bytes:
    """A piece whose given lines hold nothing but their ends."""
    are_blank = are_blank & (stops > starts)
    if not are_blank.any():
        return piece
    steps = np.zeros(len(piece) + 1, dtype=np.int8)
    steps[starts[are_blank]] += 1
    steps[stops[are_blank]] -= 1
    kept: npt.NDArray[np.uint8] = np.frombuffer(piece, dtype=np.uint8)[np.cumsum(steps[:-1], dtype=np.int8) == 0]
    return kept.tobytes()


def _list_texts(lines: pa.Array) -> list[str]:
    return [text.rstrip("\r\n") for text in lines.to_pylist()]


def _read_above(path: Path, encoding: str, count: int) -> list[str]:
    """The lines above the rows."""
    with path.open("rb") as handle:
        lines = [handle.readline(LARGEST_TRAILER) for _ in range(count)]
    return [line.decode(encoding, "replace").lstrip("\ufeff").rstrip("\r\n") for line in lines if line]


def _read_trailer(source: BinaryIO, trailer: Trailer, encoding: str, line: int) -> list[str]:
    """The lines of a trailer, which is short: else rows below it would be lost without a word."""
    held = source.read(LARGEST_TRAILER)
    texts = [text.rstrip("\r") for text in held.decode(encoding, "replace").split("\n")]
    filled = [text for text in texts if text.strip()]
    wanted = f"{trailer.lines}" if trailer.lines else f"at most {MOST_LINES}"
    if source.read(1) or not (len(filled) == trailer.lines if trailer.lines else len(filled) <= MOST_LINES):
        raise FileUnreadable(
            f"has {len(filled)} lines or more from line {line} on, where its trailer begins, but a trailer of {wanted}"
            " is contracted"
        )
    return filled


def _cut_last_lines(target: Path, count: int, encoding: str, heading: int) -> list[str]:
    """Cut the last lines that are not blank off a file, and return them."""
    size = target.stat().st_size
    begin = max(size - LARGEST_TRAILER, 0)
    with target.open("r+b") as handle:
        handle.seek(begin)
        held = handle.read()
        lines = [line + b"\n" for line in held.split(b"\n")]
        filled = [place for place, line in enumerate(lines) if line.strip()]
        if len(filled) < count + (begin > 0) or (begin == 0 and filled[-count] < heading):
            raise FileUnreadable(f"has fewer lines than the contract's trailer of {count}")
        first = filled[-count]
        handle.truncate(begin + sum(len(line) for line in lines[:first]))
    return [lines[place].decode(encoding, "replace").rstrip("\r\n") for place in filled[-count:]]
