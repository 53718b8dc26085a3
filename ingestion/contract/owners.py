"""Owners of contracts (责任方): each is a team of the one list."""

from __future__ import annotations

from ingestion.contract.registry import SourceRegistry
from ingestion.foundation import Files
from ingestion.foundation.declarations import Problem
from ingestion.foundation.owners import Named, find_unknown_owners


def find_unowned(registry: SourceRegistry, seeds: Files) -> list[Problem]:
    """Contracts whose team is not in the list."""
    contracts = registry.contracts.values()
    return find_unknown_owners((Named(f"{one.source}.yml", "team.name", one.owner) for one in contracts), seeds)
