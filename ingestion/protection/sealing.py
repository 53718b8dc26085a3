"""Sealing (加密封存): text that must be kept, but not read without a key (AES-256-GCM)."""

from __future__ import annotations

import hashlib

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ingestion.protection.keys import Keys


def seal_text(plain: bytes, key: bytes, context: str) -> bytes:
    """Encrypt with AES-256-GCM; the nonce is derived from content and context, so equal input gives equal bytes."""
    nonce = hashlib.sha256(key + context.encode() + b"\x1f" + plain).digest()[:12]
    return nonce + AESGCM(key).encrypt(nonce, plain, context.encode())


def unseal_text(sealed: bytes, key: bytes, context: str) -> bytes:
    """Undo `seal_text`; `cryptography` raises InvalidTag where key, context or content differ."""
    return AESGCM(key).decrypt(sealed[:12], sealed[12:], context.encode())


def unseal_quarantine(sealed: bytes, keys: Keys, context: str) -> bytes:
    """Undo `seal_text` of quarantined text, whichever version of the key sealed it.

    Raises:
        InvalidTag: none of the versions did.
    """
    for version in keys.versions:
        try:
            return unseal_text(sealed, version.quarantine, context)
        except InvalidTag:
            continue
    raise InvalidTag
