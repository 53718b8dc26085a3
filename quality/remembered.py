"""Fingerprints of the warehouse file, remembered as long as it is the same file (指纹缓存).

One date is asked for its content by every gate and by publication; dbt alone writes the file. A file of another size,
another modification time or another inode is another file. That nothing else is published than what was audited does
not rest on this: publication fingerprints what it has written.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager

from ingestion.foundation import Settings
from ingestion.foundation.files import replace_atomically


@contextmanager
def remember_fingerprints(settings: Settings) -> Iterator[MutableMapping[str, str]]:
    """Fingerprints by table of the warehouse file as it lies there; what is added is kept for the next one who asks.

    None are remembered of a file that is not there.
    """
    path = settings.home / "dbt" / "fingerprints.json"
    known: dict[str, str] = {}
    if not settings.warehouse.is_file():
        yield known
        return
    found = settings.warehouse.stat()
    identity = [found.st_ino, found.st_size, found.st_mtime_ns]
    if path.is_file():
        try:
            held = json.loads(path.read_text(encoding="utf-8"))
            known = dict(held["tables"]) if held["file"] == identity else {}
        except (ValueError, KeyError, TypeError):
            known = {}
    before = dict(known)
    yield known
    if known != before:
        with replace_atomically(path) as draft:
            draft.write_text(json.dumps({"file": identity, "tables": known}, indent=1, sort_keys=True) + "\n")
