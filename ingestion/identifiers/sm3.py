"""SM3 (GB/T 32905, GM/T 0004) and HMAC-SM3 over whole Arrow columns: NumPy runs every round on all values at once.

The functions take and give Arrow arrays, so they serve as DuckDB functions of type `arrow`; DuckDB itself knows MD5,
SHA-1 and SHA-256 only.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Words = NDArray[np.uint32]

BLOCK = 64
DIGEST = 32
LANES = 8192
TURN = Lock()  # an engine calls from several threads, which would wait for the interpreter at every step
INITIAL = np.array(
    [0x7380166F, 0x4914B2B9, 0x172442D7, 0xDA8A0600, 0xA96F30BC, 0x163138AA, 0xE38DEE4D, 0xB0FB0E4E], np.uint32
)


def _turned(constant: int, by: int) -> int:
    by %= 32
    return (constant << by | constant >> (32 - by)) & 0xFFFFFFFF if by else constant


# As arrays: a NumPy call converts a scalar each time.
SHIFTS = [np.array(number, np.uint32) for number in range(32)]
CONSTANTS = [np.array(_turned(0x79CC4519 if number < 16 else 0x7A879D8A, number), np.uint32) for number in range(64)]


def sm3_hex(values: pa.Array) -> pa.Array:
    """SM3 of every text or binary value, in lower hexadecimal; NULL stays NULL."""
    with TURN:
        return _hexadecimal(values, _digest(*_bytes_of(values), b"", INITIAL, 0))


def hmac_sm3(key: bytes, prefix: bytes = b"") -> Callable[[pa.Array], pa.Array]:
    """A function that gives HMAC-SM3 of `prefix || value` for every value, in lower hexadecimal; NULL stays NULL."""
    padded = (_sm3(key) if len(key) > BLOCK else key).ljust(BLOCK, b"\0")
    inner = _absorbed(bytes(byte ^ 0x36 for byte in padded))
    outer = _absorbed(bytes(byte ^ 0x5C for byte in padded))

    def keyed(values: pa.Array) -> pa.Array:
        with TURN:
            inside = _digest(*_bytes_of(values), prefix, inner, BLOCK)
            lengths = np.full(len(inside), DIGEST, np.int64)
            return _hexadecimal(values, _digest(inside.reshape(-1), lengths, b"", outer, BLOCK))

    return keyed


def _sm3(data: bytes) -> bytes:
    return _digest(np.frombuffer(data, np.uint8), np.array([len(data)], np.int64), b"", INITIAL, 0).tobytes()


def _absorbed(block: bytes) -> Words:
    """The state after one block, from which every value of a keyed function starts."""
    words = np.frombuffer(block, ">u4").astype(np.uint32).reshape(16, 1)
    return _compressed(INITIAL.reshape(8, 1), words)[:, 0]


def _bytes_of(values: pa.Array) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """All values one after the other, and the length of each."""
    whole = _whole(values)
    is_large = pa.types.is_large_string(whole.type) or pa.types.is_large_binary(whole.type)
    _, places, data = whole.buffers()
    offsets = np.frombuffer(places, np.int64 if is_large else np.int32)[: len(whole) + 1]
    held = np.frombuffer(data, np.uint8) if data is not None else np.empty(0, np.uint8)
    return held[offsets[0] : offsets[-1]], np.diff(offsets).astype(np.int64)


def _whole(values: pa.Array) -> pa.Array:
    """Values in one piece, from its beginning; nothing here calls for Arrow's compute functions, which load slowly."""
    whole = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    return pa.concat_arrays([whole, whole.slice(0, 0)]) if whole.offset else whole


def _hexadecimal(values: pa.Array, digests: NDArray[np.uint8]) -> pa.Array:
    text = digests.tobytes().hex().encode()
    offsets = np.arange(len(digests) + 1, dtype=np.int32) * np.int32(2 * DIGEST)
    valid = _whole(values).buffers()[0] if values.null_count else None
    return pa.StringArray.from_buffers(len(digests), pa.py_buffer(offsets), pa.py_buffer(text), valid)


def _digest(
    data: NDArray[np.uint8], lengths: NDArray[np.int64], prefix: bytes, start: Words, absorbed: int
) -> NDArray[np.uint8]:
    """Digests (n × 32 bytes) of `prefix || value`, continuing from `start` after `absorbed` bytes."""
    digests = np.empty((len(lengths), DIGEST), np.uint8)
    ends = np.concatenate([[0], np.cumsum(lengths)])
    for first in range(0, len(lengths), LANES):
        last = min(first + LANES, len(lengths))
        digests[first:last] = _digest_lanes(
            data[ends[first] : ends[last]], lengths[first:last], prefix, start, absorbed
        )
    return digests


