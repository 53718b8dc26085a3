"""Records that are no lines of text with separators: XML elements, sheets of workbooks, widths without line ends."""

from __future__ import annotations

import io
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter

from ingestion.foundation import PROJECT
from tests.ingestion.broken import Party, column

CAMT = """<?xml version="1.0" encoding="{encoding}"?>
<d:Document xmlns:d="urn:iso:std:iso:20022:tech:xsd:camt.053.001.02"><BkToCstmrStmt>
 <GrpHdr><MsgId>x</MsgId></GrpHdr>
 <Stmt><Id>S1</Id>
  <Ntry id="1"><Amt Ccy="CNY">1.00</Amt><d:NtryDtls><Ref>甲&amp;乙</Ref></d:NtryDtls><Amt2/></Ntry>
  <Ntry id="2"><Amt Ccy="USD">x</Amt><NtryDtls><Ref><![CDATA[<a>]]></Ref><Ref>b</Ref></NtryDtls></Ntry>
  <Ntry id="3"><Amt>3.00</Amt><Other><Ref>no</Ref></Other></Ntry>
 </Stmt></BkToCstmrStmt></d:Document>
"""
XML = [
    column("id", key=True, path="@id"),
    column("amount", "DECIMAL(18,2)", path="Amt"),
    column("currency", path="Amt/@Ccy"),
    column("note", path="NtryDtls/Ref"),
]
DOCUMENT: dict[str, Any] = {"reader": "xml", "records": "Document/BkToCstmrStmt/Stmt/Ntry"}


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030", "utf-16"])
def test_elements_of_a_document_are_rows(party: Party, encoding: str) -> None:
    party.declare(*XML, encoding=encoding, **DOCUMENT).deliver(CAMT.format(encoding=encoding).encode(encoding))
    party.land()
    assert party.rows("id", "amount", "currency", "note", "_line_number") == [
        ("1", Decimal("1.00"), "CNY", "甲&乙", 1),
        ("3", Decimal("3.00"), None, None, 3),
    ]
    assert party.quarantined() == [(2, "amount", "type DECIMAL(18,2)")]
    assert '"note":"<a>\\nb"' in party.sealed()[2]


WHOLE = CAMT.format(encoding="utf-8")
BROKEN_XML = {
    "cut": (WHOLE[:-60], "is no whole XML document: no element found in line"),
    "no XML": ("id,name\n1,a\n", "is no whole XML document: syntax error in line 1"),
    "entities": (WHOLE.replace("<d:Doc", '<!DOCTYPE d [<!ENTITY a "b">]><d:Doc', 1), "declares a document type"),
    "other elements": (WHOLE.replace("Stmt>", "Rpt>"), "has no element /Document/BkToCstmrStmt/Stmt"),
    "a renamed element": (WHOLE.replace("NtryDtls", "Details"), "missing     NtryDtls/Ref"),
}


@pytest.mark.parametrize(("content", "reason"), BROKEN_XML.values(), ids=BROKEN_XML)
def test_a_document_that_is_not_what_was_agreed_is_refused(party: Party, content: str, reason: str) -> None:
    party.declare(*XML, **DOCUMENT).deliver(content)
    assert reason in party.refusal()


def test_a_document_without_records_says_so(party: Party) -> None:
    party.declare(*XML, **DOCUMENT).deliver("<Document><BkToCstmrStmt><Stmt/></BkToCstmrStmt></Document>")
    party.land()
    assert party.ledger()[0]["rows_in"] == 0


def test_a_document_is_read_in_bounded_memory(party: Party, tmp_path: Path) -> None:
    """A process that reads 28 MB takes less than 300 MB, most of which it is before, and 9 MB take hardly less."""
    record = "<Ntry id='{}'><Amt Ccy='CNY'>1.00</Amt><NtryDtls><Ref>示例商户</Ref></NtryDtls></Ntry>\n"
    read = (
        "import sys; from pathlib import Path; from datetime import date;"
        "from ingestion.contract.reading import read_contract; from ingestion.readers import open_reading;"
        "contract = read_contract(Path(sys.argv[1]));"
        "open_reading(Path(sys.argv[2]), contract.datasets[0], Path(sys.argv[3]), date(2026, 3, 2));"
        "print(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))"
    )
    party.declare(*XML, **DOCUMENT)
    peaks = []
    for count in (100_000, 300_000):
        rows = "".join(record.format(number) for number in range(count))
        path = party.deliver(f"<Document><BkToCstmrStmt><Stmt>{rows}</Stmt></BkToCstmrStmt></Document>")
        argv = [party.tenant / "contracts" / "party.yml", path, tmp_path]
        done = subprocess.run(
            [sys.executable, "-c", read, *map(str, argv)], cwd=PROJECT, capture_output=True, text=True, check=True
        )
        peaks.append(int(done.stdout))
    assert peaks[1] < 300_000 and peaks[1] - peaks[0] < 50_000


def book(sheets: dict[str, list[list[Any]]], merged: tuple[str, ...] = ()) -> bytes:
    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer) as workbook:
        for name, rows in sheets.items():
            sheet = workbook.add_worksheet(name)
            for place, row in enumerate(rows):
                sheet.write_row(place, 0, row)
            for cells in merged:
                sheet.merge_range(cells, "杭州")
    return buffer.getvalue()


