"""What is sealed of a subject (密封内容): a JSON list of kind, token and clear value, under the subject's own key."""

from __future__ import annotations

import json
from collections.abc import Iterable
from json.encoder import encode_basestring
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE, KEY, TOKEN, START = 12, 32, 32, 8
Content = dict[tuple[str, str], str]  # kind and token (hexadecimal) to clear value


def read_content(plain: bytes) -> Content:
    """The values of a subject from their JSON."""
    return {(kind, token): clear for kind, token, clear in json.loads(plain)}


def list_texts(content: Content) -> list[str]:
    """Each value of a subject as JSON."""
    return [write_value(kind, token, clear) for (kind, token), clear in content.items()]


def write_value(kind: str, token: str, clear: str) -> str:
    """One value as JSON; kinds and tokens need no escapes."""
    return f'["{kind}","{token}",{encode_basestring(clear)}]'


def join_values(texts: Iterable[str]) -> bytes:
    """The JSON of all values of a subject."""
    return f"[{','.join(texts)}]".encode()


def decrypt_sealed(key: bytes, sealed: Any, bound: Any) -> bytes:
    """Undo AES-256-GCM with a leading nonce; InvalidTag where key, bytes or what they are bound to differ."""
    octets = bytes(sealed)
    return AESGCM(key).decrypt(octets[:NONCE], octets[NONCE:], bytes(bound))


def read_start(token: bytes) -> int:
    """The first bytes of a token as `token_starts` holds them."""
    return int.from_bytes(token[:START], signed=True)
