"""What landing records of a rotated key (密钥轮换), as the warehouse reads it: a person stays one."""

from __future__ import annotations

from itertools import combinations

import duckdb
import pytest

from ingestion.foundation import Settings
from ingestion.protection import Keys, add_key, load_keys, register_functions
from ingestion.protection.equivalents import record_equivalents
from ingestion.protection.tokens import keyed_sql
from tests.handmade_lake import HandmadeLake

VERSIONS = (1, 2, 3, 4)
SEEN = [seen for count in (2, 3, 4) for seen in combinations(VERSIONS, count)]


def record(connection: duckdb.DuckDBPyConnection, values: list[str], keys: Keys, settings: Settings) -> list[str]:
    """Land identity numbers under one version of the key; their tokens."""
    register_functions(connection, keys)
    listed = ", ".join(f"('{value}')" for value in values)
    tokens = f"(select value, {keyed_sql('value', 'cert_no', keys)} as token from (values {listed}) given(value))"
    record_equivalents(connection, tokens, "cert_no", keys, settings, f"d{keys.version}")
    return [token for (token,) in connection.execute(f"select token from {tokens} order by value").fetchall()]


@pytest.mark.parametrize("algorithm", ["sha256", "sm3"])
def test_tokens_of_all_versions_resolve_to_one_whichever_a_person_came_under(
    settings: Settings, algorithm: str
) -> None:
    persons = {f"1101051949123{number:04}X": seen for number, seen in enumerate(SEEN)}
    made: dict[str, set[str]] = {}
    keys = load_keys(settings.key_file)
    with duckdb.connect() as connection:
        for version in VERSIONS:
            keys = keys if version == 1 else add_key(settings.key_file, "sm3" if algorithm == "sm3" else "sha256")
            values = sorted(person for person, seen in persons.items() if version in seen)
            for person, token in zip(values, record(connection, values, keys, settings), strict=True):
                made.setdefault(person, set()).add(token)
    lake = HandmadeLake(settings)
    lake.build("2026-03-02", select=["stg_platform__identifier_equivalents", "int_tokens_resolved"])
    resolved = dict(lake.ask("select token, first_token from int_tokens_resolved"))
    split = {persons[person] for person, tokens in made.items() if len({resolved.get(one, one) for one in tokens}) > 1}
    assert {person: len(tokens) for person, tokens in made.items()} == {one: len(seen) for one, seen in persons.items()}
    assert split == set()
