"""The manifest of a version (版本清单): its tables with rows, content and layout, and how each of them passed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from ingestion.foundation import Settings
from ingestion.foundation.files import replace_atomically
from ingestion.foundation.locks import hold_lock
from quality.durable_files import sync_path, write_json
from quality.layout import describe_layout
from quality.override import Decision
from quality.published import LOCK, MANIFEST, list_kept_versions
from quality.sets import GatedSet
from quality.suite import Suite


def hash_set(layouts: Mapping[str, Suite], contents: Mapping[str, str]) -> str:
    """Hash of what a version holds: the content, layout and key of each of its tables."""
    described = {
        name: [contents[name], describe_layout(suite.layout, suite.part_by), list(suite.key)]
        for name, suite in sorted(layouts.items())
    }
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()


def describe_version(
    declared: GatedSet,
    version: str,
    batch_date: date,
    run_name: str,
    whole: str,
    layouts: Mapping[str, Suite],
    decisions: Mapping[str, Decision],
    parts: Mapping[str, dict[str, Any]],
) -> dict[str, Any]:
    """All that the manifest of a version says; `parts` by table what `quality.parts` says of them."""
    described = describe_decisions(decisions)
    return {
        "set": declared.set,
        "version": version,
        "batch_date": batch_date.isoformat(),
        "run": run_name,
        "fingerprint": whole,
        "tables": {
            name: described[name] | {"layout": describe_layout(suite.layout, suite.part_by)} | parts[name]
            for name, suite in layouts.items()
        },
        "audited": {name: entry for name, entry in described.items() if name not in layouts},
    }


def describe_decisions(decisions: Mapping[str, Decision]) -> dict[str, dict[str, object]]:
    """What a manifest says of how each table passed; who let it pass, why and until when, if it was overridden."""
    described: dict[str, dict[str, object]] = {}
    for table, decision in sorted(decisions.items()):
        verdict = decision.verdict
        described[table] = {
            "rows": verdict.rows,
            "fingerprint": verdict.fingerprint,
            "verdict_id": verdict.verdict_id,
            "quality_status": decision.outcome.value,
            "suite_version": verdict.suite_version,
        }
        if decision.override:
            failed = [failure.sentence for failure in verdict.failing_checks]
            described[table]["override"] = {**decision.override.describe(), "failed": failed}
    return described


def renew_manifest(target: Path, manifest: Mapping[str, Any]) -> None:
    """Say of a version that was published before how it passes now; its rows and its first run stay as they are."""
    try:
        held = json.loads((target / MANIFEST).read_text(encoding="utf-8"))
    except ValueError:
        held = {}  # damaged: what it says is known
    renewed = {**manifest, "run": held.get("run", manifest["run"])}
    if held != renewed:
        _replace(target, renewed)


def renew_decision(declared: GatedSet, decision: Decision, settings: Settings) -> list[str]:
    """Say in every kept version of a set how one verdict stands now: overridden until another day, or withdrawn.

    Returns the versions that say something else than before; their rows stay as they are.
    """
    changed = []
    folder = settings.published / declared.set
    if not folder.is_dir():
        return []
    with hold_lock(folder / LOCK):
        for version in list_kept_versions(declared.set, settings):
            manifest = json.loads((folder / version / MANIFEST).read_text(encoding="utf-8"))
            if _renew_entries(manifest, decision):
                _replace(folder / version, manifest)
                changed.append(version)
    return changed


def _renew_entries(manifest: dict[str, Any], decision: Decision) -> bool:
    """Whether an entry of the manifest rests on the verdict and has been renewed."""
    table = decision.verdict.table
    described = describe_decisions({table: decision})[table]
    is_changed = False
    for part in ("tables", "audited"):
        entry = manifest.get(part, {}).get(table)
        if entry is None or entry["verdict_id"] != decision.verdict.verdict_id:
            continue
        renewed = {name: value for name, value in entry.items() if name != "override"} | described
        withdrawal = decision.ended
        if withdrawal is not None and withdrawal.is_withdrawal and "override" in entry:
            renewed["override"] = entry["override"] | {"withdrawn": withdrawal.describe()}
        is_changed = is_changed or renewed != entry
        manifest[part][table] = renewed
    return is_changed


def _replace(folder: Path, manifest: Mapping[str, Any]) -> None:
    with replace_atomically(folder / MANIFEST) as draft:
        write_json(draft, manifest)
        draft.chmod(0o444)
        sync_path(draft)
    sync_path(folder)
