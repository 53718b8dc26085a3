"""Declarations (声明): closed, typed files whose problems are all reported at once, each with key and remedy.

In YAML a key given twice is an error and not the last one's silent victory.
"""

from __future__ import annotations

import types
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

WHOLE_FILE, WHOLE_FOLDER = "(file)", "(folder)"
SHOWN_LENGTH = 60

_Safe: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # in C where it was built
Model = TypeVar("Model", bound=BaseModel)


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
    """One thing wrong with one key of one declaration, and what would be right."""

    file: str
    key: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.file}: {self.key}: {self.problem}; {self.remedy}."


class DeclarationsInvalid(Exception):
    """One or more declarations cannot be used; `problems` holds every problem of every file."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems))
        super().__init__("\n".join(str(problem) for problem in self.problems))


def load_declarations(
    files: Iterable[Path], model: type[Model], root: Path | None = None
) -> tuple[dict[str, Model], list[Problem]]:
    """Read YAML files as declarations of one model, and report every problem of every file.

    A file is named by its path below `root`, or by its own name. The caller adds what only makes sense across files
    and raises its own `DeclarationsInvalid` with all of it.
    """
    declarations: dict[str, Model] = {}
    problems: list[Problem] = []
    for path in files:
        name = path.relative_to(root).as_posix() if root else path.name
        try:
            content = read_yaml(path)
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            problems.append(explain_syntax(error, name))
            continue
        if not isinstance(content, dict):
            first = next(iter(model.model_fields))
            problems.append(Problem(name, WHOLE_FILE, "is not a mapping", f"start it with `{first}:`"))
            continue
        try:
            declarations[name] = model.model_validate(content)
        except ValidationError as error:
            problems += explain(error, name, content, model)
    return declarations, problems


def explain_syntax(error: Exception, file: str) -> Problem:
    """Why a file is no YAML, on one line."""
    return Problem(file, WHOLE_FILE, f"is not readable YAML ({' '.join(str(error).split())})", "correct the syntax")


def explain(error: ValidationError, file: str, content: Any, model: type[BaseModel], below: str = "") -> list[Problem]:
    """What is wrong with a declaration: one problem a key, with the nearest right name where there is one.

    `below` is the key of `content` in its file. A value is quoted only where it is short and no address, which could
    carry a password.
    """
    return [
        _explain_one(file, detail, content, model, below)
        for detail in error.errors(include_url=False)
        if detail["type"] != "too_short" or not detail["input"]  # else too short because what is in it does not fit
    ]


def suggest_nearest(word: str, known: Iterable[str], otherwise: str) -> str:
    """The remedy for a word that is not known: the nearest known one, or what is to be done without one."""
    near = get_close_matches(word, list(known), n=1)
    return f"write {near[0]}" if near else otherwise


def _explain_one(file: str, detail: Mapping[str, Any], content: Any, model: type[BaseModel], below: str) -> Problem:
    kind, location, context = str(detail["type"]), tuple(detail["loc"]), detail.get("ctx", {})
    key = _name_key(content, location, below, kind == "missing")
    message = str(detail["msg"])
    match kind:
        case "missing":
            return Problem(file, key, "is missing", "add it")
        case "extra_forbidden":
            known = _list_keys(model, location[:-1])
            remedy = suggest_nearest(str(location[-1]), known, "remove it or correct its spelling")
            return Problem(file, key, "is not a key that exists here", remedy)
        case "literal_error" | "enum":
            known = _list_choices(context.get("expected", ""))
            remedy = suggest_nearest(str(detail["input"]), known, f"use one of {', '.join(known)}")
            return Problem(file, key, f"{_show(detail['input'])} is not accepted", remedy)
        case "union_tag_invalid":
            known = _list_choices(context["expected_tags"])
            remedy = suggest_nearest(str(context["tag"]), known, f"use one of {', '.join(known)}")
            return Problem(file, key, f"{context['tag']} does not exist here", remedy)
        case "value_error" | "assertion_error":
            problem, _, remedy = str(context["error"]).partition("; ")
            return Problem(file, key, problem, remedy or "correct it")
        case _:
            wanted = message.replace("Input should", "it should", 1)
            return Problem(file, key, f"{_show(detail['input'])} does not fit", wanted[:1].lower() + wanted[1:])


def _show(value: Any) -> str:
    shown = repr(value)
    is_plain = value is None or isinstance(value, str | int | float | bool)
    return shown if is_plain and len(shown) <= SHOWN_LENGTH and "://" not in shown else "the value"


def _list_choices(expected: str) -> list[str]:
    """The words of pydantic's "'a', 'b' or 'c'"."""
    return expected.split("'")[1::2]


def _name_key(content: Any, location: Sequence[int | str], below: str, is_missing: bool) -> str:
    """The key in dots, list entries by their name; the tag of a union, which is no key, is left out."""
    parts = [below] if below else []
    node = content
    for place, step in enumerate(location, 1):
        if isinstance(step, int):
            node = node[step] if isinstance(node, list) and step < len(node) else None
            label = node.get("name", step) if isinstance(node, dict) else step
            parts[-1:] = [f"{parts[-1]}[{label}]"] if parts else [f"[{label}]"]
        elif (isinstance(node, dict) and step in node) or (is_missing and place == len(location)):
            node = node.get(step) if isinstance(node, dict) else None
            parts.append(step)
    return ".".join(parts) or WHOLE_FILE


def _list_keys(model: Any, location: Sequence[int | str]) -> list[str]:
    """The keys that exist at a place of a model."""
    kinds: list[Any] = list(_unwrap(model))
    for step in location:
        kinds = [inner for kind in kinds for entered in _enter(kind, step) for inner in _unwrap(entered)]
    return sorted({key for kind in kinds if _is_model(kind) for key in _name_fields(kind)})


def _enter(kind: Any, step: int | str) -> Iterator[Any]:
    if _is_model(kind):
        fields = _name_fields(kind)
        if step in fields:
            yield fields[str(step)].annotation
        elif any(step in get_args(field.annotation) for field in fields.values()
                 if get_origin(field.annotation) is Literal):  # fmt: skip
            yield kind  # the tag of a union stands before the keys of its member
    elif get_args(kind):
        yield get_args(kind)[0 if isinstance(step, int) else -1]


def _unwrap(kind: Any) -> Iterator[Any]:
    if get_origin(kind) is Annotated:
        yield from _unwrap(get_args(kind)[0])
    elif get_origin(kind) in (Union, types.UnionType):
        for member in get_args(kind):
            yield from _unwrap(member)
    else:
        yield kind


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _name_fields(model: type[BaseModel]) -> dict[str, Any]:
    return {field.alias or name: field for name, field in model.model_fields.items()}
