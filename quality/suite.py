"""Suites (检核规则集): what a table must hold before anybody may read it, declared by gate and table.

One file per table, `suites/<gate>/<table>.yml`. The model is closed and typed; `load_suites` reports every
error of every file at once.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Sequence
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, ValidationError, model_validator

from ingestion.foundation.declarations import Closed, DeclarationsInvalid, Problem, read_yaml
from quality.check import Check, Name
from quality.expectation import NAMES, RowCountBetween
from quality.kinds import Kind, imply_checks
from quality.layout import Column, Layout

Share = Annotated[float, Field(ge=0, le=1)]
KEEPS_ITS_ROWS = "keeps_its_rows"


class Suite(Closed):
    """All checks of one table at one gate, its key, and how publication lays it out.

    `kind` says what the table is; what follows from it, and from the identity `key` of a row, is checked without being
    written down (`quality.kinds`). Failing rows are named by the key, and it completes the order of the published
    rows. A table that loses the share `may_lose` of its rows, or all, against the last published version fails; only a
    list of exceptions, which may rightly become empty, says `all`.
    """

    table: Name
    gate: Name
    owner: str = Field(min_length=1)
    version: int = Field(ge=1)
    description: str = Field(min_length=1)
    term: str = Field(min_length=1, description="the Chinese term")
    kind: Kind = "plain"
    key: tuple[Column, ...] = Field(min_length=1)
    event: Column | None = Field(default=None, description="column that says when a row happened; never in the future")
    planned: Column | None = Field(default=None, description="column of a planned date, which may lie ahead")
    layout: Layout | None = None
    may_lose: Share | Literal["all"] = 0.5
    checks: tuple[Check, ...] = ()

    @model_validator(mode="after")
    def _have_distinct_checks(self) -> Suite:
        names = [check.name for check in self.all_checks]
        for name in sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"has two checks named {name}; rename one")
        return self

    @property
    def all_checks(self) -> tuple[Check, ...]:
        """The declared checks, after those that the table's kind, key, layout and `may_lose` imply."""
        bucket_by = self.layout.bucket_by if self.layout else None
        implied = list(imply_checks(self.kind, self.key, bucket_by, self.event, self.planned))
        if self.may_lose != "all":
            implied.append(
                Check(
                    name=KEEPS_ITS_ROWS,
                    arguments=RowCountBetween(min_value="{least_rows}"),
                    severity="fail",
                    because="rows that vanish at once are a lost file; a known removal is accepted by an override",
                    rule="L17",
                )
            )
        return (*implied, *self.checks)

    def least_rows(self, rows: int) -> int:
        """The rows that must be left where the last published version holds `rows`."""
        if self.may_lose == "all" or rows == 0:
            return 0
        kept = Decimal(rows) * (1 - Decimal(str(self.may_lose)))
        return min(rows, int(kept) + 1)

    @cached_property
    def suite_version(self) -> str:
        """`<version>+<digest>`: tells two contents apart even when nobody raised the number."""
        content = json.dumps(self.model_dump(mode="json"), ensure_ascii=False, sort_keys=True)
        return f"{self.version}+{hashlib.sha256(content.encode()).hexdigest()[:8]}"


class SuitesInvalid(DeclarationsInvalid):
    """One or more suite files are wrong."""


def load_suites(folder: Path, gate: str | None = None) -> list[Suite]:
    """Read `<folder>/<gate>/<table>.yml`, sorted by gate and table; all gates unless one is named.

    Raises:
        SuitesInvalid: any file is not YAML, does not fit the model, or is not where its gate and table say.
    """
    suites: list[Suite] = []
    problems: list[Problem] = []
    for path in sorted(folder.glob(f"{gate or '*'}/*.yml")):
        suite, found = _read_suite(path, path.relative_to(folder).as_posix())
        problems.extend(found)
        if suite is not None:
            suites.append(suite)
    if problems:
        raise SuitesInvalid(problems)
    if not suites:
        where = f"{folder}/{gate or '<gate>'}"
        raise SuitesInvalid([Problem(where, "*.yml", "holds no suite", "add one file per table")])
    return suites


def _read_suite(path: Path, name: str) -> tuple[Suite | None, list[Problem]]:
    try:
        data = read_yaml(path)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        return None, [Problem(name, "(file)", f"is not readable YAML: {reason}", "correct the syntax")]
    if not isinstance(data, dict):
        return None, [Problem(name, "(file)", "is not a mapping", "start it with `table:`")]
    try:
        suite = Suite.model_validate(data)
    except ValidationError as error:
        return None, [_explain(name, data, dict(item)) for item in error.errors(include_url=False)]
    problems = [
        Problem(name, key, f"is {value}, but the file lies at {name}", f"write {expected} or move the file")
        for key, value, expected in (
            ("table", suite.table, path.stem),
            ("gate", suite.gate, path.parent.name),
        )
        if value != expected
    ]
    return suite, problems


def _explain(name: str, data: dict[str, Any], error: dict[str, Any]) -> Problem:
    key = _locate(data, error["loc"])
    given = error.get("input")
    match error["type"]:
        case "missing":
            return Problem(name, key, "is missing", "add it")
        case "extra_forbidden":
            return Problem(name, key, "is not a key that exists here", "remove it or correct its spelling")
        case "union_tag_invalid":
            tag = str(error["ctx"]["tag"])
            near = difflib.get_close_matches(tag, NAMES, n=1)
            remedy = f"write {near[0]}" if near else "write the rule as `unexpected_rows` with a query"
            return Problem(name, key, f"names the expectation {tag}, which is not in use here", remedy)
        case "union_tag_not_found":
            return Problem(name, key, "has no expectation", f"add one of {', '.join(NAMES)}")
        case "value_error":
            problem, _, remedy = str(error["ctx"]["error"]).partition("; ")
            return Problem(name, key, problem, remedy or "correct it")
        case _:
            shown = repr(given) if isinstance(given, str | int | float | bool) or given is None else "the value"
            return Problem(name, key, f"{shown} does not fit", str(error["msg"])[0].lower() + str(error["msg"])[1:])


def _locate(data: dict[str, Any], location: Sequence[int | str]) -> str:
    parts: list[str] = []
    node: Any = data
    for step in location:
        if isinstance(step, int):
            node = node[step] if isinstance(node, list) and step < len(node) else None
            label = node.get("name", step) if isinstance(node, dict) else step
            parts[-1:] = [f"{parts[-1]}[{label}]"] if parts else [f"[{label}]"]
        elif step not in NAMES:
            node = node.get(step) if isinstance(node, dict) else None
            parts.append(step)
    return ".".join(parts) or "(file)"
