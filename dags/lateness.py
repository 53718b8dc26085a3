"""What Airflow calls when a dag run misses its deadline."""

from __future__ import annotations

import json
from typing import Any


def record_lateness(context: dict[str, Any]) -> None:
    """Append the late run to reports/lateness.jsonl, one line a missed deadline; times are UTC."""
    from ingestion.foundation import load_settings

    run = context["dag_run"]
    late = {
        "dag_id": run["dag_id"],
        "batch_date": run["partition_key"],
        "due_at": str(context["deadline"]["deadline_time"]),
        "state": run["state"],
    }
    reports = load_settings().reports
    reports.mkdir(parents=True, exist_ok=True)
    with (reports / "lateness.jsonl").open("a", encoding="utf-8") as out:
        out.write(json.dumps(late, ensure_ascii=False) + "\n")
