"""What every reader gives: one SQL relation of text columns in file order, and how its rows lie in lines."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from ingestion.readers.lines import LineCount, Numbers

SHEET = "sheet"


class FileUnreadable(Exception):
    """The file as a whole does not match its contract's dialect; nothing of it can be trusted."""


class SecretUnusable(FileUnreadable):
    """What keeps the file from being opened lies here, not in the file: a secret or a declared password."""


class LineEndsMixed(FileUnreadable):
    """Some lines end in CR LF and some in LF alone, which the parser refuses; open it with line ends made alike."""


class RowsShifted(FileUnreadable):
    """Some lines hold more separators than columns, with nothing behind them: `lines`, to be marked as broken."""

    def __init__(self, lines: Numbers) -> None:
        self.lines = lines
        super().__init__(f"has {len(lines)} lines of too many columns")


@dataclass(frozen=True)
class Lines:
    """A line-oriented file: its UTF-8 form, the file as it was delivered, and its lines before the first row.

    Where the UTF-8 form was written, its lines were `counted` on the way; and where it was written from the file as
    delivered, `marks` are the lines that end before each block of that. The `skipped` lines are blank in the UTF-8
    form. Where a quoted heading has several lines, `heading_rows` counts it as one.
    """

    text: Path
    delivered: Path
    encoding: str
    heading: int
    counted: LineCount | None = None
    marks: Numbers | None = None
    skipped: Numbers | None = None
    heading_rows: int = 0


@dataclass(frozen=True)
class Reading:
    """One opened file.

    `relation` is SQL yielding the contract's physical columns as text (for JSON lines: `line`), in file order. With
    `has_quotes` it also yields what a row with line feeds inside its quotes needs: `_inner`, how many it has;
    `_filled`, how many of its lines are not blank; `_is_open`, whether one of them looks like a row of its own, as it
    does where a quote was never closed. `lines` is None for a file whose rows have no lines; the relation then yields
    `_row`, the row's number as its format counts. Where the file is in memory as a whole, the relation reads the table
    `SHEET`, which is `sheet`. `remarks` are texts of lines that are no rows, which may state totals; `separator` and
    `quote` are those of a text in which a line may have more columns than the contract.
    """

    relation: str
    lines: Lines | None = None
    announced_rows: int | None = None
    has_quotes: bool = False
    sheet: pa.Table | None = None
    remarks: tuple[str, ...] = ()
    columns: int = 0
    separator: str = ""
    quote: str = ""
    escape: str = ""
