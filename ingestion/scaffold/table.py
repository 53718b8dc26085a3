"""What a sample file gave, however it was packed: one table of text, and what was guessed on the way."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import polars as pl


class SampleUnusable(Exception):
    """No draft can be made of the file; the message is one sentence with the remedy."""


@dataclass
class Table:
    """Rows of a sample as text (NULL or empty: nothing there), in columns `c1`, `c2`, … of `frame`.

    `delivery` holds the contract's `delivery` keys that were found, `doubts` what a person must confirm, by key.
    `names` are the columns' names in the file (None: it has none), `widths` and `paths` their places in a fixed-width
    line or a JSON line. `rows` estimates the rows of the whole file; with `is_complete`, the sample is the file.
    """

    delivery: dict[str, Any]
    frame: pl.DataFrame
    rows: int
    is_complete: bool
    names: list[str | None]
    paths: list[str] | None = None
    widths: list[int] | None = None
    doubts: dict[str, list[str]] = field(default_factory=dict)

    def doubt(self, key: str, evidence: str) -> None:
        """Note what a person must confirm about one key of the delivery."""
        self.doubts.setdefault(key, []).append(evidence)
