"""Hints (提示): what a person says of a sample, which then is not guessed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Hints:
    """What is known of a sample; None is guessed. `header` says whether the first line that is read holds the names."""

    header: Literal["names", "none"] | None = None
    encoding: Literal["utf-8", "gb18030", "cp1252"] | None = None
    separator: str | None = None
    sheet: str | None = None


NO_HINTS = Hints()
