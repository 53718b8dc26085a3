"""Landing (入湖): verify, decode, parse, type, quarantine, tokenise, and commit one delivery atomically.

A commit is a rename of a finished folder followed by one ledger transaction. Readers see a delivery only through the
ledger, so a run that is killed anywhere leaves the old state, and running again finishes it.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import sqlalchemy as sa

from ingestion.contract import Contract, Dataset, load_contract
from ingestion.delivery import Delivery, DeliveryIncomplete, DeliveryRefused, check_stated, find_deliveries, verify
from ingestion.delivery.bookkeeping import as_arrived, record, remember_file, superseded_by
from ingestion.delivery.extraction import extract
from ingestion.delivery.finding import dates_to_extract, missing_dates, stray_files
from ingestion.foundation import Settings, list_files, load_settings
from ingestion.foundation.ledger import open_ledger
from ingestion.foundation.locks import hold_lock
from ingestion.identifiers.sensitive import without_numbers
from ingestion.lake import compare
from ingestion.landing.parsing import Parse, Parsed
from ingestion.protection import Keys, load_keys
from ingestion.readers import FileUnreadable, LayoutChanged
from ingestion.readers.plain import plain_file
from ingestion.vault import keep_clear_values

NOT_LANDED = (DeliveryRefused, FileUnreadable, LayoutChanged)


class SourceUnknown(Exception):
    """No contract has this name."""


@dataclass(frozen=True)
class Landed:
    """What became of one delivery; rows in = rows landed + rows quarantined."""

    source: str
    dataset: str
    batch_date: date
    sequence: int
    rows_in: int
    rows_landed: int
    rows_quarantined: int
    outcome: str
    difference: str = ""


@dataclass(frozen=True)
class LandingReport:
    """What one call of `land_source` did, delivery by delivery, oldest first."""

    source: str
    batch_date: date
    landed: tuple[Landed, ...]
    warnings: tuple[str, ...] = ()

    def __str__(self) -> str:
        new = [entry for entry in self.landed if entry.outcome == "landed"]
        rows, quarantined = sum(entry.rows_landed for entry in new), sum(entry.rows_quarantined for entry in new)
        same = len(self.landed) - len(new)
        unchanged = f", {same} deliveries unchanged" if same else ""
        differences = "".join(f"\n  {entry.difference}" for entry in self.landed if entry.difference)
        warnings = "".join(f"\n  {warning}" for warning in self.warnings)
        return f"{rows:,} landed, {quarantined:,} quarantined{unchanged}{differences}{warnings}"


def land_source(source: str, batch_date: date, settings: Settings | None = None) -> LandingReport:
    """Land every delivery of `source` with business date up to `batch_date` that is not in the lake yet.

    Idempotent: the same bytes again do nothing, other bytes for the same date supersede them. Concurrent calls for
    one source wait for each other.

    Raises:
        SourceUnknown: there is no such contract.
        ContractInvalid: its contract has problems.
        DeliveryIncomplete: a file that the contract demands of `batch_date` is not there; others were landed.
        DeliveryRefused: at least one delivery was refused whole; the others were landed, the absent ones are told too.
    """
    settings = settings or load_settings()
    contract = load_contract(source, settings)
    if contract is None:
        known = ", ".join(path.stem for path in list_files(settings.contracts, "*.yml").values())
        raise SourceUnknown(f"no contract {source}.yml in {settings.contracts}; known are {known}.")
    ledger, keys = open_ledger(settings), load_keys(settings.key_file, settings.token_algorithm)
    landed: list[Landed] = []
    refused: list[str] = []
    absent: list[str] = []
    with exclusively(source, settings), _emptied(settings.home / "work" / source) as work:
        for dataset in contract.datasets:
            try:
                pending = _pending(contract, dataset, batch_date, settings, ledger)
            except DeliveryIncomplete as error:
                absent.append(str(error))
                pending = list(error.complete)
            for delivery in pending:
                try:
                    landed.append(_land(contract, delivery, settings, ledger, keys, work))
                except DeliveryIncomplete as error:
                    absent.append(str(error))
                except DeliveryRefused as error:
                    refused.append(str(error))
        warnings = list(_warnings(contract, batch_date, settings, ledger))
    ledger.dispose()
    if refused:
        raise DeliveryRefused("\n".join(refused + absent))
    if absent:
        raise DeliveryIncomplete("\n".join(absent))
    return LandingReport(source, batch_date, tuple(landed), tuple(warnings))


def _pending(
    contract: Contract, dataset: Dataset, batch_date: date, settings: Settings, ledger: sa.Engine
) -> list[Delivery]:
    if dataset.delivery.reader != "database":
        return find_deliveries(contract, dataset, batch_date, settings, ledger)
    dates = dates_to_extract(contract, dataset, batch_date, ledger)
    return [extract(contract, dataset, day, settings) for day in dates]


def _warnings(contract: Contract, batch_date: date, settings: Settings, ledger: sa.Engine) -> Iterator[str]:
    """What does not stop a landing, but somebody should look at."""
    for dataset in contract.datasets:
        if dataset.delivery.reader != "database":
            for day in missing_dates(contract, dataset, batch_date, settings, ledger):
                yield f"{contract.source}.{dataset.name} of {day} never came; ask the party to deliver it."
    for path in stray_files(contract, batch_date, settings):
        name = without_numbers(path.name)
        yield f"{name} is named by no dataset of {contract.source}.yml; add it to the contract, or remove it."


@contextmanager
def exclusively(source: str, settings: Settings) -> Iterator[None]:
    """Wait for other runs of a source, and let others wait for this one."""
    with hold_lock(settings.home / "locks" / source):
        yield


@contextmanager
def _emptied(folder: Path) -> Iterator[Path]:
    """A working folder; what a killed run left in it (decoded text among it) goes first, and all of it at the end."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def _land(
    contract: Contract, delivery: Delivery, settings: Settings, ledger: sa.Engine, keys: Keys, work: Path
) -> Landed:
    delivery, held = as_arrived(delivery, ledger)
    if held is not None and (held.state == "landed" or held.contract_version == contract.version):
        remember_file(delivery, ledger)
        if held.state == "refused":
            raise DeliveryRefused(held.reason)
        return Landed(
            delivery.dataset.source, delivery.dataset.name, delivery.batch_date, delivery.sequence,
            held.rows_in, held.rows_landed, held.rows_quarantined, "unchanged",
        )  # fmt: skip
    with tempfile.TemporaryDirectory(dir=work) as folder:
        try:
            parsed = parse(contract, delivery, settings, keys, Path(folder))
        except NOT_LANDED as error:
            told, _, table = str(error).partition("\n")
            reason = (
                f"{delivery}: {told.rstrip(':')}; nothing of it was landed, the previous data stays."
                f" Ask the party to deliver again.\n{table}"
            ).rstrip()
            record(delivery, ledger, "refused", reason, (0, 0, 0))
            raise DeliveryRefused(reason) from None
        commit(delivery, parsed, settings)
    before = superseded_by(delivery, ledger)
    difference = compare(delivery.dataset, delivery.batch_date, before, delivery.delivery_id, settings)
    record(delivery, ledger, "landed", None, parsed.counted, keys.label)
    return Landed(
        delivery.dataset.source, delivery.dataset.name, delivery.batch_date, delivery.sequence, *parsed.counted,
        "landed", str(difference or ""),
    )  # fmt: skip


