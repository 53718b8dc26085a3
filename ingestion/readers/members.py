"""Members of JSON objects (成员) against those that a contract's paths name: what columns are to a table."""

from __future__ import annotations

import re

import duckdb

from ingestion.contract import Dataset
from ingestion.foundation.sql import quote_text
from ingestion.readers.drift import (
    ColumnDifference,
    LayoutChanged,
    find_like,
    hide_data,
    refuse_forbidden,
    render_differences,
)

SAMPLE = 10_000
SIMPLE = re.compile(r"[$]([.]\w+)+")
Expected = dict[str, dict[str, bool]]


def match_members(relation: str, dataset: Dataset) -> None:
    """Compare the members of the first objects of `relation` (`line`) with the contract's paths, level by level.

    A member counts as missing where no object of the whole file has it; paths into arrays are not looked at.

    Raises:
        LayoutChanged: with every difference that the contract does not tolerate, or members of authentication data.
    """
    expected = _list_expected(dataset)
    found = _list_found(f"from ({relation}) limit {SAMPLE}", expected)
    refuse_forbidden(sorted({name for names in found.values() for name in names}))
    missing = {parent: [name for name in names if name not in found[parent]] for parent, names in expected.items()}
    absent = {parent: names for parent, names in missing.items() if names and found[parent]}
    if absent:
        whole = _list_found(f"from ({relation})", absent)
        absent = {parent: [name for name in names if name not in whole[parent]] for parent, names in absent.items()}
    differences = _list_untolerated(expected, found, absent, dataset)
    if differences:
        raise LayoutChanged(f"has other members than the contract\n{render_differences(differences)}")


def _list_expected(dataset: Dataset) -> Expected:
    """For the path of every object that the contract looks into: its members, and whether a row has to have them."""
    expected: Expected = {"$": {}}
    for column in dataset.columns:
        path = str(column.profile.path)
        if SIMPLE.fullmatch(path):
            names = path.split(".")
            for depth in range(1, len(names)):
                members = expected.setdefault(".".join(names[:depth]), {})
                members[names[depth]] = members.get(names[depth], False) or column.required
        elif (first := re.match(r'[$][.]"?([^."\[]+)', path)) is not None:
            expected["$"].setdefault(first[1], column.required)
    return expected


def _list_found(rows: str, parents: Expected | dict[str, list[str]]) -> dict[str, list[str]]:
    """The members that each of these objects has in some row, sorted; none where it is no object in any."""
    kept = f"select line from ({rows}) where json_valid(line)"
    keys = ", ".join(
        f"list_distinct(flatten(list(distinct json_keys(line, {quote_text(parent)}))))" for parent in parents
    )
    found = duckdb.execute(f"select {keys} from ({kept})").fetchone() or ()
    return {parent: sorted(map(str, names or ())) for parent, names in zip(parents, found, strict=True)}


def _list_untolerated(
    expected: Expected, found: dict[str, list[str]], absent: dict[str, list[str]], dataset: Dataset
) -> list[ColumnDifference]:
    drift, reported = dataset.delivery.drift, list[ColumnDifference]()
    for parent, members in expected.items():
        added = [name for name in found[parent] if name not in members]
        shown = hide_data(added)
        for name in absent.get(parent, ()):
            if drift.missing == "refuse" or members[name]:
                like = find_like(name, added)
                if like is None:
                    reported.append(ColumnDifference("missing", f"{parent}.{name}", "-"))
                else:
                    reported.append(ColumnDifference("renamed?", f"{parent}.{name}", f"{parent}.{shown[like]}"))
                    added.remove(like)
        if drift.added == "refuse":
            reported += [ColumnDifference("added", "-", f"{parent}.{shown[name]}") for name in added]
    return reported
