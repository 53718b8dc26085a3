"""Fixed-width text (定长文本): widths count bytes of the file's own encoding, so lines are cut before decoding."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from ingestion.contract import Dataset

UNIT_SEPARATOR = "\x1f"
CHUNK = 1 << 22
Bytes = npt.NDArray[np.uint8]


def delimit_columns(path: Path, dataset: Dataset, heading: int, work: Path) -> Path:
    """Rewrite a file with a separator between columns, line by line, in bounded memory.

    A line of another length stays without separators (of one column: gets one), so that the delimited reader rejects
    it at its own line number.
    """
    widths = np.array([column.profile.width for column in dataset.columns], dtype=np.int64)
    target, is_trimmed = work / f"{path.name}.delimited", dataset.delivery.trimmed
    with path.open("rb") as source, target.open("wb") as sink:
        for _ in range(heading):
            sink.write(source.readline())
        held = b""
        while chunk := source.read(CHUNK):
            held += chunk
            end = held.rfind(b"\n") + 1
            piece = held[:end]
            sink.write(_delimit_lines(_pad_lines(piece, int(widths.sum())) if is_trimmed else piece, widths))
            held = held[end:]
        if held:
            sink.write(_delimit_lines(held + b"\n", widths)[:-1])
    return target


def _pad_lines(piece: bytes, width: int) -> bytes:
    """Whole lines, those that are too short filled up with the blanks that they lost; blank ones stay."""
    if not piece:
        return b""
    block = np.frombuffer(piece, dtype=np.uint8)
    ends = np.flatnonzero(block == ord("\n"))
    starts = np.concatenate([[0], ends[:-1] + 1])
    lengths = ends - starts
    lengths -= (lengths > 0) & (block[np.maximum(ends - 1, 0)] == ord("\r"))
    out_lengths = np.where(lengths > 0, np.maximum(lengths, width), 0) + 1
    out_starts = np.cumsum(out_lengths) - out_lengths
    out = np.full(int(out_lengths.sum()), ord(" "), dtype=np.uint8)
    out[out_starts + out_lengths - 1] = ord("\n")
    within = np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    out[np.repeat(out_starts, lengths) + within] = block[np.repeat(starts, lengths) + within]
    return out.tobytes()


def _delimit_lines(piece: bytes, widths: npt.NDArray[np.int64]) -> bytes:
    """Whole lines with separators put in; every line must end in a line feed."""
    if not piece:
        return b""
    block = np.frombuffer(piece, dtype=np.uint8)
    ends = np.flatnonzero(block == ord("\n"))
    starts = np.concatenate([[0], ends[:-1] + 1])
    lengths = ends - starts
    lengths -= (lengths > 0) & (block[np.maximum(ends - 1, 0)] == ord("\r"))
    is_whole = lengths == widths.sum()
    is_marked = ~is_whole & (lengths > 0) & (len(widths) == 1)
    out_lengths = np.where(is_whole, lengths + len(widths), lengths + 1) + 2 * is_marked
    out_starts = np.concatenate([[0], np.cumsum(out_lengths)[:-1]])
    out = np.full(int(out_lengths.sum()), ord(UNIT_SEPARATOR), dtype=np.uint8)
    out[out_starts + out_lengths - 1] = ord("\n")
    begins = np.concatenate([[0], np.cumsum(widths)[:-1]])
    for place, (begin, width) in enumerate(zip(begins.tolist(), widths.tolist(), strict=True)):
        columns = np.arange(width)
        found = block[(starts[is_whole] + begin)[:, None] + columns]
        out[(out_starts[is_whole] + begin + place)[:, None] + columns] = found
    broken = lengths[~is_whole]
    within = np.arange(int(broken.sum())) - np.repeat(np.cumsum(broken) - broken, broken)
    found = block[np.repeat(starts[~is_whole], broken) + within]
    out[np.repeat(out_starts[~is_whole], broken) + within] = np.where(found == ord(UNIT_SEPARATOR), ord("?"), found)
    out[(out_starts + lengths + 1)[is_marked]] = ord("?")
    return out.tobytes()
