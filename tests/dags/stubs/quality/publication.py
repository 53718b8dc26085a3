"""Stub of publication."""

import os
import time
from dataclasses import dataclass
from datetime import date

from ingestion.settings import Settings, load_settings


class PublicationRefused(Exception):
    """A verdict fails."""


@dataclass(frozen=True)
class Publication:
    version: str

    def __str__(self) -> str:
        return f"published {self.version}"


def audit_and_publish(gate: str, batch_date: date, settings: Settings | None = None) -> Publication:
    with (load_settings().home / "calls.log").open("a") as calls:
        calls.write(f"audit {batch_date} {time.time():.2f}\n")
    if os.environ.get("STUB_REFUSE") == str(batch_date):
        raise PublicationRefused(
            "warehouse of 2026-03-04 refused: 1 of 25 checks failed (balance bridge, 3 rows); "
            "see reports/core.html, the version of 2026-03-03 stays readable."
        )
    return Publication(f"{batch_date}-abcd1234")
