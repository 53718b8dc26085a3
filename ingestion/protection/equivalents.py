"""Equivalence tokens (等值令牌): the other spellings under which a partner may know an identifier we hold.

For every identity number, phone and card the tokens of its masked form and of its MD5, SHA-256 and SM3, so that a
partner's `md5(phone)`, which is tokenised as `mobile_md5` when it lands, meets our phone without anyone seeing it.
They are computed once for each new value, not in every row, and kept beside the lake as append-only Parquet:
`lake/_equivalents/<kind>/<delivery_id>.parquet`. Readers take distinct rows: two deliveries that land at the same
moment may both record the same new value, with equal tokens.

A new value has a row for each version of the key, although no delivery may have come under some of them: each row's
`previous_token` is the token of the row of the version before it, so the tokens of all versions lead to one.
"""

from __future__ import annotations

from pathlib import Path

import duckdb

from ingestion.foundation import Settings
from ingestion.foundation.files import replace_atomically
from ingestion.foundation.sql import quote_text
from ingestion.identifiers import FORMS, HASHED, masked_form_sql
from ingestion.protection.keys import Keys
from ingestion.protection.tokens import keyed_sql, register_functions

SCHEMA = {
    "kind": "VARCHAR",
    "key_version": "INTEGER",
    "token": "VARCHAR",
    "previous_token": "VARCHAR",
    "masked_token": "VARCHAR",
    "md5_token": "VARCHAR",
    "sha256_token": "VARCHAR",
    "sm3_token": "VARCHAR",
}


def equivalents_sql(kind: str, value: str, keys: Keys) -> dict[str, str]:
    """Name and SQL of every equivalence token of a canonical value; `previous_token` is NULL for a first key."""
    masked = masked_form_sql(kind, value)
    if masked is None:
        raise ValueError(f"{kind} has no masked form; equivalents are of {', '.join(HASHED)}.")
    return {
        "previous_token": keyed_sql(value, kind, keys.older[0]) if keys.older else "null::varchar",
        "masked_token": keyed_sql(masked, f"{kind}_masked", keys),
        **{f"{form}_token": keyed_sql(f"{form}({value})", f"{kind}_{form}", keys) for form in FORMS},
    }


def record_equivalents(
    connection: duckdb.DuckDBPyConnection, values: str, kind: str, keys: Keys, settings: Settings, delivery_id: str
) -> int:
    """Keep the equivalence tokens of what a delivery brings that no other delivery brought; returns their number.

    `values` is a table, or a query in parentheses, with the canonical clear values of every column of this kind in
    column `value` and their tokens in `token` (repeated or NULL as they come). Running again gives the same bytes; a
    file appears whole or not.
    """
    register_functions(connection, keys)
    folder = settings.lake / "_equivalents" / kind
    path = folder / f"{delivery_id}.parquet"
    others = sorted(str(other) for other in folder.glob("*.parquet") if other != path)
    recorded = f"(select token from read_parquet([{', '.join(map(quote_text, others))}]))" if others else "(select '')"
    connection.execute(
        f"create or replace temp table new_values as select distinct value, token from {values}"
        f" where value is not null and token not in {recorded}"
    ).fetchall()
    count = int(connection.execute("select count(*) from new_values").fetchall()[0][0])
    if count:
        current = _rows_sql(kind, keys, "(select value, token from new_values)")
        older = (_rows_sql(kind, version, _unrecorded_sql(kind, version, recorded)) for version in keys.older)
        with replace_atomically(path) as draft:
            connection.execute(
                f"copy ({' union all '.join((current, *older))} order by key_version desc, token)"
                f" to {quote_text(draft)} (format parquet, compression zstd, compression_level 1)"
            ).fetchall()
    else:
        path.unlink(missing_ok=True)
    connection.execute("drop table new_values").fetchall()
    return count


def _rows_sql(kind: str, version: Keys, values: str) -> str:
    """The rows of one version of the key for `values` with their tokens under it."""
    tokens = ", ".join(f"{sql} as {name}" for name, sql in equivalents_sql(kind, "value", version).items())
    return f"select '{kind}' as kind, {version.version}::integer as key_version, token, {tokens} from {values}"


def _unrecorded_sql(kind: str, version: Keys, recorded: str) -> str:
    """New values with their tokens under an older version, of which no delivery has recorded the row."""
    tokens = f"select value, {keyed_sql('value', kind, version)} as token from new_values"
    return f"(select value, token from ({tokens}) where token not in {recorded})"


def write_equivalents_schema(settings: Settings) -> Path:
    """Write the zero-row file that lets `lake/_equivalents/*/*.parquet` be read before the first identifier comes."""
    path = settings.lake / "_equivalents" / "schema" / "part-00.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = ", ".join(f"null::{kind} as {name}" for name, kind in SCHEMA.items())
    with duckdb.cursor() as connection:
        connection.execute(f"copy (select {columns} limit 0) to {quote_text(path)} (format parquet)").fetchall()
    return path
