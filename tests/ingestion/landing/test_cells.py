"""Typed cells of workbooks, Parquet and databases: a value as it was typed, or its row is kept out."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
import xlsxwriter
from xlsxwriter.worksheet import Worksheet

from ingestion.delivery import DeliveryIncomplete
from tests.ingestion.broken import BEIJING, DAY, Party, column, contract, dataset

MONEY = "DECIMAL(18,2)"
CELL = "value of the cell"
WORKBOOK = {"reader": "excel", "files": "{yyyymmdd}/rows.xlsx"}
LONG_TEXT = "6222021234567890123"
UTC_10 = datetime.fromisoformat("2026-03-02T10:00:00+00:00")


def workbook(fill: Callable[[Worksheet], None], *names: str) -> bytes:
    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer, {"in_memory": True}) as book:
        sheet = book.add_worksheet("x")
        for place, name in enumerate(names):
            sheet.write(0, place, name)
        fill(sheet)
    return buffer.getvalue()


@pytest.mark.parametrize("protect", [None, "bank_card", "opaque"])
def test_a_long_number_in_a_cell_is_no_identifier_and_as_text_it_is(party: Party, protect: str | None) -> None:
    def fill(sheet: Worksheet) -> None:
        for row, write in enumerate(
            (sheet.write_number, sheet.write_string, sheet.write_number, sheet.write_string), 1
        ):
            sheet.write_string(row, 0, f"k{row}")
            write(row, 1, int(LONG_TEXT) if row == 1 else 123456789012345 if row == 3 else LONG_TEXT[: 15 + row])

    how = {"protect": protect} if protect else {}
    party.declare(column("id", key=True), column("no", **how), **WORKBOOK)
    party.deliver(workbook(fill, "id", "no"), "rows.xlsx")
    party.land()
    kept_out = party.quarantined()
    assert [entry[:2] for entry in kept_out] == [(2, "no")] and CELL in kept_out[0][2]
    assert party.rows("id") == [("k2",), ("k3",), ("k4",)]
    if not protect:
        assert party.rows("no") == [(LONG_TEXT[:17],), ("123456789012345",), (LONG_TEXT[:19],)]


@pytest.mark.parametrize("kind", [MONEY, "VARCHAR", "DATE", "BOOLEAN"])
def test_an_error_in_a_cell_is_no_missing_value(party: Party, kind: str) -> None:
    def fill(sheet: Worksheet) -> None:
        for row, error in enumerate(("#DIV/0!", "#N/A", "#REF!", "#VALUE!", None), 1):
            sheet.write_string(row, 1, f"k{row}")
            if error:
                sheet.write_formula(row, 2, "=1/0", None, error)

    party.declare(column("id", key=True), column("x", kind), **WORKBOOK)
    content = workbook(lambda sheet: (sheet.write(0, 1, "id"), sheet.write(0, 2, "x"), fill(sheet))[-1])
    party.deliver(content, "rows.xlsx")
    party.land()
    rule = CELL if kind == "VARCHAR" else f"type {kind}"
    assert party.quarantined() == [(line, "x", rule) for line in range(2, 6)]
    assert party.rows("id", "x") == [("k5", None)]


def test_numbers_of_cells_are_read_with_the_digits_that_a_cell_keeps(party: Party) -> None:
    numbers = [123456789.12, 9.3e-05, 0.123456789012, 1234567890123.45, 12345678901234567, 0.1 + 0.2]

    def fill(sheet: Worksheet) -> None:
        for row, number in enumerate(numbers, 1):
            sheet.write_number(row, 0, row)
            sheet.write_number(row, 1, number)
            sheet.write_string(row, 2, "0.1234567891234567")
        sheet.write_string(len(numbers) + 1, 1, "123456789.120000005")
        sheet.write_number(len(numbers) + 1, 0, 9)

    party.declare(column("id", "INTEGER", key=True), column("x", "DECIMAL(38,12)"), column("text"), **WORKBOOK)
    party.deliver(workbook(fill, "id", "x", "text"), "rows.xlsx")
    party.land()
    assert party.quarantined() == [(6, "x", "type DECIMAL(38,12)")]
    read = ["123456789.12", "0.000093", "0.123456789012", "1234567890123.45", "0.3", "123456789.120000005"]
    assert [row[0] for row in party.rows("x")] == [Decimal(text) for text in read]
    assert {row[0] for row in party.rows("text")} == {"0.1234567891234567", None}


def spoil(book: bytes, found: bytes, put: bytes) -> bytes:
    """A workbook with something else in its XML."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(book)) as source, zipfile.ZipFile(buffer, "w") as target:
        for name in source.namelist():
            target.writestr(name, source.read(name).replace(found, put))
    return buffer.getvalue()


