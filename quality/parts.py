"""Parts of a published table (分片): the whole of it, or one date of a daily table, each written only when it changed.

A part that the version before holds with the same content and layout is linked, not written again; the manifest says
since which business date it is what it is. A set is still published whole or not at all.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from ingestion.foundation import Settings
from quality.fingerprint import fingerprint_parts
from quality.layout import describe_layout
from quality.pointer import read_pointer
from quality.published import MANIFEST, list_kept_versions
from quality.suite import Suite


@dataclass(frozen=True)
class Held:
    """The version that readers have now: its folder and its manifest; of a set without one both are empty."""

    folder: Path | None = None
    manifest: Mapping[str, Any] = field(default_factory=dict)

    def find_since(self, suite: Suite, part: str | None, fingerprint: str, batch_date: date) -> str:
        """The business date since which a part is what it is; this version's where it is new or lies otherwise."""
        entry = self.manifest.get("tables", {}).get(suite.table, {})
        if entry.get("layout") == describe_layout(suite.layout, suite.part_by):
            kept = entry if part is None else entry.get("parts", {}).get(part, {})
            if kept.get("fingerprint") == fingerprint and str(kept.get("since", "9999")) <= batch_date.isoformat():
                return str(kept["since"])
        return batch_date.isoformat()


def read_held(set_name: str, settings: Settings) -> Held:
    """What readers have now, so that its unchanged parts can be linked; nothing where its manifest is damaged."""
    pointer = read_pointer(settings.published / set_name)
    if pointer is None or pointer["version"] not in list_kept_versions(set_name, settings):
        return Held()
    folder = settings.published / set_name / pointer["version"]
    try:
        return Held(folder, json.loads((folder / MANIFEST).read_text(encoding="utf-8")))
    except ValueError:
        return Held()


def describe_parts(
    connection: duckdb.DuckDBPyConnection, suite: Suite, fingerprint: str, held: Held, batch_date: date
) -> dict[str, Any]:
    """What a manifest says of a table's parts: since when it is what it is, and of a daily table of each date."""
    described: dict[str, Any] = {"since": held.find_since(suite, None, fingerprint, batch_date)}
    if suite.part_by is not None:
        described["parts"] = {
            day.isoformat(): {
                "fingerprint": content,
                "since": held.find_since(suite, day.isoformat(), content, batch_date),
            }
            for day, content in fingerprint_parts(connection, suite.table, suite.part_by).items()
        }
    return described


def link_unchanged(held: Held, entry: Mapping[str, Any], table: str, folder: Path) -> frozenset[str]:
    """Link into `folder` the files of a table's parts that the version before holds; returns the names of these parts.

    The whole table is the part "". A file that is gone is written again.
    """
    before = held.manifest.get("tables", {}).get(table, {})
    if held.folder is None or before.get("layout") != entry["layout"]:
        return frozenset()
    source = held.folder / table
    if before.get("fingerprint") == entry["fingerprint"]:
        return frozenset([""]) if _link_files(sorted(source.glob("*.parquet")), folder) else frozenset()
    parts = entry.get("parts", {})
    same = [name for name, part in before.get("parts", {}).items() if parts.get(name) and _agree(part, parts[name])]
    return frozenset(name for name in same if _link_files([source / f"{name}.parquet"], folder))


def _agree(before: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    return bool(before.get("fingerprint") == now["fingerprint"])


def _link_files(files: list[Path], folder: Path) -> bool:
    """Whether every file is there and has been linked."""
    if not files or not all(path.is_file() for path in files):
        return False
    for path in files:
        os.link(path, folder / path.name)
    return True
