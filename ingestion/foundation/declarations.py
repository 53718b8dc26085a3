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
Declaration = TypeVar("Declaration", bound=BaseModel)


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


def load_declarations(
    files: Mapping[str, Path], model: type[Declaration]
) -> tuple[dict[str, Declaration], list[Problem]]:
    """Read YAML files as declarations of one model, and report every problem of every file.

    `files` carry the names that problems use, as `list_files` gives them. The caller adds what only makes sense across
    files and raises its own `DeclarationsInvalid` with all of it.
    """
    declarations: dict[str, Declaration] = {}
    problems: list[Problem] = []
    for name, path in files.items():
        try:
            content = read_yaml(path)
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            problems.append(explain_syntax(error, name))
            continue
        if not isinstance(content, dict):
            first = next(iter(model.model_fields))
            problems.append(Problem(name, WHOLE_FILE, "is not a mapping", f"start it with `{first}:`"))
            continue
        declared, found = validate_declaration(model, content, name)
        problems += found
        if declared is not None:
            declarations[name] = declared
    return declarations, problems


def validate_declaration(
    model: type[Declaration], content: Any, file: str, below: str = "", hints: bool = True
) -> tuple[Declaration | None, list[Problem]]:
    """The typed declaration, or all its problems, as `explain_errors` gives them."""
    try:
        return model.model_validate(content), []
    except ValidationError as error:
        return None, explain_errors(error, file, content, model, below, hints)


def validate_sound_keys(
    model: type[Declaration], content: Mapping[str, Any], file: str
) -> tuple[Declaration, list[Problem]]:
    """All problems of a declaration whose keys may all be left out, and what its sound keys declare."""
    declared, problems = validate_declaration(model, content, file)
    if declared is None:
        wrong = {problem.key.split(".")[0].split("[")[0] for problem in problems}
        declared = model.model_validate({key: value for key, value in content.items() if key not in wrong})
    return declared, problems


def explain_syntax(error: Exception, file: str) -> Problem:
    """Why a file is no YAML, on one line."""
    return Problem(file, WHOLE_FILE, f"is not readable YAML ({' '.join(str(error).split())})", "correct the syntax")


def explain_errors(
    error: ValidationError, file: str, content: Any, model: type[BaseModel], below: str = "", hints: bool = True
) -> list[Problem]:
    """What is wrong with a declaration: one problem a key, with the nearest right name where there is one.

    `below` is the key of `content` in its file. With `hints`, a field's `description` says what to write there; a check
    of its own raises `ValueError("problem; remedy")`. A value is quoted only where it is short and no address, which
    could carry a password.
    """
    return [
        _explain_one(file, detail, _name_key(content, detail["loc"], below, detail["type"] == "missing"), model, hints)
        for detail in error.errors(include_url=False)
        if detail["type"] != "too_short" or not detail["input"]  # else too short because what is in it does not fit
    ]


def find_nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that `word` was probably meant to be."""
    spelled = {each.lower(): each for each in known}
    return next((spelled[near] for near in get_close_matches(word.lower(), spelled, n=1, cutoff=0.7)), None)


def _explain_one(file: str, detail: Mapping[str, Any], key: str, model: type[BaseModel], hints: bool) -> Problem:
    location, context = tuple(detail["loc"]), detail.get("ctx", {})
    match detail["type"]:
        case "missing":
            return Problem(file, key, "is missing", "add it")
        case "extra_forbidden":
            known = _list_keys(model, location[:-1])
            near = find_nearest(str(location[-1]), known)
            remedy = f"write {near}" if near else f"remove it; known are {', '.join(known)}"
            return Problem(file, key, "is not a key that exists here", remedy)
        case "literal_error" | "enum":
            return Problem(file, key, _show(detail["input"]), _choose(detail["input"], context["expected"]))
        case "union_tag_invalid":
            tag = str(context["tag"])
            return Problem(file, key, f"names {tag}, which does not exist here", _choose(tag, context["expected_tags"]))
        case "value_error" | "assertion_error":
            problem, _, remedy = str(context["error"]).partition("; ")
            return Problem(file, key, problem, remedy or "correct it")
        case _:
            wanted = str(detail["msg"]).replace("Input should", "it should", 1)
            described = _describe(model, location) if hints else None
            remedy = f"write {described}" if described else wanted[:1].lower() + wanted[1:]
            return Problem(file, key, _show(detail["input"]), remedy)


def _choose(word: object, expected: str) -> str:
    """The remedy among the words of pydantic's "'a', 'b' or 'c'": the nearest one, or all."""
    near = find_nearest(str(word), expected.split("'")[1::2])
    return f"write {near or expected.replace(chr(39), '')}"


def _show(value: Any) -> str:
    shown = repr(value)
    is_plain = value is None or isinstance(value, str | int | float | bool)
    return f"is {shown}" if is_plain and len(shown) <= SHOWN_LENGTH and "://" not in shown else "does not fit"


def _name_key(content: Any, location: Sequence[int | str], below: str, is_missing: bool) -> str:
    """The key in dots, mappings in a list by their name; the tag of a union, which is no key, is left out."""
    parts = [below] if below else []
    node = content
    for place, step in enumerate(location, 1):
        if isinstance(step, int):
            node = node[step] if isinstance(node, list) and step < len(node) else None
            if isinstance(node, dict):
                parts[-1:] = [f"{''.join(parts[-1:])}[{node.get('name', step)}]"]
        elif (isinstance(node, dict) and step in node) or (is_missing and place == len(location)):
            node = node.get(step) if isinstance(node, dict) else None
            parts.append(step)
    return ".".join(parts) or WHOLE_FILE


def _list_keys(model: type[BaseModel], location: Sequence[int | str]) -> list[str]:
    """The keys that exist at a place of a model, in their order there."""
    return list(dict.fromkeys(key for kind in _walk(model, location) if _is_model(kind) for key in _name_fields(kind)))


def _describe(model: type[BaseModel], location: Sequence[int | str]) -> str | None:
    """The description of the innermost described field on the way to a place."""
    described = None
    for place, step in enumerate(location):
        for kind in _walk(model, location[:place]):
            if _is_model(kind) and step in _name_fields(kind):
                described = _name_fields(kind)[str(step)].description or described
    return described


def _walk(model: type[BaseModel], location: Sequence[int | str]) -> list[Any]:
    """The types that may stand at a place of a model."""
    kinds: list[Any] = [model]
    for step in location:
        kinds = [inner for kind in kinds for entered in _enter(kind, step) for inner in _unwrap(entered)]
    return kinds


def _enter(kind: Any, step: int | str) -> Iterator[Any]:
    if _is_model(kind):
        fields = _name_fields(kind)
        tags = {tag for field in fields.values() if get_origin(field.annotation) is Literal
                for tag in get_args(field.annotation)}  # fmt: skip
        if step in fields:
            yield fields[str(step)].annotation
        elif step in tags:
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
