"""Head, middle and tail of a file of any size, cut at line ends, and the character set they are in."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import BinaryIO

from ingestion.scaffold.table import SampleUnusable

PIECE = 1 << 20
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
WIDE_MARKS = (b"\xff\xfe", b"\xfe\xff")
CONTROLS = re.compile(rb"[\x00-\x08\x0b\x0e-\x1a\x7f]")
SEPARATING = b"\x01\x02\x03"
PLAUSIBLE = 0.6
DOUBTFUL = 0.3
FEW_BAD = 0.01


@dataclass(frozen=True)
class Sample:
    """Whole lines of a file: its head, and of a longer one also lines from its middle and its end."""

    pieces: tuple[bytes, ...]
    size: int
    is_complete: bool


@dataclass(frozen=True)
class Text:
    """A decoded sample: one text per piece, and what is doubtful about its encoding and its line ends."""

    pieces: tuple[str, ...]
    sample: Sample
    encoding: str
    doubt: str | None
    line_doubt: str | None

    @property
    def lines(self) -> list[str]:
        """All lines of all pieces, without their ends; blank ones are left out."""
        return [line for piece in self.pieces for line in piece.replace("\r\n", "\n").split("\n") if line.strip()]


def take_sample(handle: BinaryIO, size: int, jumps: bool = True) -> Sample:
    """Read at most three pieces of a file; one that cannot jump (`jumps`) gives its first three."""
    if size <= 3 * PIECE:
        return Sample((handle.read(size),), size, True)
    if not jumps:
        return Sample((_until_last_end(handle.read(3 * PIECE)),), size, False)
    pieces = [_until_last_end(handle.read(PIECE))]
    handle.seek(size // 2)
    pieces.append(_until_last_end(_after_first_end(handle.read(PIECE))))
    handle.seek(size - PIECE)
    pieces.append(_after_first_end(handle.read(PIECE)))
    return Sample(tuple(piece for piece in pieces if piece), size, False)


def _until_last_end(piece: bytes) -> bytes:
    return piece[: piece.rfind(b"\n") + 1]


def _after_first_end(piece: bytes) -> bytes:
    return piece[piece.find(b"\n") + 1 :] if b"\n" in piece else b""


def read_text(sample: Sample, name: str, known: str | None = None) -> Text:
    """Decode a sample, by the `known` encoding where there is one.

    Raises:
        SampleUnusable: it is not text, or has no line ends that a reader knows.
    """
    content = b"".join(sample.pieces)
    if not content.strip():
        raise SampleUnusable(
            f"{name} holds nothing but white space, or no line end in its first {PIECE >> 20} MiB;"
            " give a sample with rows."
        )
    if content.startswith(WIDE_MARKS):
        raise SampleUnusable(f"{name} is UTF-16, which no reader takes; ask for UTF-8 or GB18030.")
    strange = [byte for byte in CONTROLS.findall(content) if byte not in SEPARATING]
    if b"\x00" in content or len(strange) * 1000 > len(content):
        raise SampleUnusable(f"{name} is not text, and no container that is known; give a text, Parquet, Excel or zip.")
    returns = content.count(b"\r") - content.count(b"\r\n")
    if returns and b"\n" not in content:
        raise SampleUnusable(f"{name} ends its lines with bare carriage returns; ask for line feeds.")
    encoding, doubt = (known, None) if known else find_encoding(content)
    pieces = list(sample.pieces)
    pieces[0] = pieces[0].removeprefix(BYTE_ORDER_MARK)
    feeds, pairs = content.count(b"\n"), content.count(b"\r\n")
    line_doubt = None
    if returns:
        line_doubt = f"{returns} carriage returns do not stand before a line feed; their lines will be quarantined"
    elif 0 < pairs < feeds:
        line_doubt = f"{pairs} of {feeds} lines end with CR LF, the others with LF"
    return Text(tuple(piece.decode(encoding, "replace") for piece in pieces), sample, encoding, doubt, line_doubt)


def find_encoding(content: bytes) -> tuple[str, str | None]:
    """The encoding of whole lines, and what speaks against it or for another one.

    Raises:
        SampleUnusable: no supported encoding reads them.
    """
    if content.startswith(BYTE_ORDER_MARK):
        bad, _ = _count("utf-8", content)
        return "utf-8", f"{bad} bytes are no UTF-8 in spite of the byte order mark" if bad else None
    if content.isascii():
        return "utf-8", "the sample is pure ASCII, which utf-8, gb18030 and cp1252 read alike"
    bad, foreign = _count("utf-8", content)
    if not bad:
        return "utf-8", None
    if bad <= FEW_BAD * foreign:
        return "utf-8", f"{bad} of {foreign} characters beyond ASCII are broken; their rows will be quarantined"
    broken, chinese = _count("gb18030", content)
    share = _common_share(content)
    western = _count("cp1252", content)
    if broken <= FEW_BAD * chinese and share >= PLAUSIBLE:
        return "gb18030", f"{broken} of {chinese} characters beyond ASCII are broken" if broken else None
    if not western[0]:
        percent = round(share * 100)
        reported = f"utf-8 fails at {bad} bytes; as gb18030 {percent} % of {chinese} characters would be common ones"
        if broken == 0 and share >= DOUBTFUL:
            return "gb18030", f"{reported}: cp1252 is an equally good reading"
        if western[1] <= 10:
            reported += (
                f"; only {western[1]} characters are beyond ASCII, so utf-8 with damaged bytes is as good a reading"
            )
        return "cp1252", reported
    if broken <= FEW_BAD * chinese:
        return "gb18030", f"only {round(share * 100)} % of {chinese} characters beyond ASCII are common ones"
    raise SampleUnusable("is in none of utf-8, gb18030 and cp1252; ask which encoding it is, and for one of these.")


def _count(encoding: str, content: bytes) -> tuple[int, int]:
    """Characters that are broken, and all beyond ASCII."""
    text = content.decode(encoding, "replace")
    return text.count("\ufffd"), len(text) - len(text.encode("ascii", "ignore"))


def _common_share(content: bytes) -> float:
    """Share of the characters beyond ASCII, read as GB18030, that the basic set GB 2312 has."""
    text = content.decode("gb18030", "replace")
    foreign = text.encode("utf-8").translate(None, bytes(range(128))).decode("utf-8")
    common = foreign.encode("gb2312", "ignore").decode("gb2312")
    return len(common) / max(len(foreign), 1)
