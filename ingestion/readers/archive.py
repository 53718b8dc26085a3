"""From what was delivered to one plain file: the contracted member of a zip archive, or the parts put together."""

from __future__ import annotations

import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pyzipper

from ingestion.contract import Archive, Dataset
from ingestion.delivery import Delivery, DeliveryIncomplete, explain, tell_incomplete
from ingestion.readers.reading import FileUnreadable
from ingestion.settings import Settings

CHUNK = 1 << 20
LARGEST_MEMBER = 20 * 1000**3
LARGEST_GROWTH = 200
IS_ENCRYPTED, IS_UTF8 = 0x1, 0x800
BYTE_ORDER_MARK = {"utf-8": b"\xef\xbb\xbf", "gb18030": b"\x84\x31\x95\x33", "cp1252": b""}
DAMAGE = (
    zipfile.BadZipFile, pyzipper.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, ValueError,
    LookupError, AttributeError, OverflowError,
)  # fmt: skip


@dataclass(frozen=True)
class PartLines:
    """Where the lines of parts that were put together come from: the first line of each part, and what it lost."""

    parts: tuple[Path, ...]
    starts: tuple[int, ...]
    dropped: int

    def locate(self, lines: pl.Series) -> pl.DataFrame:
        """For each line of the whole the name of the `part` that holds it, and its number there, `part_line`."""
        numbers = lines.to_numpy()
        places = np.searchsorted(self.starts, numbers, side="right") - 1
        names = pl.Series("part", [part.name for part in self.parts])
        return pl.DataFrame(
            {
                "part": names.gather(places),
                "part_line": numbers - np.asarray(self.starts)[places] + 1 + np.where(places > 0, self.dropped, 0),
            },
            schema={"part": pl.String, "part_line": pl.Int64},
        )


def plain_file(delivery: Delivery, settings: Settings, work: Path) -> Path:
    """The single plain data file to read: as delivered, or written below `work`, in bounded memory.

    Raises:
        FileUnreadable: the archive or the parts are not what the contract says; the password is never told.
        DeliveryIncomplete: a file went away or may not be read.
    """
    contracted = delivery.dataset.delivery
    is_nothing = delivery.is_empty or (delivery.size == 0 and "empty_file" in contracted.no_data)
    if is_nothing or not (delivery.parts or contracted.archive):
        return delivery.path
    folder = work / "plain"
    folder.mkdir(exist_ok=True)
    try:
        if contracted.archive is None:
            return _join(delivery, folder / delivery.path.name)
        return _unpack(delivery, contracted.archive, settings, folder)
    except OSError as error:
        if error.filename is None or Path(str(error.filename)) not in (delivery.path, *delivery.parts):
            raise
        what = f"{Path(error.filename).name} {explain(error)}"
        raise DeliveryIncomplete(tell_incomplete(delivery.dataset, delivery.batch_date, what)) from None


def part_lines(delivery: Delivery) -> PartLines:
    """Where each line of `plain_file` lies in what was delivered; line ends are counted, so call it when asked."""
    if not delivery.parts:
        return PartLines((delivery.path,), (1,), 0)
    dropped = _heading_lines(delivery.dataset)
    starts = [1]
    for place, part in enumerate(delivery.parts[:-1]):
        starts.append(starts[-1] + _count_lines(part) - (dropped if place else 0))
    return PartLines(delivery.parts, tuple(starts), dropped)


def _heading_lines(dataset: Dataset) -> int:
    """Lines above the first row of each part."""
    delivery = dataset.delivery
    return 0 if delivery.reader == "json_lines" else delivery.preamble + (delivery.header != "none")


def _count_lines(path: Path) -> int:
    count, last = 0, b"\n"
    with path.open("rb") as handle:
        while piece := handle.read(CHUNK):
            count += piece.count(b"\n")
            last = piece[-1:]
    return count + (last != b"\n")


def _join(delivery: Delivery, target: Path) -> Path:
    """Put the parts together: later ones without byte-order mark and heading, each ending with a line feed."""
    dataset = delivery.dataset
    mark, count = BYTE_ORDER_MARK[dataset.delivery.encoding], _heading_lines(dataset)
    has_heading = dataset.delivery.reader != "json_lines" and dataset.delivery.header != "none"
    headings = [_read_heading(part, mark, count, has_heading) for part in delivery.parts]
    heading = _agree(delivery, headings) if has_heading else b"".join(headings[0])
    with target.open("wb") as sink:
        for place, (part, lines) in enumerate(zip(delivery.parts, headings, strict=True)):
            with part.open("rb") as source:
                has_mark = bool(mark) and source.read(len(mark)) == mark
                source.seek(len(mark) * has_mark + sum(map(len, lines)))
                if place == 0:
                    sink.write(mark * has_mark + heading)
                last = b"\n"
                while piece := source.read(CHUNK):
                    sink.write(piece)
                    last = piece[-1:]
                if last != b"\n":
                    sink.write(b"\n")
    return target


def _read_heading(part: Path, mark: bytes, count: int, has_heading: bool) -> list[bytes]:
    with part.open("rb") as handle:
        if not mark or handle.read(len(mark)) != mark:
            handle.seek(0)
        lines = [handle.readline(CHUNK) for _ in range(count)]
    if has_heading and not lines[-1].strip():
        raise FileUnreadable(f"cannot be put together: part {part.name} has no heading")
    return lines


