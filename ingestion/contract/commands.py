"""`python -m ingestion check`: what is wrong with the contracts and the code tables."""

from __future__ import annotations

import argparse

from ingestion.contract import ContractInvalid, load_registry
from ingestion.contract.code_tables import find_untranslated_codes
from ingestion.foundation import Settings
from ingestion.foundation.command_line import DONE, Command


def check_contracts(_given: argparse.Namespace, settings: Settings) -> int:
    """Read every contract and the code tables; report all problems of all files."""
    registry = load_registry(settings)
    if untranslated := find_untranslated_codes(registry, settings):
        raise ContractInvalid(untranslated)
    print(f"{len(registry.contracts)} contracts, {len(registry.datasets)} datasets: no problem found.")
    return DONE


COMMANDS = (Command("check", "read every contract and report all problems of all files", check_contracts, "check"),)
