"""One business date's deliveries of all parties."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from ingestion.simulation import (
    bank_a,
    dept_app,
    dept_collections,
    dept_compliance,
    dept_finance,
    dept_loan_core,
    dept_marketing,
    dept_risk,
    dept_service,
    traffic_e,
)
from ingestion.simulation.dropping import Spoiler, leave_intact
from ingestion.simulation.world import World


def deliver(world: World, landing: Path, batch_date: date, since: date | None, spoil: Spoiler = leave_intact) -> None:
    """Write what every party delivers for `batch_date`: events after `since` (None: all history) up to it.

    Files arrive, by their modification time, in the following night. Writing the same again changes nothing.
    """
    dept_loan_core.deliver(world, landing, batch_date, since)
    dept_risk.deliver(world, landing, batch_date, since, spoil)
    dept_compliance.deliver(world, landing, batch_date, since, spoil)
    traffic_e.deliver(world, landing, batch_date, since, spoil)
    bank_a.deliver(world, landing, batch_date, since, spoil)
    dept_marketing.deliver(world, landing, batch_date, since, spoil)
    dept_app.deliver(world, landing, batch_date, since, spoil)
    dept_finance.deliver(world, landing, batch_date, since, spoil)
    dept_collections.deliver(world, landing, batch_date, since, spoil)
    dept_service.deliver(world, landing, batch_date, since, spoil)
