"""Tokens (标识符令牌): what the lake holds in place of an identifier, computed inside DuckDB.

A token is HMAC-SHA-256, or HMAC-SM3 where the key says so, over `domain || 0x1F || canonical value`, in hexadecimal,
so equal values of one kind meet across sources and nothing can be enumerated without the key (DOMAIN.md 4.5).

A token does not carry the version of its key; what holds tokens is recorded with `Keys.label`, and `equivalents` keeps
a row for each version, which leads to the version before it, so that rows of all versions meet.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import duckdb
from duckdb.func import ARROW

from ingestion.contract.profiles import Column
from ingestion.identifiers import KINDS, birth_date_sql, masked_sql
from ingestion.identifiers.sm3 import digest_sm3, make_hmac_sm3
from ingestion.protection.keys import Keys

BLOCK = 64


def register_functions(connection: duckdb.DuckDBPyConnection, keys: Keys) -> None:
    """Give a connection what `keyed_sql` and `equivalents` call: SM3, and HMAC-SM3 for each kind."""
    functions: dict[str, Callable[..., Any]] = {"sm3": digest_sm3}
    for version in keys.versions:
        if version.algorithm == "sm3":
            for domain in KINDS:
                functions[_function_name(domain, version)] = make_hmac_sm3(version.token, domain.encode() + b"\x1f")
    for name, function in functions.items():
        with suppress(duckdb.NotImplementedException):  # already registered; listing an engine's functions is slow
            connection.create_function(name, function, ["VARCHAR"], "VARCHAR", type=ARROW)


def keyed_sql(value: str, domain: str, keys: Keys) -> str:
    """SQL of the token of a canonical text expression by the algorithm of the key; NULL stays NULL."""
    if keys.algorithm == "sm3":
        return f"{_function_name(domain, keys)}({value})"
    return token_sql(value, domain, keys.token)


def _function_name(domain: str, keys: Keys) -> str:
    return f"hmac_sm3_{domain}_v{keys.version}"


def token_sql(value: str, domain: str, key: bytes) -> str:
    """SQL of the HMAC-SHA-256 token of a canonical text expression; NULL stays NULL."""
    padded = key.ljust(BLOCK, b"\0")
    inner = bytes(byte ^ 0x36 for byte in padded) + domain.encode() + b"\x1f"
    outer = bytes(byte ^ 0x5C for byte in padded)
    return f"sha256({_blob(outer)} || unhex(sha256({_blob(inner)} || encode({value}))))"


def _blob(data: bytes) -> str:
    return f"unhex('{data.hex()}')"


def outputs_sql(column: Column, value: str, keys: Keys) -> dict[str, str]:
    """The lake columns that replace a protected column: name to SQL over its canonical value."""
    kind = require_kind(column)
    outputs = {f"{column.name}_token": keyed_sql(value, kind, keys)}
    if kind == "cert_no":  # no mask beside the birth date: the two would give the number away (DOMAIN.md 4.4)
        return outputs | {f"{column.name}_birth_date": birth_date_sql(value)}
    mask = masked_sql(kind, value)
    return outputs if mask is None else outputs | {f"{column.name}_masked": mask}


def derive_output_types(column: Column) -> dict[str, str]:
    """Names and lake types of what replaces a protected column."""
    names = outputs_sql(column, "x", Keys(b"", b""))
    return {name: "DATE" if name.endswith("_birth_date") else "VARCHAR" for name in names}


def require_kind(column: Column) -> str:
    """The kind of identifier that a protected column holds; asked of any other column, a ValueError."""
    if column.profile.protect is None:
        raise ValueError(f"column {column.name} is not protected.")
    return column.profile.protect
