"""Landing a source (入湖): its new deliveries one after the other, each parsed, judged, committed and recorded."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import sqlalchemy as sa

from ingestion.contract import Contract, Dataset, load_contract
from ingestion.delivery import Delivery, DeliveryIncomplete, DeliveryRefused, find_deliveries
from ingestion.delivery.bookkeeping import (
    count_occurrence,
    find_receipt,
    list_superseded,
    record_delivery,
    remember_file,
)
from ingestion.delivery.extraction import extract_delivery, extract_restated, list_dates_to_extract
from ingestion.delivery.gaps import list_missing_dates, list_unknown_files
from ingestion.foundation import Settings, list_files, load_settings
from ingestion.foundation.ledger import deliveries, open_ledger
from ingestion.foundation.verdict import write_verdicts
from ingestion.identifiers.sensitive import redact_numbers
from ingestion.lake import compare_versions
from ingestion.landing.committing import commit_delivery, lock_source
from ingestion.landing.held import list_held_sql
from ingestion.landing.judgement import Judgement, Replaced, judge_unread
from ingestion.landing.parsing import Parsed, parse_delivery
from ingestion.landing.replacing import find_replaced
from ingestion.landing.verdicts import form_verdict
from ingestion.protection import Keys, load_keys
from ingestion.readers import FileUnreadable, LayoutChanged
from ingestion.readers.reading import SecretUnusable

NOT_LANDED = (DeliveryRefused, FileUnreadable, LayoutChanged)


class SourceUnknown(Exception):
    """No contract has this name."""


@dataclass(frozen=True)
class Arrival:
    """What became of one delivery, `landed` or `unchanged`; rows in = rows landed + rows quarantined."""

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
    arrivals: tuple[Arrival, ...]
    warnings: tuple[str, ...] = ()

    def __str__(self) -> str:
        new = [entry for entry in self.arrivals if entry.outcome == "landed"]
        rows, quarantined = sum(entry.rows_landed for entry in new), sum(entry.rows_quarantined for entry in new)
        same = len(self.arrivals) - len(new)
        unchanged = f", {same} deliveries unchanged" if same else ""
        differences = "".join(f"\n  {entry.difference}" for entry in self.arrivals if entry.difference)
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
        DeliveryRefused: a delivery was refused whole; the others were landed, the absent ones are named too.
    """
    settings = settings or load_settings()
    contract = load_contract(source, settings)
    if contract is None:
        known = ", ".join(path.stem for path in list_files(settings.contracts, "*.yml").values())
        raise SourceUnknown(f"no contract {source}.yml in {settings.contracts}; known are {known}.")
    ledger, keys = open_ledger(settings), load_keys(settings.key_file, settings.token_algorithm)
    arrivals: list[Arrival] = []
    refused: list[str] = []
    absent: list[str] = []
    with lock_source(source, settings), _emptied(settings.home / "work" / source) as work:
        for dataset in contract.datasets:
            try:
                pending = _list_pending(contract, dataset, batch_date, settings, ledger)
            except DeliveryIncomplete as error:
                absent.append(str(error))
                pending = list(error.complete)
            for delivery in pending:
                try:
                    arrivals.append(_land(contract, delivery, settings, ledger, keys, work))
                except DeliveryIncomplete as error:
                    absent.append(str(error))
                except DeliveryRefused as error:
                    refused.append(str(error))
        warnings = list(_list_warnings(contract, batch_date, settings, ledger))
    ledger.dispose()
    if refused:
        raise DeliveryRefused("\n".join(refused + absent))
    if absent:
        raise DeliveryIncomplete("\n".join(absent))
    return LandingReport(source, batch_date, tuple(arrivals), tuple(warnings))


def _list_pending(
    contract: Contract, dataset: Dataset, batch_date: date, settings: Settings, ledger: sa.Engine
) -> list[Delivery]:
    if dataset.delivery.reader != "database":
        return find_deliveries(contract, dataset, batch_date, settings, ledger)
    dates = list_dates_to_extract(contract, dataset, batch_date, ledger)
    restated = extract_restated(contract, dataset, dates[0], settings, ledger)
    return [*restated, *(extract_delivery(contract, dataset, day, settings) for day in dates)]


