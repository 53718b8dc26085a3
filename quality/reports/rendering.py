"""Templates to pages: one environment, everything escaped, a page appears whole."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from ingestion.foundation.files import replace_atomically
from quality.verdict import Outcome

TERMS = {
    Outcome.PASS: "通过",
    Outcome.PASS_WITH_WARNINGS: "通过（有告警）",
    Outcome.OVERRIDDEN: "人工放行",
    Outcome.FAIL: "不通过",
}


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("quality.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals.update(terms=TERMS)
    environment.filters["count"] = "{:,}".format
    return environment


def write_page(template: str, path: Path, **values: Any) -> Path:
    """Render a template of this package into a file."""
    text = _environment().get_template(template).render(**values)
    with replace_atomically(path) as draft:
        draft.write_text(text, encoding="utf-8")
    return path
