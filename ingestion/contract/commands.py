"""`python -m ingestion check`: what is wrong with the contracts, the code tables and the owners."""

from __future__ import annotations

import argparse

from ingestion.contract import ContractInvalid, load_registry
from ingestion.contract.code_tables import find_untranslated_codes
from ingestion.contract.marks import count_marks
from ingestion.contract.owners import find_unowned
from ingestion.foundation import Settings
from ingestion.foundation.command_line import DONE, Command


def check_contracts(_given: argparse.Namespace, settings: Settings) -> int:
    """Read every contract, the code tables and the owners; report all problems of all files."""
    registry = load_registry(settings)
    if problems := find_untranslated_codes(registry, settings) + find_unowned(registry, settings.seeds):
        raise ContractInvalid(problems)
    print(f"{len(registry.contracts)} contracts, {len(registry.datasets)} datasets: no problem found.")
    for name, marks in count_marks(settings).items():
        print(f"{name}: {marks} places still say `check:`; read and correct each of them.")
    return DONE


COMMANDS = (Command("check", "read every contract and report all problems of all files", check_contracts, "check"),)