def _list_warnings(contract: Contract, batch_date: date, settings: Settings, ledger: sa.Engine) -> Iterator[str]:
    """What does not stop a landing, but somebody should look at."""
    yield from _list_replayable(contract, ledger)
    for dataset in contract.datasets:
        if dataset.delivery.reader != "database":
            for day in list_missing_dates(contract, dataset, batch_date, settings, ledger):
                yield f"{contract.source}.{dataset.name} of {day} never came; ask the party to deliver it."
    for path in list_unknown_files(contract, batch_date, settings):
        name = redact_numbers(path.name)
        yield f"{name} is named by no dataset of {contract.source}.yml; add it to the contract, or remove it."


def _list_replayable(contract: Contract, ledger: sa.Engine) -> Iterator[str]:
    """Quarantines of another version of the contract, whose rows the present one may accept."""
    query = list_held_sql(contract.source).where(deliveries.c.contract_version != contract.version)
    with ledger.connect() as connection:
        held = connection.execute(query).all()
    for dataset in contract.datasets:
        rows = [row for row in held if row.dataset == dataset.name]
        if rows:
            waiting, more = sum(row.rows_quarantined for row in rows), ", `quarantine list` names the others"
            yield (
                f"{waiting:,} quarantined rows of {contract.source}.{dataset.name} wait since another version of the"
                f" contract; `python -m ingestion quarantine replay {rows[0].delivery_id[:12]}` tries them under the"
                f" present one{more if len(rows) > 1 else ''}."
            )


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
) -> Arrival:
    delivery, held = count_occurrence(delivery, ledger)
    delivery = find_receipt(delivery, ledger)
    replaced = find_replaced(delivery, contract, ledger)
    is_known = held is not None and held.contract_version == contract.version and not replaced.is_accepted
    if held is not None and (held.state == "landed" or is_known):
        remember_file(delivery, ledger)
        if held.state == "refused":
            raise DeliveryRefused(held.reason)
        counted = held.rows_in, held.rows_landed, held.rows_quarantined
        return _describe_arrival(delivery, counted, "unchanged")
    with tempfile.TemporaryDirectory(dir=work) as folder:
        parsed, judgement = _judge(contract, delivery, settings, keys, Path(folder), replaced)
        rows_in = parsed.rows_in if parsed else 0
        write_verdicts([form_verdict(judgement, delivery, contract, rows_in)], ledger)
        if parsed is None or judgement.refusal is not None:
            reason = _compose_reason(delivery, judgement.refusal or "")
            record_delivery(delivery, contract, ledger, "refused", reason, (0, 0, 0))
            raise DeliveryRefused(reason)
        commit_delivery(delivery, parsed, settings)
    before = list_superseded(delivery, ledger)
    difference = compare_versions(delivery.dataset, delivery.batch_date, before, delivery.delivery_id, settings)
    record_delivery(delivery, contract, ledger, "landed", None, parsed.counted, keys.label)
    return _describe_arrival(delivery, parsed.counted, "landed", str(difference or ""))


def _judge(
    contract: Contract, delivery: Delivery, settings: Settings, keys: Keys, folder: Path, replaced: Replaced
) -> tuple[Parsed | None, Judgement]:
    """Parse a delivery, and judge it: by its checks, or by what kept it from being read."""
    try:
        parsed = parse_delivery(contract, delivery, settings, keys, folder, replaced=replaced)
    except SecretUnusable as error:  # not remembered: with the right secret the same bytes may be landed
        reported = f"{delivery}: {error}; nothing of it was landed. Correct it here, then land again."
        raise DeliveryRefused(reported) from None
    except NOT_LANDED as error:
        return None, judge_unread(error)
    return parsed, parsed.judgement


def _compose_reason(delivery: Delivery, refusal: str) -> str:
    """The sentence that names the delivery, what is wrong and the remedy, above the table if there is one."""
    sentence, _, table = refusal.partition("\n")
    return (
        f"{delivery}: {sentence.rstrip(':')}; nothing of it was landed, the previous data stays."
        f" Ask the party to deliver again; this is remembered for the file under version {delivery.contract_version} of"
        f" the contract: where that was wrong, correct it, raise its version and land again.\n{table}"
    ).rstrip()


def _describe_arrival(delivery: Delivery, counted: tuple[int, int, int], outcome: str, difference: str = "") -> Arrival:
    dataset = delivery.dataset
    return Arrival(dataset.source, dataset.name, delivery.batch_date, delivery.sequence, *counted, outcome, difference)
