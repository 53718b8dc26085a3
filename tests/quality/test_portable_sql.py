"""The portable-SQL lint finds each measured trap, and nothing in sound SQL."""

from __future__ import annotations

import pytest

from quality.portable_sql import find_unportable

TRAPS = {
    "Concat": "select concat(a, b) as c from t",
    "Qualify": "select a from t qualify row_number() over (order by a nulls last) = 1",
    "Interval": "select d + interval 1 day as e from t",
    "TimestampTrunc": "select date_trunc('month', d) as m from t",
    "try_cast": "select try_cast(a as int) as b from t",
    "RegexpReplace": "select regexp_replace(a, 'x', 'y') as b from t",
    "ArgMax": "select max_by(a, b) as c from t",
    "AnyValue": "select any_value(a) as b from t",
    "ArrayAgg": "select array_agg(a) as b from t",
    "Left": "select left(a, 2) as b from t",
    "CurrentDate": "select current_date as d",
    "::": "select a::int as b from t",
    '"identifier"': 'select "a" from t',
    "backslash in a literal": r"select a from t where a like 'x\_y'",
    "distinct on, group by all, fetch first": "select a, count(*) as n from t group by all",
    "type name": "select cast(a as varchar) as b from t",
    "/": "select a / b as c from t",
    "avg": "select avg(amount) as c from t",
    "order by": "select row_number() over (order by a) as n from t",
    "substr": "select substr(a, 0, 2) as b from t",
    "syntax": "select from where",
}


@pytest.mark.parametrize(("construct", "sql"), TRAPS.items(), ids=list(TRAPS))
def test_trap_is_found(construct: str, sql: str) -> None:
    found = {finding.construct for finding in find_unportable("m", sql)}
    assert construct in found or (construct == "TimestampTrunc" and "DateTrunc" in found)


def test_sound_sql_has_no_finding() -> None:
    sql = """
        select a || coalesce(b, '') as c, n / nullif(d, 0) as rate, cast(e as string) as f, avg(cast(x as double)) as g
        from read_parquet('{lake}/s/t/*/*/*.parquet', hive_partitioning = false)
        group by a, b, n, d, e
        order by a nulls last, c desc nulls last
    """
    assert find_unportable("m", sql) == []


def test_finding_names_model_and_reason() -> None:
    (finding,) = find_unportable("mtr_x__daily", "select a / b as c from t")
    assert str(finding).startswith("mtr_x__daily: /: x/0 is inf on DuckDB")
