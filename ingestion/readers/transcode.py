"""Decode before splitting (先解码后切分): 118 GBK characters end in the byte of `|`, so no parser sees raw GB18030."""

from __future__ import annotations

import codecs
from pathlib import Path

CHUNK = 1 << 20


def transcode(path: Path, encoding: str, work: Path) -> Path:
    """Give the UTF-8 form of a file, in bounded memory; a UTF-8 file is returned as it is.

    A byte that is no character becomes U+FFFD, which the row rule "encoding" quarantines with its row.
    """
    if encoding == "utf-8":
        return path
    target = work / f"{path.name}.utf8"
    decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
    with path.open("rb") as source, target.open("wb") as sink:
        while piece := source.read(CHUNK):
            sink.write(decoder.decode(piece).encode("utf-8"))
        sink.write(decoder.decode(b"", final=True).encode("utf-8"))
    return target
