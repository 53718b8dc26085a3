"""Finding deliveries: what has come up to a business date and the ledger does not hold yet."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

import sqlalchemy as sa

from ingestion.contract import Contract, Dataset
from ingestion.delivery.bookkeeping import remember_change
from ingestion.delivery.calendars import is_due
from ingestion.delivery.candidates import Candidate, list_candidates
from ingestion.delivery.companions import list_proofs
from ingestion.delivery.identity import Delivery, DeliveryIncomplete, describe_incomplete, describe_os_error
from ingestion.delivery.known import DeliveryHistory, read_known
from ingestion.delivery.near_names import list_near_names
from ingestion.delivery.patterns import FREE, expect_name, fill_in_date, place_companion
from ingestion.foundation import Settings
from ingestion.foundation.files import digest_file


def find_deliveries(
    contract: Contract, dataset: Dataset, batch_date: date, settings: Settings, ledger: sa.Engine
) -> list[Delivery]:
    """Deliveries of a dataset with business date up to `batch_date` that the ledger does not hold yet, oldest first.

    A file whose name, size and modification time the ledger knows is not read again, unless it was refused and may
    be judged otherwise now (a control, checksum or signature file beside it may have been corrected, the contract has
    another version), or it is the newest of `batch_date` and nothing has come since: running again must not pass for a
    success. A re-send waits for those before it.

    Raises:
        DeliveryIncomplete: `batch_date` has no complete delivery and the contract does not allow that; a re-send is
            left out; or a file cannot be read or is still being written. One sentence a line.
    """
    known = read_known(contract, dataset, batch_date, ledger)
    folder = settings.locate_source(dataset.source)
    candidates = list_candidates(dataset, folder, batch_date)
    ready = [candidate for candidate in candidates if not candidate.lacks]
    complete: list[Delivery] = []
    lacking = [(batch_date, lack) for lack in _list_lacks(dataset, batch_date, candidates, known, folder)]
    for candidate in ready:
        try:
            weight, changed_at = weigh_files(candidate.files), find_change(candidate.files)
            is_settled = known.is_settled(candidate, weight, bool(_list_companions(candidate, dataset)))
            if is_settled and not known.may_have_changed(candidate, weight, changed_at):
                continue
            _refuse_rivals(candidate, ready, dataset)
            gap = known.find_gap(candidate, ready)
            if gap is not None:
                name = expect_name(dataset, candidate.day, gap)
                raise DeliveryIncomplete(f"{candidate.path.name} has to wait for {name}, which is not there")
            delivery = _make_delivery(contract, dataset, candidate, weight, changed_at)
        except DeliveryIncomplete as error:
            lacking.append((candidate.day, str(error)))
        except OSError as error:
            name = Path(str(error.filename or candidate.path)).name
            lacking.append((candidate.day, f"{name} {describe_os_error(error)}"))
        else:
            if is_settled and known.is_judged(delivery, candidate, weight):
                remember_change(delivery, ledger)
            elif not (known.is_judged(delivery, candidate, weight) or known.is_unchanged(delivery)):
                complete.append(delivery)
    complete = known.drop_refused(complete)
    if lacking:
        sentences = [describe_incomplete(dataset, day, what) for day, what in lacking]
        raise DeliveryIncomplete("\n".join(sentences), complete)
    return complete


def list_delivered(contract: Contract, dataset: Dataset, day: date, settings: Settings) -> Iterator[Delivery]:
    """Every complete delivery of one business date that lies in the landing folder, known to the ledger or not."""
    for candidate in list_candidates(dataset, settings.locate_source(dataset.source), day):
        if candidate.day == day and not candidate.lacks:
            weight, changed_at = weigh_files(candidate.files), find_change(candidate.files)
            yield _make_delivery(contract, dataset, candidate, weight, changed_at)


def check_unchanged(delivery: Delivery) -> None:
    """Compare the delivery's files with what they were when it was found.

    Raises:
        DeliveryIncomplete: one was written to, replaced or removed since.
    """
    try:
        is_same = weigh_files((delivery.path, *delivery.parts)) == (delivery.size, delivery.mtime_ns)
    except OSError:
        is_same = False
    if not is_same:
        raise DeliveryIncomplete(
            describe_incomplete(
                delivery.dataset, delivery.batch_date, f"{delivery.path.name} changed since it was found"
            )
        )


def _list_lacks(
    dataset: Dataset, batch_date: date, candidates: Sequence[Candidate], known: DeliveryHistory, folder: Path
) -> list[str]:
    """Why `batch_date` itself has no delivery; nothing where it has one, or where none is legal."""
    today = [candidate for candidate in candidates if candidate.day == batch_date]
    if known.has_landed(batch_date) or any(not candidate.lacks for candidate in today):
        return []
    if not today and "absent" not in dataset.delivery.no_data and is_due(dataset.delivery.calendar, batch_date):
        return [_describe_absence(dataset, batch_date, folder)]
    return [candidate.lacks for candidate in today]


def _describe_absence(dataset: Dataset, day: date, folder: Path) -> str:
    """The file that was looked for, and what lies there under a name like it."""
    pattern = str(dataset.delivery.parts or dataset.delivery.files)
    wanted = fill_in_date(pattern, day)
    near = list_near_names(folder / wanted)
    like = f"; {', '.join(near)} lies there: rename it, or correct `files` in the contract" if near else ""
    return f"no file {wanted}{like}"


def _refuse_rivals(candidate: Candidate, ready: Sequence[Candidate], dataset: Dataset) -> None:
    """Raise where the free part of a name lets several files be of one date, of which nobody can say which counts."""
    same = (candidate.day, candidate.sequence)
    rivals = [entry.path for entry in ready if (entry.day, entry.sequence) == same and entry.path != candidate.path]
    if rivals and FREE in (dataset.delivery.files or "") and not candidate.is_empty:
        raise DeliveryIncomplete(
            f"{candidate.path.name} and {rivals[0].name} both have its name; leave the one that counts, or say in the"
            " contract what distinguishes them"
        )


def _make_delivery(
    contract: Contract, dataset: Dataset, candidate: Candidate, weight: tuple[int, int], changed_at: int
) -> Delivery:
    files = candidate.files
    digests = [digest_file(path) for path in (*files, *_list_companions(candidate, dataset))]
    if weigh_files(files) != weight:
        raise DeliveryIncomplete(f"{candidate.path.name} is still being written")
    digest = digests[0] if len(digests) == 1 else hashlib.sha256("\n".join(digests).encode()).hexdigest()
    return Delivery(
        dataset, contract.version, candidate.day, candidate.sequence, candidate.path, *weight, digest,
        candidate.parts, candidate.is_empty, ctime_ns=changed_at,
    )  # fmt: skip


def _list_companions(candidate: Candidate, dataset: Dataset) -> list[Path]:
    """Control, checksum and signature files: with another one of them the same data may be judged otherwise."""
    if candidate.is_empty:
        return []
    ready = dataset.delivery.ready
    control = [place_companion(candidate.path, ready.marker)] if ready and ready.control else []
    return control + list_proofs(candidate.parts or (candidate.path,), dataset)


def weigh_files(files: tuple[Path, ...]) -> tuple[int, int]:
    """Size of all files and modification time of the last one."""
    stats = [path.stat() for path in files]
    return sum(stat.st_size for stat in stats), max(stat.st_mtime_ns for stat in stats)


def find_change(files: tuple[Path, ...]) -> int:
    """When the last of these files was changed or put in its place, whatever time it bears."""
    return max(path.stat().st_ctime_ns for path in files)
