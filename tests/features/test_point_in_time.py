from __future__ import annotations

import math
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from features.point_in_time import SpineInvalid, evaluate
from features.source import FrameEvents
from features.values import SourceInvalid
from features.view import View


def run(
    world: Any, view: dict[str, Any], rows: Any, spine: Any, buckets: int = 1, zone: str = "Asia/Shanghai"
) -> pl.DataFrame:
    events = rows if isinstance(rows, pl.DataFrame) else world.frame(rows, zone=zone)
    asked = spine if isinstance(spine, pl.DataFrame) else world.frame(spine)
    return evaluate(asked, [View.model_validate(view)], lambda _: FrameEvents("fct_tested", events, buckets))


def assert_cells_equal(result: pl.DataFrame, expected: list[dict[str, Any]]) -> None:
    for name in expected[0]:
        for number, (got, row) in enumerate(zip(result[name].to_list(), expected, strict=True)):
            want = row[name]
            if isinstance(want, float) and got is not None:
                assert math.isclose(got, want, rel_tol=1e-9, abs_tol=1e-9), (name, number, got, want)
            else:
                assert got == want, (name, number, got, want)


@pytest.mark.parametrize("seed", range(40))
def test_every_cell_equals_the_row_by_row_oracle(world: Any, seed: int) -> None:
    rows, spine = world.random_world(seed)
    view = world.declare(world.every_aggregate())
    result = run(
        world,
        view,
        rows,
        spine,
        buckets=1 + seed % 5,
        zone=["UTC", "Asia/Shanghai", "America/New_York"][seed % 3],
    )
    assert_cells_equal(result, world.brute_force(spine, rows, view))


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_hypothesis_finds_no_cell_that_differs(world: Any, data: st.DataObject) -> None:
    origin = datetime(2026, 3, 1, tzinfo=world.SHANGHAI)
    small = st.integers(0, 6).map(lambda n: origin + timedelta(hours=12 * n))
    row = st.fixed_dictionaries(
        {
            "customer_id": st.sampled_from(["a", "b"]),
            "happened_at": small,
            "_known_at": small,
            "_superseded_at": st.none() | small,
            "amount": st.none() | st.integers(-3, 3).map(Decimal),
            "score": st.none() | st.integers(-2, 2),
            "rate": st.none(),
            "kind": st.sampled_from(["draw", "repay", None]),
            "day": st.none(),
        }
    )
    rows = data.draw(st.lists(row, max_size=14))
    asked = st.fixed_dictionaries({"customer_id": st.sampled_from(["a", "b", "c"]), "as_of": small, "tag": st.just(0)})
    spine = data.draw(st.lists(asked, min_size=1, max_size=6))
    features = [f for f in world.every_aggregate() if f["window"] in {"24h", "all"}]
    view = world.declare(features)
    assert_cells_equal(run(world, view, rows, spine, buckets=2), world.brute_force(spine, rows, view))


@pytest.mark.parametrize("seed", range(5))
def test_any_number_of_buckets_and_any_file_order_gives_equal_results(world: Any, seed: int) -> None:
    rows, spine = world.random_world(seed, customers=20, facts=150, asked=120)
    view = world.declare(world.every_aggregate())
    one = run(world, view, rows, spine)
    for buckets in (2, 7, 16, 64):
        shuffled = world.frame(rows).sample(fraction=1, shuffle=True, seed=seed + buckets)
        assert_frame_equal(run(world, view, shuffled, spine, buckets), one, check_exact=True)


@pytest.mark.parametrize("seed", range(10))
def test_what_happens_or_is_known_after_as_of_changes_nothing(world: Any, seed: int) -> None:
    rows, spine = world.random_world(seed)
    as_of = datetime(2026, 3, 15, 8, tzinfo=world.SHANGHAI)
    spine = [{**row, "as_of": as_of} for row in spine]
    view = world.declare(world.every_aggregate())
    before = run(world, view, rows, spine)
    changed, later = [], []
    for row in rows:
        unseen = row["_known_at"] > as_of or (row["happened_at"] is not None and row["happened_at"] >= as_of)
        if unseen:
            row = {**row, "amount": Decimal("99999.99"), "score": 77, "kind": "leak", "rate": 1e9}
            if row["happened_at"] is not None and row["happened_at"] >= as_of:
                row["happened_at"] += timedelta(days=3)
        elif row["_superseded_at"] is not None and row["_superseded_at"] > as_of:
            row = {**row, "_superseded_at": None}
        changed.append(row)
        if row["happened_at"] is not None:
            later.append({**row, "happened_at": as_of})
            later.append({**row, "_known_at": as_of + world.TICK, "_superseded_at": None})
    assert_frame_equal(run(world, view, changed, spine), before, check_exact=True)
    assert_frame_equal(run(world, view, changed + later, spine), before, check_exact=True)


