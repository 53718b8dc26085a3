"""Forms in which the same three rows come: containers, character sets, line ends, documents, quoting."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from typing import Any

import pytest

from ingestion.readers import json_array
from tests.ingestion.broken import Party, column

NAMES = ("id", "name")
ROWS = [("1", "甲上"), ("2", '乙,"丙"'), ("3", "")]
TEXT = 'id,name\n1,甲上\n2,"乙,""丙"""\n3,\n'


def tar(name: str, mode: Any = "w", content: bytes = TEXT.encode()) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as container:
        for member, text in (("other.csv", b"x"), (name, content)):
            info = tarfile.TarInfo(member)
            info.size = len(text)
            container.addfile(info, io.BytesIO(text))
    return buffer.getvalue()


FORMS: dict[str, tuple[dict[str, Any], bytes]] = {
    "gzip": ({"archive": {"format": "gzip"}}, gzip.compress(TEXT.encode())),
    "tar": ({"archive": {"format": "tar", "member": "rows_{yyyymmdd}.csv"}}, tar("rows_20260302.csv")),
    "tar that is packed": ({"archive": {"format": "tar", "member": "a/rows.csv"}}, tar("./a/rows.csv", "w:gz")),
    "UTF-16 with a mark": ({"encoding": "utf-16"}, TEXT.encode("utf-16")),
    "UTF-16, big-endian": ({"encoding": "utf-16"}, b"\xfe\xff" + TEXT.encode("utf-16-be")),
    "UTF-16 without a mark": ({"encoding": "utf-16"}, TEXT.encode("utf-16-le")),
    "CR": ({"line_end": "cr"}, TEXT.replace("\n", "\r").encode()),
    "CR in GBK": ({"line_end": "cr", "encoding": "gb18030"}, TEXT.replace("\n", "\r").encode("gb18030")),
    "CR in UTF-16": ({"line_end": "cr", "encoding": "utf-16"}, TEXT.replace("\n", "\r").encode("utf-16")),
    "backslash": ({"escape": "\\"}, TEXT.replace('""', '\\"').encode()),
    "quotes in the heading": ({}, TEXT.replace("id,name", '"id" , "name"').encode()),
}


@pytest.mark.parametrize(("form", "content"), FORMS.values(), ids=FORMS)
def test_rows_are_the_same_in_every_form(party: Party, form: dict[str, Any], content: bytes) -> None:
    party.declare(*(column(name, key=name == "id") for name in NAMES), quote='"', **form).deliver(content)
    party.land()
    assert party.rows("id", "name", "_line_number") == [(*ROWS[0], 2), (*ROWS[1], 3), ("3", None, 4)]


@pytest.mark.parametrize("form", ["UTF-16 with a mark", "CR in GBK"])
def test_the_text_of_a_broken_row_is_legible_in_every_form(party: Party, form: str) -> None:
    declared, content = FORMS[form]
    party.declare(column("id", "BIGINT", key=True), column("name"), **declared)
    encoding = {"UTF-16 with a mark": "utf-16", "CR in GBK": "gb18030"}[form]
    party.deliver(content.decode(encoding).replace('"', "").replace("3,", "上x,丁").encode(encoding))
    party.land()
    assert party.sealed()[4] == "上x,丁"


BROKEN_CONTAINERS = {
    "no gzip": ({"archive": {"format": "gzip"}}, TEXT.encode(), "is not a whole gzip archive"),
    "cut gzip": ({"archive": {"format": "gzip"}}, FORMS["gzip"][1][:-9], "is not a whole gzip archive"),
    "no tar": ({"archive": {"format": "tar", "member": "x"}}, TEXT.encode(), "is not a whole tar archive"),
    "no member": ({"archive": {"format": "tar", "member": "x"}}, tar("y"), "holds 0 members x"),
    "a bomb": ({"archive": {"format": "gzip"}}, gzip.compress(b"id,name\n" * 1_000_000), "unpacks to more than"),
}


@pytest.mark.parametrize(("form", "content", "reason"), BROKEN_CONTAINERS.values(), ids=BROKEN_CONTAINERS)
def test_a_container_that_does_not_hold_is_refused(
    party: Party, form: dict[str, Any], content: bytes, reason: str
) -> None:
    party.declare(*(column(name, key=name == "id") for name in NAMES), quote='"', **form).deliver(content)
    assert reason in party.refusal()


def test_a_heading_may_hold_separators_quotes_and_line_feeds(party: Party) -> None:
    columns = [column("id", key=True), column("amount", physicalName="amt, yuan"), column("a", physicalName='a "b"')]
    party.declare(*columns, column("c", physicalName="c\nd"), quote='"', preamble=1)
    party.deliver('title\r\n"id","amt, yuan","a ""b""","c\r\nd"\r\n"1","1.00","x","y"\r\n')
    party.land()
    assert party.rows("id", "amount", "a", "c", "_line_number") == [("1", "1.00", "x", "y", 4)]


def test_columns_of_one_name_are_told_apart_by_their_number(party: Party) -> None:
    columns = [column("id", key=True), column("out", physicalName="金额"), column("back", physicalName="金额#2")]
    party.declare(*columns).deliver("id,金额,金额\n1,1.00,2.00\n")
    party.land()
    assert party.rows("out", "back") == [("1.00", "2.00")]


