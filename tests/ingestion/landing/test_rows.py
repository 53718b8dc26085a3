"""Defects of single rows: which physical line is kept out, for which column and rule, and that the others land."""

from __future__ import annotations

import io
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest
import xlsxwriter

from tests.ingestion.broken import BEIJING, Party, column, make_party

COLUMNS = [
    column("id", key=True),
    column("amount", "DECIMAL(18,2)", required=True),
    column("day", "DATE"),
    column("code", enum=["A", "B"]),
    column("note"),
]
HEADING = "id,amount,day,code,note\n"
AMOUNT = ("amount", "type DECIMAL(18,2)")

PLAIN = {
    "a clean file": ("1,1.00,2026-01-01,A,x\n2,2,,B,\n", [2, 3], []),
    "short": ("1,1.00,,,\n2,2.00\n3,3,,B,\n", [2, 4], [(3, "day", "missing columns")]),
    "long": ("1,1.00,,,x\n2,2,,,y,z\n", [2], [(3, None, "too many columns")]),
    "short first row": ("1\n2,2,,,\n", [3], [(2, "amount", "missing columns")]),
    "duplicate key after others": ("1,1,,,a\n2,2,,,\n1,1,,,b\n", [2, 3], [(4, "id", "unique key")]),
    "duplicate keys after few descents": (
        "3,1,,,a\n4,2,,,\n1,1,,,b\n2,1,,,\n4,1,,,\n5,1,,,\n",
        [2, 3, 4, 5, 7],
        [(6, "id", "unique key")],
    ),
    "duplicate keys after many descents": (
        "".join(f"{n},1,,,a\n" for n in range(40, 0, -1)) + "40,2,,,\n",
        [*range(2, 42)],
        [(42, "id", "unique key")],
    ),
    "duplicate key": ("1,1,,,a\n2,2,,,\n1,1,,,b\n1,1,,,c\n", [2, 3], [(n, "id", "unique key") for n in (4, 5)]),
    "a broken row does not use up its key": ("1,x,,,\n1,1,,,\n", [3], [(2, *AMOUNT)]),
    "several rules": (
        "1,x,2026-02-30,C,\n",
        [],
        [(2, "amount", "type DECIMAL(18,2); day: type DATE; code: accepted codes")],
    ),
    "blank lines": ("1,1,,,\n\n\n2,x,,,\n\n3,3,,,\n\n", [2, 7], [(5, *AMOUNT)]),
    "CRLF": ("1,1,,,a\r\n\r\n2,x,,,\r\n3,3,,,c\r\n", [2, 5], [(4, *AMOUNT)]),
    "lines that end in two ways": ("1,1,,,a\r\n\n2,x,,,\r\n3,3,,,c\n", [2, 5], [(4, *AMOUNT)]),
    "no trailing newline": ("1,1,,,\n2,2,,,", [2, 3], []),
    "no trailing newline after a broken row": ("1,1,,,\n2,x,,,", [2], [(3, *AMOUNT)]),
    "header only": ("", [], []),
    "a quote is a character where none is declared": ('1,1,,,"a\n2,x,,,b"\n', [2], [(3, *AMOUNT)]),
    "a blank that is not ASCII is no way to say nothing": ("1,\u3000,,,\n2,2,,,\u3000\n", [3], [(2, *AMOUNT)]),
    "blanks around a value": (" 1 , 1.5 , 2026-01-01 , A , x \n", [2], []),
}


def test_a_local_time_is_the_instant_that_the_zone_makes_of_it(party: Party) -> None:
    moments = ["1970-01-01 00:00:00", "1986-07-04 12:00:00", "1991-12-31 23:59:59", "1992-01-01 00:00:00",
               "2026-03-02 08:00:00", "2099-12-31 23:59:59"]  # fmt: skip
    party.declare(column("at", "TIMESTAMPTZ", key=True)).deliver("\n".join(["at", *moments, ""]))
    party.land()
    expected = [datetime.fromisoformat(moment).replace(tzinfo=BEIJING) for moment in moments]
    assert [row[0] for row in party.rows("at")] == expected


@pytest.mark.parametrize(("rows", "lines", "kept_out"), PLAIN.values(), ids=PLAIN)
def test_plain_text(party: Party, rows: str, lines: list[int], kept_out: list[tuple[int, str, str]]) -> None:
    heading = HEADING.replace("\n", "\r\n") if rows.count("\r\n") == rows.count("\n") else HEADING
    party.declare(*COLUMNS).deliver(heading + rows)
    party.land()
    assert (party.lines(), party.quarantined()) == (lines, kept_out)


