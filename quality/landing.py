"""The page of the gate `landing` (入湖闸口): the deliveries of a date and what was judged of each as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from ingestion.contract import Contract, ContractInvalid, load_contract
from ingestion.foundation import Settings
from quality.check import Check
from quality.pages import draw_page
from quality.verdict import LANDING, Verdict, read_verdicts


@dataclass(frozen=True)
class ContractedDataset:
    """What a page says of a dataset beside its verdict; the checks that held are only counted."""

    table: str
    term: str
    owner: str
    description: str
    all_checks: tuple[Check, ...] = ()


def write_landing_report(batch_date: date, settings: Settings, as_of: date | None = None) -> Path | None:
    """Write `<reports>/quality/landing/<batch_date>/index.html` and `.md`; None where no delivery was judged."""
    verdicts = read_verdicts(settings, batch_date, LANDING)
    if not verdicts:
        return None
    sources = {verdict.table.partition(".")[0] for verdict in verdicts}
    contracts = {source: _read_contract(source, settings) for source in sources}
    described = [_describe(verdict, contracts) for verdict in verdicts]
    return draw_page(LANDING, batch_date, described, settings, as_of)


def write_refusals(settings: Settings) -> list[Path]:
    """Write the page of every date with a delivery that stands refused: it is read before anything is published."""
    refused = {verdict.batch_date for verdict in read_verdicts(settings, gate=LANDING) if not verdict.passed}
    return [page for day in sorted(refused) if (page := write_landing_report(day, settings)) is not None]


def _read_contract(source: str, settings: Settings) -> Contract | None:
    """The contract as it is now, for its words alone; a verdict is shown whatever became of it."""
    try:
        return load_contract(source, settings)
    except ContractInvalid:
        return None


def _describe(verdict: Verdict, contracts: Mapping[str, Contract | None]) -> ContractedDataset:
    source, _, name = verdict.table.partition(".")
    contract = contracts[source]
    dataset = next((one for one in contract.datasets if one.name == name), None) if contract else None
    if contract is None or dataset is None:
        return ContractedDataset(verdict.table, "交付", "", "Its contract is gone, or has problems.")
    return ContractedDataset(verdict.table, "交付", contract.owner, dataset.description)
