"""Decode before splitting (先解码后切分): 118 GBK characters end in the byte of `|`, so no parser sees raw GB18030."""

from __future__ import annotations

import codecs
import io
import os
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ingestion.readers.lines import LineCount, LineCounter, Numbers, add_feeds, count_feeds

CHUNK, RELEASED = 1 << 18, 1 << 24
WORD = 8
ABOVE_ASCII = np.uint64(0x8080808080808080)


def transcode_file(
    path: Path, encoding: str, work: Path, is_normalised: bool = False
) -> tuple[Path, LineCount | None, Numbers | None]:
    """Give the UTF-8 form of a file, its lines counted on the way, and the lines that end before each block of it.

    Memory is bounded. A UTF-8 file is returned as it is and neither counted nor marked, unless its lines have to be
    made alike: then all end in LF alone.

    A byte that is no character becomes U+FFFD, which the row rule "encoding" quarantines with its row.
    """
    if encoding == "utf-8" and not is_normalised:
        return path, None, None
    target = work / f"{path.name}.utf8"
    plain = codecs.getincrementaldecoder(encoding)(errors="replace")
    normalised = io.IncrementalNewlineDecoder(plain, translate=True) if is_normalised else None
    counter, feeds, piece = LineCounter(is_utf8=True), list[int](), b" "
    with path.open("rb") as source, target.open("wb") as sink:
        while piece:
            piece = source.read(CHUNK)
            text = normalised.decode(piece, not piece).encode() if normalised else _transcoded(piece, plain)
            if text:
                sink.write(text)
                counter.add_piece(text)
            feeds += count_feeds(piece)
            if source.tell() % RELEASED == 0:
                _release(source)
    return target, counter.finish(), add_feeds(feeds)


def _release(source: BinaryIO) -> None:
    """Let the system reuse the pages of what was just read for what is written.

    A page of a virtual machine that is touched for the first time costs more than decoding it.
    """
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(source.fileno(), max(source.tell() - RELEASED, 0), RELEASED, os.POSIX_FADV_DONTNEED)


def _transcoded(piece: bytes, decoder: codecs.IncrementalDecoder) -> bytes:
    """The UTF-8 form of a piece (an empty one ends the text); what is ASCII is copied and not decoded.

    In all encodings of contracts a byte below 0x80 stands for itself unless a byte above it comes before, so a stretch
    of words to be decoded goes on while the last byte of a word is above. All stretches are decoded together, each
    with a word of NUL after it; a piece that has NUL of its own there, or does not consist of words, is decoded whole.
    """
    state = decoder.getstate()
    begun, _ = state  # a character that the piece before has begun
    if not piece or len(piece) % WORD:
        return decoder.decode(piece, not piece).encode()
    words = np.frombuffer(piece, dtype="<u8")
    is_text = (words & ABOVE_ASCII) != 0
    is_text[1:] |= np.frombuffer(piece, dtype=np.int8)[WORD - 1 : -WORD : WORD] < 0
    is_text[0] |= bool(begun)
    found = np.flatnonzero(is_text)
    if not len(found):
        return piece
    bounds = np.concatenate([[0], np.flatnonzero(np.diff(found) != 1) + 1, [len(found)]])
    count, goes_on = len(bounds) - 1, bool(is_text[-1])
    stretches = np.zeros(len(found) + count, dtype=words.dtype)
    stretches[np.arange(len(found)) + np.repeat(np.arange(count), np.diff(bounds))] = words[found]
    decoded = decoder.decode(stretches[: -1 if goes_on else None].tobytes()).encode()
    ends = np.flatnonzero(np.frombuffer(decoded, dtype=np.uint8) == 0)
    if len(ends) != WORD * (count - goes_on):
        decoder.setstate(state)
        return decoder.decode(piece).encode()
    return _alternated(piece, found, bounds, decoded, ends[::WORD])


def _alternated(piece: bytes, found: Numbers, bounds: Numbers, decoded: bytes, ends: Numbers) -> bytes:
    """What is ASCII of a piece, and between it the decoded stretches."""
    import pyarrow.compute as pc  # slow to load, and few deliveries need it

    turns, places = np.zeros((2, 2 * len(bounds)), dtype=np.int32)
    turns[1:-1:2], turns[2:-1:2], turns[-1] = found[bounds[:-1]] * WORD, (found[bounds[1:] - 1] + 1) * WORD, len(piece)
    places[2:] = len(decoded)
    places[2 : 2 * len(ends) + 2 : 2], places[3 : 2 * len(ends) + 3 : 2] = ends, ends + WORD
    is_ascii = pa.py_buffer(b"\x55" * (len(turns) // 8 + 1))  # every other part
    whole = pc.if_else(
        pa.Array.from_buffers(pa.bool_(), len(turns) - 1, [None, is_ascii]),
        _slices(piece, turns),
        _slices(decoded, places),
    )
    _, offsets, data = whole.buffers()
    size = int(np.frombuffer(offsets, dtype=np.int32)[len(whole)])
    return bytes(data.slice(0, size).to_pybytes())


def _slices(data: bytes, places: npt.NDArray[np.int32]) -> pa.Array:
    """The parts of a text between places."""
    return pa.Array.from_buffers(pa.binary(), len(places) - 1, [None, pa.py_buffer(places), pa.py_buffer(data)])
