"""Zip archives of one member whose bytes depend on nothing but their input: no clock, no random salt."""

from __future__ import annotations

import hashlib
import hmac
import struct
import zlib
from datetime import datetime

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

DEFLATED, AES_ENCRYPTED = 8, 99
AES_256, VENDOR_VERSION = 3, 2
KEY_LENGTH, SALT_LENGTH, ROUNDS = 32, 16, 1000
CODE_LENGTH = 10


def pack(member: str, content: bytes, modified: datetime, password: str | None = None) -> bytes:
    """Deflate `content` under a member name in GBK; with a password, encrypt it with AES-256 (WinZip's AE-2).

    The salt comes from name and content.
    """
    name = member.encode("gbk")
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    body = deflater.compress(content) + deflater.flush()
    check, method, flags, version, extra = zlib.crc32(content), DEFLATED, 0, 20, b""
    if password is not None:
        salt = hashlib.sha256(name + b"\x1f" + content).digest()[:SALT_LENGTH]
        body = _encrypt(body, password.encode(), salt)
        check, method, flags, version = 0, AES_ENCRYPTED, 1, 51
        extra = struct.pack("<HHH2sBH", 0x9901, 7, VENDOR_VERSION, b"AE", AES_256, DEFLATED)
    day = (modified.year - 1980) << 9 | modified.month << 5 | modified.day
    moment = modified.hour << 11 | modified.minute << 5 | modified.second // 2
    reported = struct.pack(
        "<HHHHHIIIHH", version, flags, method, moment, day, check, len(body), len(content), len(name), len(extra)
    )
    local = b"PK\x03\x04" + reported + name + extra + body
    central = (
        b"PK\x01\x02" + struct.pack("<H", version) + reported + struct.pack("<HHHII", 0, 0, 0, 0, 0) + name + extra
    )
    return local + central + struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 1, 1, len(central), len(local), 0)


def _encrypt(body: bytes, password: bytes, salt: bytes) -> bytes:
    """Salt, password check, AES in counter mode with a little-endian counter, authentication code."""
    keys = hashlib.pbkdf2_hmac("sha1", password, salt, ROUNDS, 2 * KEY_LENGTH + 2)
    counters = np.zeros((-(-len(body) // 16), 2), dtype="<u8")
    counters[:, 0] = np.arange(1, len(counters) + 1)
    # The key stream of counter mode is the counters encrypted one by one; the library's own counter is big-endian.
    encryptor = Cipher(AES(keys[:KEY_LENGTH]), ECB()).encryptor()
    stream = np.frombuffer(encryptor.update(counters.tobytes()) + encryptor.finalize(), dtype=np.uint8)
    sealed = (np.frombuffer(body, dtype=np.uint8) ^ stream[: len(body)]).tobytes()
    code = hmac.new(keys[KEY_LENGTH : 2 * KEY_LENGTH], sealed, hashlib.sha1).digest()[:CODE_LENGTH]
    return salt + keys[2 * KEY_LENGTH :] + sealed + code
