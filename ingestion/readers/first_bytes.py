"""The first bytes (文件头) of a file that is not what its contract says: they name what it is."""

from __future__ import annotations

from pathlib import Path

STARTS = (
    (b"\xff\xfe", "UTF-16"), (b"\xfe\xff", "UTF-16"), (b"\x1f\x8b", "gzip"), (b"BZh", "bzip2"),
    (b"7z\xbc\xaf", "a 7-Zip archive"), (b"Rar!", "a RAR archive"), (b"PK\x03\x04", "a zip archive or a workbook"),
    (b"PAR1", "Parquet"), (b"\xd0\xcf\x11\xe0", "an old workbook (.xls) or a locked one"),
    (b"SQLite format 3", "a database"), (b"%PDF", "a PDF"), (b"\x28\xb5\x2f\xfd", "Zstandard"),
)  # fmt: skip
MARKUP = ((b"<!doctype html", "an HTML page"), (b"<html", "an HTML page"), (b"<?xml", "XML"))
EXPECTED = {
    "parquet": ("Parquet",),
    "database": ("Parquet",),
    "xml": ("XML",),
    "excel": ("a zip archive or a workbook", "an old workbook (.xls) or a locked one"),
}  # what a reader takes, and reports on better itself
LOOKED_AT = 512


def name_content(path: Path) -> str | None:
    """What a file is by its first bytes; None for plain text and what is not known."""
    with path.open("rb") as handle:
        start = handle.read(LOOKED_AT)
    begun = start.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    known = [name for magic, name in STARTS if start.startswith(magic)]
    known += [name for magic, name in MARKUP if begun.startswith(magic)]
    return known[0] if known else None
