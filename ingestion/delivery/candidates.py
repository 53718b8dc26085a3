"""Candidates: what lies in a source's folder under the name of a delivery, and what it still lacks to be one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from ingestion.contract import Dataset
from ingestion.delivery.companions import find_lack, find_marker_lack, read_companion
from ingestion.delivery.identity import DeliveryRefused, describe_os_error
from ingestion.delivery.patterns import (
    NUMBER,
    NamedFile,
    compile_pattern,
    expect_name,
    fill_in_date,
    match_files,
    place_companion,
)


@dataclass(frozen=True, order=True)
class Candidate:
    """What lies there under one date and number; `lacks` says why it does not count as delivered yet."""

    day: date
    sequence: int
    path: Path
    parts: tuple[Path, ...] = ()
    is_empty: bool = False
    lacks: str = ""

    @property
    def files(self) -> tuple[Path, ...]:
        """The file or list file, and the parts."""
        return (self.path, *self.parts)


def list_candidates(dataset: Dataset, folder: Path, until: date) -> list[Candidate]:
    """Everything that bears the name of a delivery up to a date, oldest first."""
    delivery = dataset.delivery
    if delivery.parts:
        found = list(_list_split(dataset, folder, until))
    else:
        found = [
            Candidate(named.day, named.number, named.path, lacks=find_lack(named.path, (named.path,), dataset))
            for pattern in filter(None, (delivery.files, delivery.resend))
            for named in _keep_newest(match_files(pattern, folder, until))
            if (named.number > 1) == (NUMBER in pattern)
        ]
    first = {candidate.day for candidate in found if candidate.sequence == 1}
    found.extend(candidate for candidate in _list_markers_alone(dataset, folder, until) if candidate.day not in first)
    return sorted(found)


def _keep_newest(named: Iterable[NamedFile]) -> Iterator[NamedFile]:
    """Of files that say when they were made, the newest of each date and number; all others."""
    files = list(named)
    newest = {}
    for file in sorted(files, key=lambda file: (file.stamp, file.path)):
        newest[file.day, file.number] = file.stamp
    return (file for file in files if file.stamp == newest[file.day, file.number])


def _list_split(dataset: Dataset, folder: Path, until: date) -> Iterator[Candidate]:
    delivery = dataset.delivery
    lists = {named.day: named.path for named in match_files(str(delivery.parts), folder, until)}
    parts: dict[date, dict[str, tuple[int, Path]]] = {}
    for named in match_files(str(delivery.files), folder, until):
        parts.setdefault(named.day, {})[named.path.name] = (named.number, named.path)
    for day in sorted({*lists, *parts}):
        there, name = parts.get(day, {}), expect_name(dataset, day, 1)
        if day not in lists:
            yield Candidate(day, 1, folder / name, lacks=f"{len(there)} parts are there without their list {name}")
            continue
        path = lists[day]
        lacks = find_lack(path, (), dataset)
        names: list[str] = []
        if not lacks:
            try:
                names = [line.strip() for line in read_companion(path, dataset).split("\n") if line.strip()]
                shape = compile_pattern(Path(fill_in_date(str(delivery.files), day)).name)
                lacks = _compare_list(name, names, there, shape)
            except DeliveryRefused as error:
                lacks = str(error)
            except OSError as error:
                lacks = f"{name} {describe_os_error(error)}"
        listed = () if lacks else tuple(there[name][1] for name in names)
        yield Candidate(day, 1, path, listed, lacks=lacks or find_lack(path, listed, dataset))


def _compare_list(name: str, listed: list[str], there: dict[str, tuple[int, Path]], shape: re.Pattern[str]) -> str:
    """What is wrong between a list file and the parts beside it; lines that are no part names are never quoted."""
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


def _list_markers_alone(dataset: Dataset, folder: Path, until: date) -> Iterator[Candidate]:
    """Ready markers as deliveries of their own: what they say where there is no data file."""
    ready, is_legal = dataset.delivery.ready, "marker_only" in dataset.delivery.no_data
    if ready is None or not (is_legal or "{" in ready.marker):
        return  # a marker that datasets share says nothing of one without a file
    expected = Path(str(dataset.delivery.parts or dataset.delivery.files))
    for named in match_files(place_companion(expected, ready.marker).as_posix(), folder, until):
        day, path, name = named.day, named.path, expect_name(dataset, named.day, 1)
        if is_legal:
            lacks = find_marker_lack(path, name, dataset, may_be_blank=ready.content == "file_name")
            yield Candidate(day, 1, path, is_empty=True, lacks=lacks)
        else:
            yield Candidate(day, 1, path, lacks=f"{path.name} is there without {name}")
