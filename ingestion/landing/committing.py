"""Commit (提交): a finished working folder renamed into the lake, one run of a source at a time.

Readers see a delivery only through the ledger, so a run that is killed between the rename and the ledger's transaction
leaves the old state, and running again finishes it.
"""

from __future__ import annotations

import shutil
from contextlib import AbstractContextManager
from pathlib import Path

from ingestion.delivery import Delivery
from ingestion.foundation import Settings
from ingestion.foundation.locks import hold_lock
from ingestion.landing.parsing import LANDED, QUARANTINED, Parsed


def lock_source(source: str, settings: Settings) -> AbstractContextManager[None]:
    """Wait for other runs of a source, and let others wait for this one."""
    return hold_lock(settings.home / "locks" / source)


def commit_delivery(delivery: Delivery, parsed: Parsed, settings: Settings) -> None:
    """Rename both outcomes into their places; a folder left by a killed run is replaced."""
    dataset = delivery.dataset
    where = Path(dataset.source, dataset.name, f"batch_date={delivery.batch_date}", delivery.delivery_id)
    if parsed.quarantine.height:
        _move(parsed.folder / QUARANTINED, settings.quarantine / where)
    _move(parsed.folder / LANDED, settings.lake / where)


def _move(folder: Path, destination: Path) -> None:
    destination.parent.mkdir(parents=True, exist_ok=True)
    if destination.exists():
        shutil.rmtree(destination)
    folder.replace(destination)
