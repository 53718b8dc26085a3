"""A delivery (交付): one dataset of one business date in one file, as announced by its ready marker."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from ingestion.contract import Contract, Dataset
from ingestion.ledger import deliveries
from ingestion.settings import Settings

KnownFile = tuple[str, date, int, int]


class DeliveryIncomplete(Exception):
    """A contracted delivery is not there yet, or its ready marker is missing."""


class DeliveryRefused(Exception):
    """A whole delivery contradicts its contract; it is kept where it arrived, and nothing of it is landed."""


@dataclass(frozen=True)
class Delivery:
    """Identity and provenance of one delivered file; `received_at` is its arrival as the transport left it."""

    dataset: Dataset
    contract_version: str
    batch_date: date
    sequence: int
    path: Path
    size: int
    mtime_ns: int
    content_hash: str

    @property
    def received_at(self) -> datetime:
        """Receipt in UTC, to the second."""
        return datetime.fromtimestamp(self.mtime_ns // 1_000_000_000, tz=UTC)

    @property
    def delivery_id(self) -> str:
        """Hash of (source, dataset, batch date, sequence, content): the same bytes again are the same delivery."""
        identity = (self.dataset.source, self.dataset.name, self.batch_date, self.sequence, self.content_hash)
        return hashlib.sha256("\x1f".join(str(part) for part in identity).encode()).hexdigest()[:32]

    def __str__(self) -> str:
        return f"{self.dataset.source}.{self.dataset.name} of {self.batch_date} ({self.path.name})"


def find_deliveries(
    contract: Contract, dataset: Dataset, batch_date: date, settings: Settings, ledger: sa.Engine
) -> list[Delivery]:
    """Deliveries of a dataset with business date up to `batch_date` that the ledger does not hold yet, oldest first.

    A file whose name, size and modification time the ledger knows is not read again, except where the newest one of
    `batch_date` was refused and nothing has come since: running again must not pass for a success.

    Raises:
        DeliveryIncomplete: the file of `batch_date` itself is absent and the contract does not allow that.
    """
    known, refused = _known_files(dataset, batch_date, ledger)
    found = sorted(_matching_files(dataset, settings.locate(dataset.source), batch_date))
    ready = [entry for entry in found if _is_ready(entry[2], dataset)]
    if "absent" not in dataset.delivery.no_data and not any(day == batch_date for day, _, _ in ready):
        raise DeliveryIncomplete(_tell_missing(dataset, batch_date, found))
    stats = [(day, sequence, path, path.stat()) for day, sequence, path in ready]
    pending = [entry for entry in stats if _identify(*entry) not in known]
    if not any(day == batch_date for day, *_ in pending):
        pending.extend(entry for entry in stats if _identify(*entry) == refused)
    return [_open(contract, dataset, *entry) for entry in pending]


def _identify(day: date, _sequence: int, path: Path, stat: os.stat_result) -> KnownFile:
    return path.name, day, stat.st_size, stat.st_mtime_ns


def _open(contract: Contract, dataset: Dataset, day: date, sequence: int, path: Path, stat: os.stat_result) -> Delivery:
    with path.open("rb") as handle:
        digest = hashlib.file_digest(handle, "sha256").hexdigest()
    return Delivery(dataset, contract.version, day, sequence, path, stat.st_size, stat.st_mtime_ns, digest)


def _matching_files(dataset: Dataset, folder: Path, until: date) -> Iterator[tuple[date, int, Path]]:
    """Files named by the contract's patterns; a pattern without a date belongs to the date asked for."""
    for pattern in filter(None, (dataset.delivery.files, dataset.delivery.resend)):
        glob = pattern.replace("{yyyymmdd}", "[0-9]" * 8).replace("{nn}", "[0-9]" * 2)
        regex = re.compile(
            re.escape(pattern)
            .replace(r"\{yyyymmdd\}", r"(?P<day>\d{8})", 1)
            .replace(r"\{yyyymmdd\}", r"(?P=day)")
            .replace(r"\{nn\}", r"(?P<nn>\d{2})")
        )
        for path in folder.glob(glob):
            match = regex.fullmatch(path.relative_to(folder).as_posix())
            if match is None:
                continue
            groups = match.groupdict()
            day = _business_date(groups["day"]) if groups.get("day") else until
            if day is not None and day <= until:
                yield day, int(groups.get("nn") or 1), path


def _business_date(digits: str) -> date | None:
    """The date that eight digits name; None where the calendar has no such day."""
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        return None


def _is_ready(path: Path, dataset: Dataset) -> bool:
    ready = dataset.delivery.ready
    if ready is None:
        return True
    marker = path.with_name(ready.marker.format(name=path.name, stem=path.stem))
    if not marker.is_file():
        return False
    return ready.content == "empty" or marker.read_bytes().strip() == path.name.encode()


def _tell_missing(dataset: Dataset, batch_date: date, found: list[tuple[date, int, Path]]) -> str:
    waiting = [path.name for day, _, path in found if day == batch_date]
    what = f"{waiting[0]} has no valid ready marker" if waiting else f"no file {dataset.delivery.files}"
    return (
        f"{dataset.source}.{dataset.name} of {batch_date}: {what};"
        " wait for the party, or ask it to deliver, and run again."
    )


def _known_files(dataset: Dataset, batch_date: date, ledger: sa.Engine) -> tuple[set[KnownFile], KnownFile | None]:
    """Files that the ledger holds, and the newest one of `batch_date` if it was refused."""
    table = deliveries.c
    query = (
        sa.select(table.file_name, table.batch_date, table.file_size, table.file_mtime_ns, table.state)
        .where(table.source == dataset.source, table.dataset == dataset.name)
        .order_by(table.version)
    )
    with ledger.connect() as connection:
        held = [((row[0], row[1], row[2], row[3]), row.state) for row in connection.execute(query)]
    newest = [entry for entry in held if entry[0][1] == batch_date][-1:]
    refused = [known for known, state in newest if state == "refused"]
    return {known for known, _ in held}, refused[0] if refused else None


def dates_to_extract(contract: Contract, dataset: Dataset, batch_date: date, ledger: sa.Engine) -> list[date]:
    """Business dates of a database source to extract: every one since the last landed date, and `batch_date`."""
    query = sa.select(sa.func.max(deliveries.c.batch_date)).where(
        deliveries.c.source == dataset.source, deliveries.c.dataset == dataset.name, deliveries.c.state == "landed"
    )
    with ledger.connect() as connection:
        last: date | None = connection.execute(query).scalar()
    first = min(contract.profile.go_live, batch_date) if last is None else min(last + timedelta(days=1), batch_date)
    return [first + timedelta(days=offset) for offset in range((batch_date - first).days + 1)]
