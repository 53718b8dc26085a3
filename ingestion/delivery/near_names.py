"""Near names (相近的文件名): what lies where a delivery was looked for, under a name that is almost right."""

from __future__ import annotations

import re
from difflib import get_close_matches
from pathlib import Path
from unicodedata import normalize

from ingestion.identifiers.sensitive import redact_numbers

MOST = 3
LIKE = 0.6


def list_near_names(wanted: Path) -> list[str]:
    """Up to three names in the folder of a file that is not there, the nearest first; of another folder, its name.

    Long numbers in them are redacted, but for those that the wanted name has too.
    """
    folder = wanted.parent
    if not folder.is_dir():
        return []
    there = {_reduce(path.name): path.name for path in sorted(folder.iterdir()) if not path.name.startswith(".")}
    close = get_close_matches(_reduce(wanted.name), there, MOST, LIKE)
    dates = re.findall(r"\d{6,}", wanted.name)
    return [
        _redact(there[name], wanted.name)
        for name in close
        if all(date in normalize("NFKC", there[name]) for date in dates)  # of another date: no other name of this file
    ]


def _reduce(name: str) -> str:
    """What two names of the same file have in common: letters in one case, without copies' numbers and blanks."""
    return re.sub(r"\s|\(\d+\)|\.(tmp|part|filepart|crdownload)$", "", normalize("NFKC", name).lower())


def _redact(name: str, wanted: str) -> str:
    known = [number for number in re.findall(r"\d{6,}", wanted) if number in name]
    for place, number in enumerate(known):
        name = name.replace(number, chr(0xE000 + place))
    name = redact_numbers(name)
    for place, number in enumerate(known):
        name = name.replace(chr(0xE000 + place), number)
    return name