def test_an_event_at_as_of_is_unseen_and_at_the_window_start_is_seen(world: Any) -> None:
    as_of = datetime(2026, 3, 1, tzinfo=world.SHANGHAI)
    blank = {
        "_superseded_at": None,
        "amount": Decimal(1),
        "score": 1,
        "rate": 1.0,
        "kind": "draw",
        "day": None,
    }
    ages = [timedelta(0), world.TICK, timedelta(days=30), timedelta(days=30) + world.TICK]
    view = world.declare([world.feature("n_30d", "count", "bigint", window="30d", when_empty=0)])
    for age, seen in zip(ages, [0, 1, 1, 0], strict=True):
        row = {"customer_id": "a", "happened_at": as_of - age, "_known_at": as_of - age, **blank}
        result = run(world, view, [row], [{"customer_id": "a", "as_of": as_of, "tag": 0}])
        assert result["n_30d"].to_list() == [seen]


def test_a_date_happens_at_the_end_of_its_business_day(world: Any) -> None:
    as_of = datetime(2026, 3, 1, tzinfo=world.SHANGHAI)
    events = pl.DataFrame({"account_id": [7, 7, 7], "day": ["2026-02-28", "2026-03-01", "2025-11-30"]}).with_columns(
        pl.col("day").str.to_date()
    )
    view = world.declare(
        [
            world.feature("n_90d", "count", "bigint", window="90d"),
            world.feature("since", "days_since_last", "bigint"),
        ],
        entity="account_id",
        event_time="day",
        known_at="day",
        superseded_at=None,
        legal_basis="public_research",
        purposes=[],
    )
    spine = pl.DataFrame({"account_id": [7, 7], "as_of": [as_of, as_of + timedelta(hours=23)]})
    result = run(world, view, events, spine)
    assert result["n_90d"].to_list() == [1, 1]
    assert result["since"].to_list() == [1, 1]


def test_spine_rows_keep_order_columns_duplicates_and_strangers(world: Any) -> None:
    rows, spine = world.random_world(3, asked=60)
    asked = world.frame(spine)
    result = run(world, world.declare(world.every_aggregate()), rows, asked, buckets=4)
    assert_frame_equal(result.select(asked.columns), asked)


def test_no_event_and_no_spine_row_are_both_answered(world: Any) -> None:
    view = world.declare(world.every_aggregate())
    rows, spine = world.random_world(1)
    typed = run(world, view, rows, spine)
    nothing = run(world, view, world.frame([]), spine, buckets=3)
    assert nothing.schema == typed.schema
    assert nothing["n_w7d"].to_list() == [0] * len(spine)
    empty = run(world, view, rows, world.frame(spine).head(0), buckets=3)
    assert empty.schema == typed.schema
    assert empty.height == 0


def test_a_naive_timestamp_is_refused_by_name(world: Any) -> None:
    rows, spine = world.random_world(1)
    view = world.declare([world.feature("n", "count", "bigint")])
    naive = world.frame(spine).with_columns(pl.col("as_of").dt.replace_time_zone(None))
    with pytest.raises(SpineInvalid, match="as_of is a timestamp without a time zone"):
        run(world, view, rows, naive)
    events = world.frame(rows).with_columns(pl.col("_known_at").dt.replace_time_zone(None))
    with pytest.raises(SourceInvalid, match=r"fct_tested\._known_at is a timestamp without a time zone"):
        run(world, view, events, spine)