OPEN = "open quote"
QUOTED = {
    "separator and doubled quotes inside": ('1,1,,,"a, ""b"""\n2,x,,,\n', [2], [(3, *AMOUNT)]),
    "line feed inside": ('1,1,,,"a\nb"\n2,x,,,\n3,3,,,\n', [2, 5], [(4, *AMOUNT)]),
    "blank line inside": ('1,1,,,"a\n\nb"\n\n2,x,,,\n3,3,,,\n', [2, 7], [(6, *AMOUNT)]),
    "broken row of several lines": ('1,1,,,\n2,x,,,"a\nb"\n3,3,,,\n', [2, 5], [(3, *AMOUNT)]),
    "open to the end": ('1,1,,,"a\n2,2,,,\n3,3,,,\n', [], [(n, "note", "unquoted value") for n in (2, 3, 4)]),
    "open, closed by a later row": (
        '1,1,,,"a\n2,2,,,\n3,3,,,"\n4,x,,,\n5,5,,,\n', [6], [*((n, None, OPEN) for n in (2, 3, 4)), (5, *AMOUNT)]
    ),
    "text behind the quote": ('1,1,,,"a"b\n2,2,,,\n', [3], [(2, "note", "unquoted value")]),
    "a quote inside a bare value": ('1,1,,,a"b\n2,x,,,\n', [2], [(3, *AMOUNT)]),
}  # fmt: skip


@pytest.mark.parametrize(("rows", "lines", "kept_out"), QUOTED.values(), ids=QUOTED)
def test_quoted_text(party: Party, rows: str, lines: list[int], kept_out: list[tuple[int, str, str]]) -> None:
    party.declare(*COLUMNS, quote='"').deliver(HEADING + rows)
    party.land()
    assert (party.lines(), party.quarantined()) == (lines, kept_out)


def test_good_rows_swallowed_by_an_open_quote_are_sealed_word_by_word(party: Party) -> None:
    party.declare(*COLUMNS, quote='"').deliver(HEADING + '1,1,,,"open\n2,2,,,good\n3,3,,,"\n4,4,,,\n')
    party.land()
    assert party.sealed() == {2: '1,1,,,"open', 3: "2,2,,,good", 4: '3,3,,,"'}
    assert party.rows("id") == [("4",)]


