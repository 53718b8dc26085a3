"""A second dataset of a source: drafted into the contract that is there, of which every other character stays."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import yaml

from ingestion.scaffold.table import SampleUnusable

RAISE = "# check: the contract had other datasets before; raise its version"


def add_dataset(contract: Path, dataset: str, entry: list[str]) -> str:
    """The text of a contract with one more entry at the end of its `schema`; nothing is written.

    `entry` is the lines of a list item that begins with `- `, without indentation. Comments, order and spelling of
    what is there stay as they are; what follows the `schema` follows it still.

    Raises:
        SampleUnusable: the contract has a dataset of this name, or no `schema` with a line for each `- name:`.
    """
    text = contract.read_text(encoding="utf-8")
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError:
        root = None
    schema = _find_schema(root)
    if schema is None:
        raise SampleUnusable(
            f"{contract} has no `schema` with a line for each `- name:`, where the dataset could be added; write it so,"
            " or give another --source."
        )
    if dataset in _list_names(schema):
        raise SampleUnusable(f"{contract} exists and has a dataset {dataset}; give another --dataset.")
    lines = text.splitlines()
    last = max(_list_ends(schema))
    margin = " " * schema.start_mark.column
    added = [margin + line for line in (RAISE, *entry)]
    return "\n".join([*lines[: last + 1], *added, *lines[last + 1 :]]) + "\n"


def _find_schema(root: yaml.Node | None) -> yaml.SequenceNode | None:
    """The list under `schema`, where it is written with a line for each entry."""
    pairs = root.value if isinstance(root, yaml.MappingNode) else []
    found = next((value for key, value in pairs if key.value == "schema"), None)
    return found if isinstance(found, yaml.SequenceNode) and found.value and not found.flow_style else None


def _list_names(schema: yaml.SequenceNode) -> set[str]:
    entries = (entry for entry in schema.value if isinstance(entry, yaml.MappingNode))
    return {value.value for entry in entries for key, value in entry.value if key.value == "name"}


def _list_ends(node: yaml.Node) -> Iterator[int]:
    """Last lines of all that a node holds: the end of a block itself lies after the comments that follow it."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        for child in node.value:
            for inner in child if isinstance(child, tuple) else (child,):
                yield from _list_ends(inner)
    else:
        is_block_text = isinstance(node, yaml.ScalarNode) and node.style in ("|", ">")
        yield node.end_mark.line - (is_block_text and node.end_mark.column == 0)
