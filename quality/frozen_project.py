"""The dbt project that runs (冻结的工程): the product's and the tenant's parts resolved into one folder under home."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from ingestion.contract import SourceRegistry
from ingestion.foundation import Settings, list_files, read_files
from ingestion.foundation.files import replace_atomically
from ingestion.lake import render_sources

OWN_MODELS = "models/platform/"
DECLARATION = "dbt_project.yml"


@dataclass(frozen=True)
class FrozenProject:
    """Where the project lies, and the hash of everything in it: what computes a table."""

    folder: Path
    digest: str


def freeze_project(settings: Settings, registry: SourceRegistry) -> FrozenProject:
    """Write the resolved dbt project under home: the platform's own parts, the tenant's models and seeds, the sources.

    Models and seeds are the product's and the tenant's together, as `read_files` gives them; the sources, and the
    variables that say what contracts deliver, are made from the contracts and are nowhere else. A file that has not
    changed keeps its copy, and one that is gone loses it, so that dbt parses only what has changed. (dbt follows no
    links below a model folder, and an absolute model path makes it overwrite the sources.)
    """
    folder = settings.home / "dbt" / "project"
    wanted = {
        name: path.read_bytes()
        for name, path in list_files(settings.dbt_project).items()
        if name.startswith(OWN_MODELS) or not name.startswith(("target/", "logs/", "models/", "seeds/"))
    }
    for kind, files in (("models", settings.models), ("seeds", settings.seeds)):
        wanted |= {f"{kind}/{name}": content for name, content in read_files(files).items()}
    wanted[f"{OWN_MODELS}_sources.yml"] = render_sources(registry).encode()
    wanted[DECLARATION] = _declare_deliveries(wanted[DECLARATION], registry)
    frozen = list_files(folder)
    for stale in frozen.keys() - wanted.keys():
        frozen[stale].unlink()
    for name, content in wanted.items():
        if name not in frozen or frozen[name].read_bytes() != content:
            with replace_atomically(folder / name) as draft:
                draft.write_bytes(content)
    return FrozenProject(folder, _digest(wanted))


def _declare_deliveries(declaration: bytes, registry: SourceRegistry) -> bytes:
    """The project's declaration with the variables by which dbt learns what the contracts deliver."""
    declared = yaml.safe_load(declaration)
    declared["vars"] = declared.get("vars", {}) | {
        "conformed": {entity: list(models) for entity, models in sorted(registry.list_conformed().items())},
        "datasets": [[dataset.source, dataset.name] for dataset in registry.datasets],
    }
    return yaml.safe_dump(declared, allow_unicode=True, sort_keys=False, width=120).encode()


def _digest(files: Mapping[str, bytes]) -> str:
    """The hash of names and contents, without what only documents."""
    digest = hashlib.sha256()
    for name, content in sorted(files.items()):
        if not name.endswith(".md"):
            digest.update(f"{name}\0{len(content)}\0".encode())
            digest.update(content)
    return digest.hexdigest()[:32]