VALUES: list[tuple[str, str, Any]] = [
    ("amount", "1O.00", "type DECIMAL(18,2)"),
    ("amount", "1.005", "type DECIMAL(18,2)"),
    ("amount", "1,00", "type DECIMAL(18,2)"),
    ("amount", "1e2", "type DECIMAL(18,2)"),
    ("amount", "￥1", "type DECIMAL(18,2)"),
    ("amount", "１", "type DECIMAL(18,2)"),
    ("amount", "12345678901234567.00", "type DECIMAL(18,2)"),
    ("amount", "nan", "type DECIMAL(18,2)"),
    ("amount", "1234567890123456.78", Decimal("1234567890123456.78")),
    ("amount", "1.0500", Decimal("1.05")),
    ("amount", "-0.10", Decimal("-0.10")),
    ("amount", "+7", Decimal("7.00")),
    ("big", "9223372036854775808", "type BIGINT"),
    ("big", "9223372036854775807", 9223372036854775807),
    ("big", "1.0", "type BIGINT"),
    ("big", "1_000", "type BIGINT"),
    ("big", "007", 7),
    ("count", "2147483648", "type INTEGER"),
    ("count", "-1", "minimum 0"),
    ("count", "0", 0),
    ("count", "60", 60),
    ("count", "61", "maximum 60"),
    ("score", "-999", None),
    ("score", "-998", -998),
    ("ratio", "nan", "type DOUBLE"),
    ("ratio", "inf", "type DOUBLE"),
    ("ratio", "-Infinity", "type DOUBLE"),
    ("ratio", "1e999", "type DOUBLE"),
    ("ratio", "0.1", 0.1),
    ("ratio", "1e-3", 0.001),
    ("flag", "true", True),
    ("flag", "maybe", "type BOOLEAN"),
    ("day", "2026-02-30", "type DATE"),
    ("day", "2025-02-29", "type DATE"),
    ("day", "2024-02-29", date(2024, 2, 29)),
    ("day", "2026-1-2", "type DATE"),
    ("day", "2026/01/02", "type DATE"),
    ("day", "0000-00-00", "type DATE"),
    ("day", "9999-12-31", date(9999, 12, 31)),
    ("compact", "20260230", "type DATE"),
    ("compact", "20260228", date(2026, 2, 28)),
    ("moment", "2026-03-02 24:00:00", "type TIMESTAMPTZ"),
    ("moment", "2026-03-02", "type TIMESTAMPTZ"),
    ("moment", "2026-03-02 00:00:00", datetime(2026, 3, 2, tzinfo=BEIJING)),
    ("epoch", "1772380800000", datetime(2026, 3, 2, tzinfo=BEIJING)),
    ("epoch", "1772380800000.5", "type TIMESTAMPTZ"),
    ("code", "C", "accepted codes"),
    ("code", "a", "accepted codes"),
    ("code", " B ", "B"),
    ("serial", "AB-12", "AB-12"),
    ("serial", "xAB-12", "pattern"),
    ("serial", "AB-123", "pattern"),
    ("name", "张*", "identifier person_name"),
    ("name", "张＊", "identifier person_name"),
    ("name", "张3", "identifier person_name"),
    ("phone", "12812341234", "identifier mobile"),
    ("phone", "1381234123", "identifier mobile"),
    ("phone", "1064812341234", "identifier mobile"),
    ("digest", "abc", "identifier mobile_sha256"),
    ("digest", "g" * 64, "identifier mobile_sha256"),
    ("card", "12345678901", "identifier bank_card"),
    ("cert", "110105194912310021", "identifier cert_no"),
    ("cert", "11010519491331002X", "identifier cert_no"),
    ("cert", "110105194902300024", "identifier cert_no"),
    ("cert", "1101051949123100", "identifier cert_no"),
    ("cert", "110105491331002", "identifier cert_no"),
    ("must", "", "required"),
    ("must", "NULL", "required"),
    ("must", "x", "x"),
    ("note", "", None),
    ("note", " NULL ", None),
    ("note", "珅倈億𠮷", "珅倈億𠮷"),
    ("note", "a\0b", "encoding"),
    ("note", "\ufeffa", "encoding"),
]
WIDE = [
    column("id", "INTEGER", key=True),
    column("amount", "DECIMAL(18,2)"),
    column("big", "BIGINT"),
    column("count", "INTEGER", logicalTypeOptions={"minimum": 0, "maximum": 60}),
    column("score", "INTEGER", missing=["-999"]),
    column("ratio", "DOUBLE"),
    column("flag", "BOOLEAN"),
    column("day", "DATE"),
    column("compact", "DATE", format="%Y%m%d"),
    column("moment", "TIMESTAMPTZ"),
    column("epoch", "TIMESTAMPTZ", format="epoch_ms"),
    column("code", enum=["A", "B"]),
    column("serial", logicalTypeOptions={"pattern": "[A-Z]{2}-[0-9]{2}"}),
    *(column(name, protect=kind) for name, kind in [("name", "person_name"), ("phone", "mobile")]),
    *(column(name, protect=kind) for name, kind in [("digest", "mobile_sha256"), ("card", "bank_card")]),
    column("cert", protect="cert_no"),
    column("must", required=True),
    column("note"),
]


def test_a_number_that_means_no_value_in_any_column_is_none(party: Party) -> None:
    kinds = {"amount": "DECIMAL(18,2)", "terms": "INTEGER", "day": "DATE", "flag": "BOOLEAN"}
    columns = [column("id", key=True), *(column(name, kind) for name, kind in kinds.items())]
    party.declare(*columns, missing=["", "0", "0000-00-00", "n"])
    party.deliver("id,amount,terms,day,flag\n1,0,0,0000-00-00,n\n2,0.00,12,2026-03-02,true\n")
    party.land()
    assert party.rows("id", *kinds) == [
        ("1", None, None, None, None),
        ("2", Decimal("0.00"), 12, date(2026, 3, 2), True),
    ]


@pytest.fixture(scope="module")
def values(tmp_path_factory: pytest.TempPathFactory) -> Party:
    """One file with one row for each entry of VALUES; every other column of the row is absent but `must`."""
    party = make_party(tmp_path_factory.mktemp("values") / "home")
    rows = [
        "|".join({"id": str(line), "must": "-", name: text}.get(entry["name"], "") for entry in WIDE)
        for line, (name, text, _) in enumerate(VALUES, 1)
    ]
    party.declare(*WIDE, header="none", separator="|", missing=["", "NULL"]).deliver("\n".join(rows))
    party.land()
    return party


