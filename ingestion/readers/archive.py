"""Archives: the contracted member, decrypted, and never more of it than the archive declares."""

from __future__ import annotations

import gzip
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pyzipper

from ingestion.contract.profiles import Archive
from ingestion.delivery import Delivery
from ingestion.delivery.patterns import fill_in_date
from ingestion.foundation import Settings
from ingestion.readers.reading import FileUnreadable, SecretUnusable

CHUNK = 1 << 20
LARGEST_MEMBER = 20 * 1000**3
LARGEST_GROWTH = 200
IS_ENCRYPTED, IS_UTF8 = 0x1, 0x800
DAMAGE = (
    zipfile.BadZipFile, pyzipper.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, ValueError,
    LookupError, AttributeError, OverflowError,
)  # fmt: skip


def unpack_member(delivery: Delivery, archive: Archive, settings: Settings, folder: Path) -> Path:
    """Write the contracted member; what it unpacks to is never more than the archive declares and the limits allow."""
    name = fill_in_date(archive.member or "", delivery.batch_date)
    if archive.format != "zip":
        return _unpack_stream(delivery, archive, name, folder)
    target = folder / Path(name).name
    try:
        # The standard library knows no AES.
        container = pyzipper.AESZipFile(delivery.path) if archive.password else zipfile.ZipFile(delivery.path)
    except (*DAMAGE, NotImplementedError, OSError) as error:
        if isinstance(error, OSError) and error.filename is not None:
            raise
        raise FileUnreadable("is not a whole zip archive; ask for it again") from None
    with container, target.open("wb") as sink:
        info = _find_member(container.infolist(), name, archive)
        limit = min(LARGEST_GROWTH * min(info.compress_size, delivery.size), LARGEST_MEMBER)
        if info.file_size > limit:
            raise FileUnreadable(
                f"holds a member {name} of {info.file_size:,} bytes, more than the {limit:,} that an archive of its"
                f" size may unpack to ({LARGEST_GROWTH} times, at most {LARGEST_MEMBER:,}); ask for a plain file"
            )
        password = _compose_password(delivery, archive, settings) if info.flag_bits & IS_ENCRYPTED else None
        for piece in _read_pieces(container, info, password):
            sink.write(piece)
    return target


def _unpack_stream(delivery: Delivery, archive: Archive, name: str, folder: Path) -> Path:
    """Write what a gzip file holds, or the contracted member of a tar archive (packed or not)."""
    target = folder / (Path(name).name or f"{delivery.path.stem}.plain")
    limit = min(LARGEST_GROWTH * delivery.size, LARGEST_MEMBER)
    try:
        if archive.format == "gzip":
            with gzip.open(delivery.path) as source:
                _copy_bounded(source, target, limit)
            return target
        with tarfile.open(delivery.path, "r|*") as container:
            found = 0
            for info in container:
                if info.isfile() and info.name.removeprefix("./") == name:
                    found += 1
                    member = container.extractfile(info)
                    assert member is not None
                    _copy_bounded(member, target, limit)
    except (*DAMAGE, tarfile.TarError, OSError) as error:
        if isinstance(error, OSError) and error.filename is not None:
            raise
        raise FileUnreadable(f"is not a whole {archive.format} archive; ask for it again") from None
    if found != 1:
        raise FileUnreadable(
            f"holds {found} members {name}; ask for it, or correct archive.member in the contract"
            if not found
            else f"holds {found} members {name}; ask which one counts"
        )
    return target


def _copy_bounded(source: IO[bytes] | gzip.GzipFile, target: Path, limit: int) -> None:
    with target.open("wb") as sink:
        while piece := source.read(CHUNK):
            sink.write(piece)
            if sink.tell() > limit:
                raise FileUnreadable(
                    f"unpacks to more than the {limit:,} bytes that an archive of its size may"
                    f" ({LARGEST_GROWTH} times, at most {LARGEST_MEMBER:,}); ask for a plain file"
                )


def _find_member(infos: list[zipfile.ZipInfo], name: str, archive: Archive) -> zipfile.ZipInfo:
    """The one member of that name; names of others are never quoted, for they may hold identifiers."""
    members = [info for info in infos if not info.orig_filename.endswith("/")]
    found = [info for info in members if _decode_name(info, archive) == name]
    if not found:
        raise FileUnreadable(
            f"holds no member {name} among {len(members)} (names read as {archive.names});"
            " ask for it, or correct archive.member or archive.names in the contract"
        )
    if len(found) > 1:
        raise FileUnreadable(f"holds {len(found)} members {name}; ask which one counts")
    return found[0]


def _decode_name(info: zipfile.ZipInfo, archive: Archive) -> str:
    """A member's name; one that is not marked as UTF-8 was read as if it were in the DOS character set."""
    if info.flag_bits & IS_UTF8:
        return info.orig_filename
    return info.orig_filename.encode("cp437", "replace").decode(archive.names, "replace")


def _compose_password(delivery: Delivery, archive: Archive, settings: Settings) -> bytes:
    if archive.password is None:
        raise SecretUnusable(
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
            raise SecretUnusable(f"is encrypted, but {path} holds no secret; put the one agreed with the party there")
        text = text.replace("{secret}", secret)
    return text.encode()


def _read_pieces(container: zipfile.ZipFile, info: zipfile.ZipInfo, password: bytes | None) -> Iterator[bytes]:
    """The member's bytes, in chunks; at the end they have to be as many as declared, and their checksum right."""
    damaged = (
        FileUnreadable("is a damaged zip archive: its size, checksum or structure does not hold; ask for it again")
        if password is None
        else SecretUnusable(
            "cannot be decrypted: the password is wrong or the archive is damaged; compare the secret with the party's,"
            " or ask for it again"
        )
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
