"""Names of delivered files: patterns with {yyyymmdd}, {part} and {nn}, and the files that match them."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from ingestion.contract import Dataset

DAY, PART, NUMBER = "{yyyymmdd}", "{part}", "{nn}"


def fill_in_date(pattern: str, day: date) -> str:
    """A pattern with the date put in."""
    return pattern.replace(DAY, f"{day:%Y%m%d}")


def place_companion(path: Path, pattern: str) -> Path:
    """The file beside `path` that a contract names by {name} and {stem}."""
    return path.with_name(pattern.format(name=path.name, stem=path.stem))


def expect_name(dataset: Dataset, day: date, number: int) -> str:
    """Name of the data file, or the list of parts, of a date and number."""
    delivery = dataset.delivery
    pattern = str(delivery.parts or delivery.files if number == 1 else delivery.resend)
    return Path(fill_in_date(pattern, day).replace(NUMBER, f"{number:02}")).name


def match_files(pattern: str, folder: Path, until: date) -> Iterator[tuple[date, int, Path]]:
    """What one pattern names, with its number (of the part or the re-send, else 1).

    A pattern without a date belongs to the date asked for.
    """
    wild = glob.escape(pattern).replace(DAY, "[0-9]" * 8).replace(NUMBER, "[0-9]" * 2).replace(PART, "[0-9]*")
    expression = compile_pattern(pattern)
    for path in folder.glob(wild):
        match = expression.fullmatch(path.relative_to(folder).as_posix())
        if match is None:
            continue
        groups = match.groupdict()
        day = _parse_day(groups["day"]) if groups.get("day") else until
        if day is not None and day <= until:
            yield day, int(groups.get("number") or 1), path


def compile_pattern(pattern: str) -> re.Pattern[str]:
    """What a pattern's names look like; a placeholder that occurs again holds the same."""
    text = re.escape(pattern)
    for word, group, digits in ((DAY, "day", "{8}"), (NUMBER, "number", "{2}"), (PART, "number", "{1,9}")):
        first, *others = text.split(re.escape(word))
        text = first + "".join(
            (f"(?P<{group}>[0-9]{digits})" if place == 0 else f"(?P={group})") + other
            for place, other in enumerate(others)
        )
    return re.compile(text)


def _parse_day(digits: str) -> date | None:
    """The date that eight digits name; None where the calendar has no such day."""
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        return None


def is_named(name: str, expression: re.Pattern[str]) -> bool:
    """Whether a name has the shape of a pattern, and a date that exists."""
    match = expression.fullmatch(name)
    return match is not None and ("day" not in match.groupdict() or _parse_day(match["day"]) is not None)


def list_patterns(dataset: Dataset) -> Iterator[str]:
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
        yield from (place_companion(Path(pattern), name).as_posix() for name in beside)


def is_file(path: Path) -> bool:
    """Whether a file is there; one that may not even be asked about is not."""
    try:
        return path.is_file()
    except OSError:
        return False
