"""Events (事件日志): what the stages did, as structured lines beside the sentences that people read.

Quiet unless somebody listens: a command line with `PLATFORM_LOG` set to `json` or `text` (on standard error), or an
Airflow task, whose own structlog takes the events into the task's log. The words that an event may carry are those of
`report_event`: counts, dates and names from declarations. There is no field that an identifier would fit.
"""

from __future__ import annotations

import sys
from datetime import date
from typing import Literal

from ingestion.foundation.settings import Settings

Event = Literal[
    "delivery_landed",
    "delivery_refused",
    "delivery_unchanged",
    "build_started",
    "build_ended",
    "build_failed",
    "verdict_recorded",
    "set_published",
    "set_refused",
    "features_built",
    "model_trained",
    "customers_scored",
]


def report_event(
    event: Event,
    *,
    batch_date: date | None = None,
    source: str | None = None,
    dataset: str | None = None,
    sequence: int | None = None,
    rows_in: int | None = None,
    rows_landed: int | None = None,
    rows_quarantined: int | None = None,
    gate: str | None = None,
    table: str | None = None,
    outcome: str | None = None,
    checks_failed: int | None = None,
    set_name: str | None = None,
    version: str | None = None,
    rows: int | None = None,
) -> None:
    """Report an event to whoever listens; without a listener nothing happens, and nothing is imported."""
    structlog = sys.modules.get("structlog")
    if structlog is None or not structlog.is_configured():
        return
    given = {
        "batch_date": batch_date and batch_date.isoformat(),
        "source": source,
        "dataset": dataset,
        "sequence": sequence,
        "rows_in": rows_in,
        "rows_landed": rows_landed,
        "rows_quarantined": rows_quarantined,
        "gate": gate,
        "table": table,
        "outcome": outcome,
        "checks_failed": checks_failed,
        "set_name": set_name,
        "version": version,
        "rows": rows,
    }
    structlog.get_logger("platform").info(event, **{name: value for name, value in given.items() if value is not None})


def listen_as_set(settings: Settings) -> Settings:
    """Write events to standard error, stamped with the time there, if the settings say so; the settings again."""
    if settings.log != "off":
        import structlog

        as_json = settings.log == "json"
        structlog.configure(
            processors=[
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                structlog.processors.JSONRenderer(ensure_ascii=False)
                if as_json
                else structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"]),
            ],
            logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        )
    return settings
