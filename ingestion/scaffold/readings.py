"""Readings (试读): how many values a type and a format read, by the expressions that land them."""

from __future__ import annotations

from typing import Any

import duckdb

from ingestion.landing.typing_rules import exact_sql
from ingestion.scaffold.trials import trial_column


def count_read(
    connection: duckdb.DuckDBPyConnection, kind: str, profiles: list[dict[str, Any]], where: str = "true"
) -> list[int]:
    """For each profile of a column, the rows that it reads exactly."""
    readings = [exact_sql(trial_column("v", kind, **profile), "v") for profile in profiles]
    counted = ", ".join(f"coalesce(sum(n) filter ({reading} is not null), 0)" for reading in readings)
    found = connection.execute(f"select {counted} from present where {where}").fetchall()
    return [int(number) for number in found[0]]


def is_good_enough(read: int, total: int) -> bool:
    """Whether a reading of so many values fits: of all, or among many of 99 in a hundred."""
    return read == total if total < 200 else read >= 0.99 * total
