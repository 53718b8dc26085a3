"""Dates and instants (时刻): SQL that reads a moment as the one that was meant, or not at all.

What a layout reads, it must print again: no lenient dates. A local time that the clock of its zone skips or shows twice
is no instant. Numbers are judged by how many digits they have, so that no unit is taken for another one.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from ingestion.foundation import BUSINESS_TIMEZONE
from ingestion.foundation.sql import quote_text

ISO = "iso8601"
SERIAL = "excel_serial"
EPOCHS = {"epoch_s": (10, 1_000_000), "epoch_ms": (13, 1_000), "epoch_us": (16, 1)}  # most digits, microseconds
NAMED = (ISO, SERIAL, *EPOCHS)
FIXED_SINCE = datetime(1992, 1, 1, tzinfo=BUSINESS_TIMEZONE)  # China has had no summer time since September 1991
FIXED_OFFSET = FIXED_SINCE.utcoffset() or timedelta()
BUSINESS = str(BUSINESS_TIMEZONE)
UNIVERSAL = ("UTC", "Etc/UTC", "GMT")
OFFSET = "(?:Z|z|[+-](?:0[0-9]|1[0-4])(?::?[0-5][0-9](?::[0-5][0-9])?)?)"
DAY = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
TIME = "(?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:[.][0-9]{1,6}0*)?)?"
SERIALS = (61, 2_958_465)  # 1900-03-01, before which Excel counts a day that never was, and 9999-12-31
FOLDED = re.compile(r"%[-]?[aAbBp]")  # printed in one case and written in any


def instant_sql(local: str, zone: str) -> str:
    """SQL of the instant of a local timestamp: arithmetic where the clock of the zone has had one offset."""
    if zone in UNIVERSAL:
        return f"make_timestamptz(epoch_us({local}))"
    if zone != BUSINESS:
        return _looked_up_sql(local, zone)
    fixed = f"make_timestamptz(epoch_us({local}) - {FIXED_OFFSET // timedelta(microseconds=1)})"
    earlier = _looked_up_sql(local, zone)
    return f"case when {local} >= timestamp '{FIXED_SINCE:%Y-%m-%d}' then {fixed} else {earlier} end"


def _looked_up_sql(local: str, zone: str) -> str:
    """The instant by the zone's history; NULL for a local time that never was or was twice."""
    name = quote_text(zone)
    found = f"timezone({name}, {local})"
    shown = f"timezone({name}, {found})"
    before, after = (f"timezone({name}, {found} {sign} interval 1 hour)" for sign in "-+")
    return f"case when {shown} = {local} and {before} <> {local} and {after} <> {local} then {found} end"


def moment_sql(value: str, layout: str, kind: str, zone: str) -> str:
    """SQL of the DATE or TIMESTAMPTZ that a trimmed text means by one layout; NULL where that does not read it."""
    if layout in EPOCHS:
        return _epoch_sql(value, *EPOCHS[layout])
    if layout == SERIAL:
        return _serial_sql(value, kind, zone)
    if layout == ISO:
        return _iso_sql(value, kind, zone)
    if layout.endswith("%z"):
        layout, local = layout.removesuffix("%z").rstrip(), f"regexp_replace({value}, '\\s*{OFFSET}$', '')"
        parsed, is_printed = _parsed_sql(local, layout)
        is_read = f"regexp_matches({value}, '{OFFSET}$') and {is_printed}"
        return f"case when {is_read} then make_timestamptz(epoch_us({parsed}) - {_offset_sql(value)}) end"
    parsed, is_printed = _parsed_sql(value, layout)
    return f"case when {is_printed}{_local_sql(parsed, kind, zone)} end"


def _local_sql(parsed: str, kind: str, zone: str) -> str:
    """The rest of a condition, and its consequence: a local timestamp as an instant, or as the day that it begins."""
    if kind == "DATE":
        return f" and {parsed} = date_trunc('day', {parsed}) then cast({parsed} as date)"
    return f" then {instant_sql(parsed, zone)}"


def _parsed_sql(value: str, layout: str) -> tuple[str, str]:
    """A text parsed by a layout, and the condition that the layout would print it again."""
    parsed = f"try_strptime({value}, {quote_text(layout)})"
    printed = f"strftime({parsed}, {quote_text(layout)})"
    is_folded = FOLDED.search(layout)
    return parsed, f"lower({printed}) = lower({value})" if is_folded else f"{printed} = {value}"


def _offset_sql(value: str) -> str:
    """Microseconds by which the offset at the end of a text is ahead of UTC."""
    digits = f"replace(regexp_extract({value}, '{OFFSET}$'), ':', '')"
    parts = (f"coalesce(try_cast(substr({digits}, {first}, 2) as bigint), 0)" for first in (2, 4, 6))
    hours, minutes, seconds = parts
    return (
        f"(case when starts_with({digits}, '-') then -1 else 1 end"
        f" * ({hours} * 3600 + {minutes} * 60 + {seconds}) * 1000000)"
    )


def _iso_sql(value: str, kind: str, zone: str) -> str:
    """ISO 8601 with a blank or T between date and time, with an offset or on the column's clock."""
    moment = f"{DAY}[T ]{TIME}"
    without = f"regexp_full_match({value}, '{moment}')"
    with_offset = f"regexp_full_match({value}, '{moment}\\s*{OFFSET}')"
    plain = f"try_cast({value} as timestamp)"
    local = f"try_cast(regexp_replace({value}, '\\s*{OFFSET}$', '') as timestamp)"
    shifted = f"make_timestamptz(epoch_us({local}) - {_offset_sql(value)})"
    if kind == "TIMESTAMPTZ":
        return f"case when {without} then {instant_sql(plain, zone)} when {with_offset} then {shifted} end"
    there = f"timezone({quote_text(zone)}, {shifted})"
    return (
        f"case when regexp_full_match({value}, '{DAY}') then try_cast({value} as date)"
        f" when {without}{_local_sql(plain, kind, zone)} when {with_offset}{_local_sql(there, kind, zone)} end"
    )


def _epoch_sql(value: str, digits: int, microseconds: int) -> str:
    number = f"cast(split_part({value}, '.', 1) as bigint)"
    is_one = f"regexp_full_match({value}, '[0-9]{{{digits - 2},{digits}}}([.]0*)?')"
    return f"case when {is_one} then make_timestamptz({number} * {microseconds}) end"


def _serial_sql(value: str, kind: str, zone: str) -> str:
    """Days since 1899-12-30, as a workbook counts them; a time of day is read to the millisecond."""
    days = f"cast({value} as double)"
    least, most = SERIALS
    is_one = f"regexp_full_match({value}, '[0-9]{{1,7}}([.][0-9]+)?') and {days} >= {least} and {days} < {most + 1}"
    if kind == "DATE":
        return f"case when {is_one} and {days} = floor({days}) then date '1899-12-30' + cast({days} as integer) end"
    local = f"(timestamp '1899-12-30' + to_milliseconds(cast(round({days} * 86400000) as bigint)))"
    return f"case when {is_one} then {instant_sql(local, zone)} end"
