"""Declarations in YAML, in which a key given twice is an error and not the last one's silent victory."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

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
