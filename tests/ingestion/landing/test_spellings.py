"""What parties write around and instead of values: each spelling is read as what was meant, or its row is kept out."""

from __future__ import annotations

import json
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest

from ingestion.contract import ContractInvalid, load_contract
from tests.ingestion.broken import BEIJING, Party, column, contract, dataset, make_party

MONEY = "DECIMAL(18,2)"
BROKEN = object()
UTC_10 = datetime.fromisoformat("2026-03-02T10:00:00+00:00")

NUMBERS: list[tuple[str, str, dict[str, Any], Any]] = [
    ("¥30.00", MONEY, {"number": {"marks": ["¥", "元"]}}, Decimal("30.00")),
    ("-¥30.00", MONEY, {"number": {"marks": ["¥", "元"]}}, Decimal("-30.00")),
    ("30.00 元", MONEY, {"number": {"marks": ["¥", "元"]}}, Decimal("30.00")),
    ("30.00", MONEY, {"number": {"marks": ["¥", "元"]}}, Decimal("30.00")),
    ("$30.00", MONEY, {"number": {"marks": ["¥", "元"]}}, BROKEN),
    ("¥1,100.00", MONEY, {"number": {"marks": ["¥"]}, "thousands": True}, Decimal("1100.00")),
    ("¥11,00.00", MONEY, {"number": {"marks": ["¥"]}, "thousands": True}, BROKEN),
    ("3.5万", MONEY, {"number": {"units": {"万": 4}}}, Decimal("35000.00")),
    ("3.123456万", MONEY, {"number": {"units": {"万": 4}}}, Decimal("31234.56")),
    ("3.1234567万", MONEY, {"number": {"units": {"万": 4}}}, BROKEN),
    ("2万", "BIGINT", {"number": {"units": {"万": 4}}}, 20000),
    ("12.50%", "DECIMAL(9,4)", {"number": {"units": {"%": -2}}}, Decimal("0.1250")),
    ("12.505%", "DECIMAL(9,4)", {"number": {"units": {"%": -2}}}, BROKEN),
    ("12.50%", "DECIMAL(9,4)", {"number": {"marks": ["%"]}}, Decimal("12.5000")),
    ("12.50%", "DECIMAL(9,4)", {}, BROKEN),
    ("(1,000.57)", MONEY, {"number": {"negative": ["brackets"]}, "thousands": True}, Decimal("-1000.57")),
    ("(-5)", MONEY, {"number": {"negative": ["brackets"]}}, BROKEN),
    ("5.20-", MONEY, {"number": {"negative": ["trailing_minus"]}}, Decimal("-5.20")),
    ("5.20-", MONEY, {}, BROKEN),
    ("1.234,56", MONEY, {"number": {"decimal": ","}, "thousands": True}, Decimal("1234.56")),
    ("1,5", MONEY, {"number": {"decimal": ","}}, Decimal("1.50")),
    ("1.5", MONEY, {"number": {"decimal": ","}}, BROKEN),
    (".5", MONEY, {}, Decimal("0.50")),
    ("-.5", MONEY, {}, Decimal("-0.50")),
    (".", MONEY, {}, BROKEN),
    ("１２．５０", MONEY, {"number": {"full_width": True}}, Decimal("12.50")),
    ("１２．５０", MONEY, {}, BROKEN),
    ("9.3e-05", "DECIMAL(9,6)", {"number": {"exponent": True}}, Decimal("0.000093")),
    ("9.3e-05", MONEY, {"number": {"exponent": True}}, BROKEN),
    ("9.3e-05", "DECIMAL(9,6)", {}, BROKEN),
    ("13.40 \t", MONEY, {}, Decimal("13.40")),
    ('="12"', "INTEGER", {}, 12),
    ("'12", "INTEGER", {}, 12),
    ("'12", "INTEGER", {"strip": False}, BROKEN),
    ("是", "BOOLEAN", {"booleans": {"是": True, "否": False}}, True),
    ("否", "BOOLEAN", {"booleans": {"是": True, "否": False}}, False),
    ("true", "BOOLEAN", {"booleans": {"是": True, "否": False}}, BROKEN),
    ("是", "BOOLEAN", {}, BROKEN),
    ("-1.0", MONEY, {"missing": ["-1"]}, None),
    ("-01", MONEY, {"missing": ["-1"]}, None),
    ("-1", MONEY, {"missing": ["-1.00"]}, None),
    ("-1.01", MONEY, {"missing": ["-1"]}, Decimal("-1.01")),
]
MOMENTS: list[tuple[str, str, dict[str, Any], Any]] = [
    ("2026/3/2", "DATE", {"format": "%Y/%-m/%-d"}, date(2026, 3, 2)),
    ("2026年3月2日", "DATE", {"format": "%Y年%-m月%-d日"}, date(2026, 3, 2)),
    ("2026年2月30日", "DATE", {"format": "%Y年%-m月%-d日"}, BROKEN),
    ("02-MAR-26", "DATE", {"format": "%d-%b-%y"}, date(2026, 3, 2)),
    ("2026/3/2 9:05", "TIMESTAMPTZ", {"format": "%Y/%-m/%-d %-H:%M"}, datetime(2026, 3, 2, 9, 5, tzinfo=BEIJING)),
    ("46083", "DATE", {"format": "excel_serial"}, date(2026, 3, 2)),
    ("46083.5", "DATE", {"format": "excel_serial"}, BROKEN),
    ("46083.378472222", "TIMESTAMPTZ", {"format": "excel_serial"}, datetime(2026, 3, 2, 9, 5, tzinfo=BEIJING)),
    ("60", "DATE", {"format": "excel_serial"}, BROKEN),
    ("20260302", "DATE", {"format": "excel_serial"}, BROKEN),
    ("1772445600", "TIMESTAMPTZ", {"format": "epoch_s"}, UTC_10),
    ("1772445600.0", "TIMESTAMPTZ", {"format": "epoch_s"}, UTC_10),
    ("1772445600000", "TIMESTAMPTZ", {"format": "epoch_ms"}, UTC_10),
    ("1772445600000000", "TIMESTAMPTZ", {"format": "epoch_us"}, UTC_10),
    ("-315619200", "TIMESTAMPTZ", {"format": "epoch_s"}, BROKEN),
    ("1772445600", "TIMESTAMPTZ", {"format": "epoch_ms"}, BROKEN),
    ("1772445600000", "TIMESTAMPTZ", {"format": "epoch_s"}, BROKEN),
    ("0", "TIMESTAMPTZ", {"format": "epoch_s"}, BROKEN),
    ("99991231", "DATE", {"format": ["%Y-%m-%d", "%Y%m%d"], "missing": ["9999-12-31"]}, None),
    ("2026-03-02 10:00:00", "TIMESTAMPTZ", {"timezone": "UTC"}, UTC_10),
    ("2026-03-02 05:00:00", "TIMESTAMPTZ", {"timezone": "America/New_York"}, UTC_10),
    ("2026-03-08 02:30:00", "TIMESTAMPTZ", {"timezone": "America/New_York"}, BROKEN),
    ("2026-11-01 01:30:00", "TIMESTAMPTZ", {"timezone": "America/New_York"}, BROKEN),
    ("1990-09-16 01:30:00", "TIMESTAMPTZ", {}, BROKEN),
    *(
        (f"2026-03-02{text}", "TIMESTAMPTZ", {"format": layout}, UTC_10 if is_read else BROKEN)
        for layout in ("%Y-%m-%dT%H:%M:%S%z", "iso8601")
        for text, is_read in {
            "T10:00:00Z": True, "T18:00:00+08:00": True, "T18:00:00+0800": True, "T18:00:00+08": True,
            "T10:00:00+00:00": True, "T05:00:00-05:00": True, "T15:30:00+05:30": True, "T10:00:00+25:00": False,
            "T24:00:00Z": False, "T10:00:00 CST": False,
        }.items()
    ),
    ("2026-03-02T18:00:00.000", "TIMESTAMPTZ", {"format": "iso8601"}, UTC_10),
    ("2026-03-02 18:00", "TIMESTAMPTZ", {"format": "iso8601"}, UTC_10),
    ("2026-03-02T18:00:00", "TIMESTAMPTZ", {"format": "%Y-%m-%dT%H:%M:%S%z"}, BROKEN),
    ("2026-03-02", "DATE", {"format": "iso8601"}, date(2026, 3, 2)),
    ("2026-03-02T00:00:00+08:00", "DATE", {"format": "iso8601"}, date(2026, 3, 2)),
    ("2026-03-02T00:00:00Z", "DATE", {"format": "iso8601"}, BROKEN),
    ("2026-02-30T10:00:00Z", "TIMESTAMPTZ", {"format": "iso8601"}, BROKEN),
]  # fmt: skip
CASES = NUMBERS + MOMENTS


