"""Documents that hold their rows in an array (JSON 数组): written again with one object a line, as JSON lines are.

Strings and depth are found with vectors, a piece at a time, so that a document of any size takes bounded memory.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ingestion.readers.lines import Numbers
from ingestion.readers.reading import FileUnreadable

PIECE = 1 << 20
QUOTE, BACKSLASH = ord('"'), ord("\\")
TOKEN = re.compile(rb'"((?:[^"\\]|\\.)*)"\s*(:?)|[][{}]', re.DOTALL)
BETWEEN = np.frombuffer(b" \t\r\n,", dtype=np.uint8)
LONGEST_REMARK = 1 << 16
NOT_ALL_OBJECTS = "holds an array whose elements are not all objects"


def place_rows(path: Path, records: str, target: Path) -> tuple[str, str]:
    """Write every object of an array as a line of `target`; returns the text above the array and below it.

    `path` is UTF-8. The array has to begin within the first megabyte.

    Raises:
        FileUnreadable: there is no such array, it holds something else than objects, or the document is cut.
    """
    with path.open("rb") as source, target.open("wb") as sink:
        head = source.read(PIECE)
        start, depth = _find_array(head, records)
        source.seek(start + 1)
        scanner, tail = _Scanner(depth), b""
        while piece := source.read(PIECE):
            found = scanner.take(piece)
            sink.write(found.lines)
            tail = (tail + found.rest)[:LONGEST_REMARK]
    if scanner.depth or scanner.is_string or not scanner.is_over:
        raise FileUnreadable("breaks off inside its document; it was cut on the way")
    return head[: min(start, LONGEST_REMARK)].decode("utf-8-sig", "replace"), tail.decode("utf-8", "replace")


def _find_array(head: bytes, records: str) -> tuple[int, int]:
    """Place of the bracket that opens the array, and the depth inside it."""
    wanted, names = [name.encode() for name in records.split(".")[1:]], list[bytes]()
    last = b""  # the member whose value comes next
    for token in TOKEN.finditer(head):
        if token[0][:1] == b'"':
            last = token[1] if token[2] else b""
        elif token[0] in b"[{":
            names.append(last)
            last = b""
            if token[0] == b"[" and names[1:] == wanted:
                return token.start(), len(names)
        elif names:
            names.pop()
    raise FileUnreadable(f"holds no array at {records} within its first {PIECE:,} bytes")


@dataclass(frozen=True)
class _Found:
    lines: bytes
    rest: bytes


class _Scanner:
    """Follows strings and depth through the pieces of a document, from inside its array on."""

    def __init__(self, depth: int) -> None:
        self.array = self.depth = depth
        self.is_string = self.is_over = False
        self.backslashes = 0

    def take(self, piece: bytes) -> _Found:
        """The objects that a piece ends or continues, each on a line, and what follows the array."""
        block = np.frombuffer(piece, dtype=np.uint8)
        quotes = self._find_quotes(piece, block)
        is_mark = np.zeros(256, dtype=bool)
        is_mark[list(b"[]{}")] = True
        places = np.flatnonzero(is_mark[block])
        places = places[self._are_outside(quotes, places)]
        steps = np.where((block[places] == ord("{")) | (block[places] == ord("[")), 1, -1)
        depths = np.cumsum(steps) + self.depth
        end = self._find_end(places, depths, len(piece))
        kept, ends = self._find_rows(block, places, steps, depths, end)
        between = block[:end][~kept[:end]]
        if not np.isin(between, BETWEEN).all():
            raise FileUnreadable(NOT_ALL_OBJECTS)
        lines = self._write_lines(block, quotes, kept, ends)
        self.depth = int(depths[-1]) if len(depths) else self.depth
        self.is_string ^= bool(len(quotes) % 2)
        return _Found(lines, piece[end:])

    def _find_quotes(self, piece: bytes, block: npt.NDArray[np.uint8]) -> Numbers:
        """Places of the quotes that open or close a string."""
        quotes = np.flatnonzero(block == QUOTE)
        if BACKSLASH not in piece and not self.backslashes:
            return quotes
        others = np.flatnonzero(block != BACKSLASH)
        before = np.searchsorted(others, quotes) - 1
        last = np.where(before >= 0, others[np.maximum(before, 0)], -1 - self.backslashes)
        run = len(piece) - 1 - (int(others[-1]) if len(others) else -1 - self.backslashes)
        self.backslashes = run % 2
        unescaped: Numbers = quotes[(quotes - 1 - last) % 2 == 0]
        return unescaped

    def _are_outside(self, quotes: Numbers, places: Numbers) -> npt.NDArray[np.bool_]:
        """Whether places are outside of strings."""
        are_outside: npt.NDArray[np.bool_] = (np.searchsorted(quotes, places) + self.is_string) % 2 == 0
        return are_outside

    def _find_end(self, places: Numbers, depths: Numbers, size: int) -> int:
        """Where the array ends in this piece; 0 if it ended before, the size of the piece if it goes on."""
        if self.is_over:
            return 0
        closing = np.flatnonzero(depths < self.array)
        self.is_over = bool(len(closing))
        return int(places[closing[0]]) if len(closing) else size

    def _find_rows(
        self, block: npt.NDArray[np.uint8], places: Numbers, steps: Numbers, depths: Numbers, end: int
    ) -> tuple[npt.NDArray[np.bool_], Numbers]:
        """Which bytes belong to an object of the array, and where objects end."""
        is_before = places < end
        opens = places[is_before & (steps == 1) & (depths == self.array + 1)]
        if (block[opens] != ord("{")).any():
            raise FileUnreadable(NOT_ALL_OBJECTS)
        ends = places[is_before & (steps == -1) & (depths == self.array)]
        changes = np.zeros(len(block) + 1, dtype=np.int8)
        changes[0] = self.depth > self.array
        changes[opens] += 1
        changes[ends + 1] -= 1
        kept = np.cumsum(changes[:-1], dtype=np.int8) > 0
        kept[end:] = False
        return kept, ends

    def _write_lines(
        self, block: npt.NDArray[np.uint8], quotes: Numbers, kept: npt.NDArray[np.bool_], ends: Numbers
    ) -> bytes:
        """The kept bytes with a line feed after each object and none inside; one within a string stays forbidden."""
        feeds = np.flatnonzero((block == ord("\n")) | (block == ord("\r")))
        block = block.copy()
        block[feeds] = np.where(self._are_outside(quotes, feeds), ord(" "), 1)
        return np.insert(block[kept], np.cumsum(kept)[ends], ord("\n")).tobytes()
