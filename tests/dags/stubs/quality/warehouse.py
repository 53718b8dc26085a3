"""Stub of the warehouse build."""

import time
from datetime import date

from ingestion.settings import Settings, load_settings


def build(batch_date: date, settings: Settings | None = None) -> None:
    with (load_settings().home / "calls.log").open("a") as calls:
        calls.write(f"build {batch_date} {time.time():.2f}\n")
