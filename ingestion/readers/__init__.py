"""Readers: from a delivered file to a relation of text columns, and the lines that are not rows at all."""

from ingestion.readers.reading import FileUnreadable, Reading, open_reading

__all__ = ["FileUnreadable", "Reading", "open_reading"]
