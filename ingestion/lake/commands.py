"""`python -m ingestion scan`: whether anything behind the door holds a clear identifier."""

from __future__ import annotations

import argparse
from pathlib import Path

from ingestion.foundation import Settings
from ingestion.foundation.command_line import DONE, NO, Command, ExitCodes, argument
from ingestion.lake.scan import FileUnsearchable, find_clear, list_searched
from ingestion.lake.shapes import Shapes


def scan_home(given: argparse.Namespace, settings: Settings) -> int:
    """Search what is behind the door, or the given folders, and print how many identifiers are where; never which."""
    home = settings.home
    behind = [
        settings.lake,
        settings.quarantine,
        settings.warehouse,
        settings.published,
        settings.reports,
        home / "logs",
    ]
    roots = given.folders or [root for root in behind if root.exists()]
    findings = find_clear(roots, Shapes())
    for finding in findings:
        print(finding)
    searched = f"{sum(1 for _ in list_searched(roots)):,} files were searched"
    print(f"{searched}: {len(findings)} places hold clear identifiers." if findings else f"{searched}: none holds any.")
    return NO if findings else DONE


def _list_exit_codes() -> ExitCodes:
    return {FileUnsearchable: NO}


COMMANDS = (
    Command(
        "scan",
        "search lake, quarantine, warehouse, published tables, reports and logs for clear identifiers",
        scan_home,
        "scan",
        (argument("folders", nargs="*", type=Path, help="files or folders to search instead"),),
        _list_exit_codes,
    ),
)
