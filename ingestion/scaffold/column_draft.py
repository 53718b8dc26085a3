"""A drafted column (列草稿): what was guessed of it, and what a person must confirm."""

from __future__ import annotations

from dataclasses import dataclass, field

from ingestion.scaffold.sensitivity import Sensitivity


@dataclass
class ColumnDraft:
    """A drafted column, with what a person must confirm about it."""

    name: str
    physical: str
    type: str = "VARCHAR"
    required: bool = False
    distinct: int = 0
    key_position: int | None = None
    description: str = ""
    formats: list[str] = field(default_factory=list)
    thousands: bool = False
    missing: list[str] = field(default_factory=list)
    codes: list[str] = field(default_factory=list)
    sensitivity: Sensitivity | None = None
    masks_identifiers: bool = False
    width: int | None = None
    path: str | None = None
    checks: list[str] = field(default_factory=list)

    @property
    def protect(self) -> str | None:
        """Kind of identifier, or None."""
        return self.sensitivity.protect if self.sensitivity else None

    @property
    def is_refused(self) -> bool:
        """True for C3 data, which no delivery may hold."""
        return self.sensitivity is not None and self.sensitivity.is_refused

    @property
    def is_number(self) -> bool:
        """True for a type one can add up."""
        return self.type.startswith(("DECIMAL", "BIGINT", "INTEGER", "DOUBLE"))


def describe_number(number: int, noun: str) -> str:
    """A number of things in words."""
    return f"{number} {noun}{'s' if number > 1 else ''}"
