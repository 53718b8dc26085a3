"""Lines that are no rows, rows without a key, and lines that look like rows but hold more, or less, than one."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ingestion.readers import surrounding
from tests.ingestion.broken import Party, column, make_party

TITLES = "账户明细\n起始日期:[2026-03-02]\n"
ROWS = "借据号,金额,备注\nHJ1,1.00,甲\nHJ2,2.50,乙\n"
TRAILER = "------\n共2笔记录\n合计,3.50,\n导出人：某某\n"
COLUMNS = [
    column("id", key=True, physicalName="借据号"),
    column("amount", "DECIMAL(18,2)", physicalName="金额"),
    column("note", physicalName="备注"),
]
BEGINS: dict[str, Any] = {"preamble": 2, "trailer": {"begins": "---", "lines": 4}}
TOTALS = {"rows": "^共([0-9]+)笔", "sum:amount": "^合计,([^,]*),", "business_date": "起始日期:.([0-9-]{10})"}


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize(
    "trailer",
    [{"begins": "---", "lines": 4}, {"begins": "---"}, {"lines": 4}],
    ids=["by beginning and length", "by beginning", "by length"],
)
def test_rows_end_at_the_trailer_and_agree_with_what_it_states(
    party: Party, trailer: dict[str, Any], end: str, encoding: str
) -> None:
    party.declare(*COLUMNS, encoding=encoding, preamble=2, trailer=trailer, totals=TOTALS)
    party.deliver((TITLES + ROWS + TRAILER).replace("\n", end).encode(encoding))
    party.land()
    assert party.rows("id", "note", "_line_number") == [("HJ1", "甲", 4), ("HJ2", "乙", 5)]
    assert party.ledger()[0]["rows_in"] == 2


@pytest.mark.parametrize(
    ("content", "reason"),
    {
        "fewer rows": (TITLES + ROWS.replace("HJ2,2.50,乙\n", "") + TRAILER, "2 of 2 control totals differ"),
        "another sum": (TITLES + ROWS.replace("2.50", "2.51") + TRAILER, "1 of 2 control totals differ"),
        "another date": (TITLES.replace("-02]", "-03]") + ROWS + TRAILER, "states another business date than 2026"),
        "no trailer": (TITLES + ROWS, "has no trailer that begins as the contract says"),
        "a longer trailer": (TITLES + ROWS + TRAILER + "x\n", "has 5 lines or more from line 6 on, where its trailer"),
        "a cut trailer": (TITLES + ROWS + "------\n共2笔记录\n", "has 2 lines or more from line 6 on, where its"),
        "no total": (TITLES + ROWS + TRAILER.replace("共", "有"), "no line that is no row states what"),
        "two totals": (TITLES + ROWS + TRAILER.replace("导出人", "共3笔"), "2 lines state differently"),
        "a total that is no number": (TITLES + ROWS + TRAILER.replace("3.50", "x"), "a sum:amount that is not an amou"),
    }.values(),
)
def test_a_delivery_that_its_own_trailer_contradicts_is_refused(party: Party, content: str, reason: str) -> None:
    party.declare(*COLUMNS, **BEGINS, totals=TOTALS).deliver(content)
    assert reason in party.refusal()
    assert party.rows("id") == []


def test_a_row_that_could_be_a_trailer_is_not_eaten(party: Party) -> None:
    """Without its beginning a trailer is known by its length only, so what it states has to agree."""
    party.declare(*COLUMNS, trailer={"lines": 1}, totals={"rows": "共([0-9]+)笔"}).deliver(ROWS)
    assert "no line that is no row states" in party.refusal()


@pytest.mark.parametrize("piece", [1 << 22, 40, 7])
def test_skipped_lines_keep_the_numbers_of_the_others(
    party: Party, piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(surrounding, "PIECE", piece)
    content = "借据号,金额,备注\nHJ1,1.00,甲\n小计,1.00,\n\n借据号,金额,备注\nHJ2,x,乙\n小计,2.50,\nHJ3,3.00,小计\n"
    party.declare(*COLUMNS, encoding="gb18030", skip=["小计,.*", "借据号,.*"]).deliver(content.encode("gb18030"))
    party.land()
    assert party.rows("id", "note", "_line_number") == [("HJ1", "甲", 2), ("HJ3", "小计", 8)]
    assert party.quarantined() == [(6, "amount", "type DECIMAL(18,2)")]
    assert party.sealed() == {6: "HJ2,x,乙"}


def test_a_line_inside_quotes_is_not_skipped(party: Party) -> None:
    party.declare(*COLUMNS, quote='"', skip=["小计.*"]).deliver('借据号,金额,备注\nHJ1,1.00,"甲\n小计\n乙"\n')
    assert "a value in quotes whose line 3 has a pattern of `skip`" in party.refusal()


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
def test_record_types_of_fixed_width_are_told_apart_by_their_first_character(party: Party, encoding: str) -> None:
    columns = [column("kind", width=1), column("id", key=True, width=4), column("amount", "DECIMAL(18,2)", width=6)]
    party.declare(
        *columns, reader="fixed_width", header="none", encoding=encoding, skip=["H.*"],
        trailer={"begins": "T"}, totals={"rows": "^T([0-9]{4})", "sum:amount": "^T.{4}([ 0-9.]{6})"},
    )  # fmt: skip
    party.deliver("H20260302示例银行\nD0001  1.00\nD0002  2.50\nT0002  3.50合计\n".encode(encoding))
    party.land()
    assert party.rows("id", "_line_number") == [("0001", 2), ("0002", 3)]


def test_facts_without_a_key_are_all_kept_and_a_correction_is_counted(party: Party) -> None:
    party.declare(column("paid_on", "DATE"), column("amount", "DECIMAL(18,2)"), key="none")
    party.deliver("paid_on,amount\n" + "2026-03-02,1.00\n" * 2)
    party.land()
    assert party.rows("amount") == [(Decimal("1.00"),)] * 2
    party.deliver("paid_on,amount\n" + "2026-03-02,1.00\n" * 3 + "2026-03-02,7.00\n", at="2026-03-04T06:00:00")
    assert "2 rows added, 0 removed, 0 changed" in str(party.land())
    assert len(party.rows("amount")) == 4


SHIFTED = {
    "empty": ("1,a,b\n2,a,b,\n3,a,b,,,\n4,a,\n5,a,b,x\n", {}, [2, 5], [3, 4, 6]),
    "another separator": ("1|+|a|+|b\n2|+|a|+|b|+|\n3|+|a|+|\n", {"separator": "|+|"}, [2, 4], [3]),
    "a separator that ends like others": ("1||a||b\n2||a||b||\n3||a||\n", {"separator": "||"}, [2, 4], [3]),
    "CRLF": ("1,a,b\r\n2,a,b,\r\n3,a,\r\n", {}, [2, 4], [3]),
    "the last line": ("1,a,b\n2,a,b,", {}, [2], [3]),
    "beyond a trailing separator": ("1,a,b,\n2,a,b,,\n3,a,,\n", {"trailing_separator": True}, [2, 4], [3]),
    "backslash": ('1,"a\\",","b"\n2,"a","b",\n3,"a\\"",\n', {"quote": '"', "escape": "\\"}, [2, 4], [3]),
    "quoted": (
        '1,a,"b,,"\n2,"a,",b,\n3,"a,"",",""\n4,a,"x,,,\n,\ny"\n5,"a\n",b,\n6,"a\n",\n',
        {"quote": '"'},
        [2, 4, 5, 10],
        [3, 8, 9],
    ),
}


@pytest.mark.parametrize(("body", "dialect", "landed", "broken"), SHIFTED.values(), ids=SHIFTED)
def test_separators_with_nothing_behind_them_are_too_many_columns(
    party: Party, body: str, dialect: dict[str, Any], landed: list[int], broken: list[int]
) -> None:
    heading = str(dialect.get("separator", ",")).join(["id", "name", "memo"])
    party.declare(column("id", key=True), column("name"), column("memo"), **dialect).deliver(f"{heading}\n{body}")
    party.land()
    assert party.lines() == landed
    assert [(line, rule) for line, _, rule in party.quarantined()] == [(line, "too many columns") for line in broken]


def test_the_text_of_a_shifted_line_is_kept_as_it_came(party: Party) -> None:
    party.declare(column("id", key=True), column("memo"), encoding="gb18030")
    party.deliver("id,memo\n1,甲\n2,乙,,\n3,丙\n".encode("gb18030"))
    party.land()
    assert party.sealed() == {3: "2,乙,,"} and party.rows("memo") == [("甲",), ("丙",)]


CUT = {
    "delimited": ({}, "id,name\n1,甲\n2", {}),
    "quoted": ({"quote": '"'}, 'id,name\n"1","甲"\n"2","乙', {}),
    "trailing": ({"trailing_separator": True}, "id,name,\n1,甲,\n2,乙", {}),
    "fixed_width": ({"reader": "fixed_width", "header": "none"}, "1甲   \n2乙", {"id": 1, "name": 6}),
}


@pytest.mark.parametrize(("dialect", "content", "widths"), CUT.values(), ids=CUT)
def test_a_file_that_breaks_off_is_refused(
    party: Party, dialect: dict[str, Any], content: str, widths: dict[str, int]
) -> None:
    columns = [column(name, key=name == "id", **({"width": widths[name]} if widths else {})) for name in ("id", "name")]
    party.declare(*columns, **dialect).deliver(content)
    assert "it was cut on the way" in party.refusal()


def test_a_delivery_of_which_nothing_can_be_read_is_refused(tmp_path: Path) -> None:
    """One broken row is tolerated, but not where it is the whole file."""
    cases: dict[str, tuple[dict[str, Any], str, dict[str, Any]]] = {
        "json": ({"reader": "json_lines"}, '{"data":[{"id":1}]}\n', {"path": "$.id"}),
        "delimited": ({"header": "none"}, "1,2,3\n", {}),
        "fixed": ({"reader": "fixed_width", "header": "none"}, "12\n", {"width": 4}),
        "typed": ({}, "id\n\n \n", {}),
    }
    for name, (dialect, content, profile) in cases.items():
        party = make_party(tmp_path / name)
        party.declare(column("id", key=True, **profile), max_quarantine_share=0.001, **dialect).deliver(content)
        assert party.refusal(), name


@pytest.mark.parametrize(
    "words",
    ["合计", "合 计：", "总计", "小计", "本页小计", "共12笔", "共 1,200 条", "制表人：某", "Total", "人民币合计"],
)
def test_a_row_of_totals_is_no_fact(party: Party, words: str) -> None:
    party.declare(column("id", key=True), column("amount", "DECIMAL(18,2)"), separator=";")
    party.deliver(f"id;amount\nHJ1;1.00\n{words};1.00\n合肥1;2.00\n")
    party.land()
    assert [row[0] for row in party.rows("id")] == ["HJ1", "合肥1"]
    assert party.quarantined() == [(3, "id", "total row")]
