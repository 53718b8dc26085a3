"""Declarations (声明): closed, typed files whose problems are all reported at once, each with key and remedy.

In YAML a key given twice is an error and not the last one's silent victory.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict

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
