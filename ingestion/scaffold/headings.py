"""Whether the cells of a line are the columns' names or the first row."""

from __future__ import annotations

import re

from ingestion.scaffold.naming import CHINESE, is_known_term
from ingestion.scaffold.sensitivity import is_surname_first

VALUE = re.compile(
    r"[+-]?[\d,.]*\d%?|\d{1,4}[-/.年]\d{1,2}[-/.月]\d{1,4}日?([ T].*)?|.*\d{6,}.*|[0-9a-fA-F]{32,}|.*@.*[.].*"
    r"|NULL|null|\\N|-+|N/A|true|false|\?"
)
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_ .#/()%&+-]*")


def are_names(cells: list[str], columns: list[list[str | None]]) -> bool | None:
    """True for names, False for a row, None where nothing decides and names are merely likely.

    A line that could hold anything personal is never taken for names: they would stand in the draft.
    """
    stripped = [cell.strip() for cell in cells]
    filled = [cell for cell in stripped if cell]
    if len(filled) < len(stripped) - 1 or not filled or len({cell.lower() for cell in filled}) < len(filled):
        return False
    if any(VALUE.fullmatch(cell) for cell in filled):
        return False
    if any(is_surname_first(cell) and not is_known_term(cell) for cell in filled):
        return False
    named = all(NAME.fullmatch(cell) or CHINESE.search(cell) for cell in filled)
    known = all(re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", cell) or is_known_term(cell) for cell in filled)
    evidence = False
    for cell, values in zip(stripped, columns, strict=False):
        present = [value.strip() for value in values[:2000] if value and value.strip()]
        if cell and cell in present:
            return False
        if cell and present and sum(bool(VALUE.fullmatch(value)) for value in present) >= 0.8 * len(present):
            evidence = True
    if evidence:
        return named
    return None if known else False
