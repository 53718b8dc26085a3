"""`python -m ingestion land` and `quarantine …`: deliveries through the door, and the rows that were kept out."""

from __future__ import annotations

import argparse
import getpass
import sys
from datetime import date, datetime

import polars as pl

from ingestion.contract import load_registry
from ingestion.delivery import DeliveryIncomplete, DeliveryRefused
from ingestion.foundation import BUSINESS_TIMEZONE, Settings
from ingestion.foundation.command_line import BUSINESS_DATE, DONE, NO, WRONG, Command, ExitCodes, Group, argument
from ingestion.lake import write_manifest
from ingestion.landing import (
    QuarantineUnknown,
    SourceUnknown,
    land_source,
    list_held,
    replay_held,
    show_held,
    unlock_held,
)
from ingestion.landing.sources import NOT_LANDED
from ingestion.protection import KeyUnusable


def land_sources(given: argparse.Namespace, settings: Settings) -> int:
    """Land what a source (or every source) has delivered up to a business date."""
    names = [given.source] if given.source else list(load_registry(settings).contracts)
    failed = False
    for name in names:
        try:
            print(f"{name}: {land_source(name, given.date, settings)}")
        except (DeliveryIncomplete, DeliveryRefused) as error:
            print(error, file=sys.stderr)
            failed = True
    write_manifest(settings)
    return NO if failed else DONE


def list_quarantine(given: argparse.Namespace, settings: Settings) -> int:
    """Print what is held, by delivery."""
    held = list_held(settings, given.source, given.date)
    for entry in held:
        print(entry)
    if not held:
        print("No row is quarantined; `python -m ingestion land --date …` lands what has been delivered.")
    return DONE


def show_quarantine(given: argparse.Namespace, settings: Settings) -> int:
    """Print line, column and rule of every quarantined row of a delivery, and (recorded) its text."""
    if given.raw:
        _print(unlock_held(given.delivery, getpass.getuser(), given.raw, datetime.now(BUSINESS_TIMEZONE), settings))
    else:
        _print(show_held(given.delivery, settings))
    return DONE


def replay_quarantine(given: argparse.Namespace, settings: Settings) -> int:
    """Retry the quarantined rows of a delivery under the present contract."""
    landed, still = replay_held(given.delivery, datetime.now(BUSINESS_TIMEZONE), settings)
    write_manifest(settings)
    print(f"{landed:,} landed, {still:,} still quarantined")
    return DONE


def _print(rows: pl.DataFrame) -> None:
    rows.write_csv(sys.stdout, separator="\t", quote_style="never")


def _exit_codes() -> ExitCodes:
    return {SourceUnknown: WRONG, KeyUnusable: WRONG, **dict.fromkeys((QuarantineUnknown, *NOT_LANDED), NO)}


_DELIVERY = argument("delivery", help="the beginning of its name in the list")
_RAW = argument("--raw", metavar="REASON", help="with the delivered text; who looked and why is recorded")
COMMANDS = (
    Command(
        "land",
        "land what a source (or every source) has delivered up to a business date",
        land_sources,
        "land bank_a --date 2026-03-02",
        (argument("source", nargs="?", help="source key; all sources when left out"), BUSINESS_DATE),
        _exit_codes,
    ),
    Group(
        "quarantine",
        "list quarantined rows, show why (and, recorded, their text), or retry them",
        (
            Command(
                "list",
                "what is held, by delivery",
                list_quarantine,
                "quarantine list --source bank_a",
                (
                    argument("--source", help="of one source only"),
                    argument("--date", type=date.fromisoformat, help="of one business date only, yyyy-mm-dd"),
                ),
                _exit_codes,
            ),
            Command(
                "show",
                "line, column and rule of every row of a delivery",
                show_quarantine,
                'quarantine show 1f3a --raw "ticket 7"',
                (_DELIVERY, _RAW),
                _exit_codes,
            ),
            Command(
                "replay",
                "retry the rows of a delivery under the present contract",
                replay_quarantine,
                "quarantine replay 1f3a",
                (_DELIVERY,),
                _exit_codes,
            ),
        ),
    ),
)
