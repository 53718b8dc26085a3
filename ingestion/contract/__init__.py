"""Data contracts (数据契约): what a source has promised to deliver, read, checked and registered."""

from ingestion.contract.profiles import Column, Contract, ContractInvalid, Dataset
from ingestion.contract.reading import read_contract
from ingestion.contract.registry import list_sources, load_contract, load_registry

__all__ = [
    "Column",
    "Contract",
    "ContractInvalid",
    "Dataset",
    "list_sources",
    "load_contract",
    "load_registry",
    "read_contract",
]
