"""`python -m ingestion quarantine ...`: what was kept out and why, and a retry under the corrected contract."""

from __future__ import annotations

import argparse
import getpass
import sys
from datetime import date, datetime
from typing import Any

import polars as pl

from ingestion.foundation import BUSINESS_TIMEZONE, Settings
from ingestion.lake import write_manifest


def quarantine(arguments: argparse.Namespace, settings: Settings) -> int:
    """List quarantined rows, show why (and, recorded, their text), or try them again."""
    from ingestion.landing.judgement import UNREAD
    from ingestion.landing.quarantine import QuarantineUnknown, list_held, replay, show, unlock

    now = datetime.now(BUSINESS_TIMEZONE)
    try:
        match arguments.action:
            case "list":
                for held in list_held(settings, arguments.source, arguments.date):
                    print(held)
            case "show" if arguments.raw:
                _print(unlock(arguments.delivery, getpass.getuser(), arguments.raw, now, settings))
            case "show":
                _print(show(arguments.delivery, settings))
            case "replay":
                landed, still = replay(arguments.delivery, now, settings)
                write_manifest(settings)
                print(f"{landed:,} landed, {still:,} still quarantined")
    except (QuarantineUnknown, *UNREAD) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _print(rows: pl.DataFrame) -> None:
    rows.write_csv(sys.stdout, separator="\t", quote_style="never")


def add_commands(commands: Any) -> None:
    """Add `quarantine` to the subparsers of `python -m ingestion`."""
    parser = commands.add_parser("quarantine", help=quarantine.__doc__)
    parser.set_defaults(run=quarantine)
    actions = parser.add_subparsers(required=True, dest="action", metavar="ACTION")
    listing = actions.add_parser("list", help="what is held, by delivery")
    listing.add_argument("--source", help="of one source only")
    listing.add_argument("--date", type=date.fromisoformat, help="of one business date only")
    showing = actions.add_parser("show", help="line, column and rule of every row of a delivery")
    showing.add_argument("delivery", help="the beginning of its name in the list")
    showing.add_argument("--raw", metavar="REASON", help="with the delivered text; who looked and why is recorded")
    trying = actions.add_parser("replay", help="try the rows of a delivery again under the present contract")
    trying.add_argument("delivery", help="the beginning of its name in the list")
