"""Loads every feature view of a folder, or tells everything that is wrong with them at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from features.view import View
from ingestion.foundation import Files, list_files
from ingestion.foundation.declarations import read_yaml


@dataclass(frozen=True, order=True)
class Problem:
    """One thing to mend: file name, key inside it, what is wrong, and what would be right."""

    file: str
    key: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.file}: {self.key}: {self.problem}; {self.remedy}"


class ViewsInvalid(ValueError):
    """The declared views cannot be used; `problems` lists every reason."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems))
        super().__init__("\n".join(str(problem) for problem in self.problems))


class UnknownView(KeyError):
    """A consumer named a view that is not declared."""

    def __str__(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True)
class Registry:
    """All declared views by name, in name order."""

    views: tuple[View, ...]

    def get(self, name: str) -> View:
        """Raises: UnknownView naming the declared ones."""
        for view in self.views:
            if view.view == name:
                return view
        known = ", ".join(view.view for view in self.views) or "none"
        raise UnknownView(f"There is no feature view {name}; declared are: {known}.")

    def select(self, names: Iterable[str]) -> tuple[View, ...]:
        """The named views, each once, in the order of their first mention."""
        return tuple(self.get(name) for name in dict.fromkeys(names))


def load_views(where: Files) -> Registry:
    """Read and check every `*.yml` of a folder or a tenant; the file's stem is the view's name.

    Raises: ViewsInvalid with all problems of all files: unreadable YAML, unknown or wrong keys, a feature
    name used by two views, one definition under two names.
    """
    problems: list[Problem] = []
    views: list[tuple[str, View]] = []
    paths = list(list_files(where, "*.yml").values())
    if not paths:
        problems.append(
            Problem(
                Path(str(where)).name,
                "-",
                "holds no feature view",
                "add <view>.yml files, or set the views folder",
            )
        )
    for path in paths:
        view, found = _load(path)
        problems += found
        if view is not None:
            views.append((path.name, view))
    problems += _duplicates(views)
    if problems:
        raise ViewsInvalid(problems)
    return Registry(tuple(view for _, view in views))


def _load(path: Path) -> tuple[View | None, list[Problem]]:
    try:
        content = read_yaml(path)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        text = " ".join(str(error).split())
        return None, [Problem(path.name, "-", f"is not readable YAML ({text})", "mend the syntax")]
    if not isinstance(content, dict):
        return None, [Problem(path.name, "-", "is not a mapping", "start it with `view: <name>`")]
    try:
        view = View.model_validate(content)
    except ValidationError as error:
        return None, [_explain(path.name, content, detail) for detail in error.errors()]
    if view.view != path.stem:
        remedy = f"write `view: {path.stem}` or rename the file"
        return view, [Problem(path.name, "view", f"is {view.view}, unlike the file name", remedy)]
    return view, []


_REMEDIES = {
    "extra_forbidden": "remove it or correct its spelling",
    "missing": "add it",
    "literal_error": "use one of the accepted values",
    "string_pattern_mismatch": "write it in the accepted form",
}


def _explain(file: str, content: dict[str, Any], detail: Any) -> Problem:
    location = list(detail["loc"])
    parts = [str(part) for part in location]
    if len(location) > 1 and location[0] == "features" and isinstance(location[1], int):
        declared = content["features"][location[1]]
        name = declared.get("name", location[1]) if isinstance(declared, dict) else location[1]
        parts = [f"features[{name}]", *parts[2:]]
    message = str(detail["msg"]).removeprefix("Value error, ")
    remedy = _REMEDIES.get(str(detail["type"]), "correct the declaration")
    return Problem(file, ".".join(parts) or "-", message[:1].lower() + message[1:], remedy)


def _duplicates(views: list[tuple[str, View]]) -> list[Problem]:
    problems: list[Problem] = []
    names: dict[tuple[str, str], str] = {}
    definitions: dict[str, str] = {}
    for file, view in views:
        for feature in view.shown():
            key = f"features[{feature.name}]"
            here = f"{view.view}.{feature.name}"
            first = names.setdefault((view.entity, feature.name), here)
            if first != here:
                problems.append(Problem(file, key, f"has the name of {first}", "rename one of them"))
            twin = definitions.setdefault(view.definition_of(feature), here)
            if twin != here:
                problems.append(Problem(file, key, f"is the same definition as {twin}", "keep one of them"))
    return problems
