"""Quoting in SQL: names and texts that come from declarations or paths."""

from __future__ import annotations


def quote_name(name: str) -> str:
    """Quote an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def quote_text(text: object) -> str:
    """Quote an SQL string; a path is quoted as its text."""
    return "'" + str(text).replace("'", "''") + "'"