@pytest.fixture(scope="module")
def spelled(tmp_path_factory: pytest.TempPathFactory) -> Party:
    """One file with a column and a row for each case; every other column of the row is absent."""
    party = make_party(tmp_path_factory.mktemp("spelled") / "home")
    names = [f"c{place}" for place in range(len(CASES))]
    columns = [column(name, kind, **profile) for name, (_, kind, profile, _) in zip(names, CASES, strict=True)]
    rows = [
        "|".join([str(place), *(text if other == place else "" for other in range(len(CASES)))])
        for place, (text, *_) in enumerate(CASES)
    ]
    party.declare(column("id", "INTEGER", key=True), *columns, header="none", separator="|").deliver("\n".join(rows))
    party.land()
    return party


@pytest.mark.parametrize("place", range(len(CASES)), ids=[f"{text} {kind} {form}" for text, kind, form, _ in CASES])
def test_a_spelling_is_read_as_meant_or_keeps_its_row_out(spelled: Party, place: int) -> None:
    _, kind, _, expected = CASES[place]
    kept_out = {line - 1: (where, rule) for line, where, rule in spelled.quarantined()}
    if expected is BROKEN:
        assert kept_out[place] == (f"c{place}", f"type {kind}")
    else:
        landed = dict(spelled.rows("id", f"c{place}"))
        assert place not in kept_out and landed[place] == expected


