"""Identifiers are replaced at the door (标识符令牌化): keyed, domain-separated tokens, computed inside DuckDB.

A token is HMAC-SHA-256 over `domain || 0x1F || normalised value`, in hexadecimal, so equal values of one kind meet
across sources and nothing can be enumerated without the key (DOMAIN.md 4.5). For a phone the SHA-256 form that
partners send is tokenised too, so that their hash meets our phone without anyone seeing it.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ingestion.contract import Column

BLOCK = 64
CERT_NO_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
CERT_NO_CHECK = "10X98765432"
COMPOUND_SURNAMES = [
    "欧阳",
    "太史",
    "端木",
    "上官",
    "司马",
    "东方",
    "独孤",
    "南宫",
    "万俟",
    "闻人",
    "夏侯",
    "诸葛",
    "尉迟",
    "公羊",
    "赫连",
    "澹台",
    "皇甫",
    "宗政",
    "濮阳",
    "公冶",
    "太叔",
    "申屠",
    "公孙",
    "慕容",
    "仲孙",
    "钟离",
    "长孙",
    "宇文",
    "司徒",
    "鲜于",
    "司空",
    "令狐",
]


class KeyUnusable(Exception):
    """The key file is not a 32-byte key in hexadecimal."""


@dataclass(frozen=True)
class Keys:
    """Keys derived from the platform's master key (HKDF-SHA-256), one per use."""

    token: bytes
    quarantine: bytes


def load_keys(path: Path) -> Keys:
    """Read the master key, drawing it once if the file does not exist (mode 0600).

    Raises:
        KeyUnusable: the file holds anything but 64 hexadecimal digits.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(f".{os.getpid()}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as handle:
            handle.write(secrets.token_hex(32))
        try:
            os.link(draft, path)  # of several first users, one wins and all read the same key
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    try:
        master = bytes.fromhex(path.read_text().strip())
    except ValueError:
        master = b""
    if len(master) != 32:
        raise KeyUnusable(f"{path} does not hold 64 hexadecimal digits; restore it from your key store.")
    return Keys(token=_derive(master, b"token"), quarantine=_derive(master, b"quarantine"))


def _derive(master: bytes, use: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=b"loan-data-platform/" + use).derive(master)


def seal(plain: bytes, key: bytes, context: str) -> bytes:
    """Encrypt with AES-256-GCM; the nonce is derived from content and context, so equal input gives equal bytes."""
    nonce = hashlib.sha256(key + context.encode() + b"\x1f" + plain).digest()[:12]
    return nonce + AESGCM(key).encrypt(nonce, plain, context.encode())


def unseal(sealed: bytes, key: bytes, context: str) -> bytes:
    """Undo `seal`; `cryptography` raises InvalidTag where key, context or content differ."""
    return AESGCM(key).decrypt(sealed[:12], sealed[12:], context.encode())


def token_sql(value: str, domain: str, key: bytes) -> str:
    """SQL of the token of a normalised text expression; NULL stays NULL."""
    padded = key.ljust(BLOCK, b"\0")
    inner = bytes(byte ^ 0x36 for byte in padded) + domain.encode() + b"\x1f"
    outer = bytes(byte ^ 0x5C for byte in padded)
    return f"sha256({_blob(outer)} || unhex(sha256({_blob(inner)} || encode({value}))))"


def _blob(data: bytes) -> str:
    return f"unhex('{data.hex()}')"


def normalise_sql(column: Column, value: str) -> str:
    """SQL of the canonical form of an identifier: what is checked, tokenised and masked."""
    match column.profile.protect:
        case "cert_no":
            upper = f"upper(trim({value}))"
            legacy = f"substr({upper}, 1, 6) || '19' || substr({upper}, 7)"
            return (
                f"case when regexp_full_match({upper}, '[0-9]{{15}}')"
                f" then ({legacy}) || {_check_digit_sql(f'({legacy})')} else {upper} end"
            )
        case "mobile":
            return f"regexp_replace(trim({value}), '^(\\+?86|0086)[- ]?', '')"
        case "cert_no_sm3" | "mobile_md5" | "mobile_sha256":
            return f"lower(trim({value}))"
        case _:
            return f"trim({value})"


def valid_sql(column: Column, value: str) -> str | None:
    """SQL that is true where a normalised identifier is well formed (DOMAIN.md 6.2 rules 19, 20, 23, 28)."""
    match column.profile.protect:
        case "cert_no":
            return (
                f"case when regexp_full_match({value}, '[1-9][0-9]{{16}}[0-9X]')"
                f" then {_check_digit_sql(value)} = substr({value}, 18, 1)"
                f" and {_birth_date_sql(value)} is not null else false end"
            )
        case "mobile":
            return f"regexp_full_match({value}, '1[3-9][0-9]{{9}}')"
        case "mobile_md5":
            return f"regexp_full_match({value}, '[0-9a-f]{{32}}')"
        case "cert_no_sm3" | "mobile_sha256":
            return f"regexp_full_match({value}, '[0-9a-f]{{64}}')"
        case "person_name":
            return f"not regexp_matches({value}, '[0-9*＊]')"
        case "bank_card":
            return f"regexp_full_match({value}, '[0-9]{{12,19}}')"
        case _:
            return None


def outputs_sql(column: Column, value: str, keys: Keys) -> dict[str, str]:
    """The lake columns that stand in for a protected column: name to SQL over its normalised value."""
    kind = column.profile.protect
    assert kind is not None
    outputs = {f"{column.name}_token": token_sql(value, kind, keys.token)}
    if kind == "cert_no":
        outputs[f"{column.name}_birth_date"] = _birth_date_sql(value)
    if kind == "mobile":
        outputs[f"{column.name}_sha256_token"] = token_sql(f"sha256({value})", "mobile_sha256", keys.token)
        outputs[f"{column.name}_masked"] = f"substr({value}, 1, 3) || '****' || substr({value}, 8, 4)"
    if kind == "person_name":
        surname = "(case when substr({v}, 1, 2) in ({list}) then 2 else 1 end)".format(
            v=value, list=", ".join(f"'{surname}'" for surname in COMPOUND_SURNAMES)
        )
        outputs[f"{column.name}_masked"] = (
            f"substr({value}, 1, {surname}) || repeat('*', greatest(length({value}) - {surname}, 1))"
        )
    return outputs


def output_types(column: Column) -> dict[str, str]:
    """Names and lake types of what stands in for a protected column."""
    names = outputs_sql(column, "x", Keys(b"", b""))
    return {name: "DATE" if name.endswith("_birth_date") else "VARCHAR" for name in names}


def _check_digit_sql(value: str) -> str:
    """GB 11643 check character (ISO 7064 MOD 11-2) of the first 17 digits."""
    total = " + ".join(
        f"cast(substr({value}, {place}, 1) as integer) * {weight}" for place, weight in enumerate(CERT_NO_WEIGHTS, 1)
    )
    return f"substr('{CERT_NO_CHECK}', ({total}) % 11 + 1, 1)"


def _birth_date_sql(value: str) -> str:
    return f"cast(try_strptime(substr({value}, 7, 8), '%Y%m%d') as date)"
