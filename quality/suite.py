"""Suites (检核规则集): what a table must hold before anybody may read it, declared by gate and table.

One file per table, `suites/<gate>/<table>.yml`. The model is closed and typed; `load_suites` reports every
error of every file at once.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from ingestion.foundation import Files, list_files
from ingestion.foundation.declarations import read_yaml
from quality.expectation import (
    NAMES,
    AnyArguments,
    ColumnsUnique,
    ValuesNotNull,
    ValuesUnique,
    canonical_name,
)
from quality.layout import Column, Layout

Severity = Literal["fail", "warn"]
Name = Annotated[str, Field(pattern=r"^\w+$", max_length=120)]
_RULES = {
    "L": (1, 18),
    "I": (19, 30),
    "T": (31, 42),
    "M": (43, 62),
    "X": (63, 75),
    "C": (76, 88),
    "F": (89, 98),
}


class Check(BaseModel):
    """One rule on one table: what must hold, how grave a breach is, and why anybody cares."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name
    arguments: AnyArguments
    severity: Severity
    because: str = Field(min_length=10)
    rule: str = Field(pattern=r"^([LITMXCF]\d{1,2}|[A-Z]{2,4}-\d{2})$")

    @model_validator(mode="before")
    @classmethod
    def _name_the_arguments(cls, data: Any) -> Any:
        """A file names `expectation` beside `arguments`; the model holds them as one typed value."""
        if not isinstance(data, dict) or "expectation" not in data:
            return data
        rest = {key: value for key, value in data.items() if key != "expectation"}
        arguments = rest.get("arguments") or {}
        if isinstance(arguments, dict):
            rest["arguments"] = {**arguments, "expectation": canonical_name(str(data["expectation"]))}
        return rest

    @field_validator("rule")
    @classmethod
    def _know_the_rule(cls, rule: str) -> str:
        if rule[0] in _RULES and rule[1:].isdigit():
            low, high = _RULES[rule[0]]
            if not low <= int(rule[1:]) <= high:
                raise ValueError(f"names no rule: {rule[0]} rules are {rule[0]}{low} to {rule[0]}{high}")
        return rule


class Suite(BaseModel):
    """All checks of one table at one gate, its key, and how publication lays it out.

    `key` is the identity of a row: that it is complete and unique is checked without being written down
    (DOMAIN I26), failing rows are named by it, and it completes the order of the published rows.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    table: Name
    gate: Name
    owner: str = Field(min_length=1)
    version: int = Field(ge=1)
    description: str = Field(min_length=1)
    term: str = Field(min_length=1, description="the Chinese term")
    key: tuple[Column, ...] = Field(min_length=1)
    layout: Layout | None = None
    published: bool = True
    checks: tuple[Check, ...] = ()

    @model_validator(mode="after")
    def _have_distinct_checks(self) -> Suite:
        seen: set[str] = set()
        for check in self.all_checks:
            if check.name in seen:
                raise ValueError(f"has two checks named {check.name}; rename one")
            seen.add(check.name)
        return self

    @property
    def all_checks(self) -> tuple[Check, ...]:
        """The declared checks, after those that `key` and `layout` imply."""
        complete = list(
            dict.fromkeys([*self.key, *([self.layout.bucket_by] if self.layout and self.layout.bucket_by else [])])
        )
        implied = [
            Check(
                name=f"{column}_is_present",
                arguments=ValuesNotNull(column=column),
                severity="fail",
                because="a row without its key or its bucket column cannot be found, joined or laid out",
                rule="I26",
            )
            for column in complete
        ]
        implied.append(
            Check(
                name="key_is_unique",
                arguments=ValuesUnique(column=self.key[0])
                if len(self.key) == 1
                else ColumnsUnique(column_list=self.key),
                severity="fail",
                because="a repeated key doubles every amount that is joined to it",
                rule="I26",
            )
        )
        return (*implied, *self.checks)

    @cached_property
    def suite_version(self) -> str:
        """`<version>+<digest>`: tells two contents apart even when nobody raised the number."""
        content = json.dumps(self.model_dump(mode="json"), ensure_ascii=False, sort_keys=True)
        return f"{self.version}+{hashlib.sha256(content.encode()).hexdigest()[:8]}"


@dataclass(frozen=True, order=True)
class SuiteProblem:
    """One thing wrong in one suite file."""

    file: str
    key: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.file}: {self.key}: {self.problem}; {self.remedy}."


class SuitesInvalid(ValueError):
    """One or more suite files are wrong; the message lists every problem of every file."""

    def __init__(self, problems: Sequence[SuiteProblem]) -> None:
        self.problems = tuple(sorted(problems))
        super().__init__("\n".join(str(problem) for problem in self.problems))


def load_suites(where: Files, gate: str | None = None) -> list[Suite]:
    """Read `<gate>/<table>.yml` of a folder or a tenant, sorted by gate and table; all gates unless one is named.

    Raises:
        SuitesInvalid: any file is not YAML, does not fit the model, or is not where its gate and table say.
    """
    suites: list[Suite] = []
    problems: list[SuiteProblem] = []
    for name, path in list_files(where, f"{gate or '*'}/*.yml").items():
        suite, found = _read_suite(path, name)
        problems.extend(found)
        if suite is not None:
            suites.append(suite)
    if problems:
        raise SuitesInvalid(problems)
    if not suites:
        folder = f"{where}/{gate or '<gate>'}"
        raise SuitesInvalid([SuiteProblem(folder, "*.yml", "holds no suite", "add one file per table")])
    return suites


def _read_suite(path: Path, name: str) -> tuple[Suite | None, list[SuiteProblem]]:
    try:
        data = read_yaml(path)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        return None, [SuiteProblem(name, "(file)", f"is not readable YAML: {reason}", "correct the syntax")]
    if not isinstance(data, dict):
        return None, [SuiteProblem(name, "(file)", "is not a mapping", "start it with `table:`")]
    try:
        suite = Suite.model_validate(data)
    except ValidationError as error:
        return None, [_explain(name, data, dict(item)) for item in error.errors(include_url=False)]
    problems = [
        SuiteProblem(name, key, f"is {value}, but the file lies at {name}", f"write {expected} or move the file")
        for key, value, expected in (
            ("table", suite.table, path.stem),
            ("gate", suite.gate, path.parent.name),
        )
        if value != expected
    ]
    return suite, problems


def _explain(name: str, data: dict[str, Any], error: dict[str, Any]) -> SuiteProblem:
    key = _locate(data, error["loc"])
    given = error.get("input")
    match error["type"]:
        case "missing":
            return SuiteProblem(name, key, "is missing", "add it")
        case "extra_forbidden":
            return SuiteProblem(name, key, "is not a key that exists here", "remove it or correct its spelling")
        case "union_tag_invalid":
            tag = str(error["ctx"]["tag"])
            near = difflib.get_close_matches(tag, NAMES, n=1)
            remedy = f"write {near[0]}" if near else "write the rule as `unexpected_rows` with a query"
            return SuiteProblem(name, key, f"names the expectation {tag}, which is not in use here", remedy)
        case "union_tag_not_found":
            return SuiteProblem(name, key, "has no expectation", f"add one of {', '.join(NAMES)}")
        case "value_error":
            problem, _, remedy = str(error["ctx"]["error"]).partition("; ")
            return SuiteProblem(name, key, problem, remedy or "correct it")
        case _:
            shown = repr(given) if isinstance(given, str | int | float | bool) or given is None else "the value"
            return SuiteProblem(
                name, key, f"{shown} does not fit", str(error["msg"])[0].lower() + str(error["msg"])[1:]
            )


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
