"""Stub of landing; environment variables make it fail in the tests."""

import os
import time
from dataclasses import dataclass
from datetime import date

from ingestion.settings import Settings, load_settings


@dataclass(frozen=True)
class LandingReport:
    rows: int

    def __str__(self) -> str:
        return f"{self.rows:,} rows, 0 quarantined"


class DeliveryUnreadable(Exception):
    """A delivery cannot be read."""


def land_source(source: str, batch_date: date, settings: Settings | None = None) -> LandingReport:
    home = (settings or load_settings()).home
    with (home / "calls.log").open("a") as calls:
        calls.write(f"land {source} {batch_date} {time.time():.2f}\n")
    if os.environ.get("STUB_BREAK") == f"{source}@{batch_date}":
        raise DeliveryUnreadable(f"{source}: line 7 of loans.txt is not GB18030; ask the sender for a new file.")
    if os.environ.get("STUB_FLAKY") == f"{source}@{batch_date}" and not (home / "flaked").exists():
        (home / "flaked").touch()
        raise ConnectionError("the ledger did not answer")
    if os.environ.get("STUB_DIE") == f"{source}@{batch_date}" and not (home / "died").exists():
        (home / "died").touch()
        os.kill(os.getpid(), 9)
    time.sleep(float(os.environ.get("STUB_SLEEP", "0")))
    return LandingReport(1000 + batch_date.day)
