"""The fingerprint changes with any cell and with nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest

from quality.fingerprint import fingerprint_table

ROWS = """
    select * from (values
        (1, 'a', 1.50::decimal(18,2), date '2026-01-01', timestamptz '2026-01-01 00:00:00+08', true,
         0.5::double, ['x']),
        (2, 'b', 2.50::decimal(18,2), date '2026-01-02', timestamptz '2026-01-02 00:00:00+08', false,
         0.25::double, ['y']),
        (3, null, null, null, null, null, null, null)
    ) as t(i, s, amount, day, moment, flag, rate, list)
"""


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        opened.execute(f"create table t as {ROWS}").fetchall()
        yield opened


@pytest.mark.parametrize(
    "change",
    [
        "i = 9", "s = 'c'", "s = ''", "s = null", "amount = 1.51", "amount = null", "day = '2026-01-03'",
        "moment = moment + interval 1 microsecond", "flag = not flag", "rate = 0.5000000000000001",
        "list = ['x', 'y']", "list = []",
    ],
)  # fmt: skip
def test_fingerprint_changes_with_each_cell(connection: duckdb.DuckDBPyConnection, change: str) -> None:
    before = fingerprint_table(connection, "t")
    connection.execute(f"update t set {change} where i = 1").fetchall()
    assert fingerprint_table(connection, "t") != before


def test_fingerprint_ignores_row_order_threads_and_time_zone(connection: duckdb.DuckDBPyConnection) -> None:
    before = fingerprint_table(connection, "t")
    connection.execute("create table u as from t order by i desc").fetchall()
    connection.execute("set TimeZone = 'Asia/Shanghai'").fetchall()
    connection.execute("set threads = 1").fetchall()
    assert fingerprint_table(connection, "u") == before


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("values ('a', 'b')", "values ('b', 'a')"),
        ("values ('a' || chr(31) || '1:b', 'c')", "values ('a', 'b' || chr(31) || '1:c')"),
        ("values (1, 23)", "values (12, 3)"),
        ("values ('~', 'a')", "values (null, 'a')"),
        ("values (1), (1)", "values (2), (2)"),
        ("values (1), (1)", "values (1)"),
        ("values (1), (1), (2), (2)", "values (3), (3), (4), (4)"),
        ("values (1::int)", "values (1::bigint)"),
        ("select 1 as a", "select 1 as b"),
        ("values (timestamptz 'infinity')", "values (timestamptz '-infinity')"),
        ("values (timestamptz 'infinity')", "values (null::timestamptz)"),
        ("select 1 where false", "select null::int where false union all values (null)"),
    ],
)
def test_fingerprint_tells_contents_apart(connection: duckdb.DuckDBPyConnection, one: str, other: str) -> None:
    connection.execute(f"create table one as {one}").fetchall()
    connection.execute(f"create table other as {other}").fetchall()
    assert fingerprint_table(connection, "one") != fingerprint_table(connection, "other")


def test_swapped_cells_of_two_rows_are_another_content(connection: duckdb.DuckDBPyConnection) -> None:
    before = fingerprint_table(connection, "t")
    connection.execute("update t set s = case i when 1 then 'b' when 2 then 'a' end").fetchall()
    assert fingerprint_table(connection, "t") != before
