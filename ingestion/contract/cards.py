"""Cards (来源名片): who delivers what and when, read lightly from the contracts, for lists and pages."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ingestion.foundation import Settings, list_files, load_settings
from ingestion.foundation.declarations import read_yaml


@dataclass(frozen=True)
class SourceCard:
    """What a contract says of its source in words; `datasets` are (name, description, file pattern or reader)."""

    source: str
    cron: str
    name: str
    purpose: str
    owner: str
    domain: str
    available_at: str
    go_live: str
    datasets: tuple[tuple[str, str, str], ...]


def read_cards(settings: Settings | None = None) -> list[SourceCard]:
    """The card of every source in alphabetical order; cheap enough for a DAG file, which is parsed again and again.

    A contract that does not parse here is left out; `python -m ingestion check` says why.
    """
    settings = settings or load_settings()
    cards = [_read_card(path) for path in list_files(settings.contracts, "*.yml").values()]
    return [card for card in cards if card]


def _read_card(path: Path) -> SourceCard | None:
    try:
        document = read_yaml(path)
        source = _profile(document, "source")
        return SourceCard(
            source=path.stem,
            cron=str(source["cron"]),
            name=str(document.get("name", path.stem)),
            purpose=str(document.get("description", {}).get("purpose", "")),
            owner=str(document.get("team", {}).get("name", "")),
            domain=str(document.get("domain", "")),
            available_at=str(source.get("available_at", "")),
            go_live=str(source.get("go_live", "")),
            datasets=_read_datasets(document),
        )
    except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError, AttributeError):
        return None


def _read_datasets(document: Any) -> tuple[tuple[str, str, str], ...]:
    """A dataset that cannot be read is no reason to leave out its source, whose run says what is wrong."""
    found = []
    for dataset in document.get("schema", []):
        try:
            delivery = _profile(dataset, "delivery")
            where = str(delivery.get("files", f"{delivery['reader']} query"))
            found.append((str(dataset["name"]), str(dataset.get("description", "")), where))
        except (KeyError, TypeError, AttributeError):
            continue
    return tuple(found)


def _profile(document: Any, name: str) -> dict[str, Any]:
    profiles = {item["property"]: item["value"] for item in document["customProperties"]}
    return dict(profiles[name])
