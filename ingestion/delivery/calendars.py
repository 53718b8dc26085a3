"""Calendars of deliveries (交付日历): of which business dates a dataset is due."""

from __future__ import annotations

from datetime import date, timedelta

from ingestion.contract.profiles import Calendar

SATURDAY = 6


def is_due(calendar: Calendar | None, day: date) -> bool:
    """Whether a dataset delivers the rows of a business date; without a calendar it does so every day."""
    if calendar is None or day in calendar.besides:
        return True
    if day in calendar.without:
        return False
    match calendar.every:
        case "day":
            return True
        case "weekday":
            return day.isoweekday() < SATURDAY
        case "week":
            return day.isoweekday() == (calendar.on or 7)
        case "month":
            return _is_day_of_month(day, calendar.on)
        case "quarter":
            return day.month % 3 == 0 and _is_day_of_month(day, calendar.on)


def _is_day_of_month(day: date, wanted: int | None) -> bool:
    """Whether this is the wanted day of its month; the last one where none is wanted or the month is shorter."""
    is_last = (day + timedelta(days=1)).day == 1
    return (is_last and (wanted is None or wanted >= day.day)) or day.day == wanted
