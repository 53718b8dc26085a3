"""The draft's gate: a suite of what must hold for the staging table, and the set that publishes it."""

from __future__ import annotations

from pathlib import Path

from ingestion.foundation.declarations import read_yaml
from ingestion.foundation.files import replace_atomically
from ingestion.scaffold.column_draft import ColumnDraft
from ingestion.scaffold.drafting import list_model_columns

SET = """\
set: warehouse
term: 数据仓库
# check: which team answers for what is published?
owner: unknown_team
description: What the tenant's parties have delivered, as one set of a business date.
gates: [core]
tables:
"""


def render_suite(model: str, drafts: list[ColumnDraft]) -> str:
    """The YAML text of a suite: the key within its delivery, which the door has made unique already."""
    outputs = list_model_columns(drafts)
    marked = sorted((draft for draft in drafts if draft.key_position), key=lambda draft: draft.key_position or 0)
    key = [*(outputs[draft.name] for draft in marked), "_delivery_id"]
    return "\n".join(
        [
            f"table: {model}",
            "gate: core",
            "# check: which team answers for this table?",
            "owner: unknown_team",
            "version: 1",
            "# check: what is one row? All deliveries are in it; a model in core says which of their rows stand.",
            f"description: One row per row delivered to {model}.",
            "term: 交付明细",
            f"key: [{', '.join(key)}]",
            "# check: what else must hold of every row (ranges, codes, sums)?",
            "checks: []",
            "",
        ]
    )


def add_to_set(path: Path, table: str) -> None:
    """List a table in a set's file, which is begun where there is none. Idempotent."""
    text = path.read_text(encoding="utf-8") if path.exists() else SET
    if table in ((read_yaml(path) if path.exists() else {}).get("tables") or ()):
        return
    with replace_atomically(path) as draft:
        draft.write_text(f"{text}  - {table}\n", encoding="utf-8")