def test_a_spine_that_lacks_or_repeats_columns_is_refused(world: Any) -> None:
    rows, spine = world.random_world(1)
    view = world.declare([world.feature("n", "count", "bigint")])
    asked = world.frame(spine)
    with pytest.raises(SpineInvalid, match="no column customer_id"):
        run(world, view, rows, asked.drop("customer_id"))
    with pytest.raises(SpineInvalid, match="already has a column n"):
        run(world, view, rows, asked.rename({"tag": "n"}))
    with pytest.raises(SpineInvalid, match="1 spine rows have no as_of"):
        run(world, view, rows, pl.concat([asked, asked.head(1).with_columns(as_of=None).cast(asked.schema)]))
    with pytest.raises(SpineInvalid, match="is a DATE"):
        run(world, view, rows, asked.with_columns(pl.col("as_of").dt.date()))


def test_money_refuses_to_lose_digits_or_overflow(world: Any) -> None:
    rows, spine = world.random_world(1)
    with pytest.raises(SourceInvalid, match="2 decimal places"):
        run(world, world.declare([world.feature("x", "sum", "decimal(18,0)", column="amount")]), rows, spine)
    with pytest.raises(SourceInvalid, match="its value is double"):
        run(world, world.declare([world.feature("x", "sum", "decimal(18,2)", column="rate")]), rows, spine)
    large = [{**row, "amount": Decimal("9999999999999999.99")} for row in rows]
    with pytest.raises(SourceInvalid, match="exceed 64 bits"):
        run(world, world.declare([world.feature("x", "sum", "decimal(38,2)", column="amount")]), large, spine)
    with pytest.raises(SourceInvalid, match="no column missing"):
        run(world, world.declare([world.feature("x", "sum", "decimal(38,2)", column="missing")]), rows, spine)


def test_a_ratio_over_nothing_is_null_and_private_steps_stay_private(world: Any) -> None:
    rows, spine = world.random_world(2)
    derived = {"title": "试", "description": "test"}
    features = [
        world.feature("_late_7d", "count", "bigint", window="7d", filter="kind = 'draw'", when_empty=0),
        world.feature("n_7d", "count", "bigint", window="7d", when_empty=0),
        world.feature("paid", "sum", "decimal(18,2)", window="all", column="amount", when_empty=0),
        {"name": "ratio", "type": "double", "expression": "_late_7d / n_7d", **derived},
        {"name": "half", "type": "decimal(18,2)", "expression": "paid - paid", **derived},
    ]
    result = run(world, world.declare(features), rows, spine)
    assert "_late_7d" not in result.columns
    ratios = zip(result["n_7d"].to_list(), result["ratio"].to_list(), strict=True)
    assert all((ratio is None) == (n == 0) for n, ratio in ratios)
    assert result["half"].to_list() == [Decimal(0)] * len(spine)


def test_a_prohibited_feature_is_left_out_for_its_purpose(world: Any) -> None:
    rows, spine = world.random_world(2)
    features = [
        world.feature("n", "count", "bigint", prohibited_for=["LIMIT_MGMT"]),
        world.feature("s", "count", "bigint", column="score"),
    ]
    view = View.model_validate(world.declare(features))
    result = evaluate(
        world.frame(spine),
        [view],
        lambda _: FrameEvents("fct_tested", world.frame(rows)),
        purpose="LIMIT_MGMT",
    )
    assert result.columns == ["customer_id", "as_of", "tag", "s"]


@pytest.mark.parametrize("amounts", [(1, 2, 3), (3, 1, 2), (2, 3, 1)])
def test_full_ties_are_ordered_by_value_whatever_the_file_order(world: Any, amounts: tuple[int, ...]) -> None:
    as_of = datetime(2026, 3, 1, tzinfo=world.SHANGHAI)
    at = as_of - timedelta(days=1)
    blank = {"customer_id": "a", "happened_at": at, "_known_at": at, "_superseded_at": None, "rate": None}
    rows = [{**blank, "amount": Decimal(n), "score": n, "kind": str(n), "day": None} for n in amounts]
    view = world.declare(
        [
            world.feature("newest", "last", "decimal(18,2)", column="amount"),
            world.feature("oldest", "first", "varchar", column="kind"),
            world.feature("last_two", "sum", "bigint", column="score", last=2),
        ]
    )
    result = run(world, view, rows, [{"customer_id": "a", "as_of": as_of, "tag": 0}])
    assert result.drop("customer_id", "as_of", "tag").rows() == [(Decimal(3), "1", 5)]
