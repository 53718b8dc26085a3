"""Physical lines of a text file, found without any parser: what the parser's account is checked against."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

PIECE, BLOCK = 1 << 22, 1 << 16  # a piece has whole blocks
LINE_FEED, CARRIAGE_RETURN = 10, 13
REPLACEMENT = "\ufffd".encode()
Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class LineCount:
    """How many lines a file has and which are blank; an unended last line counts.

    `stray` is the first line with a carriage return that does not stand before its line feed (0: none has one),
    `turn` the first line that ends otherwise than line 1 (CR LF, or LF alone; 0: all end alike);
    `holds_replacements` tells whether U+FFFD occurs, the mark of a byte that was no character; `is_utf8` whether all
    bytes are characters. `marks` are the lines that end before each block of the file.
    """

    total: int
    blank: npt.NDArray[np.int64]
    stray: int
    turn: int
    holds_replacements: bool
    is_utf8: bool
    marks: Numbers


def count_lines(text: Path) -> LineCount:
    """Count the lines of a file, in bounded memory."""
    total, stray, turn, blank, marks, position, previous, last = 0, 0, 0, [], [], 0, -1, b"\n"
    is_crlf: bool | None = None
    holds_replacements, is_utf8, held = False, True, b""
    with text.open("rb") as handle:
        while piece := handle.read(PIECE):
            block = np.frombuffer(last + piece, dtype=np.uint8)
            ends = np.flatnonzero(block[1:] == LINE_FEED)
            marks.append(np.searchsorted(ends, np.arange(0, len(piece), BLOCK)) + total)
            lengths = np.diff(ends + position, prepend=previous) - 1
            bare = (lengths == 0) | ((lengths == 1) & (block[ends] == CARRIAGE_RETURN))
            blank.append(np.flatnonzero(bare) + total + 1)
            if not stray and (last == b"\r" or b"\r" in piece):
                returns = np.flatnonzero((block[:-1] == CARRIAGE_RETURN) & (block[1:] != LINE_FEED))
                stray = total + int(np.searchsorted(ends, returns[0])) + 1 if len(returns) else 0
            if len(ends) and not turn:
                if is_crlf is None:
                    is_crlf = bool(block[ends[0]] == CARRIAGE_RETURN)
                if is_crlf or last == b"\r" or b"\r" in piece:
                    others = np.flatnonzero((block[ends] == CARRIAGE_RETURN) != is_crlf)
                    turn = total + int(others[0]) + 1 if len(others) else 0
            first, end = (int(ends[0]) + 1, int(ends[-1]) + 1) if len(ends) else (len(piece), len(piece))
            held += piece[:first]
            is_utf8 = is_utf8 and (not len(ends) or (_is_utf8(held, 0, len(held)) and _is_utf8(piece, first, end)))
            holds_replacements = holds_replacements or _holds_replacement(held) or _holds_replacement(piece)
            if len(ends):
                previous, held = int(ends[-1]) + position, piece[end:]
            total += len(ends)
            position += len(piece)
            last = piece[-1:]
    if last == b"\r":
        stray = stray or total + 1
    is_utf8 = is_utf8 and _is_utf8(held, 0, len(held))
    nothing = np.zeros(0, dtype=np.int64)
    return LineCount(
        total + (last != b"\n"), np.concatenate([*blank, nothing]), stray, turn,
        holds_replacements or _holds_replacement(held), is_utf8, np.concatenate([*marks, nothing]),
    )  # fmt: skip


def _is_utf8(piece: bytes, start: int, end: int) -> bool:
    """Whether these bytes of a piece are characters, without copying them."""
    offsets = pa.py_buffer(np.array([start, end], dtype=np.int32))
    try:
        pa.Array.from_buffers(pa.binary(), 1, [None, offsets, pa.py_buffer(piece)]).cast(pa.string())
    except pa.ArrowInvalid:
        return False
    return True


def _holds_replacement(piece: bytes) -> bool:
    """Whether U+FFFD occurs; its first byte is looked for by itself, which is far quicker."""
    return REPLACEMENT[:1] in piece and REPLACEMENT in piece


def mark_lines(text: Path) -> Numbers:
    """Lines that end before each block of a file."""
    counts = [0]
    with text.open("rb") as handle:
        while block := handle.read(BLOCK):
            counts.append(int(np.count_nonzero(np.frombuffer(block, dtype=np.uint8) == LINE_FEED)))
    return np.cumsum(counts[:-1], dtype=np.int64)


def line_numbers(text: Path, marks: Numbers, offsets: pl.Series) -> pl.Series:
    """Line numbers (from 1) at ascending byte offsets: one more than the line feeds before each."""
    found = offsets.to_numpy()
    numbers = np.ones(len(found), dtype=np.int64)
    for block, here, ends in _line_ends(text, np.minimum(found // BLOCK, len(marks) - 1)):
        numbers[here] += marks[block] + np.searchsorted(ends, found[here])
    return pl.Series(numbers)


def read_lines(text: Path, marks: Numbers, numbers: pl.Series, encoding: str) -> pl.DataFrame:
    """The given lines as (`line_number`, `raw`), without their ends; a byte that is no character as its escape."""
    wanted = numbers.cast(pl.Int64).unique().sort()
    around = np.union1d(wanted.to_numpy() - 1, wanted.to_numpy())
    places = np.where(around == 0, -1, text.stat().st_size)
    for block, here, ends in _line_ends(text, np.searchsorted(marks, around) - 1):
        ended = around[here] - marks[block]
        places[here][ended <= len(ends)] = ends[ended[ended <= len(ends)] - 1]
    starts = places[np.searchsorted(around, wanted.to_numpy() - 1)] + 1
    stops = places[np.searchsorted(around, wanted.to_numpy())]
    raw: list[str] = []
    with text.open("rb") as handle:
        for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
            handle.seek(start)
            raw.append(handle.read(stop - start).removesuffix(b"\r").decode(encoding, "backslashreplace"))
    return pl.DataFrame({"line_number": wanted, "raw": raw}, schema={"line_number": pl.Int64, "raw": pl.String})


def _line_ends(text: Path, blocks: Numbers) -> Iterator[tuple[int, slice, Numbers]]:
    """For each block of an ascending list (before the first there is none): where it is listed, and the byte offsets
    of its line feeds.
    """
    listed, begins, counts = np.unique(blocks, return_index=True, return_counts=True)
    with text.open("rb") as handle:
        for block, begin, count in zip(listed.tolist(), begins.tolist(), counts.tolist(), strict=True):
            if block >= 0:
                handle.seek(block * BLOCK)
                ends = np.flatnonzero(np.frombuffer(handle.read(BLOCK), dtype=np.uint8) == LINE_FEED)
                yield block, slice(begin, begin + count), ends + block * BLOCK
