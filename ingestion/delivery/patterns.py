"""Names of delivered files: patterns with placeholders, and the files that match them.

A business date is `{yyyymmdd}`, or `{yyyy}`, `{mm}` and `{dd}` however they are joined; a month (`{yyyymm}`, or
`{yyyy}` and `{mm}`) and a quarter (`{yyyy}` and `{q}`) mean their last day. `{hhmmss}` and `{yyyymmddhhmmss}` say when
the file was made, `{*}` is free.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from ingestion.contract import Dataset

DAY, PART, NUMBER, FREE = "{yyyymmdd}", "{part}", "{nn}", "{*}"
DIGITS = {  # placeholder to the name of its group, its least and its most digits
    DAY: ("day", 8, 8), "{yyyymmddhhmmss}": ("stamp", 14, 14), "{yyyymm}": ("months", 6, 6), "{yyyy}": ("year", 4, 4),
    "{mm}": ("month", 2, 2), "{dd}": ("day_of_month", 2, 2), "{q}": ("quarter", 1, 1), "{hhmmss}": ("time", 6, 6),
    NUMBER: ("number", 2, 2), PART: ("number", 1, 9),
}  # fmt: skip
DATED = (DAY, "{yyyymm}", "{yyyy}")


@dataclass(frozen=True, order=True)
class NamedFile:
    """A file that a pattern names: its date, its number (of the part or the re-send, else 1) and when it was made."""

    day: date
    number: int
    path: Path
    stamp: str = ""


def is_dated(pattern: str) -> bool:
    """Whether names of a pattern bear a business date."""
    return any(word in pattern for word in DATED)


def fill_in_date(pattern: str, day: date) -> str:
    """A pattern with the date put in."""
    words = {
        DAY: f"{day:%Y%m%d}", "{yyyymm}": f"{day:%Y%m}", "{yyyy}": f"{day:%Y}", "{mm}": f"{day:%m}",
        "{dd}": f"{day:%d}", "{q}": str((day.month + 2) // 3),
    }  # fmt: skip
    for word, text in words.items():
        pattern = pattern.replace(word, text)
    return pattern


def place_companion(path: Path, pattern: str) -> Path:
    """The file beside `path` that a contract names by {name} and {stem}."""
    return path.with_name(pattern.format(name=path.name, stem=path.stem))


def expect_name(dataset: Dataset, day: date, number: int) -> str:
    """Name of the data file, or the list of parts, of a date and number."""
    delivery = dataset.delivery
    pattern = str(delivery.parts or delivery.files if number == 1 else delivery.resend)
    return Path(fill_in_date(pattern, day).replace(NUMBER, f"{number:02}")).name


def match_files(pattern: str, folder: Path, until: date) -> Iterator[NamedFile]:
    """What one pattern names, up to a date.

    A pattern without a date belongs to the date asked for.
    """
    expression = compile_pattern(pattern)
    for path in folder.glob(_glob_of(pattern)):
        match = expression.fullmatch(path.relative_to(folder).as_posix())
        if match is None:
            continue
        groups = match.groupdict()
        day = _find_day(groups) if is_dated(pattern) else until
        if day is not None and day <= until:
            stamp = groups.get("stamp") or groups.get("time") or ""
            yield NamedFile(day, int(groups.get("number") or 1), path, stamp)


def list_folders(pattern: str, root: Path, day: date) -> set[Path]:
    """The folders in which a pattern's files of a date lie."""
    parent = Path(fill_in_date(pattern, day)).parent.as_posix()
    return {root / parent} if "{" not in parent else set(root.glob(_glob_of(parent)))


def _glob_of(pattern: str) -> str:
    wild = glob.escape(pattern).replace(glob.escape(FREE), "*")
    for word, (_, least, most) in DIGITS.items():
        wild = wild.replace(word, "[0-9]" * least + ("*" if most > least else ""))
    return wild


def compile_pattern(pattern: str) -> re.Pattern[str]:
    """What a pattern's names look like; a placeholder that occurs again holds the same, but for free ones."""
    text = re.escape(pattern).replace(re.escape(FREE), "[^/]*")
    for word, (group, least, most) in DIGITS.items():
        first, *others = text.split(re.escape(word))
        text = first + "".join(
            (f"(?P<{group}>[0-9]{{{least},{most}}})" if place == 0 else f"(?P={group})") + other
            for place, other in enumerate(others)
        )
    return re.compile(text)


def _find_day(groups: dict[str, str | None]) -> date | None:
    """The date that a name's digits mean; None where the calendar has no such day."""
    digits = {name: text for name, text in groups.items() if text}
    year, month = digits.get("year", ""), digits.get("month", "")
    if "day" in digits:
        year, month, day = digits["day"][:4], digits["day"][4:6], digits["day"][6:]
    elif "months" in digits:
        year, month, day = digits["months"][:4], digits["months"][4:], ""
    elif "quarter" in digits:
        quarter = int(digits["quarter"])
        month, day = str(3 * quarter) if quarter in (1, 2, 3, 4) else "0", ""
    else:
        day = digits.get("day_of_month", "")
    try:
        first = date(int(year), int(month), int(day or 1))
    except ValueError:
        return None
    return first if day else (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)


def is_named(name: str, expression: re.Pattern[str]) -> bool:
    """Whether a name has the shape of a pattern, and a date that exists."""
    match = expression.fullmatch(name)
    if match is None:
        return False
    is_free = not {"day", "months", "year"} & set(match.groupdict())
    return is_free or _find_day(match.groupdict()) is not None


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
