"""The calendar of the simulated group, in Asia/Shanghai business dates."""

from __future__ import annotations

from datetime import date, timedelta

GO_LIVE = date(2026, 3, 2)
HISTORY_DAYS = 240
FUTURE_DAYS = 120
FIRST_DATE = GO_LIVE - timedelta(days=HISTORY_DAYS)
LAST_DATE = GO_LIVE + timedelta(days=FUTURE_DAYS)
HORIZON_DAYS = (LAST_DATE - FIRST_DATE).days + 1
