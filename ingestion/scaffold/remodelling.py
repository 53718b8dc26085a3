"""The staging model of a dataset once more (重写暂存模型): from its corrected contract instead of a sample."""

from __future__ import annotations

from pathlib import Path

from ingestion.contract import load_contract
from ingestion.contract.profiles import Column
from ingestion.foundation import Settings, list_files
from ingestion.foundation.tenant import FILE_KINDS
from ingestion.scaffold.column_draft import ColumnDraft
from ingestion.scaffold.drafting import render_model
from ingestion.scaffold.sensitivity import Sensitivity
from ingestion.scaffold.table import SampleUnusable


def write_model(source: str, dataset: str, settings: Settings, is_replacing: bool = False) -> Path:
    """Write the staging model of a dataset by its contract as it is now; returns where.

    Grain: one row a row of the dataset; the same contract gives the same bytes.

    Raises:
        SampleUnusable: no such dataset; the model is there and not to be replaced, or is the product's below a tenant.
        ContractInvalid: the contract has problems.
    """
    contract = load_contract(source, settings)
    found = [entry for entry in contract.datasets if entry.name == dataset] if contract else []
    if not found:
        raise SampleUnusable(
            f"no contract has a dataset {source}.{dataset}; `python -m ingestion check` reads them all."
        )
    name = f"staging/{source}/stg_{source}__{dataset}.sql"
    own = FILE_KINDS["models"].product if settings.tenant is None else settings.tenant / "models"
    there, path = list_files(settings.models, "staging/**/*.sql").get(name), own / name
    if there is not None and there != path:
        raise SampleUnusable(f"{there} is the product's; a tenant that wants another one says so in `replaces`.")
    if there is not None and not is_replacing:
        raise SampleUnusable(f"{there} exists; say --replace to write it again, which drops what was changed by hand.")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render_model(source, dataset, [_draft(column) for column in found[0].columns]), encoding="utf-8")
    return path


def _draft(column: Column) -> ColumnDraft:
    """A column of a contract as the scaffold would have drafted it."""
    protect = column.profile.protect
    is_dropped = column.profile.drop
    sensitivity = Sensitivity(protect or "", protect, "", is_dropped) if protect or is_dropped else None
    return ColumnDraft(
        column.name, column.physical_name, column.type, codes=list(column.accepted), sensitivity=sensitivity
    )