SURROUNDED = [
    "HJ001",
    "\ufeffHJ002",
    "HJ003 ",
    "HJ004\t",
    "\u3000HJ005",
    "'HJ006",
    '="HJ007"',
    "\u00a0HJ008\u00a0",
    "正常",
]
BARE = ["HJ001", "HJ002", "HJ003", "HJ004", "HJ005", "HJ006", "HJ007", "HJ008", "正常"]
WORDS = {"id": {"key": True}, "code": {"enum": BARE}, "asked": {"strip": True}, "kept": {"key": False}}


@pytest.mark.parametrize("reader", ["delimited", "json_lines"])
def test_keys_and_codes_are_read_without_what_surrounds_them(party: Party, reader: str) -> None:
    if reader == "json_lines":
        party.declare(*(column(name, path=f"$.{name}", **how) for name, how in WORDS.items()), reader=reader)
        party.deliver("".join(json.dumps(dict.fromkeys(WORDS, text)) + "\n" for text in SURROUNDED))
    else:
        party.declare(*(column(name, **how) for name, how in WORDS.items()), separator="|")
        party.deliver("|".join(WORDS) + "\n" + "".join("|".join([text] * 4) + "\n" for text in SURROUNDED))
    party.land()
    assert party.quarantined() == [(2 if reader == "json_lines" else 3, "kept", "encoding")]
    rows = [(bare, bare, bare, text) for bare, text in zip(BARE, SURROUNDED, strict=True) if "\ufeff" not in text]
    assert party.rows(*WORDS) == rows


def test_a_key_that_is_not_to_be_stripped_is_kept_as_it_is(party: Party) -> None:
    party.declare(column("id", key=True, strip=False), column("code", enum=["A"]))
    party.deliver("id,code\n'1,A\n1\t,A\n")
    party.land()
    assert party.rows("id") == [("'1",), ("1\t",)]


