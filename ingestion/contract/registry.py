"""The source registry (数据源注册表): every contract of the tenant, read together."""

from __future__ import annotations

from dataclasses import dataclass

from ingestion.contract.profiles import Contract, ContractInvalid, Dataset
from ingestion.contract.reading import read_contract
from ingestion.foundation import Settings, list_files
from ingestion.foundation.declarations import Problem


@dataclass(frozen=True)
class SourceRegistry:
    """All contracts, by source in alphabetical order."""

    contracts: dict[str, Contract]

    @property
    def datasets(self) -> list[Dataset]:
        """Every dataset of every source, in order."""
        return [dataset for contract in self.contracts.values() for dataset in contract.datasets]

    def list_conformed(self) -> dict[str, list[str]]:
        """Staging models by the canonical entity they yield; what dbt unions into core."""
        models: dict[str, list[str]] = {}
        for dataset in self.datasets:
            if dataset.delivery.conforms_to:
                models.setdefault(dataset.delivery.conforms_to, []).append(name_staging_model(dataset))
        return models


def name_staging_model(dataset: Dataset) -> str:
    """Name of the staging model that reads `dataset`."""
    return f"stg_{dataset.source}__{dataset.name}"


def load_registry(settings: Settings) -> SourceRegistry:
    """Read all contracts of the tenant.

    Raises:
        ContractInvalid: with all problems of all contracts.
    """
    problems: list[Problem] = []
    contracts: dict[str, Contract] = {}
    for path in list_files(settings.contracts, "*.yml").values():
        try:
            contract = read_contract(path)
        except ContractInvalid as error:
            problems.extend(error.problems)
        else:
            contracts[contract.source] = contract
    if not contracts and not problems:
        problems = [Problem(str(settings.contracts), "(folder)", "holds no contract", "add <source>.yml")]
    if problems:
        raise ContractInvalid(problems)
    return SourceRegistry(contracts)


def load_contract(source: str, settings: Settings) -> Contract | None:
    """Read the contract of one source, whatever is wrong with others; None where there is none.

    Raises:
        ContractInvalid: with all its problems.
    """
    path = list_files(settings.contracts).get(f"{source}.yml")
    return read_contract(path) if path is not None else None
