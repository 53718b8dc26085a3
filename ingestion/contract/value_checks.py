"""Checks how a column's values are read: layouts that say a whole moment, clocks that exist, words of one meaning."""

from __future__ import annotations

import re
from collections.abc import Iterator
from zoneinfo import ZoneInfo

from ingestion.contract.profiles import Column
from ingestion.foundation.declarations import Problem

NAMED_LAYOUTS = ("iso8601", "excel_serial", "epoch_s", "epoch_ms", "epoch_us")
DATED = {
    "year": ("%Y", "%y", "%G"),
    "month": ("%m", "%-m", "%b", "%B", "%j", "%-j"),
    "day": ("%d", "%-d", "%j", "%-j"),
}
WHOLE = ("%c", "%x", "%D")
LITERAL_ZONE = re.compile(r"(?<!%)Z|%Z")


def check_clock(timezone: str, key: str, file: str) -> Iterator[Problem]:
    """A time zone that is known, so that no run finds out first."""
    try:
        ZoneInfo(timezone)
    except (KeyError, ValueError, OSError):
        yield Problem(file, f"{key}.timezone", f"{timezone!r} is no time zone", "name one as IANA does: Asia/Shanghai")


def check_values(column: Column, key: str, file: str) -> Iterator[Problem]:
    """What a profile says of how values are written has a meaning for the type, and no contradiction."""
    profile, is_number = column.profile, column.type.startswith(("DECIMAL", "BIGINT", "INTEGER", "DOUBLE"))
    place = f"{key}.column"
    if profile.timezone:
        yield from check_clock(profile.timezone, place, file)
    if profile.number and not is_number:
        yield Problem(file, f"{place}.number", f"has no meaning for {column.type}", "remove it")
    if profile.booleans and column.type != "BOOLEAN":
        yield Problem(file, f"{place}.booleans", f"has no meaning for {column.type}", "remove it")
    if profile.booleans and set(profile.booleans.values()) != {True, False}:
        yield Problem(file, f"{place}.booleans", "has words for one of true and false only", "give both")
    if profile.round_numbers and column.type != "VARCHAR":
        yield Problem(file, f"{place}.round_numbers", f"has no meaning for {column.type}", "remove it")
    matched = [text for lookup in profile.lookups for text in lookup.match]
    for text in sorted({text for text in matched if matched.count(text) > 1 or text != text.strip()}):
        yield Problem(file, f"{place}.lookups", f"{text!r} is listed twice or has blanks around it", "correct it")


def check_layout(layout: str, column: Column, key: str, file: str) -> Iterator[Problem]:
    """A layout that says a whole moment, and on which clock it is; without year or day it would mean one of 1900."""
    if layout in NAMED_LAYOUTS:
        if layout.startswith("epoch") and column.type != "TIMESTAMPTZ":
            yield Problem(file, key, f"has no meaning for {column.type}", "set TIMESTAMPTZ")
        return
    if not any(part in layout for part in WHOLE):
        for part, directives in DATED.items():
            if not any(directive in layout for directive in directives):
                yield Problem(file, key, f"{layout!r} has no {part}", "give the layout of a whole date")
    if LITERAL_ZONE.search(layout):
        yield Problem(file, key, f"{layout!r} reads a time zone as mere text", "end it with %z, or use iso8601")
    if "%z" in layout and (not layout.endswith("%z") or column.type != "TIMESTAMPTZ"):
        yield Problem(file, key, f"{layout!r} has an offset where none is read", "%z ends the layout of a TIMESTAMPTZ")
