"""Declarations (声明): closed, typed files whose problems are all reported at once, each with key and remedy.

In YAML a key given twice is an error and not the last one's silent victory.
"""

from __future__ import annotations

import difflib
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

_Safe: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # in C where it was built


class _Strict(_Safe):  # type: ignore[misc]
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key_node, _ in node.value:
            key = str(self.construct_object(key_node, deep=True))
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"key `{key}` is given twice", key_node.start_mark)
            seen.add(key)
        return dict(super().construct_mapping(node, deep))


def read_yaml(path: Path) -> Any:
    """What a YAML file declares; `yaml.YAMLError` or UnicodeDecodeError where it is none."""
    return parse_yaml(path.read_bytes())


def parse_yaml(content: bytes) -> Any:
    """What the content of a YAML file declares, with the errors of `read_yaml`."""
    return yaml.load(content.decode("utf-8"), Loader=_Strict)


class Closed(BaseModel):
    """A declaration that knows all its keys: an unknown one is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True, order=True)
class Problem:
    """One thing wrong with one key of one declaration, and what would be right; without a key, with all of it."""

    file: str
    key: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        where = f"{self.file}: {self.key}:" if self.key else self.file
        return f"{where} {self.problem}; {self.remedy}."


class DeclarationsInvalid(Exception):
    """One or more declarations cannot be used; `problems` holds every problem of every file."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems))
        super().__init__("\n".join(str(problem) for problem in self.problems))


Declaration = TypeVar("Declaration", bound=BaseModel)


def validate(
    model: type[Declaration], content: Mapping[str, Any], file: str
) -> tuple[Declaration | None, list[Problem]]:
    """The typed declaration, or all its problems: an unknown key or word comes with the nearest one that exists.

    The `description` of a field says what to write there; a check of its own raises `ValueError("problem; remedy")`.
    """
    try:
        return model.model_validate(content), []
    except ValidationError as error:
        return None, [_explain(model, file, dict(item)) for item in error.errors(include_url=False)]


def validate_soundly(
    model: type[Declaration], content: Mapping[str, Any], file: str
) -> tuple[Declaration, list[Problem]]:
    """All problems of a declaration whose keys may all be left out, and what its sound keys declare."""
    declared, problems = validate(model, content, file)
    if declared is None:
        wrong = {problem.key.split(".")[0] for problem in problems}
        declared = model.model_validate({key: value for key, value in content.items() if key not in wrong})
    return declared, problems


def find_nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that `word` was probably meant to be."""
    spelled = {each.lower(): each for each in known}
    return next((spelled[near] for near in difflib.get_close_matches(word.lower(), spelled, n=1, cutoff=0.7)), None)


def _explain(model: type[BaseModel], file: str, error: dict[str, Any]) -> Problem:
    location: Sequence[int | str] = error["loc"]
    key = ".".join(str(step) for step in location if not isinstance(step, int))
    given = error["input"]
    match error["type"]:
        case "missing":
            return Problem(file, key, "is missing", "add it")
        case "extra_forbidden":
            known = list(_walk(model, location[:-1]))
            near = find_nearest(str(location[-1]), known)
            remedy = f"write {near}" if near else f"remove it; known are {', '.join(known)}"
            return Problem(file, key, "is not a key that exists here", remedy)
        case "literal_error":
            expected = str(error["ctx"]["expected"]).replace("'", "")
            near = find_nearest(str(given), expected.replace(" or ", ", ").split(", "))
            return Problem(file, key, f"is {given!r}", f"write {near or expected}")
        case "value_error":
            problem, _, remedy = str(error["ctx"]["error"]).partition("; ")
            return Problem(file, key, problem, remedy)
        case _:
            field = _walk(model, location[:-1]).get(str(location[-1])) or _first_field(model, location)
            wanted = field.description if field is not None and field.description else str(error["msg"])
            return Problem(file, key, f"is {given!r}", f"write {wanted}")


def _walk(model: type[BaseModel], location: Sequence[int | str]) -> dict[str, Any]:
    """Fields of the declaration in which a location lies."""
    for step in location:
        field = model.model_fields.get(str(step))
        if field is None or not (isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)):
            return {}
        model = field.annotation
    return dict(model.model_fields)


def _first_field(model: type[BaseModel], location: Sequence[int | str]) -> Any:
    """The innermost field on the way to a location, for what is wrong inside a list or a table."""
    found = None
    for end in range(len(location)):
        found = _walk(model, location[:end]).get(str(location[end])) or found
    return found
