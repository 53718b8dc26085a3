"""Reading what was published (已发布数据): resolve the pointer once, then read one immutable version."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingestion.foundation import Settings, load_settings
from ingestion.foundation.declarations import DeclarationsInvalid
from quality.pointer import NothingPublished, read_pointer

__all__ = ["LOCK", "MANIFEST", "NothingPublished", "Published", "list_kept_versions", "open_published"]

if TYPE_CHECKING:
    import polars as pl

MANIFEST, LOCK = "manifest.json", ".lock"


@dataclass(frozen=True)
class Published:
    """One immutable version of a set. A reader that holds it is not disturbed by later publications.

    `is_fallback` says that a later audit was refused on `refused_batch_date`, so this last good version still
    stands in for it.
    """

    set_name: str
    version: str
    batch_date: date
    path: Path
    manifest: dict[str, Any]
    is_fallback: bool = False
    refused_batch_date: date | None = None

    @property
    def database(self) -> Path:
        """The read-only DuckDB file of the version (set `warehouse` only)."""
        return self.path / f"{self.set_name}-{self.version}.duckdb"

    @property
    def overrides(self) -> dict[str, dict[str, Any]]:
        """By table, published or only audited: who let it pass although it failed, why and until when."""
        entries = {**self.manifest.get("audited", {}), **self.manifest["tables"]}
        return {name: entry["override"] for name, entry in sorted(entries.items()) if "override" in entry}

    def list_bucket_paths(self, table: str) -> list[Path]:
        """Parquet files of a table in bucket order; one file if it is not bucketed."""
        self._require(table)
        return sorted((self.path / table).glob("*.parquet"))

    def scan(self, table: str) -> pl.LazyFrame:
        """The table as a lazy frame, rows in published order."""
        import polars as pl

        return pl.scan_parquet(self.list_bucket_paths(table))

    def describe_layout(self, table: str) -> dict[str, Any] | None:
        """`{"bucket_by", "buckets", "sort_by"}` of a table, None where none was declared."""
        self._require(table)
        layout: dict[str, Any] | None = self.manifest["tables"][table]["layout"]
        return layout

    def _require(self, table: str) -> None:
        held = self.manifest["tables"]
        if table not in held:
            where = f"Set {self.set_name} version {self.version}"
            raise NothingPublished(f"{where} has no table {table}; it holds {', '.join(sorted(held))}.")


def open_published(set_name: str, settings: Settings | None = None, version: str | None = None) -> Published:
    """Open the current version of a set, or a named one that is still kept.

    Raises:
        NothingPublished: nothing is published in the set yet, the named version is not kept, or its files are damaged.
    """
    settings = settings or load_settings()
    pointer = read_pointer(settings.published / set_name)
    if version is None:
        if pointer is None:
            raise NothingPublished(_say_unpublished(set_name, settings))
        version = str(pointer["version"])
    path = settings.published / set_name / version
    if version not in list_kept_versions(set_name, settings):
        kept = ", ".join(list_kept_versions(set_name, settings)) or "none"
        raise NothingPublished(f"Set {set_name} keeps no version {version}; it keeps {kept}.")
    try:
        manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
    except ValueError:
        raise NothingPublished(f"{path / MANIFEST} is damaged; point to another version that is kept.") from None
    is_current = pointer is not None and pointer["version"] == version
    refused = pointer.get("refused_batch_date") if pointer is not None and is_current else None
    return Published(
        set_name=set_name,
        version=version,
        batch_date=date.fromisoformat(manifest["batch_date"]),
        path=path,
        manifest=manifest,
        is_fallback=refused is not None,
        refused_batch_date=date.fromisoformat(refused) if refused else None,
    )


def _say_unpublished(set_name: str, settings: Settings) -> str:
    """That nothing is published in a set, and what publishes it; the sets are read only where this is said."""
    from quality.sets import SetUnknown, load_set

    try:
        remedy = load_set(set_name, settings).explain_publishing()
    except SetUnknown as unknown:
        return f"Nothing is published in set {set_name}. {unknown}"
    except DeclarationsInvalid:
        remedy = "correct the sets, which `python -m quality check` lists"
    return f"Nothing is published in set {set_name} yet; {remedy}."


def list_kept_versions(set_name: str, settings: Settings) -> list[str]:
    """Complete versions of a set on disk, sorted by name."""
    return sorted(path.parent.name for path in (settings.published / set_name).glob(f"[!.]*/{MANIFEST}"))
