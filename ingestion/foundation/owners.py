"""Owners (责任部门): who answers for a source, a table, a metric or a feature, in one list for all of them.

The seed `ref_owners` is that list; a tenant extends or replaces it, and one that leaves it out has none to hold to.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass

from ingestion.foundation.declarations import Problem, find_nearest
from ingestion.foundation.tenant import Files, read_files

SEED = "ref_owners.csv"
HEADING = "owner,kind,name_zh,name_en"


@dataclass(frozen=True)
class Owner:
    """A department or party that answers for something; `kind` says which, or `draft` where nobody does yet."""

    owner: str
    kind: str
    name_zh: str
    name_en: str


@dataclass(frozen=True)
class Named:
    """The place where a declaration names its owner."""

    file: str
    key: str
    owner: str


def read_owners(seeds: Files) -> tuple[dict[str, Owner], list[Problem]]:
    """Every owner by its name, in the seed's order, and what is wrong with the list."""
    content = read_files(seeds, SEED).get(SEED)
    if content is None:
        return {}, []
    heading, _, _ = content.decode("utf-8-sig").partition("\n")
    if heading.strip() != HEADING:
        return {}, [Problem(SEED, "", f"begins with {heading.strip()}", f"begin it with {HEADING}")]
    owners: dict[str, Owner] = {}
    problems: list[Problem] = []
    for row in csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""), restval="", restkey="more"):
        name = row["owner"]
        if name in owners:
            problems.append(Problem(SEED, name, "is given more than once", "take all but one out"))
        elif "more" in row or not all(row.values()):
            problems.append(
                Problem(SEED, name, f"has not the columns {HEADING}", "fill in each, quoted if it holds a comma")
            )
        else:
            owners[name] = Owner(**row)
    return owners, problems


def find_unknown_owners(named: Iterable[Named], seeds: Files) -> list[Problem]:
    """Owners that the list lacks, each with the nearest one that it holds, after what is wrong with the list."""
    owners, problems = read_owners(seeds)
    if not owners:
        return problems
    for place in named:
        if place.owner not in owners:
            near = find_nearest(place.owner, owners)
            remedy = f"write {near}" if near else f"write one of {', '.join(owners)}"
            wrong = f"is {place.owner}, which is no owner"
            problems.append(Problem(place.file, place.key, wrong, f"{remedy}, or add it to seeds/{SEED}"))
    return problems
