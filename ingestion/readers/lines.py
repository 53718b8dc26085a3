"""Physical lines of a text file, found without any parser: what the parser's account is checked against."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

PIECE, BLOCK = 1 << 22, 1 << 16  # a piece has whole blocks
LINE_FEED, CARRIAGE_RETURN = 10, 13
REPLACEMENT, MARK = "\ufffd".encode(), "\ufeff".encode()
Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class LineCount:
    """How many lines a file has and which are blank; an unended last line counts.

    `bare_return` is the first line with a carriage return that does not stand before its line feed (0: none has one),
    `turn` the first line that ends otherwise than line 1 (CR LF, or LF alone; 0: all end alike); `holds_replacements`
    says whether U+FFFD occurs, the mark of a byte that was no character, or what else is no text: NUL, or a byte-order
    mark that does not begin the file; `is_utf8` whether all bytes are characters. `marks` are the lines that end before
    each block of the file, `is_ended` says whether the last line has an end; `tails` are the bytes before line ends.
    """

    total: int
    blank: npt.NDArray[np.int64]
    bare_return: int
    turn: int
    holds_replacements: bool
    is_utf8: bool
    marks: Numbers
    is_ended: bool = True
    tails: bytes = bytes(range(256))


def count_lines(text: Path) -> LineCount:
    """Count the lines of a file, in bounded memory."""
    counter, piece = LineCounter(), bytearray(PIECE)
    with text.open("rb", buffering=0) as handle:
        while size := handle.readinto(piece):
            counter.add_piece(piece if size == PIECE else bytes(piece[:size]))
    return counter.finish()


class LineCounter:
    """Counts the lines of a text that comes in pieces; `is_utf8` where it is known that all bytes are characters."""

    def __init__(self, is_utf8: bool = False) -> None:
        self.is_known, self.is_utf8, self.holds_replacements = is_utf8, True, False
        self.total = self.position = self.bare_return = self.turn = 0
        self.previous, self.last, self.held = -1, LINE_FEED, b""  # the last line end, the last byte, an unended line
        self.is_crlf: bool | None = None
        self.before, self.are_tails = b"\n\n", np.zeros(256, dtype=bool)  # the last two bytes
        self.blank, self.marks = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]

    def add_piece(self, piece: bytes | bytearray) -> None:
        """Count in a piece that is not empty; it is not kept."""
        block = np.frombuffer(piece, dtype=np.uint8)
        ends = np.flatnonzero(block == LINE_FEED)
        self.marks.append(np.searchsorted(ends, np.arange(-self.position % BLOCK, len(piece), BLOCK)) + self.total)
        lengths = np.diff(ends + self.position, prepend=self.previous) - 1
        bare = lengths == 0
        if self.last == CARRIAGE_RETURN or b"\r" in piece:
            follows = np.append(np.uint8(self.last), block[:-1]) == CARRIAGE_RETURN
            bare |= (lengths == 1) & follows[ends]
            self._see_returns(ends, follows, block)
        elif len(ends):
            self._see_ends(np.zeros(len(ends), dtype=bool))
        self.blank.append(np.flatnonzero(bare) + self.total + 1)
        self._see_tails(block, ends)
        self._see_characters(piece, ends)
        self.previous = int(ends[-1]) + self.position if len(ends) else self.previous
        self.total += len(ends)
        self.position += len(piece)
        self.last = piece[-1]

    def _see_tails(self, block: npt.NDArray[np.uint8], ends: Numbers) -> None:
        """Note the bytes that stand before line ends, before CR LF too."""
        within = ends[np.searchsorted(ends, 2) :]
        lasts = block[within - 1]
        if self.last == CARRIAGE_RETURN or CARRIAGE_RETURN in lasts:
            lasts = np.where(lasts == CARRIAGE_RETURN, block[within - 2], lasts)
        self.are_tails[lasts] = True
        around = self.before + block[:2].tobytes()
        for place in ends[: len(ends) - len(within)].tolist():
            self.are_tails[_find_tail(around[: place + 2])] = True
        self.before = (self.before + block[-2:].tobytes())[-2:]

    def _see_returns(self, ends: Numbers, follows: npt.NDArray[np.bool_], block: npt.NDArray[np.uint8]) -> None:
        """Note the first carriage return without its line feed; `follows` says which bytes come after one."""
        if not self.bare_return:
            bare_returns = np.flatnonzero(follows & (block != LINE_FEED))
            self.bare_return = self.total + int(np.searchsorted(ends, bare_returns[0])) + 1 if len(bare_returns) else 0
        self._see_ends(follows[ends])

    def _see_ends(self, are_crlf: npt.NDArray[np.bool_]) -> None:
        """Note the first line that ends otherwise than line 1."""
        if self.turn or not len(are_crlf):
            return
        if self.is_crlf is None:
            self.is_crlf = bool(are_crlf[0])
        others = np.flatnonzero(are_crlf != self.is_crlf)
        self.turn = self.total + int(others[0]) + 1 if len(others) else 0

    def _see_characters(self, piece: bytes | bytearray, ends: Numbers) -> None:
        """Judge whole lines, which a piece may cut; a character is cut by none."""
        first, end = (int(ends[0]) + 1, int(ends[-1]) + 1) if len(ends) else (len(piece), len(piece))
        self.held += piece[:first]
        self.holds_replacements = (
            self.holds_replacements
            or _holds_replacement(self.held, int(self.position == 0))
            or _holds_replacement(piece, int(self.position == 0))
        )
        if len(ends):
            self.is_utf8 = self.is_utf8 and (self.is_known or (_is_utf8(self.held) and _is_utf8(piece, first, end)))
            self.held = bytes(piece[end:])

    def finish(self) -> LineCount:
        """The account of all pieces."""
        if self.last != LINE_FEED:
            self.are_tails[_find_tail(self.before)] = True
        return LineCount(
            self.total + (self.last != LINE_FEED),
            np.concatenate(self.blank),
            self.bare_return or (self.total + 1 if self.last == CARRIAGE_RETURN else 0),
            self.turn,
            self.holds_replacements or _holds_replacement(self.held),
            self.is_utf8 and (self.is_known or _is_utf8(self.held)),
            np.concatenate(self.marks),
            self.last == LINE_FEED,
            np.flatnonzero(self.are_tails).astype(np.uint8).tobytes(),
        )


def _find_tail(before: bytes) -> int:
    """The byte before a line end, or before the carriage return of one."""
    return before[-2] if before[-1] == CARRIAGE_RETURN else before[-1]


def _is_utf8(piece: bytes | bytearray, start: int = 0, end: int | None = None) -> bool:
    """Whether these bytes of a piece are characters, without copying them."""
    offsets = pa.py_buffer(np.array([start, len(piece) if end is None else end], dtype=np.int32))
    try:
        pa.Array.from_buffers(pa.binary(), 1, [None, offsets, pa.py_buffer(piece)]).cast(pa.string())
    except pa.ArrowInvalid:
        return False
    return True


def _holds_replacement(piece: bytes | bytearray, first: int = 0) -> bool:
    """Whether U+FFFD, NUL, or from `first` on a byte-order mark occurs; single bytes are sought first, for speed."""
    if b"\0" in piece:
        return True
    return REPLACEMENT[:1] in piece and (REPLACEMENT in piece or piece.find(MARK, first) >= 0)


def mark_lines(text: Path) -> Numbers:
    """Lines that end before each block of a file."""
    feeds: list[int] = []
    with text.open("rb") as handle:
        while piece := handle.read(PIECE):
            feeds += count_feeds(piece)
    return add_feeds(feeds)


def count_feeds(piece: bytes) -> list[int]:
    """Line feeds in each block of a piece, which begins with a block."""
    is_feed = np.frombuffer(piece, dtype=np.uint8) == LINE_FEED
    return [int(np.count_nonzero(is_feed[start : start + BLOCK])) for start in range(0, len(piece), BLOCK)]


def add_feeds(feeds: list[int]) -> Numbers:
    """Lines that end before each block, from the line feeds in each."""
    return np.cumsum([0, *feeds][: len(feeds)], dtype=np.int64)


def number_lines(text: Path, marks: Numbers, offsets: pl.Series) -> pl.Series:
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
    with _open_here_and_there(text) as handle:
        for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
            handle.seek(start)
            raw.append(handle.read(stop - start).removesuffix(b"\r").decode(encoding, "backslashreplace"))
    return pl.DataFrame({"line_number": wanted, "raw": raw}, schema={"line_number": pl.Int64, "raw": pl.String})


def _line_ends(text: Path, blocks: Numbers) -> Iterator[tuple[int, slice, Numbers]]:
    """For each block of an ascending list, where it is listed, and the byte offsets of its line feeds.

    Before the first block there is none.
    """
    listed, begins, counts = np.unique(blocks, return_index=True, return_counts=True)
    with _open_here_and_there(text) as handle:
        for block, begin, count in zip(listed.tolist(), begins.tolist(), counts.tolist(), strict=True):
            if block >= 0:
                handle.seek(block * BLOCK)
                ends = np.flatnonzero(np.frombuffer(handle.read(BLOCK), dtype=np.uint8) == LINE_FEED)
                yield block, slice(begin, begin + count), ends + block * BLOCK


def _open_here_and_there(path: Path) -> BinaryIO:
    """Open a file of which little is read: the system need not read ahead."""
    handle = path.open("rb")
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(handle.fileno(), 0, 0, os.POSIX_FADV_RANDOM)
    return handle
