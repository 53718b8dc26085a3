"""Another character set (字符集不符) than the contract's: known by bytes that chance does not write.

GB18030 reads most UTF-8 without an error, as other characters, and anything reads UTF-16 as text with NUL in it.
"""

from __future__ import annotations

import codecs
import re
from pathlib import Path

from ingestion.readers.reading import FileUnreadable

CHUNK = 1 << 20
SAMPLE = 1 << 12
UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
HAN = re.compile(rb"[\xe3-\xe9][\x80-\xbf]{2}|[\xef][\xbc-\xbf][\x80-\xbf]")
LEAST = {"gb18030": (HAN, 4), "cp1252": (re.compile(rb"[\xc2-\xf4][\x80-\xbf]+"), 2)}


def refuse_other_encoding(path: Path, encoding: str) -> None:
    """Read as much of a file as it takes to see that it is not of another character set than its contract says.

    Raises:
        FileUnreadable: it is UTF-16, or UTF-8 under a contract of another character set.
    """
    with path.open("rb") as source:
        start = source.read(SAMPLE)
        if encoding != "utf-16" and (start.startswith(UTF_16) or _is_wide(start)):
            raise FileUnreadable(_describe("UTF-16", encoding))
        if encoding in LEAST and _is_utf8(path, *LEAST[encoding]):
            raise FileUnreadable(_describe("UTF-8", encoding))


def _describe(found: str, encoding: str) -> str:
    return f"is {found}, and the contract says {encoding}; correct `encoding` in the contract, or ask for {encoding}"


def _is_wide(start: bytes) -> bool:
    """Whether every second byte of a text is NUL, as the Latin letters and digits of UTF-16 have it."""
    first, second = start[0::2].count(0), start[1::2].count(0)
    return 5 * max(first, second) > 2 * len(start) and min(first, second) == 0


def _is_utf8(path: Path, character: re.Pattern[bytes], least: int) -> bool:
    """Whether all of a file is UTF-8, with at least so many characters that another set would hardly write as bytes."""
    decoder, found = codecs.getincrementaldecoder("utf-8")(), 0
    with path.open("rb") as source:
        while piece := source.read(CHUNK):
            try:
                decoder.decode(piece)
            except UnicodeDecodeError:
                return False
            if found < least and not piece.isascii():
                found += len(character.findall(piece))
    return found >= least and not decoder.getstate()[0]
