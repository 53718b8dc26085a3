"""The pointer of a set (发布指针): which version consumers read, and whether it stands in for a refused one.

It is replaced atomically, so that a reader finds the old version or the new one.
"""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

from ingestion.foundation.files import replace_atomically
from quality.durable_files import sync_path, write_json

POINTER = "current.json"


class NothingPublished(LookupError):
    """The set, or the version of it that was asked for, is not published."""


def read_pointer(folder: Path) -> dict[str, Any] | None:
    """Content of the pointer of a set's folder; None before the first publication.

    Raises:
        NothingPublished: it is damaged.
    """
    path = folder / POINTER
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return {"version": content["version"], "batch_date": content["batch_date"], **content}
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        raise NothingPublished(
            f"{path} is damaged; remove it, then point to a kept version with `python -m quality point`."
        ) from None


def move_pointer(folder: Path, version: str, batch_date: date) -> bool:
    """Point to the version unless a later business date is current; True if it is current afterwards."""
    pointer = read_pointer(folder)
    if pointer is not None and pointer["batch_date"] > batch_date.isoformat():
        return False
    write_pointer(folder, version, batch_date)
    return True


def write_pointer(folder: Path, version: str, batch_date: date, refused: date | None = None) -> None:
    """Point to a version, as a fallback where the date `refused` was; nothing is written where it says so already."""
    content = {
        "version": version,
        "batch_date": batch_date.isoformat(),
        "is_fallback": refused is not None,
        "refused_batch_date": refused.isoformat() if refused else None,
    }
    if read_pointer(folder) == content:
        return
    with replace_atomically(folder / POINTER) as draft:
        write_json(draft, content)
        sync_path(draft)
    sync_path(folder)