def test_one_person_is_one_token_whatever_surrounds_the_number(party: Party) -> None:
    numbers = ["6222021234567890123", "'6222021234567890123", '="6222021234567890123"', "6222021234567890123\t"]
    party.declare(column("id", "INTEGER", key=True), column("card", protect="bank_card"))
    party.deliver("id,card\n" + "".join(f"{place},{number}\n" for place, number in enumerate(numbers)))
    party.land()
    assert not party.quarantined() and len(set(party.rows("card_token"))) == 1 and len(party.rows()) == 4


@pytest.mark.parametrize("how", [{}, {"key": True}, {"protect": "opaque"}])
@pytest.mark.parametrize("text", ["4.40103E+17", "4.40103e+17", "4.40103E17", "4E+17"])
def test_a_number_that_a_spreadsheet_rounded_is_no_text(party: Party, how: dict[str, Any], text: str) -> None:
    first = column("id", "INTEGER", key=not how.get("key"))
    party.declare(first, column("no", **how)).deliver(f"id,no\n1,{text}\n2,1E2A.17\n")
    party.land()
    assert party.quarantined() == [(2, "no", "number rounded by a spreadsheet")]


@pytest.mark.parametrize("text", ["a\0b", "\0", "a\ufeffb"])
@pytest.mark.parametrize("how", [{}, {"key": True}, {"protect": "person_name"}])
def test_what_is_no_text_is_kept_out(party: Party, how: dict[str, Any], text: str) -> None:
    party.declare(column("n", "INTEGER", key=not how.get("key")), column("name", **how))
    party.deliver(f"n,name\n1,{text}\n2,张三\n")
    party.land()
    (kept_out,) = party.quarantined()
    assert kept_out[:2] == (2, "name") and kept_out[2].startswith("encoding") and party.lines() == [3]


def test_odd_values_mean_what_the_contract_says_and_why(party: Party) -> None:
    lookups = [
        {"match": ["正常1", "正常 "], "value": "正常", "reason": "typed twice by hand; asked on 2026-03-01"},
        {"match": ["?"], "value": None, "reason": "the party knows it no more"},
    ]
    lookups[0]["match"] = ["正常1"]
    day = {"match": ["2026-02-30"], "value": "2026-02-28", "reason": "their month has 30 days"}
    cert = {"match": ["x"], "value": "11010519491231002X", "reason": "known"}
    party.declare(
        column("id", key=True),
        column("status", enum=["正常"], lookups=lookups),
        column("day", "DATE", lookups=[day]),
        column("cert", protect="cert_no", lookups=[cert]),
    )
    party.deliver("id,status,day,cert\n1,正常1,2026-02-30,x\n2,?, 2026-02-30,11010519491231002X\n3,正常2,2026-03-01,\n")
    party.land()
    assert party.quarantined() == [(4, "status", "accepted codes")]
    assert party.rows("status", "day") == [("正常", date(2026, 2, 28)), (None, date(2026, 2, 28))]
    assert len(set(party.rows("cert_token"))) == 1


WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("TIMESTAMPTZ", {"format": "%m%d%H%M%S"}, "has no year"),
    ("TIMESTAMPTZ", {"format": "%H:%M:%S"}, "has no year"),
    ("DATE", {"format": "%Y%m"}, "has no day"),
    ("TIMESTAMPTZ", {"format": "%Y-%m-%dT%H:%M:%SZ"}, "reads a time zone as mere text"),
    ("TIMESTAMPTZ", {"format": "%Y-%m-%d %z %H:%M"}, "has an offset where none is read"),
    ("DATE", {"format": "%Y-%m-%d%z"}, "has an offset where none is read"),
    ("DATE", {"format": "epoch_s"}, "has no meaning for DATE"),
    ("TIMESTAMPTZ", {"timezone": "Asia/Beijing"}, "is no time zone"),
    ("VARCHAR", {"number": {}}, "has no meaning for VARCHAR"),
    ("VARCHAR", {"booleans": {"是": True, "否": False}}, "has no meaning for VARCHAR"),
    ("BOOLEAN", {"booleans": {"是": True}}, "one of true and false only"),
    ("INTEGER", {"round_numbers": True}, "has no meaning for INTEGER"),
    ("VARCHAR", {"lookups": [{"match": ["a"], "value": "b", "reason": ""}]}, "reason"),
    ("VARCHAR", {"lookups": [{"match": ["a", "a"], "value": "b", "reason": "x"}]}, "is listed twice"),
]


