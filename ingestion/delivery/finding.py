"""A delivery (交付): one dataset of one business date in one file or its parts, as announced by its ready marker."""

from __future__ import annotations

import glob
import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from ingestion.contract import Contract, Dataset
from ingestion.foundation import Settings
from ingestion.foundation.files import digest_file
from ingestion.foundation.ledger import deliveries

DAY, PART, NUMBER = "{yyyymmdd}", "{part}", "{nn}"
SMALL_FILE = 1 << 20

_Key = tuple[str, date, int, int]


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

    @property
    def received_at(self) -> datetime:
        """Receipt in UTC, to the second."""
        return datetime.fromtimestamp(self.mtime_ns // 1_000_000_000, tz=UTC)

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
        return _expected_name(self.dataset, self.batch_date, 1) if self.is_empty else self.path.name

    def __str__(self) -> str:
        return f"{self.dataset.source}.{self.dataset.name} of {self.batch_date} ({self.path.name})"


@dataclass(frozen=True, order=True)
class _Candidate:
    """What lies there under one date and number; `lacks` says why it does not count as delivered yet."""

    day: date
    sequence: int
    path: Path
    parts: tuple[Path, ...] = ()
    is_empty: bool = False
    lacks: str = ""


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
    held = _held(dataset, ledger)
    candidates = _candidates(dataset, settings.locate(dataset.source), batch_date)
    ready = [candidate for candidate in candidates if not candidate.lacks]
    there = {(row.batch_date, row.sequence) for row in held} | {(entry.day, entry.sequence) for entry in ready}
    told = [tell_incomplete(dataset, batch_date, what) for what in _lateness(dataset, batch_date, candidates, held)]
    known: dict[_Key, dict[str, str]] = {}
    named: dict[date, set[str]] = {}
    for row in held:
        named.setdefault(row.batch_date, set()).add(row.file_name)
        key = (row.file_name, row.batch_date, row.file_size, row.file_mtime_ns)
        known.setdefault(key, {})[row.delivery_id] = row.state
    newest = [row for row in held if row.batch_date == batch_date][-1:]
    refused = {row.delivery_id for row in newest if row.state == "refused"}
    again = refused | {
        row.delivery_id for row in held if row.state == "refused" and row.contract_version != contract.version
    }
    complete: list[Delivery] = []
    for candidate in ready:
        gap = next((number for number in range(1, candidate.sequence) if (candidate.day, number) not in there), None)
        try:
            weight = _weigh((candidate.path, *candidate.parts))
            before = known.get((candidate.path.name, candidate.day, *weight), {})
            is_settled = "landed" in before.values() or (
                before and not again & set(before) and not _companions(candidate, dataset)
            )
            if is_settled or (candidate.is_empty and any(named.get(candidate.day, set()) - {candidate.path.name})):
                continue
            if gap is not None:
                name = _expected_name(dataset, candidate.day, gap)
                raise DeliveryIncomplete(f"{candidate.path.name} has to wait for {name}, which is not there")
            delivery = _deliver(contract, dataset, candidate, weight)
        except DeliveryIncomplete as error:
            told.append(tell_incomplete(dataset, candidate.day, str(error)))
        except OSError as error:
            name = Path(str(error.filename or candidate.path)).name
            told.append(tell_incomplete(dataset, candidate.day, f"{name} {explain(error)}"))
        else:
            is_known = delivery.delivery_id in set(before) - again
            complete.extend([] if is_known else [delivery])
    if any(entry.batch_date == batch_date and entry.delivery_id not in refused for entry in complete):
        complete = [entry for entry in complete if entry.delivery_id not in refused]
    if told:
        raise DeliveryIncomplete("\n".join(told), complete)
    return complete


def list_files(contract: Contract, dataset: Dataset, day: date, settings: Settings) -> Iterator[Delivery]:
    """Every complete delivery of one business date that lies in the landing folder, known to the ledger or not."""
    for candidate in _candidates(dataset, settings.locate(dataset.source), day):
        if candidate.day == day and not candidate.lacks:
            yield _deliver(contract, dataset, candidate, _weigh((candidate.path, *candidate.parts)))


def missing_dates(
    contract: Contract, dataset: Dataset, batch_date: date, settings: Settings, ledger: sa.Engine
) -> list[date]:
    """Business dates from go-live to the day before `batch_date` of which nothing was landed and nothing is there.

    Where go-live is yet to come, dates count from the first landed one. Every calendar day is expected, but where
    the contract's schedule is not daily, `absent` is legal or file names bear no date, none can be missing.
    """
    delivery = dataset.delivery
    is_daily = contract.profile.cron.split()[2:] == ["*", "*", "*"]
    if DAY not in (delivery.files or "") or "absent" in delivery.no_data or not is_daily:
        return []
    landed = {row.batch_date for row in _held(dataset, ledger) if row.state == "landed"}
    go_live = contract.profile.go_live
    first = go_live if go_live <= batch_date else min(landed, default=batch_date)
    candidates = _candidates(dataset, settings.locate(dataset.source), batch_date)
    there = landed | {candidate.day for candidate in candidates if not candidate.lacks}
    days = (first + timedelta(days=offset) for offset in range((batch_date - first).days))
    return [day for day in days if day not in there]


def stray_files(contract: Contract, batch_date: date, settings: Settings) -> list[Path]:
    """Files that no dataset's patterns name, in the folders where `batch_date` is delivered.

    Names that begin with a dot are left alone: transports write drafts under them.
    """
    root = settings.locate(contract.source)
    patterns = {pattern for dataset in contract.datasets for pattern in _all_patterns(dataset)}
    folders = {(root / _on(pattern, batch_date)).parent for pattern in patterns}
    expressions = [_expression(pattern) for pattern in patterns]
    return sorted(
        path
        for folder in folders
        for path in folder.glob("*")
        if _is_file(path)
        and not path.name.startswith(".")
        and not any(_is_named(path.relative_to(root).as_posix(), expression) for expression in expressions)
    )


def check_unchanged(delivery: Delivery) -> None:
    """Compare the delivery's files with what they were when it was found.

    Raises:
        DeliveryIncomplete: one was written to, replaced or removed since.
    """
    try:
        is_same = _weigh((delivery.path, *delivery.parts)) == (delivery.size, delivery.mtime_ns)
    except OSError:
        is_same = False
    if not is_same:
        raise DeliveryIncomplete(
            tell_incomplete(delivery.dataset, delivery.batch_date, f"{delivery.path.name} changed since it was found")
        )


def companion(path: Path, pattern: str) -> Path:
    """The file beside `path` that a contract names by {name} and {stem}."""
    return path.with_name(pattern.format(name=path.name, stem=path.stem))


def read_companion(path: Path, dataset: Dataset) -> str:
    """Text of a small file beside the data, in UTF-8 or else in the data's own character set.

    Raises:
        DeliveryRefused: it is not small.
        OSError: it cannot be read.
    """
    with path.open("rb") as handle:
        content = handle.read(SMALL_FILE + 1)
    if len(content) > SMALL_FILE:
        raise DeliveryRefused(f"{path.name} is larger than {SMALL_FILE:,} bytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode(dataset.delivery.encoding, "replace")


def tell_incomplete(dataset: Dataset, day: date, what: str) -> str:
    """One sentence on a delivery that cannot be taken yet."""
    return f"{dataset.source}.{dataset.name} of {day}: {what}; wait for the party, or ask it to deliver, and run again."


def explain(error: OSError) -> str:
    """What the operating system found wrong with a file, in a few words."""
    match error:
        case FileNotFoundError():
            return "is not there any more"
        case PermissionError():
            return "may not be read by this account"
        case _:
            return f"cannot be read ({error.strerror or type(error).__name__})"


def _lateness(
    dataset: Dataset, batch_date: date, candidates: list[_Candidate], held: Sequence[sa.Row[Any]]
) -> list[str]:
    """Why `batch_date` itself has no delivery; nothing where it has one, or where none is legal."""
    today = [candidate for candidate in candidates if candidate.day == batch_date]
    is_landed = any(row.batch_date == batch_date and row.state == "landed" for row in held)
    if is_landed or any(not candidate.lacks for candidate in today):
        return []
    if not today and "absent" not in dataset.delivery.no_data:
        return [f"no file {dataset.delivery.parts or dataset.delivery.files}"]
    return [candidate.lacks for candidate in today]


def _candidates(dataset: Dataset, folder: Path, until: date) -> list[_Candidate]:
    """Everything that bears the name of a delivery up to a date, oldest first."""
    delivery = dataset.delivery
    if delivery.parts:
        found = list(_split_candidates(dataset, folder, until))
    else:
        found = [
            _Candidate(day, number, path, lacks=_lack(path, (path,), dataset))
            for pattern in filter(None, (delivery.files, delivery.resend))
            for day, number, path in _matching_files(pattern, folder, until)
            if (number > 1) == (NUMBER in pattern)
        ]
    first = {candidate.day for candidate in found if candidate.sequence == 1}
    found.extend(candidate for candidate in _lone_markers(dataset, folder, until) if candidate.day not in first)
    return sorted(found)


def _split_candidates(dataset: Dataset, folder: Path, until: date) -> Iterator[_Candidate]:
    delivery = dataset.delivery
    lists = {day: path for day, _, path in _matching_files(str(delivery.parts), folder, until)}
    parts: dict[date, dict[str, tuple[int, Path]]] = {}
    for day, number, path in _matching_files(str(delivery.files), folder, until):
        parts.setdefault(day, {})[path.name] = (number, path)
    for day in sorted({*lists, *parts}):
        there, name = parts.get(day, {}), _expected_name(dataset, day, 1)
        if day not in lists:
            yield _Candidate(day, 1, folder / name, lacks=f"{len(there)} parts are there without their list {name}")
            continue
        path = lists[day]
        lacks = _lack(path, (), dataset)
        names: list[str] = []
        if not lacks:
            try:
                names = [line.strip() for line in read_companion(path, dataset).split("\n") if line.strip()]
                shape = _expression(Path(_on(str(delivery.files), day)).name)
                lacks = _list_lack(name, names, there, shape)
            except DeliveryRefused as error:
                lacks = str(error)
            except OSError as error:
                lacks = f"{name} {explain(error)}"
        listed = () if lacks else tuple(there[name][1] for name in names)
        yield _Candidate(day, 1, path, listed, lacks=lacks or _lack(path, listed, dataset))


def _list_lack(name: str, listed: list[str], there: dict[str, tuple[int, Path]], shape: re.Pattern[str]) -> str:
    """What is wrong between a list file and the parts beside it; nothing of a line that is no part's name is told."""
    if not listed:
        return f"{name} names no part"
    if len(set(listed)) < len(listed):
        return f"{name} names a part twice"
    foreign = [place for place, part in enumerate(listed, 1) if not shape.fullmatch(part)]
    if foreign:
        return f"entry {foreign[0]} of {name} is not the name of a part"
    absent = [part for part in listed if part not in there]
    if absent:
        return f"{absent[0]} is named by {name}, but not there"
    unnamed = sorted(set(there) - set(listed))
    if unnamed:
        return f"{unnamed[0]} is there, but {name} does not name it"
    numbers = sorted(there[part][0] for part in listed)
    first = min(numbers[0], 1)
    gap = next((number for number in range(first, first + len(numbers)) if number not in numbers), None)
    return (
        "" if gap is None else f"{name} names {len(listed)} parts up to number {numbers[-1]}, but none has number {gap}"
    )


def _lone_markers(dataset: Dataset, folder: Path, until: date) -> Iterator[_Candidate]:
    """Ready markers as deliveries of their own: what they say where there is no data file."""
    ready, is_legal = dataset.delivery.ready, "marker_only" in dataset.delivery.no_data
    if ready is None or not (is_legal or "{" in ready.marker):
        return  # a marker that datasets share says nothing of one without a file
    expected = Path(str(dataset.delivery.parts or dataset.delivery.files))
    for day, _, path in _matching_files(companion(expected, ready.marker).as_posix(), folder, until):
        name = _expected_name(dataset, day, 1)
        if is_legal:
            lacks = _marker_lack(path, name, dataset, may_be_blank=ready.content == "file_name")
            yield _Candidate(day, 1, path, is_empty=True, lacks=lacks)
        else:
            yield _Candidate(day, 1, path, lacks=f"{path.name} is there without {name}")


def _lack(path: Path, data: tuple[Path, ...], dataset: Dataset) -> str:
    """What a file still lacks to count as delivered: its marker, or a file beside one of the data files."""
    delivery = dataset.delivery
    if not _is_file(path):
        return f"{path.name} is not a file"
    lacks = _marker_lack(companion(path, delivery.ready.marker), path.name, dataset) if delivery.ready else ""
    absent = (beside.name for beside in _proofs(data, dataset) if not _is_file(beside))
    return lacks or next((f"{name} is not there" for name in absent), "")


def _marker_lack(marker: Path, name: str, dataset: Dataset, may_be_blank: bool = False) -> str:
    content = dataset.delivery.ready.content if dataset.delivery.ready else "empty"
    if not _is_file(marker):
        return f"{name} has no ready marker {marker.name}"
    if content == "empty":
        return ""
    try:
        text = read_companion(marker, dataset).strip()
    except DeliveryRefused as error:
        return str(error)
    except OSError as error:
        return f"{marker.name} {explain(error)}"
    if not text and not may_be_blank:
        return f"{marker.name} is empty"
    return f"{marker.name} does not name {name}" if content == "file_name" and text not in ("", name) else ""


def _proofs(data: tuple[Path, ...], dataset: Dataset) -> list[Path]:
    """Checksum and signature files of the data files."""
    declared = (dataset.delivery.checksum, dataset.delivery.signature)
    return [companion(path, proof.file) for path in data for proof in declared if proof]


def _deliver(contract: Contract, dataset: Dataset, candidate: _Candidate, weight: tuple[int, int]) -> Delivery:
    files = (candidate.path, *candidate.parts)
    digests = [digest_file(path) for path in (*files, *_companions(candidate, dataset))]
    if _weigh(files) != weight:
        raise DeliveryIncomplete(f"{candidate.path.name} is still being written")
    digest = digests[0] if len(digests) == 1 else hashlib.sha256("\n".join(digests).encode()).hexdigest()
    return Delivery(
        dataset, contract.version, candidate.day, candidate.sequence, candidate.path, *weight, digest,
        candidate.parts, candidate.is_empty,
    )  # fmt: skip


def _companions(candidate: _Candidate, dataset: Dataset) -> list[Path]:
    """Control, checksum and signature files: with another one of them the same data may be judged otherwise."""
    if candidate.is_empty:
        return []
    ready = dataset.delivery.ready
    control = [companion(candidate.path, ready.marker)] if ready and ready.control else []
    return control + _proofs(candidate.parts or (candidate.path,), dataset)


def _weigh(files: tuple[Path, ...]) -> tuple[int, int]:
    """Size of all files and modification time of the last one."""
    stats = [path.stat() for path in files]
    return sum(stat.st_size for stat in stats), max(stat.st_mtime_ns for stat in stats)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False


def _matching_files(pattern: str, folder: Path, until: date) -> Iterator[tuple[date, int, Path]]:
    """What one pattern names, with its number (of the part or the re-send, else 1).

    A pattern without a date belongs to the date asked for.
    """
    wild = glob.escape(pattern).replace(DAY, "[0-9]" * 8).replace(NUMBER, "[0-9]" * 2).replace(PART, "[0-9]*")
    expression = _expression(pattern)
    for path in folder.glob(wild):
        match = expression.fullmatch(path.relative_to(folder).as_posix())
        if match is None:
            continue
        groups = match.groupdict()
        day = _business_date(groups["day"]) if groups.get("day") else until
        if day is not None and day <= until:
            yield day, int(groups.get("number") or 1), path


def _expression(pattern: str) -> re.Pattern[str]:
    """What a pattern's names look like; a placeholder that occurs again holds the same."""
    text = re.escape(pattern)
    for word, group, digits in ((DAY, "day", "{8}"), (NUMBER, "number", "{2}"), (PART, "number", "{1,9}")):
        first, *others = text.split(re.escape(word))
        text = first + "".join(
            (f"(?P<{group}>[0-9]{digits})" if place == 0 else f"(?P={group})") + other
            for place, other in enumerate(others)
        )
    return re.compile(text)


def _business_date(digits: str) -> date | None:
    """The date that eight digits name; None where the calendar has no such day."""
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        return None


def _is_named(name: str, expression: re.Pattern[str]) -> bool:
    match = expression.fullmatch(name)
    return match is not None and ("day" not in match.groupdict() or _business_date(match["day"]) is not None)


def _on(pattern: str, day: date) -> str:
    return pattern.replace(DAY, f"{day:%Y%m%d}")


def _expected_name(dataset: Dataset, day: date, number: int) -> str:
    """Name of the data file, or the list of parts, of a date and number."""
    delivery = dataset.delivery
    pattern = str(delivery.parts or delivery.files if number == 1 else delivery.resend)
    return Path(_on(pattern, day).replace(NUMBER, f"{number:02}")).name


def _all_patterns(dataset: Dataset) -> Iterator[str]:
    """Every pattern of a file that a dataset may bring, also beside its data files."""
    delivery = dataset.delivery
    if delivery.query:
        yield f"{DAY}/{dataset.name}.parquet"
        yield f"{DAY}/{dataset.name}_{NUMBER}.parquet"
    beside = [
        *([delivery.ready.marker] if delivery.ready else []),
        *(proof.file for proof in (delivery.checksum, delivery.signature) if proof),
    ]
    for pattern in filter(None, (delivery.files, delivery.resend, delivery.parts)):
        yield pattern
        yield from (companion(Path(pattern), name).as_posix() for name in beside)


def _held(dataset: Dataset, ledger: sa.Engine) -> Sequence[sa.Row[Any]]:
    query = sa.select(deliveries).where(deliveries.c.source == dataset.source, deliveries.c.dataset == dataset.name)
    with ledger.connect() as connection:
        return connection.execute(query.order_by(deliveries.c.version)).all()


def dates_to_extract(contract: Contract, dataset: Dataset, batch_date: date, ledger: sa.Engine) -> list[date]:
    """Business dates of a database source to extract: every one since the last landed date, and `batch_date`."""
    query = sa.select(sa.func.max(deliveries.c.batch_date)).where(
        deliveries.c.source == dataset.source, deliveries.c.dataset == dataset.name, deliveries.c.state == "landed"
    )
    with ledger.connect() as connection:
        last: date | None = connection.execute(query).scalar()
    first = min(contract.profile.go_live, batch_date) if last is None else min(last + timedelta(days=1), batch_date)
    return [first + timedelta(days=offset) for offset in range((batch_date - first).days + 1)]
