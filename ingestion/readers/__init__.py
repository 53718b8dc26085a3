"""Readers: from a delivered file of any dialect to one SQL relation of text columns."""

from ingestion.readers.drift import LayoutChanged
from ingestion.readers.opening import open_reading
from ingestion.readers.reading import FileUnreadable, Lines, Reading

__all__ = [
    "FileUnreadable",
    "LayoutChanged",
    "Lines",
    "Reading",
    "open_reading",
]
