"""`python -m ingestion vault ...` and `keys ...`: clear values for an authorised purpose, forgetting, key rotation."""

from __future__ import annotations

import argparse
import getpass
import sys
from datetime import datetime
from typing import Any

from ingestion.foundation import BUSINESS_TIMEZONE, Settings
from ingestion.protection import add_key, load_keys
from ingestion.vault.opening import Vault
from ingestion.vault.store import VaultRefused


def vault(arguments: argparse.Namespace, settings: Settings) -> int:
    """Give a clear value back, forget or readmit a person, or list who asked for what."""
    opened = Vault(settings, load_keys(settings.key_file, settings.token_algorithm))
    try:
        print(_answer(arguments, opened))
    except VaultRefused as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        opened.close()
    return 0


def _answer(arguments: argparse.Namespace, opened: Vault) -> str:
    if arguments.action == "audit":
        lines = [" ".join(str(value) for value in row.values() if value is not None) for row in opened.entries()]
        return "\n".join(lines) if lines else "nobody has asked yet."
    now = datetime.now(BUSINESS_TIMEZONE)
    who = (arguments.actor, arguments.reason, arguments.ticket)
    if arguments.action == "reveal":
        return opened.reveal(arguments.token, arguments.purpose, *who, at=now)
    if arguments.action == "forget":
        return f"forgotten; {opened.forget(arguments.token, *who, at=now)} values are gone for good."
    opened.readmit(arguments.token, *who, at=now)
    return "readmitted; the next delivery that brings the person is kept again."


def keys(arguments: argparse.Namespace, settings: Settings) -> int:
    """List the versions of the key file, or add a newest one (tokens made from now on use it)."""
    if arguments.action == "add":
        add_key(settings.key_file, arguments.algorithm)
    print("\n".join(version.label for version in load_keys(settings.key_file).versions))
    return 0


def add_commands(commands: Any) -> None:
    """Add `vault` and `keys` to the subparsers of `python -m ingestion`."""
    parser = commands.add_parser("vault", help=vault.__doc__)
    parser.set_defaults(run=vault)
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for action, meaning in {
        "reveal": "print the clear value behind a token",
        "forget": "destroy the key of a subject for good",
        "readmit": "accept a forgotten subject again",
    }.items():
        asked = actions.add_parser(action, help=meaning)
        asked.add_argument("token", help="token of the value" if action == "reveal" else "token of the subject")
        if action == "reveal":
            asked.add_argument("--purpose", required=True, help="purpose code, such as COLLECTION")
        asked.add_argument("--reason", required=True)
        asked.add_argument("--ticket", required=True)
        asked.add_argument("--actor", default=getpass.getuser(), help="who asks; the operating system's user")
    actions.add_parser("audit", help="list every request, oldest first")
    parser = commands.add_parser("keys", help=keys.__doc__)
    parser.set_defaults(run=keys)
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("list", help="newest first")
    actions.add_parser("add", help="rotate").add_argument("algorithm", choices=("sha256", "sm3"))
