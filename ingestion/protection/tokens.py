"""Identifiers are replaced at the door (标识符令牌化): keyed, domain-separated tokens, computed inside DuckDB.

A token is HMAC-SHA-256, or HMAC-SM3 where the key says so, over `domain || 0x1F || canonical value`, in hexadecimal,
so equal values of one kind meet across sources and nothing can be enumerated without the key (DOMAIN.md 4.5).

The key file holds one master key a line, `version algorithm key`; a single bare key is version 1 with SHA-256. The
newest version makes tokens, older ones only read: to rotate, add a line (`add_key`). A token does not carry its
version; what holds tokens is recorded with `Keys.label`, and `equivalents` keeps the token that a value has
under the version before, so that rows of both versions meet.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import duckdb
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from duckdb.func import ARROW

from ingestion.contract import Column
from ingestion.identifiers import KINDS, birth_date_sql, canonical_sql, masked_sql, well_formed_sql
from ingestion.identifiers.sm3 import hmac_sm3, sm3_hex

BLOCK = 64
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


def load_keys(path: Path, algorithm: Algorithm | None = None) -> Keys:
    """Read the master keys, drawing the first once if the file does not exist (mode 0600).

    Raises:
        KeyUnusable: the file holds anything but keys, or its newest key is for another algorithm.
    """
    if not path.exists():
        key = secrets.token_hex(32)
        _create(path, key if algorithm in (None, "sha256") else f"1 {algorithm} {key}\n")
    found = [KEY_LINE.fullmatch(line.strip()) for line in _text(path).splitlines() if line.strip()]
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


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def add_key(path: Path, algorithm: Algorithm) -> Keys:
    """Rotate: add a new newest version to the key file; what the older ones made stays readable."""
    version = load_keys(path).version + 1
    lines = path.read_text().split("\n")
    kept = [f"1 sha256 {line.strip()}" if " " not in line.strip() else line.strip() for line in lines if line.strip()]
    draft = path.with_suffix(f".{os.getpid()}")
    _create(draft, "\n".join([*kept, f"{version} {algorithm} {secrets.token_hex(32)}"]) + "\n")
    draft.replace(path)
    return load_keys(path)


def _create(path: Path, content: str) -> None:
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


def seal(plain: bytes, key: bytes, context: str) -> bytes:
    """Encrypt with AES-256-GCM; the nonce is derived from content and context, so equal input gives equal bytes."""
    nonce = hashlib.sha256(key + context.encode() + b"\x1f" + plain).digest()[:12]
    return nonce + AESGCM(key).encrypt(nonce, plain, context.encode())


def unseal(sealed: bytes, key: bytes, context: str) -> bytes:
    """Undo `seal`; `cryptography` raises InvalidTag where key, context or content differ."""
    return AESGCM(key).decrypt(sealed[:12], sealed[12:], context.encode())


def unseal_quarantine(sealed: bytes, keys: Keys, context: str) -> bytes:
    """Undo `seal` of quarantined text, whichever version of the key sealed it.

    Raises:
        InvalidTag: none of the versions did.
    """
    for version in keys.versions:
        try:
            return unseal(sealed, version.quarantine, context)
        except InvalidTag:
            continue
    raise InvalidTag


def register_functions(connection: duckdb.DuckDBPyConnection, keys: Keys) -> None:
    """Give a connection what `keyed_sql` and `equivalents` call: SM3, and HMAC-SM3 for each kind."""
    functions: dict[str, Callable[..., Any]] = {"sm3": sm3_hex}
    for version in keys.versions:
        if version.algorithm == "sm3":
            for domain in KINDS:
                functions[_function(domain, version)] = hmac_sm3(version.token, domain.encode() + b"\x1f")
    for name, function in functions.items():
        with suppress(duckdb.NotImplementedException):  # given before; to ask for the functions of an engine is dear
            connection.create_function(name, function, ["VARCHAR"], "VARCHAR", type=ARROW)


def keyed_sql(value: str, domain: str, keys: Keys) -> str:
    """SQL of the token of a canonical text expression by the algorithm of the key; NULL stays NULL."""
    if keys.algorithm == "sm3":
        return f"{_function(domain, keys)}({value})"
    return token_sql(value, domain, keys.token)


def _function(domain: str, keys: Keys) -> str:
    return f"hmac_sm3_{domain}_v{keys.version}"


def token_sql(value: str, domain: str, key: bytes) -> str:
    """SQL of the HMAC-SHA-256 token of a canonical text expression; NULL stays NULL."""
    padded = key.ljust(BLOCK, b"\0")
    inner = bytes(byte ^ 0x36 for byte in padded) + domain.encode() + b"\x1f"
    outer = bytes(byte ^ 0x5C for byte in padded)
    return f"sha256({_blob(outer)} || unhex(sha256({_blob(inner)} || encode({value}))))"


def _blob(data: bytes) -> str:
    return f"unhex('{data.hex()}')"


def normalise_sql(column: Column, value: str) -> str:
    """SQL of the canonical form of an identifier: what is checked, tokenised and masked."""
    return canonical_sql(_kind(column), value)


def valid_sql(column: Column, value: str) -> str | None:
    """SQL that is true where a canonical identifier is well formed; None where its kind has no form."""
    return well_formed_sql(_kind(column), value)


def outputs_sql(column: Column, value: str, keys: Keys) -> dict[str, str]:
    """The lake columns that stand in for a protected column: name to SQL over its canonical value."""
    kind = _kind(column)
    outputs = {f"{column.name}_token": keyed_sql(value, kind, keys)}
    if kind == "cert_no":  # no mask beside the birth date: the two would give the number away (DOMAIN.md 4.4)
        return outputs | {f"{column.name}_birth_date": birth_date_sql(value)}
    if kind == "mobile":
        outputs[f"{column.name}_sha256_token"] = keyed_sql(f"sha256({value})", "mobile_sha256", keys)
    mask = masked_sql(kind, value)
    return outputs if mask is None else outputs | {f"{column.name}_masked": mask}


def output_types(column: Column) -> dict[str, str]:
    """Names and lake types of what stands in for a protected column."""
    names = outputs_sql(column, "x", Keys(b"", b""))
    return {name: "DATE" if name.endswith("_birth_date") else "VARCHAR" for name in names}


def _kind(column: Column) -> str:
    kind = column.profile.protect
    assert kind is not None
    return kind
