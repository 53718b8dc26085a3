"""The page of a published version: what let every table through, and who overrode which verdict."""

from __future__ import annotations

from pathlib import Path

from ingestion.foundation import Settings
from quality.published import Published, list_kept_versions
from quality.reports.rendering import write_page


def write_version_page(published: Published, settings: Settings) -> Path:
    """Write `<reports>/quality/<set>/<version>.html`, named by the version; pages of versions that went go as well."""
    folder = settings.reports / "quality" / published.set_name
    kept = set(list_kept_versions(published.set_name, settings))
    for page in folder.glob("*.html"):
        if page.stem not in kept:
            page.unlink()
    entries = {**published.manifest.get("audited", {}), **published.manifest["tables"]}
    return write_page(
        "version.html", folder / f"{published.version}.html", published=published, entries=sorted(entries.items())
    )
