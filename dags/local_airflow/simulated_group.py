"""The simulated group (仿真集团) as the demo knows it: through the simulation's command and what that prints."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import date
from typing import Any

from ingestion.foundation import Settings

COMMAND = (sys.executable, "-m", "ingestion.simulation")


class SimulationFailed(Exception):
    """The simulation's command refused or failed; the message is its last sentence."""


@dataclass(frozen=True)
class PlantedFault:
    """A fault that a gate is to refuse: in whose delivery it is, and with which date its correction comes."""

    source: str
    business_date: date
    corrected_with: date
    fault: str


@dataclass(frozen=True)
class SimulatedGroup:
    """A group and the business dates that the demo runs; `planted_faults` are those of these dates."""

    customers: int
    seed: int
    dates: tuple[date, ...]
    planted_faults: tuple[PlantedFault, ...]
    days_delivered: int


def describe_group(settings: Settings, customers: int, days: int, seed: int) -> SimulatedGroup:
    """Ask the simulation what its group delivers in its first `days` business dates; nothing is delivered.

    Raises: SimulationFailed when there is no such group.
    """
    described: dict[str, Any] = json.loads(_run(settings, customers, days, seed, "--describe"))
    dates = tuple(date.fromisoformat(day) for day in described["business_dates"])
    faults = (
        PlantedFault(
            planted["source"],
            date.fromisoformat(planted["business_date"]),
            date.fromisoformat(planted["corrected_with"]),
            planted["fault"],
        )
        for planted in described["planted_faults"]
    )
    planted = tuple(fault for fault in faults if fault.business_date in dates)
    return SimulatedGroup(described["customers"], described["seed"], dates, planted, described["days_delivered"])


def deliver_days(settings: Settings, group: SimulatedGroup, days: int) -> None:
    """Let the group deliver its first `days` business dates, unless they lie there already.

    Raises: SimulationFailed when the home holds another group.
    """
    if group.days_delivered < days:
        _run(settings, group.customers, days, group.seed)


def _run(settings: Settings, customers: int, days: int, seed: int, *more: str) -> str:
    size = [f"--customers={customers}", f"--days={days}", f"--seed={seed}"]
    environment = {**os.environ, "PLATFORM_HOME": str(settings.home)}
    done = subprocess.run([*COMMAND, *size, *more], env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"the simulation ended with {done.returncode} and said nothing."]
        raise SimulationFailed(said[-1])
    return done.stdout
