"""Stub of the feature tables."""

import time
from datetime import date

from ingestion.settings import Settings, load_settings
from quality.publication import Publication


def build_features(batch_date: date, settings: Settings | None = None) -> Publication:
    with (load_settings().home / "calls.log").open("a") as calls:
        calls.write(f"features {batch_date} {time.time():.2f}\n")
    return Publication(f"{batch_date}-feat")
