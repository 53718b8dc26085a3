"""`python -m ingestion vault …` and `keys …`: clear values for an authorised purpose, forgetting, key rotation."""

from __future__ import annotations

import argparse
import getpass
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime

from ingestion.foundation import BUSINESS_TIMEZONE, Settings
from ingestion.foundation.command_line import DONE, NO, WRONG, Command, ExitCodes, Group, argument
from ingestion.protection import Keys, KeyUnusable, add_key, load_keys
from ingestion.vault import Vault, VaultRefused
from ingestion.vault.store import has_vault


@contextmanager
def _open_vault(settings: Settings) -> Iterator[Vault]:
    vault = Vault(settings, load_keys(settings.key_file, settings.token_algorithm, may_draw=False))
    try:
        yield vault
    finally:
        vault.close()


def reveal_clear_value(given: argparse.Namespace, settings: Settings) -> int:
    """Print the clear value behind a token; the answer, and a refusal too, is in the audit."""
    with _open_vault(settings) as vault:
        print(
            vault.reveal(
                given.token,
                given.purpose,
                given.actor or getpass.getuser(),
                given.reason,
                given.ticket,
                at=_read_clock(),
            )
        )
    return DONE


def forget_person(given: argparse.Namespace, settings: Settings) -> int:
    """Destroy the key of a subject for good."""
    with _open_vault(settings) as vault:
        gone = vault.forget(given.token, given.actor or getpass.getuser(), given.reason, given.ticket, at=_read_clock())
    print(f"forgotten; {gone} values are gone for good.")
    return DONE


def readmit_person(given: argparse.Namespace, settings: Settings) -> int:
    """Accept a forgotten subject again."""
    with _open_vault(settings) as vault:
        vault.readmit(given.token, given.actor or getpass.getuser(), given.reason, given.ticket, at=_read_clock())
    print("readmitted; the next delivery that brings the person is kept again.")
    return DONE


def list_audit(_given: argparse.Namespace, settings: Settings) -> int:
    """Print every request, oldest first; nothing is opened with a key, so a lost one hides no request."""
    lines = []
    if has_vault(settings):
        keys = load_keys(settings.key_file, may_draw=False) if settings.key_file.exists() else Keys(b"", b"")
        with closing(Vault(settings, keys)) as vault:
            rows = vault.list_entries()
        lines = [" ".join(str(value) for value in row.values() if value is not None) for row in rows]
    print("\n".join(lines) if lines else "nobody has asked yet; `python -m ingestion vault reveal` asks.")
    return DONE


def list_keys(_given: argparse.Namespace, settings: Settings) -> int:
    """Print the versions of the key file, newest first; listing draws no key."""
    versions = load_keys(settings.key_file, may_draw=False).versions if settings.key_file.exists() else ()
    labels = [version.label for version in versions]
    print("\n".join(labels) if labels else "no key has been drawn yet; the first delivery that lands draws it.")
    return DONE


def rotate_keys(given: argparse.Namespace, settings: Settings) -> int:
    """Add a newest version to the key file: tokens made from now on use it."""
    add_key(settings.key_file, given.algorithm)
    return list_keys(given, settings)


def _read_clock() -> datetime:
    return datetime.now(BUSINESS_TIMEZONE)


def _exit_codes() -> ExitCodes:
    return {VaultRefused: NO, KeyUnusable: WRONG}


def _declare_request(
    name: str, summary: str, run: Callable[[argparse.Namespace, Settings], int], of: str, purpose: bool = False
) -> Command:
    """A command that somebody must answer for: why, under which ticket, and who."""
    arguments = [argument("token", help=f"token of the {of}")]
    if purpose:
        arguments.append(argument("--purpose", required=True, help="purpose code, such as COLLECTION"))
    arguments += [
        argument("--reason", required=True, help="why, for the audit"),
        argument("--ticket", required=True, help="under which ticket, for the audit"),
        argument("--actor", help="who asks; the operating system's user"),
    ]
    example = f'vault {name} TOKEN{" --purpose COLLECTION" if purpose else ""} --reason "asked by phone" --ticket 7'
    return Command(name, summary, run, example, tuple(arguments), _exit_codes)


COMMANDS = (
    Group(
        "vault",
        "give a clear value back, forget or readmit a person, or list who asked for what",
        (
            _declare_request(
                "reveal", "print the clear value behind a token", reveal_clear_value, "value", purpose=True
            ),
            _declare_request("forget", "destroy the key of a subject for good", forget_person, "subject"),
            _declare_request("readmit", "accept a forgotten subject again", readmit_person, "subject"),
            Command("audit", "list every request, oldest first", list_audit, "vault audit", (), _exit_codes),
        ),
    ),
    Group(
        "keys",
        "list the versions of the key file, or add a newest one (tokens made from now on use it)",
        (
            Command("list", "versions, newest first", list_keys, "keys list", (), _exit_codes),
            Command(
                "add",
                "rotate: add a newest version",
                rotate_keys,
                "keys add sm3",
                (argument("algorithm", choices=("sha256", "sm3"), help="what its tokens are made by"),),
                _exit_codes,
            ),
        ),
    ),
)
