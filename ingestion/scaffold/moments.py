"""Dates and times (日期与时间): which formats read a column, and which values stand for none."""

from __future__ import annotations

import re
from collections.abc import Callable

import duckdb
import polars as pl

from ingestion.scaffold.column_draft import ColumnDraft
from ingestion.scaffold.readings import count_read, is_good_enough
from ingestion.scaffold.vocabulary import FEW, OPEN_ENDED

ZERO_DATES = ("00000000", "0000-00-00", "0", "00000000000000", "0000-00-00 00:00:00", "0000/00/00")
LAST_DATES = ("99991231", "9999-12-31", "9999/12/31", "99991231235959", "9999-12-31 23:59:59", "9999-12-31 00:00:00")
DAYS = (
    "%Y-%m-%d",
    "%Y%m%d",
    "%Y/%m/%d",
    "%Y.%m.%d",
    "%Y年%m月%d日",
    "%d.%m.%Y",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%y%m%d",
    "%Y年%-m月%-d日",
    "%Y/%-m/%-d",
    "%Y-%-m-%-d",
    "%Y.%-m.%-d",
)
MOMENTS = (
    "%Y-%m-%d %H:%M:%S", "%Y%m%d%H%M%S", "%Y-%m-%dT%H:%M:%S", "%Y/%m/%d %H:%M:%S", "%Y%m%d %H:%M:%S",
    "%Y-%m-%d %H:%M:%S.%g", "%Y-%m-%d %H:%M:%S.%f", "%Y-%m-%dT%H:%M:%S.%g", "%Y-%m-%dT%H:%M:%S.%f",
    "%Y-%m-%d %H:%M", "%Y/%m/%d %H:%M", "%Y%m%d%H%M", "%y%m%d %H:%M:%S",
    "%Y/%-m/%-d %-H:%M", "%Y/%-m/%-d %-H:%M:%S", "%Y-%-m-%-d %-H:%M:%S", "%Y年%-m月%-d日 %-H:%M:%S",
)  # fmt: skip
STANDARD = {"DATE": "%Y-%m-%d", "TIMESTAMPTZ": "%Y-%m-%d %H:%M:%S"}


def type_moment(draft: ColumnDraft, values: pl.DataFrame, called: str, connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether a column holds dates or times; then its type, its formats and what stands for none are drafted.

    `values` are distinct values `v` with their numbers `n`, which `connection` knows as `present`.
    """
    sentinels = [text for text in (*ZERO_DATES, *LAST_DATES) if text in set(values["v"].to_list())]
    real = values.filter(~pl.col("v").is_in(sentinels))
    total = int(real["n"].sum())
    dated = real.filter(pl.col("v").str.contains(r"^\d[\d./:T 年月日-]{5,25}日?$"))
    if not total or int(dated["n"].sum()) < 0.95 * total:
        return False
    listed = ", ".join(f"'{text}'" for text in sentinels) or "''"
    plausible = (
        "case when regexp_full_match(v, '[0-9]{8}|[0-9]{12}|[0-9]{14}') then substr(v, 1, 4) between '1900' and '2100'"
        " when regexp_full_match(v, '[0-9]{6}') then not contains(v, '000')"
        " when regexp_full_match(v, '[0-9]{13}') then v between '0946684800000' and '4102444800000'"
        " when regexp_full_match(v, '[0-9]*') then false else true end"
    )
    where = f"v not in ({listed}) and {plausible}"
    is_epoch = bool(real["v"].str.len_chars().eq(13).all()) and bool(real["v"].str.contains(r"^\d+$").all())
    moments = ("epoch_ms",) if is_epoch else MOMENTS
    for kind, layouts in (("DATE", DAYS), ("TIMESTAMPTZ", moments)):
        counts = count_read(connection, kind, [{"format": layout} for layout in layouts], where)
        read = dict(zip(layouts, counts, strict=True))

        def count(formats: list[str], kind: str = kind) -> int:
            return count_read(connection, kind, [{"format": formats}], where)[0]

        chosen = _cover(read, total, count)
        if not chosen or ("%y%m%d" in chosen and real.height < FEW and not re.search("date|日", called)):
            continue
        _set_moment(draft, kind, chosen, read, total, values, sentinels, called)
        return True
    return False


def _cover(read: dict[str, int], total: int, count: Callable[[list[str]], int]) -> list[str]:
    """The fewest formats, the widest first, that together read all values; none if they do not."""
    best = max(read, key=lambda layout: read[layout])
    chosen = [best]
    if is_good_enough(read[best], total):
        return chosen
    for layout in sorted(read, key=lambda layout: -read[layout]):
        if layout not in chosen and read[layout] and count([*chosen, layout]) > count(chosen):
            chosen.append(layout)
        if is_good_enough(count(chosen), total):
            return chosen
    return []


def _set_moment(
    draft: ColumnDraft,
    kind: str,
    chosen: list[str],
    read: dict[str, int],
    total: int,
    values: pl.DataFrame,
    sentinels: list[str],
    called: str,
) -> None:
    draft.type = kind
    draft.formats = [] if chosen == [STANDARD[kind]] else chosen
    whole = [layout for layout in chosen if layout.endswith("%H:%M:%S")]
    if (
        kind == "TIMESTAMPTZ"
        and whole == chosen
        and values.filter(~pl.col("v").is_in(sentinels))["v"].str.ends_with("00:00:00").all()
    ):
        draft.type, draft.formats = "DATE", chosen
        draft.checks.append("every time of day is 00:00:00, so a date")
    padded = {layout.replace("%-", "%") for layout in chosen}
    rivals = [layout for layout in read if layout.replace("%-", "%") not in padded and read[layout] >= read[chosen[0]]]
    if rivals:
        draft.checks.append(f"{', '.join(rivals)} reads as many values as {chosen[0]}; two readings are equally good")
    if len(chosen) > 1:
        draft.checks.append("; ".join(f"{layout} reads {read[layout]} of {total}" for layout in chosen))
    if len(chosen) == 1 and read[chosen[0]] < total:
        draft.checks.append(f"{total - read[chosen[0]]} of {total} values are no {kind} and would be quarantined")
    if draft.type == "TIMESTAMPTZ" and "epoch_ms" not in chosen:
        draft.checks.append("on which clock? read as Asia/Shanghai")
    for sentinel in sentinels:
        count = int(values.filter(pl.col("v") == sentinel)["n"].sum())
        if sentinel in LAST_DATES and OPEN_ENDED.search(called):
            draft.checks.append(
                f"{sentinel} in {count} rows kept as a date: open-ended; put it under missing if it means unknown"
            )
        else:
            draft.missing.append(sentinel)
            draft.required = False
