"""Generated dbt sources: the lake as dbt sees it, written from the contracts so that a schema is kept once."""

from __future__ import annotations

from typing import Any

import yaml

from ingestion.contract import Contract, Dataset, SourceRegistry
from ingestion.lake.layout import derive_lake_schema

HEADING = "# Made from the contracts whenever dbt runs; an edit is lost.\n"
LINEAGE_TEXT = {
    "_delivery_id": "Delivery that brought the row (交付编号).",
    "_line_number": "Physical line or row number in the delivered file (行号).",
    "_batch_date": "Business date of the delivery (业务日期).",
    "_sequence": "1 for the first file of a date, 2.. for re-sends.",
    "_known_at": "When the platform could first have known the row (知悉时间).",
}


def render_sources(registry: SourceRegistry) -> str:
    """The sources file of a tenant's dbt project; equal contracts give equal bytes."""
    sources = [_describe_source(contract) for contract in registry.contracts.values()]
    platform = {
        "name": "platform",
        "description": "What the platform itself knows of its lake.",
        "config": {"meta": {"external_location": "read_parquet('{{ env_var(\"PLATFORM_LAKE\") }}/{name}.parquet')"}},
        "tables": [
            {"name": "deliveries", "description": "One row per landed delivery, with its receipt and successor."},
            {"name": "runs", "description": "One row: the business date of this build, and until when it knows."},
            {"name": "run_dates", "description": "One row per business date of which daily tables hold figures."},
        ],
    }
    document = {"version": 2, "sources": [*sources, platform]}
    return HEADING + yaml.safe_dump(document, allow_unicode=True, sort_keys=False, width=120)


def _describe_source(contract: Contract) -> dict[str, Any]:
    location = (
        'read_parquet(\'{{ env_var("PLATFORM_LAKE") }}/'
        + contract.source
        + "/{name}/*/*/*.parquet', hive_partitioning = false, union_by_name = true)"
    )
    return {
        "name": contract.source,
        "description": contract.description,
        "config": {"meta": {"owner": contract.owner, "external_location": location}},
        "tables": [_describe_table(dataset) for dataset in contract.datasets],
    }


def _describe_table(dataset: Dataset) -> dict[str, Any]:
    described = {column.name: column.description for column in dataset.columns} | LINEAGE_TEXT
    types = derive_lake_schema(dataset)
    return {
        "name": dataset.name,
        "description": dataset.description,
        "columns": [
            {"name": name, "data_type": types[name], "description": _describe_column(name, dataset, described)}
            for name in types
        ],
    }


def _describe_column(name: str, dataset: Dataset, described: dict[str, str]) -> str:
    if name in described:
        return described[name]
    protected = next(column for column in dataset.columns if name.startswith(column.name) and column.profile.protect)
    return f"Replaces {protected.name}: {name.removeprefix(protected.name + '_')}."
