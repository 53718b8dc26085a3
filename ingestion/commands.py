"""`python -m ingestion`: each command is brought by the room that it is about."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

from ingestion.foundation.command_line import Command, Group, run_program

ROOMS = {
    "check": "contract",
    "contract": "contract",
    "land": "landing",
    "quarantine": "landing",
    "scan": "lake",
    "vault": "vault",
    "keys": "vault",
    "scaffold": "scaffold",
    "restage": "scaffold",
}
DESCRIPTION = "Contracts, landing, quarantine, clear values, and drafts of contracts."


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; only the room of that command is imported."""
    typed = list(sys.argv[1:] if argv is None else argv)
    asked = ROOMS.get(typed[0]) if typed else None
    return run_program("python -m ingestion", DESCRIPTION, bring_commands(asked), typed)


def bring_commands(room: str | None = None) -> list[Command | Group]:
    """The commands of one room, or of all of them in the order of `ROOMS`."""
    rooms = [room] if room else list(dict.fromkeys(ROOMS.values()))
    return [command for name in rooms for command in import_module(f"ingestion.{name}.commands").COMMANDS]
