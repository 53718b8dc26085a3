"""Fixed-width lines: where one column ends and the next begins, guessed from blanks and kinds of characters."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from ingestion.identifiers.kinds import CERT_NO_CHECK, CERT_NO_WEIGHTS
from ingestion.scaffold.sampling import Text
from ingestion.scaffold.table import Table

Matrix = npt.NDArray[np.uint8]
BLANK, DIGIT, LETTER, WIDE, OTHER = range(5)
WEIGHTS = np.array(CERT_NO_WEIGHTS, dtype=np.int64)
CHECKS = np.frombuffer(CERT_NO_CHECK.encode(), dtype=np.uint8)
LEAST_LINES = 3
LEAST_WIDTH = 8


def read_fixed_width(text: Text) -> Table | None:
    """The table of a text whose lines all have the same number of bytes; None for any other text."""
    encoded = [line.encode(text.encoding) for line in text.lines]
    lengths, counts = np.unique([len(line) for line in encoded], return_counts=True)
    width = int(lengths[counts.argmax()])
    regular = [line for line in encoded if len(line) == width]
    if width < LEAST_WIDTH or len(regular) < max(LEAST_LINES, 0.95 * len(encoded)):
        return None
    matrix = np.frombuffer(b"".join(regular), dtype=np.uint8).reshape(-1, width)
    starts = _part_at(find_starts(classify_bytes(matrix, text.encoding)), find_known_columns(matrix))
    starts = [start for start in starts if start < width]
    widths = [int(step) for step in np.diff([*starts, width])]
    columns = []
    for start, size in zip(starts, widths, strict=True):
        cells = np.ascontiguousarray(matrix[:, start : start + size]).view(f"S{size}").ravel()
        columns.append([cell.decode(text.encoding, "replace").strip() or None for cell in cells.tolist()])
    taken = sum(len(piece) for piece in text.sample.pieces)
    rows = len(columns[0]) if text.sample.is_complete else round(len(columns[0]) * text.sample.size / taken)
    table = Table(
        {"reader": "fixed_width", "header": "none"},
        pl.DataFrame({f"c{number}": values for number, values in enumerate(columns, 1)}, strict=False),
        rows,
        text.sample.is_complete,
        [None] * len(widths),
        widths=widths,
    )
    table.frame = table.frame.cast(pl.String)
    table.doubt(
        "reader",
        f"{len(regular)} of {len(encoded)} lines have {width} bytes; the widths are guessed from blanks and kinds of"
        " characters, and neighbours of one kind look like one column; compare with the party's layout",
    )
    return table


def find_known_columns(matrix: Matrix) -> list[tuple[int, int]]:
    """Start and size of columns that their digits give away: identity numbers first, then dates outside them."""
    digits = matrix.astype(np.int64) - ord("0")
    is_digit: npt.NDArray[np.bool_] = np.all((digits >= 0) & (digits <= 9), axis=0)
    known: list[tuple[int, int]] = []
    for start in range(matrix.shape[1] - 17):
        if is_digit[start : start + 17].all() and _is_free(start, 18, known):
            expected = CHECKS[(digits[:, start : start + 17] @ WEIGHTS) % 11]
            if (expected == matrix[:, start + 17]).mean() >= 0.95:
                known.append((start, 18))
    for start in range(matrix.shape[1] - 7):
        if is_digit[start : start + 8].all() and _is_free(start, 8, known) and _are_dates(digits[:, start : start + 8]):
            known.append((start, 8))
    return known


def _is_free(start: int, size: int, known: list[tuple[int, int]]) -> bool:
    return all(start + size <= other or other + length <= start for other, length in known)


def _are_dates(digits: npt.NDArray[np.int64]) -> bool:
    year = digits[:, :4] @ np.array([1000, 100, 10, 1])
    month, day = digits[:, 4] * 10 + digits[:, 5], digits[:, 6] * 10 + digits[:, 7]
    real = (year >= 1930) & (year <= 2099) & (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)
    open_ended = (year == 9999) | ((year == 0) & (month == 0) & (day == 0))
    return bool((real | open_ended).mean() >= 0.99 and real.any())


def _part_at(starts: list[int], known: list[tuple[int, int]]) -> list[int]:
    """Borders around known columns, and none inside them."""
    outside = {start for start in starts if all(not other < start < other + size for other, size in known)}
    borders = {border for start, size in known for border in (start, start + size)}
    return sorted(outside | borders)


def classify_bytes(matrix: Matrix, encoding: str) -> Matrix:
    """Kind of every byte; both bytes of a character of two are WIDE, although the second may look like ASCII."""
    kinds = np.full(matrix.shape, OTHER, dtype=np.uint8)
    kinds[matrix == ord(" ")] = BLANK
    kinds[(matrix >= ord("0")) & (matrix <= ord("9"))] = DIGIT
    kinds[((matrix | 32) >= ord("a")) & ((matrix | 32) <= ord("z"))] = LETTER
    kinds[matrix >= 0x80] = WIDE
    if encoding == "gb18030":
        open_character = np.zeros(len(matrix), dtype=bool)
        for position in range(matrix.shape[1]):
            kinds[open_character, position] = WIDE
            open_character = ~open_character & (matrix[:, position] >= 0x81)
    return kinds


def find_starts(kinds: Matrix) -> list[int]:
    """First positions of the columns.

    A column begins where blanks end (a left-aligned text after its predecessor's padding, or the padding of a
    right-aligned number after a text), and where digits meet another kind without any blank between.
    """
    filled = (kinds != BLANK).mean(axis=0)
    kind = np.array([_usual(kinds[:, position]) for position in range(kinds.shape[1])])
    starts = [0]
    falling = False
    for position in range(1, kinds.shape[1]):
        before, here = filled[position - 1], filled[position]
        if here > before + 1e-9:
            if falling or before == 0.0 or kind[position] != kind[position - 1]:
                starts.append(position)
            falling = False
        elif here < before - 1e-9:
            if _is_right_aligned(filled, kind, position):
                starts.append(position)
                falling = False
            else:
                falling = True
        elif here == 1.0 and _changes(int(kind[position - 1]), int(kind[position])):
            starts.append(position)
    return _give_padding(starts, filled)


def _give_padding(starts: list[int], filled: npt.NDArray[np.float64]) -> list[int]:
    """Blanks before a right-aligned value are its own: a longer amount is not cut, a longer text is no number."""
    moved = list(starts)
    for number, start in enumerate(starts[1:], 1):
        end = starts[number + 1] if number + 1 < len(starts) else len(filled)
        used = np.flatnonzero(filled[start:end] > 0.0)
        if not used.size or filled[start] >= 1.0 or filled[start + used[-1]] < 1.0:
            continue
        while moved[number] > starts[number - 1] + 1 and filled[moved[number] - 1] == 0.0:
            moved[number] -= 1
    return moved


def _is_right_aligned(filled: npt.NDArray[np.float64], kind: npt.NDArray[np.int64], position: int) -> bool:
    """True where a drop in filling opens a number padded on its left, which fills up to 1 by degrees."""
    if filled[position - 1] < 1.0:
        return False
    by_degrees = False
    for after in range(position, len(filled)):
        fewer = after > position and filled[after] < filled[after - 1] - 1e-9
        if kind[after] not in (DIGIT, BLANK, OTHER) or fewer:
            return False
        if filled[after] == 1.0:
            return by_degrees
        by_degrees |= bool(filled[after] > 0.0)
    return False


def _usual(column: Matrix) -> int:
    """Most frequent kind but blank; a letter among many digits is a check character."""
    counts = np.bincount(column, minlength=5)
    counts[BLANK] = 0
    return int(counts.argmax()) if counts.any() else BLANK


def _changes(before: int, here: int) -> bool:
    """Digits that follow letters may be one code; any other meeting of two kinds is a border."""
    if before == here or OTHER in (before, here):
        return False
    return not (before == LETTER and here == DIGIT)
