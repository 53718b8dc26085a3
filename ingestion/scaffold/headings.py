"""Whether the cells of a line are the columns' names or the first row."""

from __future__ import annotations

import re

from ingestion.scaffold.naming import CHINESE, has_known_term, is_known_term
from ingestion.scaffold.sensitivity import is_surname_first

VALUE = re.compile(
    r"[+-]?[\d,.]*\d%?|\d{1,4}[-/.年]\d{1,2}[-/.月]\d{1,4}日?([ T].*)?|.*\d{6,}.*|[0-9a-fA-F]{32,}|.*@.*[.].*"
    r"|NULL|null|\\N|-+|N/A|true|false|\?"
)
MOST_ODD = 0.2
LEAST_EVIDENCE = 2
MOSTLY = 0.8
LONG_NUMBER = re.compile(r"\d{5,}")
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_ .#/()%&+-]*")


def are_names(cells: list[str], columns: list[list[str | None]]) -> bool | None:
    """True for names, False for a row, None where nothing decides and names are merely likely.

    A line that could hold anything personal is never taken for names: they would stand in the draft.
    """
    stripped = [cell.strip() for cell in cells]
    filled = [cell for cell in stripped if cell]
    if len(filled) < len(stripped) - 1 or not filled or len({cell.lower() for cell in filled}) < len(filled):
        return False
    odd = find_odd_names(stripped)
    if len(odd) > max(1, MOST_ODD * len(filled)) or any("@" in cell or LONG_NUMBER.search(cell) for cell in odd):
        return False
    if any(is_surname_first(cell) and not has_known_term(cell) for cell in filled):
        return False
    known = all(re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", cell) or is_known_term(cell) for cell in filled)
    evidence = 0
    for cell, values in zip(stripped, columns, strict=False):
        present = [value.strip() for value in values[:2000] if value and value.strip()]
        if cell and cell in present:
            return False
        share = sum(bool(VALUE.fullmatch(value)) for value in present) / max(len(present), 1)
        if cell and present and share >= MOSTLY and not VALUE.fullmatch(cell):
            evidence += 1
    if odd:
        return evidence >= LEAST_EVIDENCE
    if evidence:
        return True
    return None if known else False


def find_odd_names(cells: list[str]) -> list[str]:
    """Cells of a heading that are spelled like a value, or like no usual name."""
    stripped = [cell.strip() for cell in cells]
    return [
        cell
        for cell in stripped
        if cell and (VALUE.fullmatch(cell) or not (NAME.fullmatch(cell) or CHINESE.search(cell)))
    ]
