"""Decode before splitting (先解码后切分): 118 GBK characters end in the byte of `|`, so no parser sees raw GB18030."""

from __future__ import annotations

import codecs
import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ingestion.readers.lines import LineCount, LineCounter

CHUNK = 1 << 18
WORD = 8
ABOVE_ASCII, LAST_BIT = np.uint64(0x8080808080808080), np.uint64(63)


def transcode(path: Path, encoding: str, work: Path, is_evened: bool = False) -> tuple[Path, LineCount | None]:
    """Give the UTF-8 form of a file, in bounded memory, with its lines counted on the way; a UTF-8 file is returned as
    it is and not counted, unless its lines have to be evened out: then all end in LF alone.

    A byte that is no character becomes U+FFFD, which the row rule "encoding" quarantines with its row.
    """
    if encoding == "utf-8" and not is_evened:
        return path, None
    target = work / f"{path.name}.utf8"
    plain = codecs.getincrementaldecoder(encoding)(errors="replace")
    evened = io.IncrementalNewlineDecoder(plain, translate=True) if is_evened else None
    counter, piece = LineCounter(is_utf8=True), b" "
    with path.open("rb") as source, target.open("wb") as sink:
        while piece:
            piece = source.read(CHUNK)
            text = evened.decode(piece, not piece).encode() if evened else _transcoded(piece, plain)
            if text:
                sink.write(text)
                counter.take(text)
    return target, counter.result()


def _transcoded(piece: bytes, decoder: codecs.IncrementalDecoder) -> bytes:
    """The UTF-8 form of a piece (an empty one ends the text); what is ASCII is copied, by words of eight bytes, and not
    decoded.

    In all encodings of contracts a byte below 0x80 stands for itself unless a byte above it comes before, so a stretch
    of words to be decoded goes on while the last byte of a word is above. All stretches are decoded together, each
    with a word of NUL after it; a piece that has NUL of its own, or does not consist of words, is decoded whole.
    """
    begun, _ = decoder.getstate()  # a character that the piece before has begun
    if not piece or len(piece) % WORD or b"\0" in piece or b"\0" in begun:
        return decoder.decode(piece, not piece).encode()
    words = np.frombuffer(piece, dtype="<u8")
    is_text = (words & ABOVE_ASCII) != 0
    is_text[1:] |= (words[:-1] >> LAST_BIT).astype(bool)
    is_text[0] |= bool(begun)
    turns = np.flatnonzero(np.diff(is_text, prepend=False, append=False))
    if not len(turns):
        return piece
    lengths = turns[1::2] - turns[::2]
    count = len(lengths)
    stretches = np.zeros(int(lengths.sum()) + count, dtype=words.dtype)
    stretches[np.arange(len(stretches) - count) + np.repeat(np.arange(count), lengths)] = words[is_text]
    decoded = decoder.decode(stretches[: -1 if is_text[-1] else None].tobytes()).encode()
    ends = np.flatnonzero(np.frombuffer(decoded, dtype=np.uint8) == 0)[::WORD]
    ends = np.append(ends, len(decoded)) if is_text[-1] else ends
    places = np.column_stack([np.append(0, ends[:-1] + WORD), ends]).ravel()
    kept = _slices(piece, np.concatenate([[0], turns, [len(words)]]) * WORD)
    order = np.column_stack([np.arange(count + 1) * 2, np.arange(count + 1) * 2 + len(kept)]).ravel()[:-1]
    whole = pa.concat_arrays([kept, _slices(decoded, places)]).take(_integers(order))
    _, offsets, data = whole.buffers()
    return bytes(memoryview(data)[: int(np.frombuffer(offsets, dtype=np.int32)[len(whole)])])


def _slices(data: bytes, places: npt.NDArray[np.int64]) -> pa.Array:
    """The parts of a text between places."""
    offsets = pa.py_buffer(places.astype(np.int32))
    return pa.Array.from_buffers(pa.binary(), len(places) - 1, [None, offsets, pa.py_buffer(data)])


def _integers(numbers: npt.NDArray[np.int64]) -> pa.Array:
    return pa.Array.from_buffers(pa.int64(), len(numbers), [None, pa.py_buffer(numbers)])
