"""Suites (检核规则集): what a table must hold before anybody may read it, declared by gate and table.

One file per table, `suites/<gate>/<table>.yml`. The model is closed and typed; `load_suites` reports every
error of every file at once.
"""

from __future__ import annotations

import hashlib
import json
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from ingestion.foundation import Files, list_files
from ingestion.foundation.declarations import Closed, DeclarationsInvalid, Problem, load_declarations
from ingestion.foundation.verdict import KEEPS_ITS_ROWS
from quality.check import Check, Name
from quality.expectation import MEANING
from quality.kinds import KEEPS_ITS_CURRENT_ROWS, Kind, imply_checks, imply_kept_rows
from quality.layout import Column, Layout
from quality.rules import PRODUCT, use_rules

Share = Annotated[float, Field(ge=0, le=1)]
KEEPS = frozenset({KEEPS_ITS_ROWS, KEEPS_ITS_CURRENT_ROWS})


class Suite(Closed):
    """All checks of one table at one gate, its key, and how publication lays it out.

    `kind` says what the table is; what follows from it, and from the identity `key` of a row, is checked without being
    written down (`quality.kinds`). Failing rows are named by the key, and it completes the order of the published
    rows. A table that loses the share `may_lose` of its rows, or all, against the published versions that it is held to
    (`quality.baseline`) fails, and so does a history of its current rows; only a list of exceptions, which may rightly
    become empty, says `all`.
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
    def is_history(self) -> bool:
        """Whether the table holds superseded versions beside current ones."""
        return self.kind == "history"

    @property
    def part_by(self) -> str | None:
        """The column of the dates by which the table is published in parts; None of a table that is one part."""
        is_bucketed = self.layout is not None and self.layout.bucket_by is not None
        return self.event if self.kind == "daily" and not is_bucketed else None

    @property
    def all_checks(self) -> tuple[Check, ...]:
        """The declared checks, after those that the table's kind, key, layout and `may_lose` imply."""
        bucket_by = self.layout.bucket_by if self.layout else None
        implied = list(imply_checks(self.kind, self.key, bucket_by, self.event, self.planned))
        if self.may_lose != "all":
            implied += imply_kept_rows(self.kind)
        return (*implied, *self.checks)

    def count_least_rows(self, rows: int) -> int:
        """The rows that must be left of the `rows` that a published version holds."""
        if self.may_lose == "all" or rows == 0:
            return 0
        kept = Decimal(rows) * (1 - Decimal(str(self.may_lose)))
        return min(rows, int(kept) + 1)

    @cached_property
    def suite_version(self) -> str:
        """`<version>+<digest>`: another one whenever a declared or an implied check, or its meaning, is another."""
        checks = [check.model_dump(mode="json") for check in self.all_checks]
        described = {"suite": self.model_dump(mode="json"), "checks": checks, "meaning": MEANING}
        content = json.dumps(described, ensure_ascii=False, sort_keys=True)
        return f"{self.version}+{hashlib.sha256(content.encode()).hexdigest()[:8]}"


class SuitesInvalid(DeclarationsInvalid):
    """One or more suite files are wrong."""


def load_suites(where: Files, gate: str | None = None, seeds: Files = PRODUCT) -> list[Suite]:
    """Read `<gate>/<table>.yml` of a folder or a tenant, sorted by gate and table; all gates unless one is named.

    The rule codes are those of the product and of `ref_rules` in `seeds`.

    Raises:
        SuitesInvalid: any file is not YAML, does not fit the model, or is not where its gate and table say.
    """
    with use_rules(seeds):
        suites, problems = load_declarations(list_files(where, f"{gate or '*'}/*.yml"), Suite)
    for name, suite in suites.items():
        place = {"table": (suite.table, Path(name).stem), "gate": (suite.gate, Path(name).parent.name)}
        problems += [
            Problem(name, key, f"is {value}, but the file lies at {name}", f"write {expected} or move the file")
            for key, (value, expected) in place.items()
            if value != expected
        ]
    if not suites and not problems:
        folder = f"{where}/{gate or '<gate>'}"
        problems = [Problem(folder, "*.yml", "holds no suite", "add one file per table")]
    if problems:
        raise SuitesInvalid(problems)
    return list(suites.values())
