"""`python -m ingestion check` and `contract`: what is wrong with the contracts, and by which one rows were read."""

from __future__ import annotations

import argparse

import yaml

from ingestion.contract import ContractInvalid, load_registry
from ingestion.contract.code_tables import find_untranslated_codes
from ingestion.contract.definitions import SHORT, DefinitionUnknown, compare_definitions, find_definition
from ingestion.contract.marks import count_marks
from ingestion.contract.owners import find_unowned
from ingestion.foundation import Settings
from ingestion.foundation.command_line import DONE, NO, Command, argument
from ingestion.foundation.ledger import use_ledger


def check_contracts(_given: argparse.Namespace, settings: Settings) -> int:
    """Read every contract, the code tables and the owners; report all problems of all files."""
    registry = load_registry(settings)
    if problems := find_untranslated_codes(registry, settings) + find_unowned(registry, settings.seeds):
        raise ContractInvalid(problems)
    print(f"{len(registry.contracts)} contracts, {len(registry.datasets)} datasets: no problem found.")
    for name, marks in count_marks(settings).items():
        print(f"{name}: {marks} places still say `check:`; read and correct each of them.")
    return DONE


def show_contract(given: argparse.Namespace, settings: Settings) -> int:
    """Print the contract by which a delivery was read, or what differs between two of them."""
    with use_ledger(settings) as ledger:
        contract_hash, definition, first = find_definition(given.contract, ledger)
        if given.other is None:
            print(f"# {definition.source}.{definition.dataset}, contract {contract_hash}, first used for {first}")
            print(yaml.safe_dump(definition.content, allow_unicode=True, sort_keys=False, width=120), end="")
            return DONE
        other_hash, other, _ = find_definition(given.other, ledger)
    if contract_hash == other_hash:
        print(f"Both are contract {contract_hash[:SHORT]} of {definition.source}.{definition.dataset}.")
    for sentence in compare_definitions(definition, other) if contract_hash != other_hash else ():
        print(sentence)
    return DONE


COMMANDS = (
    Command("check", "read every contract and report all problems of all files", check_contracts, "check"),
    Command(
        "contract",
        "print the contract by which a delivery was read, or what differs between two",
        show_contract,
        "contract 1f3a",
        (
            argument("contract", help="the beginning of its hash, or of the name of a delivery that it read"),
            argument("other", nargs="?", help="another one; what differs is printed, a line a key"),
        ),
        lambda: {DefinitionUnknown: NO},
    ),
)
