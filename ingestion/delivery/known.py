"""What the ledger knows of a dataset's deliveries, asked for one candidate at a time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

import sqlalchemy as sa

from ingestion.contract import Contract, Dataset
from ingestion.delivery.candidates import Candidate
from ingestion.delivery.identity import Delivery
from ingestion.delivery.patterns import is_dated
from ingestion.foundation.ledger import deliveries

Weight = tuple[int, int]  # size of all files, modification time of the last one in nanoseconds


class DeliveryHistory:
    """The ledger's rows of one dataset, in the order in which they were recorded.

    A refused delivery may be judged otherwise now: where it is the newest of `batch_date` (running again must not pass
    for a success), or where the contract has another version.
    """

    def __init__(self, held: Sequence[sa.Row[Any]], batch_date: date, contract_version: str) -> None:
        self._batch_date = batch_date
        self._numbers = {(row.batch_date, row.sequence) for row in held}
        self._landed_dates = {row.batch_date for row in held if row.state == "landed"}
        self._names: dict[date, set[str]] = {}
        self._states: dict[tuple[str, date, int, int], dict[str, str]] = {}
        for row in held:
            self._names.setdefault(row.batch_date, set()).add(row.file_name)
            key = (row.file_name, row.batch_date, row.file_size, row.file_mtime_ns)
            self._states.setdefault(key, {})[row.delivery_id] = row.state
        self._changes = {row.delivery_id: row.file_ctime_ns for row in held}
        landed = [row for row in held if row.state == "landed" and row.superseded_at is None]
        self._newest = sorted((row.batch_date, row.content_hash) for row in landed)
        refused = [row for row in held if row.state == "refused"]
        newest = [row for row in held if row.batch_date == batch_date][-1:]
        self._refused_today = {row.delivery_id for row in newest if row.state == "refused"}
        other_contract = {row.delivery_id for row in refused if row.contract_version != contract_version}
        self._judged_again = self._refused_today | other_contract

    def has_landed(self, day: date) -> bool:
        """Whether a delivery of this date was landed."""
        return day in self._landed_dates

    def find_gap(self, candidate: Candidate, ready: Iterable[Candidate]) -> int | None:
        """The first number before the candidate's that neither ledger nor folder has; None where all are there."""
        there = self._numbers | {(entry.day, entry.sequence) for entry in ready}
        return next((number for number in range(1, candidate.sequence) if (candidate.day, number) not in there), None)

    def is_settled(self, candidate: Candidate, weight: Weight, has_companions: bool) -> bool:
        """Whether there is nothing to do about it: the very file was landed, or refused for good.

        A refused one is read again where a file beside it may have been corrected. A marker alone says nothing where
        the date has a data file.
        """
        if candidate.is_empty and self._names.get(candidate.day, set()) - {candidate.path.name}:
            return True
        before = self._find_states(candidate, weight)
        return "landed" in before.values() or bool(
            before and not self._judged_again & set(before) and not has_companions
        )

    def may_have_changed(self, candidate: Candidate, weight: Weight, changed_at: int) -> bool:
        """Whether the landed file was replaced or written since by one of the same size and modification time."""
        before = self._find_states(candidate, weight)
        landed = [name for name, state in before.items() if state == "landed"]
        return bool(landed) and all(self._changes[name] not in (None, changed_at) for name in landed)

    def is_unchanged(self, delivery: Delivery) -> bool:
        """Whether a snapshot whose name bears no date is still the one that was landed last, for an earlier date."""
        pattern = delivery.dataset.delivery.files
        if pattern is None or is_dated(pattern) or delivery.is_empty:
            return False
        before = [content for day, content in self._newest if day <= delivery.batch_date]
        return bool(before) and before[-1] == delivery.content_hash

    def is_judged(self, delivery: Delivery, candidate: Candidate, weight: Weight) -> bool:
        """Whether this very content was judged already, and would be judged alike."""
        return delivery.delivery_id in set(self._find_states(candidate, weight)) - self._judged_again

    def drop_refused(self, complete: list[Delivery]) -> list[Delivery]:
        """Leave out what was refused for `batch_date` where something has come since; else it is refused once more."""
        others = [entry for entry in complete if entry.delivery_id not in self._refused_today]
        return others if any(entry.batch_date == self._batch_date for entry in others) else complete

    def _find_states(self, candidate: Candidate, weight: Weight) -> dict[str, str]:
        return self._states.get((candidate.path.name, candidate.day, *weight), {})


def read_known(contract: Contract, dataset: Dataset, batch_date: date, ledger: sa.Engine) -> DeliveryHistory:
    """What the ledger knows of a dataset when `batch_date` is landed under the present contract."""
    return DeliveryHistory(read_held(dataset, ledger), batch_date, contract.version)


def read_held(dataset: Dataset, ledger: sa.Engine) -> Sequence[sa.Row[Any]]:
    """The ledger's rows of a dataset, in the order of their versions."""
    query = sa.select(deliveries).where(deliveries.c.source == dataset.source, deliveries.c.dataset == dataset.name)
    with ledger.connect() as connection:
        return connection.execute(query.order_by(deliveries.c.version)).all()
