"""An oracle written row by row from rule T, sharing no code with the engine, and random worlds."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest

SHANGHAI = ZoneInfo("Asia/Shanghai")
TICK = timedelta(microseconds=1)
Row = dict[str, Any]


def span(text: str) -> timedelta | None:
    if text == "all":
        return None
    return timedelta(days=int(text[:-1])) if text.endswith("d") else timedelta(hours=int(text[:-1]))


def instant(value: Any) -> datetime:
    """A date is the last instant of its day."""
    if isinstance(value, datetime):
        return value
    return datetime.combine(value + timedelta(days=1), time(0), tzinfo=SHANGHAI) - TICK


def visible(rows: Sequence[Row], view: Mapping[str, Any], entity: Any, as_of: datetime, window: str) -> list[Row]:
    length = span(window)
    found = []
    for row in rows:
        if entity is None or row[view["entity"]] != entity or row[view["event_time"]] is None:
            continue
        happened, known = instant(row[view["event_time"]]), instant(row[view["known_at"]])
        superseded = row[view["superseded_at"]] if view["superseded_at"] else None
        if not happened < as_of or known > as_of:
            continue
        if superseded is not None and not as_of < instant(superseded):
            continue
        if length is not None and happened < as_of - length:
            continue
        found.append(row)
    return found


def aggregate(feature: Mapping[str, Any], view: Mapping[str, Any], rows: list[Row], as_of: datetime) -> Any:
    name, column = feature["aggregate"], feature.get("column")
    if column is not None:
        rows = [row for row in rows if row[column] is not None]
    rows = sorted(
        rows,
        key=lambda row: (
            instant(row[view["event_time"]]),
            instant(row[view["known_at"]]),
            row[column] if column is not None else 0,
        ),
    )
    if feature.get("last"):
        rows = rows[-feature["last"] :]
    empty = feature.get("when_empty")
    if not rows:
        return empty
    times = [instant(row[view["event_time"]]) for row in rows]
    values = [row[column] for row in rows] if column is not None else []
    if name == "count":
        return len(rows)
    if name == "count_distinct":
        return len(set(values))
    if name == "sum":
        return sum(values[1:], values[0])
    if name == "mean":
        if feature["type"].startswith("decimal"):
            places = Decimal(1).scaleb(-int(feature["type"][:-1].split(",")[1]))
            return (Decimal(sum(values)) / len(values)).quantize(places, ROUND_HALF_UP)
        return float(Decimal(str(sum(values))) / len(values))
    if name == "std":
        if len(values) < 2:
            return empty
        mean = sum(float(v) for v in values) / len(values)
        return (sum((float(v) - mean) ** 2 for v in values) / (len(values) - 1)) ** 0.5
    if name == "max":
        return max(values)
    if name == "min":
        return min(values)
    if name == "last":
        return values[-1]
    if name == "first":
        return values[0]
    if name in {"days_since_last", "days_since_first"}:
        moment = times[-1] if name == "days_since_last" else times[0]
        return (as_of.astimezone(SHANGHAI).date() - moment.astimezone(SHANGHAI).date()).days
    if name == "min_gap_hours":
        if len(times) < 2:
            return empty
        return min((b - a) / timedelta(hours=1) for a, b in itertools.pairwise(times))
    raise AssertionError(name)


FILTERS: dict[str, Callable[[Row], bool]] = {
    "kind = 'draw'": lambda row: row["kind"] == "draw",
    "kind <> 'draw'": lambda row: row["kind"] is not None and row["kind"] != "draw",
    "extract(hour from happened_at) < 6": lambda row: row["happened_at"].astimezone(SHANGHAI).hour < 6,
    "amount > 0 and score is not null": lambda row: (
        row["amount"] is not None and row["amount"] > 0 and row["score"] is not None
    ),
}


def brute_force(spine: Sequence[Row], rows: Sequence[Row], view: Mapping[str, Any]) -> list[Row]:
    """Every aggregate feature of the view for every spine row."""
    result = []
    for asked in spine:
        cells: Row = {}
        for feature in view["features"]:
            seen = visible(rows, view, asked[view["entity"]], asked["as_of"], feature["window"])
            if feature.get("filter"):
                seen = [row for row in seen if FILTERS[feature["filter"]](row)]
            cells[feature["name"]] = aggregate(feature, view, seen, asked["as_of"])
        result.append(cells)
    return result


def feature(name: str, aggregate: str, type: str, **more: Any) -> Row:
    declared = {"name": name, "title": "试", "description": "test", "aggregate": aggregate, "type": type}
    return {**declared, "window": "all", **more}


def every_aggregate() -> list[Row]:
    """Each aggregate over each kind of column, several windows, filters and lasts."""
    features = []
    for w in ("1h", "24h", "7d", "30d", "all"):
        features += [
            feature(f"n_w{w}", "count", "bigint", window=w, when_empty=0),
            feature(f"n_score_w{w}", "count", "bigint", window=w, column="score"),
            feature(f"sum_w{w}", "sum", "decimal(18,2)", window=w, column="amount", when_empty=0),
            feature(f"mean_w{w}", "mean", "decimal(18,2)", window=w, column="amount"),
            feature(f"mean3_w{w}", "mean", "decimal(18,6)", window=w, column="amount"),
            feature(f"mean0_w{w}", "mean", "decimal(18,0)", window=w, column="amount"),
            feature(f"mean_d_w{w}", "mean", "double", window=w, column="amount"),
            feature(f"sum_score_w{w}", "sum", "bigint", window=w, column="score"),
            feature(f"max_w{w}", "max", "decimal(18,2)", window=w, column="amount"),
            feature(f"min_w{w}", "min", "decimal(20,4)", window=w, column="amount"),
            feature(f"last_w{w}", "last", "decimal(18,2)", window=w, column="amount"),
            feature(f"first_w{w}", "first", "bigint", window=w, column="score"),
            feature(f"std_w{w}", "std", "double", window=w, column="amount"),
            feature(f"std_rate_w{w}", "std", "double", window=w, column="rate"),
            feature(f"sum_rate_w{w}", "sum", "double", window=w, column="rate"),
            feature(f"mean_rate_w{w}", "mean", "double", window=w, column="rate", when_empty=0),
            feature(f"kinds_w{w}", "count_distinct", "bigint", window=w, column="kind"),
            feature(f"amounts_w{w}", "count_distinct", "bigint", window=w, column="amount", when_empty=0),
            feature(f"kind_last_w{w}", "last", "varchar", window=w, column="kind"),
            feature(f"kind_max_w{w}", "max", "varchar", window=w, column="kind"),
            feature(f"day_first_w{w}", "first", "date", window=w, column="day"),
            feature(f"day_max_w{w}", "max", "date", window=w, column="day"),
            feature(f"since_last_w{w}", "days_since_last", "bigint", window=w),
            feature(f"since_first_w{w}", "days_since_first", "bigint", window=w),
            feature(f"gap_w{w}", "min_gap_hours", "double", window=w),
            feature(f"mean_2p_w{w}", "mean", "decimal(18,2)", window=w, column="amount", last=2),
            feature(f"sum_3p_w{w}", "sum", "decimal(18,2)", window=w, column="amount", last=3),
            feature(f"max_2p_w{w}", "max", "bigint", window=w, column="score", last=2),
            feature(f"std_3p_w{w}", "std", "double", window=w, column="score", last=3),
            feature(f"count_2p_w{w}", "count", "bigint", window=w, last=2),
        ]
        for n, sql in enumerate(FILTERS):
            features += [
                feature(f"n_f{n}_w{w}", "count", "bigint", window=w, filter=sql, when_empty=0),
                feature(f"sum_f{n}_w{w}", "sum", "decimal(18,2)", window=w, column="amount", filter=sql),
                feature(f"last_f{n}_w{w}", "last", "decimal(18,2)", window=w, column="amount", filter=sql),
                feature(f"gap_f{n}_w{w}", "min_gap_hours", "double", window=w, filter=sql),
            ]
    return features


def declare(features: list[Row], **more: Any) -> Row:
    view: Row = {
        "view": "tested",
        "stage": "pre",
        "version": 1,
        "owner": "risk",
        "description": "test",
        "entity": "customer_id",
        "source": "fct_tested",
        "event_time": "happened_at",
        "known_at": "_known_at",
        "superseded_at": "_superseded_at",
        "purposes": ["MODEL_DEV", "LIMIT_MGMT"],
        "max_staleness": "7d",
        "features": features,
    }
    return {**view, **more}


def random_world(seed: int, customers: int = 6, facts: int = 40, asked: int = 30) -> tuple[list[Row], list[Row]]:
    """Facts with versions, late arrivals, ties, nulls; a spine with exact instants and strangers."""
    rng = random.Random(seed)
    origin = datetime(2026, 2, 27, 22, tzinfo=SHANGHAI)

    def moment() -> datetime:
        choice = rng.random()
        if choice < 0.3:
            return origin + timedelta(hours=rng.randrange(0, 24 * 40))
        if choice < 0.5:
            return origin + timedelta(days=rng.randrange(0, 40))
        return origin + timedelta(seconds=rng.randrange(0, 86400 * 40), microseconds=rng.randrange(0, 10**6))

    people = [f"C{n}" for n in range(customers)]
    rows: list[Row] = []
    for _ in range(facts):
        happened = rng.choice(rows)["happened_at"] if rows and rng.random() < 0.2 else moment()
        happened = None if rng.random() < 0.03 else happened
        base = happened or moment()
        known = base + rng.choice(
            [timedelta(0), TICK, timedelta(hours=9), timedelta(days=1), timedelta(days=8), timedelta(days=35)]
        )
        owner: str | None = rng.choice([*people, people[0]])
        owner = None if rng.random() < 0.02 else owner
        for version in range(rng.choice([1, 1, 1, 2, 3])):
            later = known + rng.choice([timedelta(0), timedelta(hours=5), timedelta(days=3), timedelta(days=20)])
            if version and happened is not None and rng.random() < 0.3:
                happened += rng.choice([-timedelta(days=2), timedelta(days=2), TICK])
            amount = None if rng.random() < 0.15 else Decimal(rng.randrange(-50_000, 90_000)).scaleb(-2)
            rows.append(
                {
                    "customer_id": owner,
                    "happened_at": happened,
                    "_known_at": known,
                    "_superseded_at": later,
                    "amount": rng.choice([amount, amount, Decimal("0.01")]),
                    "score": rng.choice([None, *range(-3, 9)]),
                    "rate": rng.choice([None, rng.uniform(-1e6, 1e6), rng.random()]),
                    "kind": rng.choice([None, "draw", "draw", "repay", "其他"]),
                    "day": rng.choice([None, date(2026, 3, rng.randrange(1, 31))]),
                }
            )
            known = later
        if rng.random() < 0.8:
            rows[-1]["_superseded_at"] = None
    spine: list[Row] = []
    edges = [t for row in rows for t in (row["happened_at"], row["_known_at"], row["_superseded_at"]) if t is not None]
    for _ in range(asked):
        as_of = rng.choice(edges) + rng.choice(
            [
                timedelta(0),
                TICK,
                -TICK,
                timedelta(hours=1),
                timedelta(days=7),
                timedelta(days=30),
                timedelta(days=30) + TICK,
            ]
        )
        as_of = moment() if rng.random() < 0.3 else as_of
        if spine and rng.random() < 0.1:
            spine.append(dict(rng.choice(spine)))
            continue
        spine.append({"customer_id": rng.choice([*people, *people, "nobody", None]), "as_of": as_of, "tag": len(spine)})
    return rows, spine


EVENT_SCHEMA: dict[str, pl.DataType] = {
    "customer_id": pl.String(),
    "happened_at": pl.Datetime("us", "Asia/Shanghai"),
    "_known_at": pl.Datetime("us", "Asia/Shanghai"),
    "_superseded_at": pl.Datetime("us", "Asia/Shanghai"),
    "amount": pl.Decimal(18, 2),
    "score": pl.Int32(),
    "rate": pl.Float64(),
    "kind": pl.String(),
    "day": pl.Date(),
}


def frame(
    rows: Sequence[Row], schema: Mapping[str, pl.DataType] | None = None, zone: str = "Asia/Shanghai"
) -> pl.DataFrame:
    """A Polars frame of the rows; instants shown in `zone`."""
    keys = (
        schema
        if schema is not None
        else (EVENT_SCHEMA if "happened_at" in (rows[0] if rows else EVENT_SCHEMA) else None)
    )
    if keys is None:
        keys = {"customer_id": pl.String(), "as_of": pl.Datetime("us", zone), "tag": pl.Int64()}
    data = {name: pl.Series(name, [_utc(row[name]) for row in rows], dtype=_plain(kind)) for name, kind in keys.items()}
    result = pl.DataFrame(data)
    zoned = [name for name, kind in keys.items() if isinstance(kind, pl.Datetime)]
    return result.with_columns(pl.col(zoned).dt.replace_time_zone("UTC").dt.convert_time_zone(zone))


def _utc(value: Any) -> Any:
    return value.astimezone(ZoneInfo("UTC")).replace(tzinfo=None) if isinstance(value, datetime) else value


def _plain(kind: pl.DataType) -> pl.DataType:
    return pl.Datetime("us") if isinstance(kind, pl.Datetime) else kind


@pytest.fixture(scope="session")
def world() -> Any:
    """The module's functions, for tests (which are not importable packages)."""
    import types

    return types.SimpleNamespace(
        brute_force=brute_force,
        declare=declare,
        every_aggregate=every_aggregate,
        feature=feature,
        frame=frame,
        random_world=random_world,
        SHANGHAI=SHANGHAI,
        TICK=TICK,
    )
