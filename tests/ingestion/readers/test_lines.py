"""Lines found by blocks, of which only those that hold a wanted line are read, are those of the whole text."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.readers import lines as module
from ingestion.readers.lines import LineCounter, count_lines, mark_lines, number_lines, read_lines

BROKEN = [b"\r", b"\xff", b"\xe5", "\ufffd".encode(), "\uff0c".encode()]
TEXTS = st.lists(st.sampled_from([b"a", b"|", b"\n", b"\n\n", b"\r\n", b"twelve bytes", "客户".encode()]), max_size=40)


@given(TEXTS.map(b"".join) | st.lists(st.sampled_from([*BROKEN, b"a\n", b"\r\n", b"\n"])).map(b"".join), st.data())
def test_pieces_count_to_what_the_whole_holds(content: bytes, data: st.DataObject) -> None:
    cuts = data.draw(st.sets(st.integers(0, len(content)), max_size=6)) | {0, len(content)}
    counter = LineCounter()
    for start, end in pairwise(sorted(cuts)):
        counter.add_piece(content[start:end])
    counted = counter.finish()
    *ended, rest = content.split(b"\n")
    returned = [line.endswith(b"\r") for line in ended]
    turns = [number for number, is_crlf in enumerate(returned, 1) if is_crlf != returned[0]]
    bare_returns = [number for number, line in enumerate(ended, 1) if b"\r" in line.removesuffix(b"\r")]
    bare_returns += [len(ended) + 1] if b"\r" in rest else []
    assert counted.total == len(ended) + bool(rest)
    assert counted.blank.tolist() == [number for number, line in enumerate(ended, 1) if line in (b"", b"\r")]
    assert [counted.bare_return, counted.turn] == [min(bare_returns, default=0), min(turns, default=0)]
    assert counted.holds_replacements == ("\ufffd".encode() in content)
    assert counted.is_utf8 == (content.decode(errors="replace").encode() == content)


@given(TEXTS.map(b"".join), st.data())
def test_blocks_give_what_the_whole_gives(content: bytes, data: st.DataObject) -> None:
    whole = content.removesuffix(b"\n").split(b"\n") if content else []
    offsets = sorted(data.draw(st.lists(st.integers(0, len(content) + 9), max_size=9)))
    numbers = data.draw(st.lists(st.integers(1, max(len(whole), 1)), max_size=9))
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BLOCK", 8)
        patch.setattr(module, "PIECE", 16)
        path = Path(folder) / "text"
        path.write_bytes(content)
        counted = count_lines(path)
        assert counted.total == len(whole)
        assert counted.marks.tolist() == mark_lines(path).tolist()
        assert counted.marks.tolist() == [content[:start].count(b"\n") for start in range(0, len(content), 8)]
        found = number_lines(path, counted.marks, pl.Series(offsets, dtype=pl.Int64))
        assert found.to_list() == [content[:offset].count(b"\n") + 1 for offset in offsets]
        if whole:
            read = read_lines(path, counted.marks, pl.Series(numbers, dtype=pl.Int64), "utf-8")
            wanted = sorted(set(numbers))
            assert read["line_number"].to_list() == wanted
            assert read["raw"].to_list() == [whole[number - 1].removesuffix(b"\r").decode() for number in wanted]
