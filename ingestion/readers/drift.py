"""Schema drift (结构漂移): the columns of a file against those of its contract, and what is tolerated of it."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches

from ingestion.contract import Dataset
from ingestion.contract.profiles import Column
from ingestion.identifiers.sensitive import find_forbidden_names

DATA = "(not shown: data in the heading)"
LONGEST_NUMBER = 6


class LayoutChanged(Exception):
    """The file's columns differ from the contract's by more than it tolerates; the message holds the table."""


@dataclass(frozen=True)
class ColumnDifference:
    """One column that is not where, or not what, the contract says; places count from 1."""

    kind: str
    contracted: str
    delivered: str


def match_columns(found: list[str], dataset: Dataset, is_ordered: bool) -> dict[str, str | None]:
    """Delivered name of every contracted physical name, None for a tolerated absence.

    Where most names are missing, line 1 is taken for a row, and nothing of it is quoted: it may hold identifiers.

    Raises:
        LayoutChanged: with every difference that the contract does not tolerate.
    """
    refuse_forbidden(found)
    matched: dict[str, str | None] = {}
    for column in dataset.columns:
        matched[column.physical_name] = next((name for name in _names(column) if name in found), None)
    known = sum(name is not None for name in matched.values())
    folded = {name.casefold().strip() for name in found}
    same = sum(any(name.casefold() in folded for name in _names(column)) for column in dataset.columns)
    if 2 * known < len(matched) and 2 * _count_like(found, dataset) < len(matched):
        raise LayoutChanged(f"has no heading: line 1 holds {known} of {len(matched)} column names")
    untolerated = _list_untolerated(found, matched, dataset, is_ordered)
    if untolerated:
        differs = "other columns than the contract"
        if 2 * known < len(matched) <= 2 * same:
            differs = "its column names in other case than the contract: give them as `aliases` there"
        raise LayoutChanged(f"has {differs}\n{render_differences(untolerated)}")
    return matched


def number_names(found: list[str], dataset: Dataset) -> list[str]:
    """The names of a heading, a repeated one with its number (`金额#2`) where the contract calls it so."""
    known = {name for column in dataset.columns for name in (column.physical_name, *column.profile.aliases)}
    numbered = (f"{name}#{found[: place + 1].count(name)}" for place, name in enumerate(found))
    return [new if new in known else name for name, new in zip(found, numbered, strict=True)]


def _count_like(found: list[str], dataset: Dataset) -> int:
    """How many contracted names the file has, whatever their case."""
    given = {name.casefold() for name in found}
    return sum(column.physical_name.casefold() in given for column in dataset.columns)


def _names(column: Column) -> tuple[str, ...]:
    return (column.physical_name, *column.profile.aliases)


def _list_untolerated(
    found: list[str], matched: dict[str, str | None], dataset: Dataset, is_ordered: bool
) -> list[ColumnDifference]:
    drift = dataset.delivery.drift
    added = [name for name in found if name not in matched.values()]
    reported: list[ColumnDifference] = []
    for place, column in enumerate(dataset.columns, 1):
        if matched[column.physical_name] is None and (drift.missing == "refuse" or column.required):
            contracted = f"{place} {column.physical_name}"
            like = find_like(column.physical_name, added)
            if like is None:
                reported.append(ColumnDifference("missing", contracted, "-"))
            else:
                reported.append(ColumnDifference("renamed?", contracted, f"{found.index(like) + 1} {like}"))
                added.remove(like)
    shown = hide_data(added)
    for name in sorted({name for name in found if found.count(name) > 1}):
        reported.append(ColumnDifference("twice", "-", shown.get(name, name)))
    if drift.added == "refuse":
        reported += [
            ColumnDifference("added", "-", f"{found.index(name) + 1} {shown.get(name, name)}") for name in added
        ]
    delivered = [name for name in matched.values() if name is not None]
    expected_order = sorted(delivered, key=found.index)
    if is_ordered and drift.reordered == "refuse" and delivered != expected_order:
        moved = [pair for pair in zip(delivered, expected_order, strict=True) if pair[0] != pair[1]]
        reported += [
            ColumnDifference("moved", f"{delivered.index(name) + 1} {name}", f"{found.index(name) + 1} {name}")
            for name, _ in moved
        ]
    return reported


def find_like(name: str, others: list[str]) -> str | None:
    """The name among others that this one was probably written as: in other case, or with few other letters."""
    in_case = next((other for other in others if other.casefold() == name.casefold()), None)
    return in_case or next(iter(get_close_matches(name, others, 1, 0.75)), None)


def hide_data(names: list[str]) -> dict[str, str]:
    """How each name is shown: as it is, or none of them where one may be a value."""
    is_data = any(map(_looks_like_data, names))
    return {name: DATA if is_data else name for name in names}


def _looks_like_data(name: str) -> bool:
    """Whether a cell of the heading may be a value out of place: then no unknown cell of it is quoted."""
    return "@" in name or sum(character.isdigit() for character in name) >= LONGEST_NUMBER


def refuse_forbidden(found: list[str]) -> None:
    """Authentication data (C3, 鉴别信息) is refused at the door, whether the contract knows the column or not.

    Raises:
        LayoutChanged: naming the columns.
    """
    forbidden = find_forbidden_names(found)
    if forbidden:
        raise LayoutChanged(f"has columns of authentication data (C3): {', '.join(forbidden)}")


def match_width(delivered: int, dataset: Dataset) -> None:
    """Compare the number of columns of a file without heading.

    Raises:
        LayoutChanged: with both numbers.
    """
    if delivered != len(dataset.columns):
        raise LayoutChanged(
            f"has other columns than the contract: {delivered} in every line, {len(dataset.columns)} in the contract"
        )


def render_differences(differences: list[ColumnDifference]) -> str:
    """A table of differences, one a line."""
    rows = [("difference", "contract", "file"), *((d.kind, d.contracted, d.delivered) for d in differences)]
    widths = [max(len(row[place]) for row in rows) for place in range(3)]
    return "\n".join(
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