def calculated(sheet: Worksheet) -> None:
    sheet.write_string(1, 0, "k1")
    sheet.write_formula(1, 1, "=1+1", None, 12345)


@pytest.mark.parametrize("left", [b"", b"<v></v>", b"<v/>"])
def test_a_formula_that_nobody_calculated_is_asked_for_again(party: Party, left: bytes) -> None:
    content = spoil(workbook(calculated, "id", "x"), b"<v>12345</v>", left)
    party.declare(column("id", key=True), column("x", MONEY), **WORKBOOK).deliver(content, "rows.xlsx")
    assert "holds a formula without its value in cell B2" in party.refusal()


def test_a_formula_that_gives_an_empty_text_is_a_missing_value(party: Party) -> None:
    book = workbook(calculated, "id", "x")
    content = spoil(book, b'<c r="B2"><f>1+1</f><v>12345</v>', b'<c r="B2" t="str"><f>""</f><v></v>')
    party.declare(column("id", key=True), column("x", MONEY), **WORKBOOK).deliver(content, "rows.xlsx")
    party.land()
    assert party.rows("id", "x") == [("k1", None)]


def parquet(**columns: pa.Array) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


NEW_YORK = timezone(timedelta(hours=-5))
STAMPS: dict[str, pa.Array] = {
    "with a zone": pa.array([UTC_10], pa.timestamp("us", "UTC")),
    "with another zone": pa.array([UTC_10.astimezone(NEW_YORK)], pa.timestamp("us", "America/New_York")),
    "in nanoseconds": pa.array([UTC_10], pa.timestamp("ns", "UTC")),
    "on the party's clock": pa.array([datetime(2026, 3, 2, 18)], pa.timestamp("us")),
    "in milliseconds": pa.array([datetime(2026, 3, 2, 18)], pa.timestamp("ms")),
    "as text": pa.array(["2026-03-02T10:00:00Z"]),
}


@pytest.mark.parametrize("layout", [{}, {"format": "%Y%m%d%H%M%S"}, {"timezone": "Asia/Shanghai"}])
@pytest.mark.parametrize("stamps", STAMPS.values(), ids=STAMPS)
def test_a_timestamp_of_parquet_is_its_instant(party: Party, stamps: pa.Array, layout: dict[str, Any]) -> None:
    party.declare(column("id", key=True), column("at", "TIMESTAMPTZ", **layout), reader="parquet")
    party.deliver(parquet(id=pa.array(["1"]), at=stamps))
    party.land()
    assert party.quarantined() == [] and party.rows("at") == [(UTC_10,)]


def test_fractions_of_a_second_and_earlier_days_are_kept(party: Party) -> None:
    moments = [datetime(1850, 1, 1, 12, tzinfo=BEIJING), UTC_10 + timedelta(microseconds=123456)]
    party.declare(column("id", key=True), column("at", "TIMESTAMPTZ"), column("day", "DATE"), reader="parquet")
    days = pa.array([datetime(2026, 3, 2), datetime(2026, 3, 3)], pa.timestamp("us"))
    party.deliver(parquet(id=pa.array(["1", "2"]), at=pa.array(moments, pa.timestamp("us", "UTC")), day=days))
    party.land()
    assert party.rows("at", "day") == [(moments[0], date(2026, 3, 2)), (moments[1], date(2026, 3, 3))]


DOUBLES = {
    12.5: Decimal("12.50"),
    9.3e-05: None,
    1234567890123.45: Decimal("1234567890123.45"),
    90071992547409.93: None,
    6222021234567890123.0: None,
    float("nan"): None,
}


def test_a_double_of_parquet_is_what_was_typed_or_kept_out(party: Party) -> None:
    party.declare(
        column("id", "INTEGER", key=True), column("amount", MONEY), column("rate", "DOUBLE"), reader="parquet"
    )
    numbers = list(DOUBLES)
    ids = pa.array([float(place) for place in range(len(numbers))])  # whole numbers with a gap become doubles
    party.deliver(parquet(id=ids, amount=pa.array(numbers), rate=pa.array([0.1 + 0.2] * len(numbers))))
    party.land()
    kept_out = [(place, "amount", f"type {MONEY}") for place, value in enumerate(DOUBLES.values(), 1) if value is None]
    assert party.quarantined() == kept_out
    assert party.rows("amount", "rate") == [(value, 0.1 + 0.2) for value in DOUBLES.values() if value is not None]