@pytest.mark.parametrize("line", range(1, len(VALUES) + 1), ids=[f"{name} {text}" for name, text, _ in VALUES])
def test_values(values: Party, line: int) -> None:
    name, _, expected = VALUES[line - 1]
    reported = {at: (where, rule) for at, where, rule in values.quarantined()}
    if line in reported:
        assert reported[line] == (name, expected)
    else:
        landed = dict(values.rows("_line_number", name))
        assert landed[line] == expected and type(landed[line]) is type(expected)


def test_an_optional_identifier_that_is_absent_is_no_defect(party: Party) -> None:
    kinds = ["cert_no", "mobile", "mobile_sha256", "person_name", "bank_card", "opaque"]
    party.declare(column("id", key=True), *(column(f"{kind}_x", protect=kind) for kind in kinds), header="none")
    party.deliver("1,,,,,,\n")
    party.land()
    assert party.rows("id", *(f"{kind}_x_token" for kind in kinds)) == [("1", *[None] * 6)]


JSON = [column("id", key=True, path="$.id"), column("amount", "DECIMAL(18,2)", path="$.loan.amount")]
JSON_LINES = {
    "nested value": ('{"id":"1","loan":{"amount":1.5}}\n{"id":"2"}\n', [1, 2], []),
    "malformed": ('{"id":"1"}\n{"id":"2",\n\n{"id":"3"}\n', [1, 4], [(2, None, "valid JSON")]),
    "no object": ('[1]\n"x"\nnull\n{"id":"4"}\n', [4], [(n, "id", "required") for n in (1, 2, 3)]),
    "wrong type": ('{"id":1,"loan":{"amount":"1O"}}\n', [], [(1, *AMOUNT)]),
    "third decimal": ('{"id":"1","loan":{"amount":1.505}}\n', [], [(1, *AMOUNT)]),
    "duplicate key": ('{"id":"1"}\n{"id":1}\n', [1], [(2, "id", "unique key")]),
    "half a surrogate pair": ('{"id":"\\ud842"}\n{"id":"\\ud842\\udfb7"}', [2], [(1, None, "valid JSON")]),
    "CRLF and blank lines": ('{"id":"1"}\r\n\r\n{"id":\r\n', [1], [(3, None, "valid JSON")]),
    "nothing": ("", [], []),
}


@pytest.mark.parametrize(("rows", "lines", "kept_out"), JSON_LINES.values(), ids=JSON_LINES)
def test_json_lines(party: Party, rows: str, lines: list[int], kept_out: list[tuple[int, str, str]]) -> None:
    party.declare(*JSON, reader="json_lines", drift={"missing": "null"}).deliver(rows)
    party.land()
    assert (party.lines(), party.quarantined()) == (lines, kept_out)


def test_a_json_escape_beyond_the_basic_plane_is_one_character(party: Party) -> None:
    party.declare(*JSON, reader="json_lines", drift={"missing": "null"}).deliver('{"id":"\\ud842\\udfb7"}\n')
    party.land()
    assert party.rows("id") == [("𠮷",)]


def test_a_bad_byte_in_utf8_costs_its_own_line_only(party: Party) -> None:
    party.declare(*COLUMNS).deliver(HEADING.encode() + b"1,1,,,a\n2,2,,,b\xff\n3,x,,,\n4,4,,,d\n")
    party.land()
    assert party.lines() == [2, 5]
    assert party.quarantined() == [(3, "note", "invalid encoding"), (4, *AMOUNT)]
    assert party.sealed()[3] == "2,2,,,b\\xff"


def test_a_bad_byte_in_gb18030_costs_its_own_line_only(party: Party) -> None:
    party.declare(*COLUMNS, encoding="gb18030").deliver(HEADING.encode() + b"1,1,,,\xd5\xc5\n2,2,,,\xff\n3,3,,,\n")
    party.land()
    assert party.rows("id", "note") == [("1", "张"), ("3", None)]
    assert party.quarantined() == [(3, "note", "encoding")]


def test_gb18030_characters_that_end_in_the_byte_of_the_separator(party: Party) -> None:
    content = "1|1||A|珅倈億\n2|2||B|𠮷㐂\n3|x|||億\n".encode("gb18030")
    assert content.count(b"|") == 3 * 4 + 4
    party.declare(*COLUMNS, encoding="gb18030", separator="|", header="none").deliver(content)
    party.land()
    assert party.rows("id", "code", "note") == [("1", "A", "珅倈億"), ("2", "B", "𠮷㐂")]
    assert party.quarantined() == [(3, *AMOUNT)]


