"""The words of each dag on Airflow's pages: name, description, page and tags, taken from the declarations."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from ingestion.contract import SourceCard
from ingestion.foundation.declarations import read_yaml

ASKED = "A failed run says in its log what is wrong, where, and what to do; `python -m ingestion land` does the same."


def describe_source(card: SourceCard) -> dict[str, Any]:
    """The words of `ingest_<source>`; its tags are the source, the kind of its party and its owner."""
    listed = "\n".join(f"| {name} | {text} | `{where}` |" for name, text, where in card.datasets)
    return {
        "dag_display_name": f"入湖 {card.name}",
        "description": card.purpose,
        "doc_md": f"""### 入湖 Land {card.name}

{card.purpose}

| dataset 数据集 | what 内容 | where 位置 |
|---|---|---|
{listed}

Owner 责任人: `{card.owner}`. Due {card.available_at or card.cron} (Shanghai) on the day after the business date, from
{card.go_live} on. A run lands everything of this source that is not in the lake yet, up to its business date
(its partition key); the same bytes again do nothing. {ASKED}
""",
        "tags": sorted({"ingest", card.source, card.domain, card.owner} - {""}),
    }


def describe_stage(name: str, text: str, declarations: Iterable[Path], *tags: str) -> dict[str, Any]:
    """The words of a stage below the lake: its file's docstring, and as tags the owners of what it is declared by."""
    headline, _, rest = text.partition("\n")
    what = headline.partition(": ")[2] or headline
    return {
        "dag_display_name": name,
        "description": what[:1].upper() + what[1:],
        "doc_md": f"### {name}\n\n{what[:1].upper() + what[1:]}\n{rest}",
        "tags": sorted({*tags, *_read_owners(declarations)}),
    }


def _read_owners(declarations: Iterable[Path]) -> set[str]:
    """Every `owner` that the declarations name; what cannot be read is for their own check to report."""
    owners = set()
    for path in declarations:
        try:
            owners.add(str(read_yaml(path)["owner"]))
        except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError):
            continue
    return owners
