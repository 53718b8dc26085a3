"""Checks that follow from what a table is (表的类型): written here once, implied in every suite of the kind.

| kind | what it is | what follows |
|---|---|---|
| `history` | every version of a fact, with both clocks | versions end after they begin, one is current, none is lost |
| `fact` | the current version of each event | a smaller table than yesterday's deserves a look |
| `dimension` | one row an entity | the same, and it is not empty |
| `daily` | figures by business date | it is not empty, and no date lies ahead |
| `reconciliation` | what two sides say of one key | nothing more than its key |
| `plain` | anything else | nothing more than its key |

Every table keeps its rows, unless its suite says that it may lose all; a history keeps its current ones too.

Where `event` names the column that says when a row happened, it is present and not in the future (no figure of a
`daily` table is for a day that has not ended). `planned` names one that may lie ahead, such as a due date.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from ingestion.foundation.sql import quote_name
from ingestion.foundation.verdict import KEEPS_ITS_ROWS, Severity
from quality.check import Check
from quality.expectation import (
    AnyArguments,
    ColumnsUnique,
    RowCountBetween,
    UnexpectedRows,
    ValuesNotNull,
    ValuesUnique,
)

LOOKING_AHEAD = frozenset({"no_future_day", "no_future_event"})  # what passes on a date passes on every later one
Kind = Literal["history", "fact", "dimension", "daily", "reconciliation", "plain"]
KNOWN_AT, SUPERSEDED_AT = "_known_at", "_superseded_at"
KEEPS_ITS_CURRENT_ROWS = "keeps_its_current_rows"


def imply_checks(
    kind: Kind, key: Sequence[str], bucket_by: str | None, event: str | None, planned: str | None
) -> Iterator[Check]:
    """Checks that a table's kind, key, bucket column and clocks imply, in the order in which they are reported."""
    yield from _imply_identity(key, bucket_by)
    known = {*key, bucket_by}
    for column in (event, planned):
        if column is not None and column not in known:
            because = "an event without its time is outside every window and every cut-off"
            yield _fail(f"{column}_is_present", ValuesNotNull(column=column), because, "T31")
    if event is not None:
        yield _refuse_future(kind, event)
    if kind in ("dimension", "daily"):
        because = "a dimension or a daily figure without any row is a broken build, not an empty day"
        yield _fail("table_is_not_empty", RowCountBetween(min_value=1), because, "L17")
    if kind == "history":
        yield from _imply_versions(key)
    if kind in ("history", "fact", "dimension"):
        yield _refuse_shrinkage("fail" if kind == "history" else "warn")


def _imply_identity(key: Sequence[str], bucket_by: str | None) -> Iterator[Check]:
    because = "a row without its key or its bucket column cannot be found, joined or laid out"
    for column in dict.fromkeys([*key, *([bucket_by] if bucket_by else [])]):
        yield _fail(f"{column}_is_present", ValuesNotNull(column=column), because, "I26")
    unique: AnyArguments = ValuesUnique(column=key[0]) if len(key) == 1 else ColumnsUnique(column_list=tuple(key))
    yield _fail("key_is_unique", unique, "a repeated key doubles every amount that is joined to it", "I26")


def _refuse_future(kind: Kind, event: str) -> Check:
    """An instant (`_at`) is bounded by the end of the business date, a date by the business date itself."""
    bound = "timestamptz '{day_end}'" if event.endswith("_at") else "date '{batch_date}'"
    operator = ">=" if event.endswith("_at") else ">"
    rows = UnexpectedRows(query=f"select * from {{table}} where {quote_name(event)} {operator} {bound}")
    if kind == "daily":
        return _fail("no_future_day", rows, "a figure for a day that has not ended is a forecast", "F90")
    because = "an event after the business date is a wrong clock or a wrong file, and would leak into features"
    return _fail("no_future_event", rows, because, "F90")


def _imply_versions(key: Sequence[str]) -> Iterator[Check]:
    ended = UnexpectedRows(query=f"select * from {{table}} where {SUPERSEDED_AT} <= {KNOWN_AT}")
    because = "a version that ends before it begins is visible at no time, so a restatement would vanish"
    yield _fail("superseded_after_known", ended, because, "M62")
    entity = ", ".join(quote_name(column) for column in key if column != KNOWN_AT)
    current = UnexpectedRows(
        query=f"select {entity}, count(*) as current_versions from {{table}}\n"
        f"where {SUPERSEDED_AT} is null\ngroup by {entity} having count(*) > 1"
    )
    because = "two current versions of one fact double it in every current figure"
    yield _fail("one_current_version", current, because, "M62")


def _refuse_shrinkage(severity: Severity) -> Check:
    lost = {
        "fail": "a history only grows; fewer rows than yesterday means that versions were lost",
        "warn": "a row can be recalled by its source, but many at once are a lost file",
    }
    arguments = RowCountBetween(min_value="{last_published_rows}")
    return Check(
        name="volume_does_not_shrink", arguments=arguments, severity=severity, because=lost[severity], rule="L17"
    )


def imply_kept_rows(kind: Kind) -> Iterator[Check]:
    """Checks that a table does not lose most of its rows at once; of a history also that most are not superseded."""
    because = "rows that vanish at once are a lost file; a known removal is accepted by an override"
    yield _fail(KEEPS_ITS_ROWS, RowCountBetween(min_value="{least_rows}"), because, "L17")
    if kind == "history":
        current = UnexpectedRows(
            query="select current_rows\n"
            f"from (select count(*) as current_rows from {{table}} where {SUPERSEDED_AT} is null) as counted\n"
            "where current_rows < {least_current_rows}"
        )
        because = "rows that are superseded at once and by nothing are a lost file; a known removal is overridden"
        yield _fail(KEEPS_ITS_CURRENT_ROWS, current, because, "L17")


def _fail(name: str, arguments: AnyArguments, because: str, rule: str) -> Check:
    return Check(name=name, arguments=arguments, severity="fail", because=because, rule=rule)
