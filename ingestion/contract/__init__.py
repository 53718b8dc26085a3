"""Data contracts (数据契约): what a source has promised to deliver, read, checked and registered."""

from ingestion.contract.cards import SourceCard, read_cards
from ingestion.contract.profiles import Contract, ContractInvalid, Dataset
from ingestion.contract.registry import SourceRegistry, load_contract, load_registry

__all__ = [
    "Contract",
    "ContractInvalid",
    "Dataset",
    "SourceCard",
    "SourceRegistry",
    "load_contract",
    "load_registry",
    "read_cards",
]