@pytest.mark.parametrize("header", ["names", "none"])
def test_a_byte_order_mark_is_no_part_of_the_file(party: Party, header: str) -> None:
    rows = HEADING * (header == "names") + "1,1,,,\n"
    party.declare(*COLUMNS, header=header).deliver("\ufeff" + rows)
    party.land()
    assert party.rows("id", "_line_number") == [("1", 2 if header == "names" else 1)]


ANNOUNCED = {"as announced": "dataRowCount,2\n1,1,,,\n2,x,,,\n", "nothing announced": "dataRowCount,0\n"}


@pytest.mark.parametrize("content", ANNOUNCED.values(), ids=ANNOUNCED)
def test_an_announced_number_of_rows_includes_the_broken_ones(party: Party, content: str) -> None:
    party.declare(*COLUMNS, header="count").deliver(content)
    assert sum(entry.rows_in for entry in party.land().arrivals) == int(content[13])


REFUSED = {
    "empty file": ("names", "", "holds no row (empty_file)"),
    "no heading": ("names", "1,1,,,\n", "has no heading: line 1 holds 0 of 5 column names"),
    "missing column": ("names", "id,amount,day,code\n", "\n  missing     5 note    -"),
    "renamed column": ("names", "id,sum,day,code,note\n", "\n  added       -         2 sum"),
    "other order": (
        "names",
        "id,day,amount,code,note\n",
        "\n  moved       2 amount  3 amount\n  moved       3 day     2 day",
    ),
    "fewer rows than announced": ("count", "dataRowCount,2\n1,1,,,\n", "line 1 announces 2 rows, the file has 1"),
    "more rows than announced": ("count", "dataRowCount,1\n1,1,,,\n2,2,,,\n", "announces 1 rows, the file has 2"),
    "no announcement": ("count", HEADING, "line 1 is not dataRowCount and a number"),
    "a bare carriage return": ("names", HEADING + "1,1,,,a\n2,2,,,b\rc\n", "line 3 holds a carriage return without"),
    "a bare carriage return in a broken line": ("names", HEADING + "1,\r1", "line 2 holds a carriage return without"),
    "only carriage returns": ("names", (HEADING + "1,1,,,\n").replace("\n", "\r"), "line 1 holds a carriage return"),
}


@pytest.mark.parametrize(("header", "content", "reason"), REFUSED.values(), ids=REFUSED)
def test_a_file_that_is_no_such_file_is_refused_whole(party: Party, header: str, content: str, reason: str) -> None:
    party.declare(*COLUMNS, header=header).deliver(content)
    sentence = party.refusal()
    assert sentence.startswith("party.rows of 2026-03-02 (rows.csv): ") and reason in sentence
    assert not party.stored()
    (held,) = party.ledger()
    assert (held["state"], held["reason"], held["rows_in"]) == ("refused", sentence, 0)


def test_a_refusal_does_not_quote_the_file(party: Party) -> None:
    party.declare(*COLUMNS).deliver("11010519491231002X,1,,,张三丰\n")
    sentence = party.refusal()
    assert "张三丰" not in sentence and "11010519491231002X" not in sentence


@pytest.mark.parametrize("value", ["11010519491231002X", "138 1234 5678", "zhang@example.com"])
def test_a_value_in_the_heading_is_not_reported_nor_its_neighbours(party: Party, value: str) -> None:
    party.declare(*COLUMNS).deliver(f"id,amount,day,code,note,{value},张三丰\n1,1,,,,,\n")
    sentence = party.refusal()
    assert "added       -         6 (not shown: data in the heading)" in sentence
    assert value not in sentence and "张三丰" not in sentence


@pytest.mark.parametrize(("sheet", "wanted"), [("张三丰", "only one"), ("放款", "a sheet 放款")])
def test_a_workbook_without_its_sheet_is_refused_without_telling_the_others(
    party: Party, sheet: str, wanted: str
) -> None:
    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer) as book:
        for name in ("11010519491231002X", "李四"):
            book.add_worksheet(name).write(0, 0, "id")
    declared = {"sheet": sheet} if "a sheet" in wanted else {}
    party.declare(*COLUMNS, reader="excel", files="{yyyymmdd}/rows.xlsx", **declared)
    party.deliver(buffer.getvalue(), "rows.xlsx")
    assert f"has 2 sheets, but the contract wants {wanted}" in party.refusal()


def test_a_damaged_parquet_file_is_refused(party: Party) -> None:
    party.declare(*COLUMNS, reader="parquet").deliver(b"PAR1 no more than this PAR1")
    assert "is not a Parquet file" in party.refusal()


