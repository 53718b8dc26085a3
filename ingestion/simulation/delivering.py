"""One business date's deliveries of all parties."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from ingestion.simulation import (
    bank_a,
    bank_b,
    bureau_d,
    dept_app,
    dept_collections,
    dept_compliance,
    dept_finance,
    dept_loan_core,
    dept_marketing,
    dept_risk,
    dept_service,
    guarantor_c,
    payment_f,
    traffic_e,
)
from ingestion.simulation.dropping import Spoiler, leave_intact
from ingestion.simulation.world import World

# Parties whose files a defect may reach, in the order in which they deliver; the loan core is a database.
OF_FILES = (
    dept_risk,
    dept_compliance,
    traffic_e,
    bank_a,
    dept_marketing,
    dept_app,
    dept_finance,
    dept_collections,
    dept_service,
    bank_b,
    guarantor_c,
    bureau_d,
    payment_f,
)


def deliver(world: World, landing: Path, batch_date: date, since: date | None, spoil: Spoiler = leave_intact) -> None:
    """Write what every party delivers for `batch_date`: events after `since` (None: all history) up to it.

    Files arrive, by their modification time, in the following night. Writing the same again changes nothing.
    """
    dept_loan_core.deliver(world, landing, batch_date, since)
    for party in OF_FILES:
        party.deliver(world, landing, batch_date, since, spoil)


def list_parties() -> list[str]:
    """The sources that the group delivers, in alphabetical order."""
    return sorted(party.SOURCE for party in (dept_loan_core, *OF_FILES))
