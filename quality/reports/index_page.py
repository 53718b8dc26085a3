"""One index leads to every report: `<reports>/index.html`."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from ingestion.foundation import Settings
from quality.published import NothingPublished, Published, list_kept_versions, open_published
from quality.reports.gate_page import read_summaries
from quality.reports.rendering import write_page


def write_index(settings: Settings) -> Path:
    """Write the index of all reports from what lies there: gates, versions, documentation, differences, lateness."""
    reports = settings.reports
    gates = [entry | {"page": _page(entry)} for entry in read_summaries(reports / "quality")]
    versions = [published for name in _set_names(settings) for published in _list_versions(name, settings)]
    return write_page(
        "index.html",
        reports / "index.html",
        gates=gates,
        refused=[entry for entry in gates if entry["outcome"] == "FAIL"],
        versions=[_link(published, settings) for published in versions],
        differences=sorted(path.relative_to(reports).as_posix() for path in reports.glob("differences/*/*/*.json")),
        lateness="lateness.jsonl" if (reports / "lateness.jsonl").is_file() else None,
    )


def _page(entry: dict[str, Any]) -> str:
    return f"quality/{entry['gate']}/{entry['batch_date']}/{entry['audit']}.html"


def _set_names(settings: Settings) -> list[str]:
    return sorted(path.parent.name for path in settings.published.glob("*/current.json"))


def _list_versions(set_name: str, settings: Settings) -> list[Published]:
    listed = []
    for version in list_kept_versions(set_name, settings):
        with contextlib.suppress(NothingPublished, FileNotFoundError):  # another process published, and dropped it
            listed.append(open_published(set_name, settings, version))
    return listed


def _link(published: Published, settings: Settings) -> dict[str, Any]:
    """A version with its pages: the verdicts behind it and, for the warehouse, dbt's documentation."""
    pages = {
        "verdicts": f"quality/{published.set_name}/{published.version}.html",
        "documentation": f"dbt/{published.version}/index.html" if published.set_name == "warehouse" else "",
    }
    there = {name: page for name, page in pages.items() if page and (settings.reports / page).is_file()}
    return {"published": published, "is_current": open_published(published.set_name, settings).version} | {
        "pages": there
    }