CALL, ID = "电话15995577889联系", "身份证320102200004120990"


@pytest.mark.parametrize("place", ["delimited", "json_lines", "fixed_width", "excel"])
def test_identifiers_inside_texts_wait_in_quarantine_unless_a_reason_is_given(party: Party, place: str) -> None:
    notes = ["无", CALL, ID]
    for version, waived in enumerate(({}, {"clear": "staff lines, published"})):
        columns, content = [], b""
        for name, width in (("id", 4), ("note", 40)):
            extra = (
                {"path": f"$.{name}"} if place == "json_lines" else {"width": width} if place == "fixed_width" else {}
            )
            columns.append(column(name, key=name == "id", **extra, **(waived if name == "note" else {})))
        rows = list(enumerate(notes, 1))
        if place == "excel":
            book = io.BytesIO()
            with xlsxwriter.Workbook(book, {"in_memory": True}) as workbook:
                sheet = workbook.add_worksheet()
                for line, cells in enumerate([("id", "note"), *((str(n), note) for n, note in rows)]):
                    sheet.write_row(line, 0, cells)
            content = book.getvalue()
        elif place == "json_lines":
            content = "".join(f'{{"id":"{n}","note":"{note}"}}\n' for n, note in rows).encode()
        elif place == "fixed_width":
            padded = (f"{n:<4}".encode() + note.encode() + b" " * (40 - len(note.encode())) for n, note in rows)
            content = b"\n".join([*padded, b""])
        else:
            content = ("id,note\n" + "".join(f"{n},{note}\n" for n, note in rows)).encode()
        header = {"header": "none"} if place == "fixed_width" else {}
        name = "rows.xlsx" if place == "excel" else "rows.csv"
        party.declare(*columns, reader=place, files="{yyyymmdd}/" + name, **header)
        party.deliver(content, name, day=f"2026-03-0{2 + version}", at=f"2026-03-0{3 + version}T06:00:00")
        party.land(date(2026, 3, 2 + version))
        expected = ["identifier in clear"] * 2
        assert [rule for _, _, rule in party.quarantined()] == expected, "the second contract quarantines none"
        assert len(party.rows("note")) == 1 + 3 * version


def test_identifiers_inside_texts_are_masked_where_the_contract_says_so(party: Party) -> None:
    party.declare(column("id", key=True), column("note", identifiers="mask"))
    party.deliver(f"id,note\n1,无\n2,{CALL}\n3,{ID}\n")
    party.land()
    assert party.rows("note") == [("无",), ("电话***********联系",), ("身份证***********",)]
    assert not any(b"15995577889" in content for content in party.stored().values())


def test_identifiers_inside_texts_refuse_where_the_contract_says_so(party: Party) -> None:
    party.declare(column("id", key=True), column("note", identifiers="refuse"))
    party.deliver(f"id,note\n1,无\n2,{CALL}\n3,{ID}\n")
    assert "line 3, column note holds identifiers in clear, 2 values in all" in party.refusal()
    assert party.rows() == []


CONTENTS = {
    "UTF-16": "id,note\n1,a\n".encode("utf-16"),
    "gzip": b"\x1f\x8b\x08\x00" + bytes(30),
    "a zip archive or a workbook": b"PK\x03\x04" + bytes(30),
    "an HTML page": b"\xef\xbb\xbf <!DOCTYPE html><html><body>404</body></html>\n",
    "XML": b"<?xml version='1.0'?><a/>\n",
    "a PDF": b"%PDF-1.7\n",
}


@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize("reader", ["delimited", "parquet", "excel"])
def test_a_file_of_another_kind_is_named_by_its_first_bytes(party: Party, content: str, reader: str) -> None:
    party.declare(column("id", key=True), column("note"), reader=reader).deliver(CONTENTS[content])
    if reader == "excel" and content.endswith("workbook"):
        assert "is not a workbook that can be opened" in party.refusal()
    elif reader == "delimited" and content == "UTF-16":
        assert "is UTF-16, and the contract says utf-8; correct `encoding` in the contract" in party.refusal()
    else:
        assert f"is {content} by its first bytes, not the {reader} of its contract" in party.refusal()


def test_a_heading_in_other_case_is_named_as_such(party: Party) -> None:
    party.declare(column("id", key=True), column("note")).deliver("ID,Note\n1,a\n")
    assert "has its column names in other case than the contract: give them as `aliases` there" in party.refusal()
