"""A delivery (交付): one dataset of one business date in one file or its parts, as announced by its ready marker."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from ingestion.contract import Dataset
from ingestion.delivery.patterns import expect_name


class DeliveryIncomplete(Exception):
    """A contracted delivery is not there yet, or not all of it; `complete` are the dataset's others, to be landed."""

    def __init__(self, message: str, complete: Iterable[Delivery] = ()) -> None:
        self.complete = tuple(complete)
        super().__init__(message)


class DeliveryRefused(Exception):
    """A whole delivery contradicts its contract; it is kept where it arrived, and nothing of it is landed."""


@dataclass(frozen=True)
class Delivery:
    """Identity and provenance of one delivery; `received_at` is its arrival as the transport left it.

    Of a split delivery, `path` is the list file and `parts` are the data files in its order; `size` is the sum of
    all and `mtime_ns` the last of all. With `is_empty`, `path` is the ready marker that alone says: no rows today.
    Where the contract has a control, checksum or signature file, `content_hash` covers it too, so that with a
    corrected one a refused delivery is another one. `occurrence` counts how often the same bytes took this place.
    `ctime_ns` is when the file system last saw it change, `replaces` the receipt of what its date had before.
    """

    dataset: Dataset
    contract_version: str
    batch_date: date
    sequence: int
    path: Path
    size: int
    mtime_ns: int
    content_hash: str
    parts: tuple[Path, ...] = ()
    is_empty: bool = False
    occurrence: int = 1
    ctime_ns: int | None = None
    replaces: datetime | None = None

    @property
    def received_at(self) -> datetime:
        """Receipt in UTC, to the second; never before that of what it replaces, whatever time the file bears."""
        received = datetime.fromtimestamp(self.mtime_ns // 1_000_000_000, tz=UTC)
        return received if self.replaces is None else max(received, self.replaces)

    @property
    def delivery_id(self) -> str:
        """Hash of (source, dataset, batch date, sequence, content): the same bytes again are the same delivery.

        Bytes that come back after others had replaced them restore what was withdrawn: a delivery of its own.
        """
        identity = [self.dataset.source, self.dataset.name, self.batch_date, self.sequence, self.content_hash]
        identity += [self.occurrence] if self.occurrence > 1 else []
        return hashlib.sha256("\x1f".join(str(part) for part in identity).encode()).hexdigest()[:32]

    @property
    def data_files(self) -> tuple[Path, ...]:
        """The files that hold the rows: the parts, or the one file; none where a marker came alone."""
        return () if self.is_empty else self.parts or (self.path,)

    @property
    def announced_name(self) -> str:
        """Name of the delivered file; where a marker came alone, of the file that did not come."""
        return expect_name(self.dataset, self.batch_date, 1) if self.is_empty else self.path.name

    def __str__(self) -> str:
        return f"{self.dataset.source}.{self.dataset.name} of {self.batch_date} ({self.path.name})"


def describe_incomplete(dataset: Dataset, day: date, what: str) -> str:
    """One sentence on a delivery that cannot be taken yet."""
    return f"{dataset.source}.{dataset.name} of {day}: {what}; wait for the party, or ask it to deliver, and run again."


def describe_os_error(error: OSError) -> str:
    """What the operating system found wrong with a file, in a few words."""
    match error:
        case FileNotFoundError():
            return "is not there any more"
        case PermissionError():
            return "may not be read by this account"
        case _:
            return f"cannot be read ({error.strerror or type(error).__name__})"
