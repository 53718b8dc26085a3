"""Loads every feature view of a folder, or reports everything that is wrong with them at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from features.view import View
from ingestion.foundation import Files, list_files
from ingestion.foundation.declarations import WHOLE_FOLDER, DeclarationsInvalid, Problem, load_declarations


class ViewsInvalid(DeclarationsInvalid):
    """The declared views cannot be used; `problems` lists every reason."""


class UnknownView(KeyError):
    """A consumer named a view that is not declared."""

    def __str__(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True)
class ViewRegistry:
    """All declared views by name, in name order."""

    views: tuple[View, ...]

    def find(self, name: str) -> View:
        """Raises: UnknownView naming the declared ones."""
        for view in self.views:
            if view.view == name:
                return view
        known = ", ".join(view.view for view in self.views) or "none"
        raise UnknownView(f"There is no feature view {name}; declared are: {known}.")

    def select(self, names: Iterable[str]) -> tuple[View, ...]:
        """The named views, each once, in the order of their first mention."""
        return tuple(self.find(name) for name in dict.fromkeys(names))


def load_views(where: Files) -> ViewRegistry:
    """Read and check every `*.yml` of a folder or a tenant; the file's stem is the view's name.

    Raises: ViewsInvalid with all problems of all files: unreadable YAML, unknown or wrong keys, a feature
    name used by two views, one definition under two names.
    """
    views, problems = load_declarations(list_files(where, "*.yml"), View)
    if not views and not problems:
        problems = [Problem(Path(str(where)).name, WHOLE_FOLDER, "holds no feature view", "add <view>.yml")]
    for file, view in views.items():
        if view.view != Path(file).stem:
            remedy = f"write `view: {Path(file).stem}` or rename the file"
            problems.append(Problem(file, "view", f"is {view.view}, unlike the file name", remedy))
    problems += _find_duplicates(views)
    if problems:
        raise ViewsInvalid(problems)
    return ViewRegistry(tuple(views.values()))


def _find_duplicates(views: Mapping[str, View]) -> list[Problem]:
    problems: list[Problem] = []
    names: dict[tuple[str, str], str] = {}
    definitions: dict[str, str] = {}
    for file, view in views.items():
        for feature in view.list_features():
            key = f"features[{feature.name}]"
            here = f"{view.view}.{feature.name}"
            first = names.setdefault((view.entity, feature.name), here)
            if first != here:
                problems.append(Problem(file, key, f"has the name of {first}", "rename one of them"))
            twin = definitions.setdefault(view.digest_definition(feature), here)
            if twin != here:
                problems.append(Problem(file, key, f"is the same definition as {twin}", "keep one of them"))
    return problems
