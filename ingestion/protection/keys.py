"""The key file (密钥文件): one master key a line, and the keys derived from each for tokens, quarantine and vault.

A line is `version algorithm key`; a single bare key is version 1 with SHA-256. The newest version makes tokens, older
ones only read: to rotate, add a line (`add_key`).
"""

from __future__ import annotations

import os
import re
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ingestion.foundation.files import replace_atomically

Algorithm = Literal["sha256", "sm3"]
KEY_LINE = re.compile(r"(?:(?P<version>[1-9][0-9]*) (?P<algorithm>sha256|sm3) )?(?P<key>[0-9a-fA-F]{64})")


class KeyUnusable(Exception):
    """The key file does not hold keys as the settings want them."""


@dataclass(frozen=True)
class Keys:
    """Keys derived from one version of the platform's master key (HKDF-SHA-256), one per use."""

    token: bytes = field(repr=False)
    quarantine: bytes = field(repr=False)
    vault: bytes = field(default=b"", repr=False)
    version: int = 1
    algorithm: Algorithm = "sha256"
    older: tuple[Keys, ...] = ()

    @property
    def label(self) -> str:
        """What to record beside tokens: `hmac-sha256:1`."""
        return f"hmac-{self.algorithm}:{self.version}"

    @property
    def versions(self) -> tuple[Keys, ...]:
        """This and the older versions, newest first."""
        return (self, *self.older)


def load_keys(path: Path, algorithm: Algorithm | None = None, may_draw: bool = True) -> Keys:
    """Read the master keys, drawing the first once if the file does not exist (mode 0600) and one may be drawn.

    Raises:
        KeyUnusable: the file holds anything but keys, its newest key is for another algorithm, or there is none.
    """
    if not path.exists():
        if not may_draw:
            raise KeyUnusable(
                f"{path} is not there; restore it from your key store, or land a first delivery, which draws a key."
            )
        key = secrets.token_hex(32)
        _create_key_file(path, key if algorithm in (None, "sha256") else f"1 {algorithm} {key}\n")
    found = [KEY_LINE.fullmatch(line.strip()) for line in _read_key_file(path).splitlines() if line.strip()]
    lines = [match for match in found if match]
    bare = [match for match in lines if match["version"] is None]
    versions = [int(match["version"] or 1) for match in lines]
    if not lines or len(lines) != len(found) or len(bare) > 1 or len(set(versions)) != len(versions):
        raise KeyUnusable(
            f"{path} does not hold 64 hexadecimal digits, or lines of `version algorithm key` with each version once;"
            " restore it from your key store."
        )
    loaded: tuple[Keys, ...] = ()
    for version, match in sorted(zip(versions, lines, strict=True), key=lambda pair: pair[0]):
        master = bytes.fromhex(match["key"])
        uses = {use: _derive(master, use.encode()) for use in ("token", "quarantine", "vault")}
        named: Algorithm = "sm3" if match["algorithm"] == "sm3" else "sha256"
        loaded = (Keys(**uses, version=version, algorithm=named, older=loaded), *loaded)
    newest = loaded[0]
    if algorithm is not None and newest.algorithm != algorithm:
        raise KeyUnusable(
            f"{path}: the newest key makes {newest.label} tokens, but PLATFORM_TOKEN_ALGORITHM is {algorithm};"
            f" add a key for it (python -m ingestion keys add {algorithm}) or set {newest.algorithm}."
        )
    return newest


def _read_key_file(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def add_key(path: Path, algorithm: Algorithm) -> Keys:
    """Rotate: add a new newest version to the key file; what the older ones made stays readable."""
    version = load_keys(path).version + 1
    lines = path.read_text().split("\n")
    kept = [f"1 sha256 {line.strip()}" if " " not in line.strip() else line.strip() for line in lines if line.strip()]
    with replace_atomically(path) as draft:
        _create_key_file(draft, "\n".join([*kept, f"{version} {algorithm} {secrets.token_hex(32)}"]) + "\n")
    return load_keys(path)


def _create_key_file(path: Path, content: str) -> None:
    """Write a file that only its owner reads; of several first users one wins, and all read the same."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(f".{os.getpid()}.draft")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as handle:
        handle.write(content)
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def _derive(master: bytes, use: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=b"loan-data-platform/" + use).derive(master)
