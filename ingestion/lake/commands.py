"""`python -m ingestion check` and `sources`: what the contracts say, and what dbt sees of it."""

from __future__ import annotations

import argparse

from ingestion.contract import ContractInvalid, load_registry
from ingestion.contract.code_tables import find_untranslated
from ingestion.foundation import Settings
from ingestion.foundation.command_line import DONE, NO, Command
from ingestion.lake.dbt_sources import is_up_to_date, write_sources


def check(_given: argparse.Namespace, settings: Settings) -> int:
    """Read every contract, the code tables and the generated sources; report all problems of all files."""
    registry = load_registry(settings)
    if untranslated := find_untranslated(registry, settings):
        raise ContractInvalid(untranslated)
    if not is_up_to_date(registry, settings.models):
        print(f"{settings.models / '_sources.yml'} is not what the contracts give; run `python -m ingestion sources`.")
        return NO
    print(f"{len(registry.contracts)} contracts, {len(registry.datasets)} datasets: no problem found.")
    return DONE


def sources(_given: argparse.Namespace, settings: Settings) -> int:
    """Write the dbt sources of the tenant from its contracts."""
    print(write_sources(load_registry(settings), settings.models))
    return DONE


COMMANDS = (
    Command("check", "read every contract and report all problems of all files", check, "check"),
    Command("sources", "write the dbt sources of the tenant from its contracts", sources, "sources"),
)
