"""`python -m ingestion.simulation`: let the simulated group deliver into the landing folder."""

from __future__ import annotations

import argparse
import sys

from ingestion.foundation import load_settings
from ingestion.foundation.command_line import run_command
from ingestion.simulation import SimulationInvalid, simulate


def main(argv: list[str] | None = None) -> int:
    """Deliver every business date of a simulated group; the same arguments give the same bytes."""
    parser = argparse.ArgumentParser(prog="python -m ingestion.simulation", description=__doc__)
    parser.add_argument("--customers", type=int, required=True)
    parser.add_argument("--days", type=int, required=True)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(argv)

    def deliver() -> int:
        report = simulate(given.customers, given.days, given.seed, load_settings().home)
        print(f"{report.first_date} to {report.last_date} delivered into {report.landing}: {report.rows}")
        return 0

    return run_command(deliver, {SimulationInvalid: 1})


if __name__ == "__main__":
    sys.exit(main())