def _digest_lanes(
    data: NDArray[np.uint8], lengths: NDArray[np.int64], prefix: bytes, start: Words, absorbed: int
) -> NDArray[np.uint8]:
    count, total = len(lengths), lengths + len(prefix)
    blocks = (total + 8) // BLOCK + 1
    width = int(blocks.max()) * BLOCK
    padded = np.zeros((count, width), np.uint8)
    padded[:, : len(prefix)] = np.frombuffer(prefix, np.uint8)
    rows = np.arange(count)
    before = np.cumsum(lengths) - lengths
    padded.reshape(-1)[np.repeat(rows * width + len(prefix) - before, lengths) + np.arange(len(data))] = data
    padded[rows, total] = 0x80
    bits = ((total + absorbed) * 8).astype(">u8").view(np.uint8).reshape(count, 8)
    padded[rows[:, None], (blocks * BLOCK - 8)[:, None] + np.arange(8)] = bits
    words = padded.view(">u4").astype(np.uint32).T
    state = np.repeat(start[:, None], count, axis=1)
    for block in range(width // BLOCK):
        block_words = words[block * 16 : block * 16 + 16]
        open_lanes = blocks > block
        if open_lanes.all():
            state = _compressed(state, np.ascontiguousarray(block_words))
        else:
            state[:, open_lanes] = _compressed(state[:, open_lanes], block_words[:, open_lanes])
    return np.ascontiguousarray(state.T).astype(">u4").view(np.uint8)


def _compressed(state: Words, block: Words) -> Words:
    """One step of the compression function CF for all lanes; `state` is 8 × n, `block` 16 × n.

    Arrays are few and reused: at the two thousand lanes of an engine's vector, the calls cost more than their work.
    """
    words = np.empty((68, state.shape[1]), np.uint32)
    words[:16] = block
    for first in range(16, 68, 3):  # three words at a time: the nearest that one needs is three before it
        last = min(first + 3, 68)
        mixed = words[first - 16 : last - 16] ^ words[first - 9 : last - 9]
        spare = np.empty_like(mixed)
        mixed ^= _rotate(words[first - 3 : last - 3], 15, spare, np.empty_like(mixed))
        turned, other = _rotate(mixed, 15, spare, np.empty_like(mixed)), np.empty_like(mixed)
        turned ^= _rotate(mixed, 23, spare, other)
        mixed ^= turned
        mixed ^= _rotate(words[first - 13 : last - 13], 7, spare, other)
        np.bitwise_xor(mixed, words[first - 6 : last - 6], out=words[first:last])
    pairs = words[:64] ^ words[4:68]
    a, b, c, d, e, f, g, h = state.copy()
    spare, left, right = np.empty((3, state.shape[1]), np.uint32)
    for number in range(64):
        _rotate(a, 12, spare, left)
        np.add(left, e, out=right)
        right += CONSTANTS[number]
        np.left_shift(right, SHIFTS[7], out=spare)
        right >>= SHIFTS[25]
        right |= spare
        left ^= right
        left += d
        left += pairs[number]
        right += h
        right += words[number]
        if number < 16:
            np.bitwise_xor(a, b, out=d)
            d ^= c
            np.bitwise_xor(e, f, out=h)
            h ^= g
        else:
            np.bitwise_or(b, c, out=d)
            d &= a
            np.bitwise_and(b, c, out=spare)
            d |= spare
            np.bitwise_xor(f, g, out=h)
            h &= e
            h ^= g
        d += left
        right += h
        _rotate(right, 9, spare, h)
        h ^= right
        _rotate(right, 17, spare, left)
        h ^= left
        _rotate(b, 9, spare, b)
        _rotate(f, 19, spare, f)
        a, b, c, d, e, f, g, h = d, a, b, c, h, e, f, g
    return np.stack([a, b, c, d, e, f, g, h]) ^ state


def _rotate(words: Words, by: int, spare: Words, out: Words) -> Words:
    """`words` rotated left, in `out`."""
    np.left_shift(words, SHIFTS[by], out=spare)
    np.right_shift(words, SHIFTS[32 - by], out=out)
    return np.bitwise_or(out, spare, out=out)
