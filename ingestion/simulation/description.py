"""What a simulation delivers, in words and dates (仿真说明): for who runs its command and imports nothing of it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path

from ingestion.simulation import bank_a
from ingestion.simulation.defects import CONFUSED_DATE, RESENT_WITH
from ingestion.simulation.delivering import list_parties
from ingestion.simulation.group import check_size, delivered_days
from ingestion.simulation.horizon import GO_LIVE


@dataclass(frozen=True)
class PlantedFault:
    """A fault that a gate is to find: where it is, what is wrong, and with which date its correction comes."""

    source: str
    dataset: str
    business_date: date
    corrected_with: date
    fault: str


@dataclass(frozen=True)
class GroupDescription:
    """A group and the business dates asked of it; `days_delivered` of them lie in the landing folder already."""

    customers: int
    days: int
    seed: int
    go_live: date
    business_dates: tuple[date, ...]
    parties: tuple[str, ...]
    planted_faults: tuple[PlantedFault, ...]
    days_delivered: int

    def to_json(self) -> str:
        """The description as JSON, dates as yyyy-mm-dd; a fault is named although its date is not asked for."""
        return json.dumps(asdict(self), default=str, ensure_ascii=False, indent=2)


def describe_group(customers: int, days: int, seed: int, home: Path) -> GroupDescription:
    """Say what `simulate` would deliver, and deliver nothing.

    Raises:
        SimulationInvalid: sizes out of range.
    """
    check_size(customers, days)
    return GroupDescription(
        customers,
        days,
        seed,
        GO_LIVE,
        tuple(GO_LIVE + timedelta(days=offset) for offset in range(days)),
        tuple(list_parties()),
        (PlantedFault(bank_a.SOURCE, "loans", CONFUSED_DATE, RESENT_WITH, "payouts 100 times too high (分 as 元)"),),
        delivered_days(home),
    )