@pytest.mark.parametrize(("kind", "how", "reported"), WRONG)
def test_a_contract_that_could_not_mean_it_is_refused(
    party: Party, kind: str, how: dict[str, Any], reported: str
) -> None:
    party.declare(column("id", key=True), column("x", kind, **how))
    with pytest.raises(ContractInvalid, match=reported):
        load_contract(party.source, party.settings)


def test_the_clock_of_a_source_is_that_of_its_times(party: Party) -> None:
    rows = dataset(
        column("id", key=True), column("at", "TIMESTAMPTZ"), column("here", "TIMESTAMPTZ", timezone="Asia/Shanghai")
    )
    party.agree(contract("party", rows, timezone="America/New_York"))
    party.deliver("id,at,here\n1,2026-03-02 05:00:00,2026-03-02 18:00:00\n")
    party.land()
    assert party.rows("at", "here") == [(UTC_10, UTC_10)]
    party.agree(contract("party", rows, timezone="Mars/Base"))
    with pytest.raises(ContractInvalid, match="is no time zone"):
        load_contract("party", party.settings)


JSON_NUMBERS = {
    "90071992547409.93": Decimal("90071992547409.93"),
    "999999999999999.99": Decimal("999999999999999.99"),
    "1234567890123456.78": Decimal("1234567890123456.78"),
    "1234567890123456.789": None,
    "-85529416170618.01": Decimal("-85529416170618.01"),
    '"85529416170618.01"': Decimal("85529416170618.01"),
    "1e3": Decimal("1000.00"),
    "1.5E-1": Decimal("0.15"),
    "1.5e-2": None,
    "5": Decimal("5.00"),
}


def test_a_number_of_json_keeps_the_digits_it_is_written_with(party: Party) -> None:
    party.declare(
        column("id", "INTEGER", key=True, path="$.id"),
        column("amount", MONEY, path="$.in[0].amount"),
        column("written", path="$.in[0].amount"),
        column("whole", path="$.in"),
        column("text", path="$.text"),
        reader="json_lines",
    )
    text = r"a \"b\": 1.50, [9.9e9] \\"
    party.deliver(
        "".join(
            f'{{"id": {place}, "in": [{{"amount": {number}}}], "text": "{text}"}}\n'
            for place, number in enumerate(JSON_NUMBERS)
        )
    )
    party.land()
    kept_out = [
        (place + 1, "amount", f"type {MONEY}") for place, value in enumerate(JSON_NUMBERS.values()) if not value
    ]
    assert party.quarantined() == kept_out
    landed = [(number, value) for number, value in JSON_NUMBERS.items() if value is not None]
    assert party.rows("amount", "written", "whole", "text") == [
        (value, number.strip('"'), f'[{{"amount":{number}}}]', json.loads(f'"{text}"')) for number, value in landed
    ]


def test_random_amounts_of_json_are_what_was_written(party: Party) -> None:
    amounts = [f"{(place * 7_919 + 1) * 1_234_567_891 % 10**14}.{place % 100:02}" for place in range(2_000)]
    party.declare(
        column("id", "INTEGER", key=True, path="$.id"), column("amount", MONEY, path="$.amt"), reader="json_lines"
    )
    party.deliver("".join(f'{{"id":{place},"amt":{amount}}}\n' for place, amount in enumerate(amounts)))
    party.land()
    assert [row[0] for row in party.rows("amount")] == [Decimal(amount) for amount in amounts]