def parse(
    contract: Contract, delivery: Delivery, settings: Settings, keys: Keys, work: Path, lands_as: Delivery | None = None
) -> Parsed:
    """Verify, open, type and count one delivery in a working folder; nothing outside it is touched.

    A replay `lands_as` a delivery of its own.

    Raises:
        DeliveryRefused: it contradicts its contract or what its sender says of it.
        FileUnreadable: it is not of the contracted dialect.
        LayoutChanged: its columns are not the contract's.
        DeliveryIncomplete: a file of it changed or went away meanwhile.
    """
    stated = verify(delivery, settings)
    path = plain_file(delivery, settings, work)
    with closing(Parse(contract, lands_as or delivery, path, settings, keys, work)) as parsing:
        parsed = parsing.run(list(stated.sums))
        check_stated(stated, parsed.rows_in, parsed.sums)
        keep_clear_values(parsing.connection, parsing.landed, delivery, settings, keys)
    return parsed


def commit(delivery: Delivery, parsed: Parsed, settings: Settings) -> None:
    """Rename both outcomes into their places; a folder left by a killed run is replaced."""
    dataset = delivery.dataset
    where = Path(dataset.source, dataset.name, f"batch_date={delivery.batch_date}", delivery.delivery_id)
    if parsed.quarantine.height:
        _move(parsed.folder / "quarantined", settings.quarantine / where)
    _move(parsed.folder / "landed", settings.lake / where)


def _move(folder: Path, destination: Path) -> None:
    destination.parent.mkdir(parents=True, exist_ok=True)
    if destination.exists():
        shutil.rmtree(destination)
    folder.replace(destination)
