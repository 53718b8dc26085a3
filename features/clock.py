"""The instant at which a business date is scored."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

from ingestion.foundation import BUSINESS_TIMEZONE

SCORING_TIME = time(8)


def find_scoring_instant(batch_date: date) -> datetime:
    """08:00 in Asia/Shanghai on the day after `batch_date`, when the night's deliveries are in."""
    return datetime.combine(batch_date + timedelta(days=1), SCORING_TIME, tzinfo=BUSINESS_TIMEZONE)
