"""Decoding in pieces, of which only what is not ASCII is decoded, gives what decoding the whole text gives."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ingestion.readers import lines
from ingestion.readers import transcode as module
from ingestion.readers.lines import count_lines, mark_lines
from ingestion.readers.transcode import transcode_file

PIECES = st.sampled_from(["loan,", "0", "A", "|", "\n", "\r\n", "借款人", "㛃", "€", "\0", "12345678", "建国路3号"])
BROKEN = st.sampled_from([b"\x81", b"\xff", b"\x81\x30", b"\x81\x30\x81", b"\x80", b"\xe5|", b"\x81\x30A", b"\x81\n"])


def rewritten(content: bytes, encoding: str, chunk: int) -> bytes:
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "CHUNK", chunk)
        patch.setattr(module, "RELEASED", 2 * chunk)
        patch.setattr(lines, "BLOCK", 8)
        path = Path(folder) / "text"
        path.write_bytes(content)
        text, counted, marks = transcode_file(path, encoding, Path(folder))
        assert repr(counted) == repr(count_lines(text))
        assert marks is not None and marks.tolist() == mark_lines(path).tolist()
        return text.read_bytes()


@given(
    st.lists(PIECES.map(lambda text: text.encode("gb18030")) | BROKEN | st.binary(max_size=9), max_size=40),
    st.sampled_from([8, 16, 64]),
    st.sampled_from(["gb18030", "cp1252"]),
)
@example([b"7 bytes", b"\x81", b"@ in all"], 8, "gb18030")
@example([b"0", b"\x820\xb71", b"\x810", b"\0", b"loan,", b"loan,"], 8, "gb18030")
def test_pieces_give_what_the_whole_gives(parts: list[bytes], chunk: int, encoding: str) -> None:
    content = b"".join(parts)
    assert rewritten(content, encoding, chunk) == content.decode(encoding, "replace").encode()


def test_a_long_text_is_decoded_by_its_words() -> None:
    rows = [
        f"LN{number:012d}|{'借款人㛃' * (number % 3)}|{number % 7 * 'x'}|建国路{number}号\n" for number in range(20_000)
    ]
    content = "".join(rows)
    assert rewritten(content.encode("gb18030"), "gb18030", module.CHUNK).decode() == content


@given(st.lists(PIECES.map(str.encode) | st.sampled_from([b"\r", b"\xe5", b"\xff"]), max_size=20))
def test_normalised_lines_all_end_in_one_way(parts: list[bytes]) -> None:
    content = b"".join(parts)
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "CHUNK", 8)
        path = Path(folder) / "text"
        path.write_bytes(content)
        patch.setattr(lines, "BLOCK", 8)
        text, counted, marks = transcode_file(path, "utf-8", Path(folder), is_normalised=True)
        normalised = content.decode(errors="replace").replace("\r\n", "\n").replace("\r", "\n")
        assert text.read_bytes().decode() == normalised
        assert repr(counted) == repr(count_lines(text))
        assert marks is not None and marks.tolist() == mark_lines(path).tolist()