def test_a_long_number_of_parquet_is_an_identifier_only_where_it_is_whole(party: Party) -> None:
    party.declare(column("id", key=True), column("a"), column("b", protect="bank_card"), reader="parquet")
    whole, double = pa.array([int(LONG_TEXT)] * 2), pa.array([None, float(LONG_TEXT)], pa.float64())
    party.deliver(parquet(id=pa.array(["1", "2"]), a=whole, b=double))
    party.land()
    kept_out = party.quarantined()
    assert [entry[:2] for entry in kept_out] == [(2, "b")] and CELL in kept_out[0][2]
    assert party.rows("a") == [(LONG_TEXT,)]


def test_bytes_and_members_of_parquet_are_the_text_that_they_hold(party: Party) -> None:
    party.declare(column("id", key=True), column("name"), column("more"), reader="parquet")
    names = pa.array(["张三".encode(), "张三".encode("gbk")], pa.binary())
    party.deliver(parquet(id=pa.array(["1", "2"]), name=names, more=pa.array([{"a": 1, "b": ["x"]}] * 2)))
    party.land()
    assert party.quarantined() == [(2, "name", CELL)]
    assert party.rows("name", "more") == [("张三", '{"a":1,"b":["x"]}')]


JSON = '{"a": 1.10, "b": {"c": [12345678901234567890]}}'
VALUES_OF_DATABASE: dict[str, tuple[str, str, str, Any]] = {
    "more": ("jsonb", f"'{JSON}'", "VARCHAR", JSON),
    "written": ("json", '\'{"b":1, "a":null}\'', "VARCHAR", '{"b":1, "a":null}'),
    "at": ("timestamptz", "'2026-03-02 05:00:00-05'", "TIMESTAMPTZ", UTC_10),
    "here": ("timestamp", "'2026-03-02 18:00:00.5'", "TIMESTAMPTZ", UTC_10 + timedelta(seconds=0.5)),
    "compact": ("timestamp", "'2026-03-02 18:00:00'", "TIMESTAMPTZ", UTC_10),
    "rate": ("numeric", "0.000093", "DECIMAL(18,6)", Decimal("0.000093")),
    "amount": ("numeric", "12345678901234.56", MONEY, Decimal("12345678901234.56")),
    "day": ("date", "'2026-03-02'", "DATE", date(2026, 3, 2)),
    "flag": ("boolean", "true", "BOOLEAN", True),
    "card": ("numeric", LONG_TEXT, "VARCHAR", LONG_TEXT),
    "share": ("double precision", "0.1", "DECIMAL(9,4)", Decimal("0.1000")),
    "score": ("double precision", "0.30000000000000004", "DOUBLE", 0.1 + 0.2),
}


def test_a_database_gives_its_values_as_they_are(party: Party, server: str) -> None:
    columns = [column("id", key=True)]
    for name, (_, _, kind, _) in VALUES_OF_DATABASE.items():
        columns.append(column(name, kind, **({"format": "%Y%m%d%H%M%S"} if name == "compact" else {})))
    rows = [[text for _, text, _, _ in VALUES_OF_DATABASE.values()] for _ in range(3)]
    rows[1] = ["null"] * len(VALUES_OF_DATABASE)
    rows[2] = ["'{\"z\": null}'", *["null"] * (len(VALUES_OF_DATABASE) - 4), LONG_TEXT, "1234567.890123456", "null"]
    engine = sa.create_engine(server)
    with engine.begin() as connection:
        connection.execute(sa.text("drop table if exists given"))
        declared = ", ".join(f"{name} {kind}" for name, (kind, *_) in VALUES_OF_DATABASE.items())
        connection.execute(sa.text(f"create table given (id text, {declared})"))
        for place, row in enumerate(rows):
            connection.exec_driver_sql(f"insert into given values ('{place}', {', '.join(row)})")
    engine.dispose()
    query = f"select id, {', '.join(VALUES_OF_DATABASE)} from given where :since < :until order by id"
    party.agree(contract("party", dataset(*columns, reader="database", query=query), connection=server))
    party.land(DAY)
    expected = {name: value for name, (*_, value) in VALUES_OF_DATABASE.items()}
    assert party.quarantined() == [(3, "share", "type DECIMAL(9,4)")]
    assert party.rows(*expected) == [tuple(expected.values()), (None,) * len(expected)]


def test_members_of_a_database_are_asked_for_as_text(party: Party, server: str) -> None:
    rows = dataset(column("id", key=True), reader="database", query="select array[1, 2] as id where :since < :until")
    party.agree(contract("party", rows, connection=server))
    with pytest.raises(DeliveryIncomplete, match="column id holds members; cast it to text in the query"):
        party.land(DAY)
