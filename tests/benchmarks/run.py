"""`make bench`: run the benchmarks, or the one that is named, print a table and keep `<home>/bench.json`.

Each benchmark is a name in a module of this folder with `NAMES` and `run(home, names) -> list[Record]`; both of its
sides are measured side by side in one run. Records of benchmarks that did not run this time stay as they are.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[2]
MODULES = ("ingestion_speed", "slice_vs_handwritten", "days")


def write_records(path: Path, records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Put records in the place of older ones of the same name; returns all, sorted by name."""
    held = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    kept = {record["name"]: record for record in [*held, *records]}
    merged = [kept[name] for name in sorted(kept)]
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps(merged, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    draft.replace(path)
    return merged


def render_table(records: Sequence[dict[str, Any]]) -> str:
    """One line a record."""
    heading = f"{'benchmark':34} {'ours':>10} {'other':>10} {'ratio':>7}  {'unit':8} {'peak MB':>8} {'other MB':>8}"
    lines = [
        f"{record['name']:34} {record['ours']:10,.2f} {record['other']:10,.2f} {record['ratio']:7.2f}"
        f"  {record['unit']:8} {record['peak_rss_mb']:8,.0f} {record['other_peak_rss_mb']:8,.0f}"
        for record in records
    ]
    return "\n".join([heading, *lines])


def render_stages(record: dict[str, Any]) -> str:
    """One line a stage of each run a record reports: wall, CPU, peak memory, and CPU as a ratio to the other side."""
    lines = [f"{record['name']:34} {'wall s':>8} {'CPU s':>8} {'peak MB':>8} {'ratio':>7}"]
    for run, stages in record["detail"]["stages"].items():
        lines += [
            f"  {f'{run} {stage}':32} {cost['wall_s']:8,.1f} {cost['cpu_s']:8,.1f} {cost['peak_rss_mb']:8,.0f}"
            f" {cost['cpu_ratio']:7.2f}"
            for stage, cost in stages.items()
        ]
    return "\n".join(lines) + "\n"


def main(names: Sequence[str]) -> int:
    """Run the named benchmarks, all without a name."""
    sys.path.insert(0, str(PROJECT))
    modules = [importlib.import_module(f"tests.benchmarks.{module}") for module in MODULES]
    known = {name: module for module in modules for name in module.NAMES}
    unknown = sorted(set(names) - set(known))
    if unknown:
        print(f"There is no benchmark {unknown[0]}; choose of {', '.join(sorted(known))}.", file=sys.stderr)
        return 1
    home = Path(os.environ.get("PLATFORM_HOME", "var")).resolve()
    measured: list[dict[str, Any]] = []
    for name in names or known:
        found = [record.to_json() for record in known[name].run(home / "benchmarks", [name])]
        measured += found
        write_records(home / "bench.json", found)
    for record in measured:
        if "stages" in record["detail"]:
            print(render_stages(record))
    print(render_table(measured))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