JSON = [column("id", key=True, path="$.id"), column("note", path="$.note"), column("at", path="$.in.at")]
OBJECTS = [
    {"id": "1", "note": 'x]}\\"[{', "in": {"at": "甲"}},
    {"id": "2", "note": "\n\\", "in": {"at": "乙"}, "list": [{"id": 1}, []]},
    {"id": "3", "note": None, "in": {"at": "丙"}},
]
PATHS = {"$": OBJECTS, "$.data": {"code": "0", "rows": [1, "[{"], "data": OBJECTS, "total": 3}}
PATHS |= {"$.data.list": {"list": {}, "data": {"page": {"list": [{}]}, "list": OBJECTS, "n": []}}}


@pytest.mark.parametrize("piece", [1 << 20, 64, 5])
@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("encoding", ["utf-8", "gb18030", "utf-16"])
@pytest.mark.parametrize("path", PATHS)
def test_objects_of_an_array_are_rows(
    party: Party, path: str, encoding: str, indent: int | None, piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_array, "PIECE", piece if path == "$" else max(piece, 256))
    party.declare(*JSON, reader="json_lines", records=path, encoding=encoding, drift={"added": "ignore"})
    party.deliver(json.dumps(PATHS[path], ensure_ascii=False, indent=indent).encode(encoding))
    party.land()
    assert party.rows("id", "note", "at") == [
        ("1", 'x]}\\"[{', "甲"), ("2", "\n\\", "乙"), ("3", None, "丙"),
    ]  # fmt: skip


BROKEN_DOCUMENTS = {
    "cut": ('[{"id":"1","note":"x","in":{"at":"a"}},{"id":"2"', "breaks off inside its document"),
    "cut between": ('[{"id":"1","note":"x","in":{"at":"a"}},', "breaks off inside its document"),
    "another array": ('{"data":[{"id":"1"}]}', "holds no array at $ within"),
    "numbers": ("[1,2]", "elements are not all objects"),
    "arrays": ('[{"id":"1"},[{"id":"2"}]]', "elements are not all objects"),
    "lines": ('{"id":"1"}\n{"id":"2"}\n', "holds no array at $ within"),
}


@pytest.mark.parametrize(("content", "reason"), BROKEN_DOCUMENTS.values(), ids=BROKEN_DOCUMENTS)
def test_a_document_that_does_not_hold_is_refused(party: Party, content: str, reason: str) -> None:
    party.declare(*JSON, reader="json_lines", records="$").deliver(content)
    assert reason in party.refusal()


def test_a_line_feed_inside_a_string_of_a_document_breaks_its_row(party: Party) -> None:
    party.declare(*JSON, reader="json_lines", records="$")
    party.deliver('[{"id":"1","note":"a\nb","in":{"at":"x"}},\n{"id":"2","note":"a","in":{"at":"x"}}]')
    party.land()
    assert [row[0] for row in party.rows("id")] == ["2"]
    assert party.quarantined() == [(1, None, "valid JSON")]


MEMBERS = {
    "renamed": ('{"id":"1","remark":"x","in":{"at":"a"}}\n', ["missing     $.note", "added       -         $.remark"]),
    "in other case": ('{"id":"1","Note":"x","in":{"at":"a"}}\n', ["renamed?    $.note    $.Note"]),
    "added": ('{"id":"1","note":"x","in":{"at":"a"},"more":1}\n', ["added       -         $.more"]),
    "inside": ('{"id":"1","note":"x","in":{"AT":"a"}}\n', ["renamed?    $.in.at   $.in.AT"]),
    "named like data": ('{"id":"1","note":"x","in":{"at":"a"},"13912345678":1}\n', ["(not shown"]),
}


@pytest.mark.parametrize(("content", "differences"), MEMBERS.values(), ids=MEMBERS)
def test_members_that_changed_are_drift(party: Party, content: str, differences: list[str]) -> None:
    party.declare(*JSON, reader="json_lines").deliver(content * 3)
    refusal = party.refusal()
    assert "has other members than the contract" in refusal and "13912345678" not in refusal
    for difference in differences:
        assert difference in refusal


def test_a_member_that_some_row_has_is_not_missing_and_absence_may_be_tolerated(party: Party) -> None:
    row = '{{"id":"{}","in":{{"at":"a"}}}}\n'
    rows = "".join(row.format(n) for n in range(11_000))
    party.declare(*JSON, reader="json_lines").deliver(rows + '{"id":"x","note":"x","in":null}\n')
    party.land()
    assert len(party.rows("id")) == 11_001
    party.declare(*JSON, reader="json_lines", drift={"missing": "null"}).deliver(rows, at="2026-03-03T07:00:00")
    party.land()
    assert len(party.rows("id")) == 11_000


@pytest.mark.parametrize("reader", ["delimited", "parquet"])
def test_a_heading_in_other_case_is_shown_as_renamed(party: Party, reader: str) -> None:
    import polars as pl

    names = ["ID", "Name", "AMT"]
    path = party.deliver(",".join(names) + "\n1,a,1\n")
    if reader == "parquet":
        pl.DataFrame({name: ["1"] for name in names}).write_parquet(path)
    party.declare(column("id", key=True), column("name"), column("amt"), reader=reader)
    refusal = party.refusal()
    assert refusal.count("renamed?") == 3 and "1 id" in refusal and "1 ID" in refusal
