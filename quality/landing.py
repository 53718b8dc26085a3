"""The page of the gate `landing` (入湖闸口): the deliveries of a date and what was judged of each as a whole."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from ingestion.contract import load_contract
from ingestion.foundation import Settings
from quality.check import Check
from quality.reports import write_gate_page, write_index
from quality.verdict import LANDING, Verdict, read_verdicts


@dataclass(frozen=True)
class ContractedDataset:
    """What a page says of a dataset beside its verdict; the checks that held are only counted."""

    table: str
    term: str
    owner: str
    description: str
    all_checks: tuple[Check, ...] = ()


def write_landing_report(batch_date: date, settings: Settings) -> Path | None:
    """Write `<reports>/quality/landing/<batch_date>/index.html` and `.md`; None where no delivery was judged.

    Raises:
        ContractInvalid: a contract has problems.
    """
    verdicts = read_verdicts(settings, batch_date, LANDING)
    if not verdicts:
        return None
    described = [_describe(verdict, settings) for verdict in verdicts]
    folder = settings.reports / "quality" / LANDING / batch_date.isoformat()
    page = write_gate_page(LANDING, batch_date, verdicts, described, folder)
    write_index(settings)
    return page


def _describe(verdict: Verdict, settings: Settings) -> ContractedDataset:
    source, _, name = verdict.table.partition(".")
    contract = load_contract(source, settings)
    dataset = next((one for one in contract.datasets if one.name == name), None) if contract else None
    if contract is None or dataset is None:
        return ContractedDataset(verdict.table, "交付", "", "Its contract is gone.")
    return ContractedDataset(verdict.table, "交付", contract.owner, dataset.description)
