"""`python -m ingestion.simulation`: let the simulated group deliver into the landing folder."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib.util import find_spec

from ingestion.foundation import Settings, SettingsInvalid
from ingestion.foundation.command_line import DONE, WRONG, Command, ExitCodes, argument, run_program
from ingestion.simulation import SimulationInvalid, describe_group, simulate


def run_simulation(given: argparse.Namespace, settings: Settings) -> int:
    """Deliver every business date of a simulated group, or describe it; the same arguments give the same bytes."""
    if given.describe:
        print(describe_group(given.customers, given.days, given.seed, settings.home).to_json())
        return DONE
    if find_spec("xlsxwriter") is None:
        raise SettingsInvalid("The simulation wants xlsxwriter; install `loan-data-platform[simulation]`.")
    report = simulate(given.customers, given.days, given.seed, settings.home)
    print(f"{report.first_date} to {report.last_date} delivered into {report.landing}: {report.rows}")
    return DONE


def _exit_codes() -> ExitCodes:
    return {SimulationInvalid: WRONG}


SIMULATE = Command(
    "simulation",
    "let a simulated group deliver into the landing folder, date by date; the same arguments give the same bytes",
    run_simulation,
    "--customers 1000 --days 5",
    (
        argument("--customers", type=int, required=True, help="how many customers the group has"),
        argument("--days", type=int, required=True, help="how many business dates it delivers"),
        argument("--seed", type=int, default=1, help="another seed is another world (default: 1)"),
        argument("--describe", action="store_true", help="deliver nothing; print as JSON what would be delivered"),
    ),
    _exit_codes,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return run_program("python -m ingestion.simulation", SIMULATE.summary, SIMULATE, argv)


if __name__ == "__main__":
    sys.exit(main())
