"""`python -m ingestion`: contracts, simulated deliveries and landing from a command line."""

from __future__ import annotations

import argparse
import sys
from datetime import date
from pathlib import Path

from ingestion.contract import ContractInvalid, load_registry
from ingestion.contract.code_tables import find_untranslated
from ingestion.delivery import DeliveryIncomplete, DeliveryRefused
from ingestion.foundation import Settings, load_settings
from ingestion.foundation.command_line import run_command
from ingestion.lake import write_manifest
from ingestion.landing import SourceUnknown, land_source
from ingestion.landing import commands as quarantine_commands
from ingestion.protection import KeyUnusable
from ingestion.vault import VaultRefused
from ingestion.vault import commands as vault_commands


def check(_arguments: argparse.Namespace, settings: Settings) -> int:
    """Read every contract and the code tables; report all problems of all files."""
    registry = load_registry(settings)
    if untranslated := find_untranslated(registry, settings):
        raise ContractInvalid(untranslated)
    print(f"{len(registry.contracts)} contracts, {len(registry.datasets)} datasets: no problem found.")
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


def scaffold(arguments: argparse.Namespace, settings: Settings) -> int:
    """Draft a contract, a staging model and for a new tenant a suite from a sample file, to be read and corrected."""
    from ingestion.scaffold import SampleUnusable
    from ingestion.scaffold import scaffold as draft

    try:
        drafted = draft(arguments.file, settings, arguments.source, arguments.dataset, arguments.into)
    except SampleUnusable as error:
        print(error, file=sys.stderr)
        return 1
    written = [str(path) for path in (drafted.contract, drafted.model, drafted.suite) if path is not None]
    print("\n".join(written) + f"\n{drafted.checks} places say `check:`; read and correct each of them.")
    return 0


def main(argv: list[str] | None = None) -> int:
    """Run one command; bad input gives one sentence on standard error and exit code 1."""
    parser = argparse.ArgumentParser(prog="python -m ingestion", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    vault_commands.add_commands(commands)
    quarantine_commands.add_commands(commands)
    for function in (check, land, scaffold):
        command = commands.add_parser(function.__name__, help=function.__doc__)
        command.set_defaults(run=function)
        if function is land:
            command.add_argument("source", nargs="?", help="source key; all sources when left out")
            command.add_argument("--date", type=date.fromisoformat, required=True, help="business date, yyyy-mm-dd")
        if function is scaffold:
            command.add_argument("file", type=Path, help="sample file as the partner delivers it")
            command.add_argument("--source", help="source key; from the folder when left out")
            command.add_argument("--dataset", help="dataset name; from the file name when left out")
            command.add_argument("--into", type=Path, help="folder for the drafts; among the others when left out")
    arguments = parser.parse_args(argv)
    told = dict.fromkeys((ContractInvalid, SourceUnknown, KeyUnusable, VaultRefused), 1)
    return run_command(lambda: int(arguments.run(arguments, load_settings())), told)