HEADING = ["id", "city"]
SHEETS = {
    "that of a date": (
        "明细{yyyymmdd}",
        {"明细20260301": [HEADING, ["0", "x"]], "明细20260302": [HEADING, ["1", "a"]]},
        [2],
    ),
    "all that fit": (
        "明细{*}",
        {"明细1": [HEADING, ["1", "a"]], "汇总": [["x"]], "明细2": [HEADING, ["2", "b"]]},
        [2, 4],
    ),
}


@pytest.mark.parametrize(("sheet", "sheets", "lines"), SHEETS.values(), ids=SHEETS)
def test_sheets_of_a_dataset_are_put_together(
    party: Party, sheet: str, sheets: dict[str, list[list[Any]]], lines: list[int]
) -> None:
    party.declare(column("id", key=True), column("city"), reader="excel", sheet=sheet).deliver(book(sheets))
    party.land()
    assert party.lines() == lines


def test_sheets_of_other_headings_are_refused(party: Party) -> None:
    party.declare(column("id", key=True), column("city"), reader="excel", sheet="{*}")
    party.deliver(book({"a": [HEADING, ["1", "a"]], "b": [["city", "id"], ["b", "2"]]}))
    assert "has another heading in sheet b than in the first" in party.refusal()


def test_merged_cells_mean_what_stands_above(party: Party) -> None:
    rows = [["city", "id", "note"], ["", "1", "a"], ["", "2", ""], ["", "", ""], ["宁波", "3", ""]]
    party.declare(column("city", fill_down=True), column("id", key=True), column("note"), reader="excel")
    party.deliver(book({"a": rows}, merged=("A2:A3",)))
    party.land()
    assert party.rows("city", "id", "note", "_line_number") == [
        ("杭州", "1", "a", 2), ("杭州", "2", None, 3), ("宁波", "3", None, 5),
    ]  # fmt: skip


FIXED = [
    column("id", key=True, width=4),
    column("name", width=8),
    column("amount", "DECIMAL(18,2)", width=12, implied_decimals=2),
]
WIDTHS = {"reader": "fixed_width", "header": "none", "encoding": "gb18030"}


def test_records_without_line_ends_and_decimals_without_a_point(party: Party) -> None:
    party.declare(*FIXED, line_end="none", **WIDTHS)
    rows = ["0001张三    000000012345", "0002李四李四-00000000007", "0003        0000000123.4"]
    rows.append("0004上上    +00000000000")
    party.deliver("".join(rows).encode("gb18030"))
    party.land()
    assert party.rows("id", "name", "amount") == [
        ("0001", "张三", Decimal("123.45")),
        ("0002", "李四李四", Decimal("-0.07")),
        ("0004", "上上", Decimal("0.00")),
    ]
    assert party.quarantined() == [(3, "amount", "type DECIMAL(18,2)")]
    assert party.sealed()[3] == rows[2]


def test_records_that_do_not_fill_their_width_are_cut(party: Party) -> None:
    party.declare(*FIXED, line_end="none", **WIDTHS)
    party.deliver("0001张三    0000000123450002".encode("gb18030"))
    assert "breaks off in line 2; it was cut on the way" in party.refusal()


def test_trimmed_lines_are_filled_up_but_the_last_has_to_end(party: Party) -> None:
    columns = [column("id", key=True, width=4), column("name", width=8), column("memo", width=8)]
    party.declare(*columns, trimmed=True, **WIDTHS)
    content = "0001abcdefgh\r\n\r\n0002甲\r\n0003abcdefgh12345678\r\n0004abcdefgh123456789\r\n"
    party.deliver(content.encode("gb18030"))
    party.land()
    assert party.rows("id", "name", "memo", "_line_number") == [
        ("0001", "abcdefgh", None, 1), ("0002", "甲", None, 3), ("0003", "abcdefgh", "12345678", 4),
    ]  # fmt: skip
    assert party.quarantined() == [(5, "name", "missing columns")]
    party.deliver(b"0001abcdefgh\r\n0002", at="2026-03-03T08:00:00")
    assert "breaks off in line 2" in party.refusal()


@pytest.mark.parametrize(("reader", "content"), [("delimited", "id,name\n1,甲\n2"), ("fixed_width", "1甲  \n2乙")])
def test_a_sample_that_may_break_off_is_kept_without_its_last_line(party: Party, reader: str, content: str) -> None:
    form = WIDTHS if reader == "fixed_width" else {}
    columns = (
        [column("id", key=True, width=1), column("name", width=4)] if form else [column("id", key=True), column("name")]
    )
    party.declare(*columns, cut_line="quarantine", **form)
    party.deliver(content.encode("gb18030" if form else "utf-8"))
    party.land()
    assert party.rows("id", "name") == [("1", "甲")]
    assert len(party.quarantined()) == 1


def test_totals_of_implied_decimals_are_in_the_same_form(party: Party) -> None:
    party.declare(*FIXED, trailer={"begins": "T"}, totals={"sum:amount": "^T([0-9]+)"}, **WIDTHS)
    party.deliver("0001张三    000000012345\nT000000012345\n".encode("gb18030"))
    party.land()
    assert party.rows("amount") == [(Decimal("123.45"),)]