def _agree(delivery: Delivery, headings: list[list[bytes]]) -> bytes:
    """The heading of the whole: the same names as in each part, or the sum of the rows that each announces."""
    contracted = delivery.dataset.delivery
    first = headings[0]
    if contracted.header == "count":
        separator = contracted.separator.encode(contracted.encoding)
        total = 0
        for part, lines in zip(delivery.parts, headings, strict=True):
            words = [word.strip() for word in lines[-1].split(separator)]
            if len(words) != 2 or words[0] != b"dataRowCount" or not words[1].isdigit() or len(words[1]) > 18:
                raise FileUnreadable(
                    f"cannot be put together: line {len(lines)} of part {part.name} is not dataRowCount and a number"
                )
            total += int(words[1])
        return b"".join(first[:-1]) + b"dataRowCount" + separator + str(total).encode() + b"\n"
    for part, lines in zip(delivery.parts, headings, strict=True):
        if lines[-1].strip() != first[-1].strip():
            raise FileUnreadable(
                f"cannot be put together: part {part.name} has another heading than {delivery.parts[0].name}"
            )
    return b"".join(first).removesuffix(b"\n") + b"\n"


def _unpack(delivery: Delivery, archive: Archive, settings: Settings, folder: Path) -> Path:
    """Write the contracted member; what it unpacks to is never more than the archive declares and the limits allow."""
    name = archive.member.replace("{yyyymmdd}", f"{delivery.batch_date:%Y%m%d}")
    target = folder / Path(name).name
    try:
        # The standard library knows no AES.
        container = pyzipper.AESZipFile(delivery.path) if archive.password else zipfile.ZipFile(delivery.path)
    except (*DAMAGE, NotImplementedError, OSError) as error:
        if isinstance(error, OSError) and error.filename is not None:
            raise
        raise FileUnreadable("is not a whole zip archive; ask for it again") from None
    with container, target.open("wb") as sink:
        info = _find(container.infolist(), name, archive)
        limit = min(LARGEST_GROWTH * min(info.compress_size, delivery.size), LARGEST_MEMBER)
        if info.file_size > limit:
            raise FileUnreadable(
                f"holds a member {name} of {info.file_size:,} bytes, more than the {limit:,} that an archive of its"
                f" size may unpack to ({LARGEST_GROWTH} times, at most {LARGEST_MEMBER:,}); ask for a plain file"
            )
        password = _password(delivery, archive, settings) if info.flag_bits & IS_ENCRYPTED else None
        for piece in _pieces(container, info, password):
            sink.write(piece)
    return target


def _find(infos: list[zipfile.ZipInfo], name: str, archive: Archive) -> zipfile.ZipInfo:
    """The one member of that name; names of others are never told, for they may hold identifiers."""
    members = [info for info in infos if not info.orig_filename.endswith("/")]
    found = [info for info in members if _decoded_name(info, archive) == name]
    if not found:
        raise FileUnreadable(
            f"holds no member {name} among {len(members)} (names read as {archive.names});"
            " ask for it, or correct archive.member or archive.names in the contract"
        )
    if len(found) > 1:
        raise FileUnreadable(f"holds {len(found)} members {name}; ask which one counts")
    return found[0]


def _decoded_name(info: zipfile.ZipInfo, archive: Archive) -> str:
    """A member's name; one that is not marked as UTF-8 was read as if it were in the DOS character set."""
    if info.flag_bits & IS_UTF8:
        return info.orig_filename
    return info.orig_filename.encode("cp437", "replace").decode(archive.names, "replace")


def _password(delivery: Delivery, archive: Archive, settings: Settings) -> bytes:
    if archive.password is None:
        raise FileUnreadable(
            "is encrypted, but the contract declares no password; declare archive.password, or ask for a plain archive"
        )
    text = archive.password.replace("{yyyymmdd}", f"{delivery.batch_date:%Y%m%d}")
    if "{secret}" in text:
        path = settings.home / "keys" / f"{delivery.dataset.source}.secret"
        try:
            secret = path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            secret = ""
        if not secret:
            raise FileUnreadable(f"is encrypted, but {path} holds no secret; put the one agreed with the party there")
        text = text.replace("{secret}", secret)
    return text.encode()


def _pieces(container: zipfile.ZipFile, info: zipfile.ZipInfo, password: bytes | None) -> Iterator[bytes]:
    """The member's bytes, in chunks; at the end they have to be as many as declared, and their checksum right."""
    damaged = FileUnreadable(
        "is a damaged zip archive: its size, checksum or structure does not hold; ask for it again"
        if password is None
        else "cannot be decrypted: the password is wrong or the archive is damaged; compare the secret with the"
        " party's, or ask for it again"
    )
    left = info.file_size
    info.file_size += 1  # the library stops at the declared size without looking whether there is more
    try:
        with container.open(info, pwd=password) as member:
            while piece := member.read(CHUNK):
                left -= len(piece)
                yield piece
    except NotImplementedError:
        raise FileUnreadable(
            f"is packed or encrypted by a method that cannot be undone here (method {info.compress_type});"
            " ask for deflate and AES"
        ) from None
    except (*DAMAGE, RuntimeError, OSError):
        raise damaged from None
    if left != 0:
        raise damaged
