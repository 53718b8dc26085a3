"""`python -m ingestion`: contracts, simulated deliveries and landing from a command line."""

from __future__ import annotations

import argparse
import sys
from datetime import date, datetime

import polars as pl

from ingestion.contract import ContractInvalid
from ingestion.dbt_sources import is_up_to_date, write_sources
from ingestion.delivery import DeliveryIncomplete, DeliveryRefused
from ingestion.lake import write_manifest
from ingestion.landing import SourceUnknown, land_source
from ingestion.protection import KeyUnusable
from ingestion.registry import load_registry
from ingestion.settings import BUSINESS_TIMEZONE, Settings, SettingsInvalid, load_settings


def check(_arguments: argparse.Namespace, settings: Settings) -> int:
    """Read every contract and the generated sources; report all problems of all files."""
    registry = load_registry(settings)
    if not is_up_to_date(registry, settings.models):
        print(f"{settings.models / '_sources.yml'} is not what the contracts give; run `python -m ingestion sources`.")
        return 1
    print(f"{len(registry.contracts)} contracts, {len(registry.datasets)} datasets: no problem found.")
    return 0


def sources(_arguments: argparse.Namespace, settings: Settings) -> int:
    """Write the dbt sources of the tenant from its contracts."""
    print(write_sources(load_registry(settings), settings.models))
    return 0


def land(arguments: argparse.Namespace, settings: Settings) -> int:
    """Land what a source (or every source) has delivered up to a business date."""
    names = [arguments.source] if arguments.source else list(load_registry(settings).contracts)
    failed = False
    for name in names:
        try:
            print(f"{name}: {land_source(name, arguments.date, settings)}")
        except (DeliveryIncomplete, DeliveryRefused) as error:
            print(error, file=sys.stderr)
            failed = True
    write_manifest(settings)
    return int(failed)


def quarantine(arguments: argparse.Namespace, settings: Settings) -> int:
    """List quarantined rows, show why (and, recorded, their text), or try them again under a mended contract."""
    import getpass

    from ingestion.quarantine import QuarantineUnknown, list_held, replay, show, unlock

    now = datetime.now(BUSINESS_TIMEZONE)
    try:
        match arguments.action:
            case "list":
                for held in list_held(settings, arguments.source, arguments.date):
                    print(held)
            case "show" if arguments.raw:
                _print_rows(unlock(arguments.delivery, getpass.getuser(), arguments.reason, now, settings))
            case "show":
                _print_rows(show(arguments.delivery, settings))
            case "replay":
                landed, held_rows = replay(arguments.delivery, now, settings)
                write_manifest(settings)
                print(f"{landed:,} landed, {held_rows:,} still quarantined")
    except QuarantineUnknown as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _print_rows(rows: pl.DataFrame) -> None:
    rows.write_csv(sys.stdout, separator="\t", quote_style="never")


def simulate(arguments: argparse.Namespace, settings: Settings) -> int:
    """Let the simulated group deliver into the landing folder."""
    from ingestion.simulation import SimulationInvalid
    from ingestion.simulation import simulate as deliver_all

    try:
        report = deliver_all(arguments.customers, arguments.days, arguments.seed, settings.home)
    except SimulationInvalid as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{report.first_date} to {report.last_date} delivered into {report.landing}: {report.rows}")
    return 0


def main(argv: list[str] | None = None) -> int:
    """Run one command; bad input gives one sentence on standard error and exit code 1."""
    parser = argparse.ArgumentParser(prog="python -m ingestion", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for function in (check, sources, land, quarantine, simulate):
        command = commands.add_parser(function.__name__, help=function.__doc__)
        command.set_defaults(run=function)
        if function is land:
            command.add_argument("source", nargs="?", help="source key; all sources when left out")
            command.add_argument("--date", type=date.fromisoformat, required=True, help="business date, yyyy-mm-dd")
        if function is quarantine:
            actions = command.add_subparsers(required=True, dest="action", metavar="ACTION")
            listing = actions.add_parser("list", help="what is held, by delivery")
            listing.add_argument("--source", help="of one source only")
            listing.add_argument("--date", type=date.fromisoformat, help="of one business date only")
            showing = actions.add_parser("show", help="line, column and rule of every row of a delivery")
            showing.add_argument("delivery", help="the beginning of its name in the list")
            showing.add_argument("--raw", action="store_true", help="with the delivered text; who and why is recorded")
            showing.add_argument("--reason", help="why the text has to be seen")
            trying = actions.add_parser("replay", help="try the rows of a delivery again under the present contract")
            trying.add_argument("delivery", help="the beginning of its name in the list")
        if function is simulate:
            command.add_argument("--customers", type=int, required=True)
            command.add_argument("--days", type=int, required=True)
            command.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args(argv)
    if getattr(arguments, "raw", False) and not arguments.reason:
        parser.error("--raw wants a --reason")
    try:
        return int(arguments.run(arguments, load_settings()))
    except (ContractInvalid, SettingsInvalid, SourceUnknown, KeyUnusable) as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
