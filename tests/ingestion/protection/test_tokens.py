"""Identifiers: canonical forms, masks, tokens by both algorithms and several key versions, equivalence tokens."""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ingestion.foundation import Settings, SettingsInvalid, load_settings
from ingestion.identifiers import HASHED, KINDS, canonical_sql, masked_form_sql, masked_sql, well_formed_sql
from ingestion.protection import Keys, KeyUnusable, add_key, load_keys, register_functions
from ingestion.protection.equivalents import record_equivalents, write_equivalents_schema
from ingestion.protection.sealing import seal_text, unseal_quarantine
from ingestion.protection.tokens import keyed_sql

SHA256 = Keys(token=bytes(range(32)), quarantine=b"q" * 32)
SM3 = dataclasses.replace(SHA256, algorithm="sm3")


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        register_functions(opened, SM3)
        yield opened


def ask(connection: duckdb.DuckDBPyConnection, sql: str | None, value: str | None) -> Any:
    assert sql is not None
    return connection.execute(f"select {sql} from (select $1::varchar as v)", [value]).fetchall()[0][0]


@pytest.mark.parametrize(
    ("kind", "delivered", "canonical", "is_well_formed"),
    [
        ("cert_no", "11010519491231002X", "11010519491231002X", True),
        ("cert_no", " 34052419800101001x ", "34052419800101001X", True),
        ("cert_no", "110105491231002", "11010519491231002X", True),
        ("cert_no", "   110105491231002", "11010519491231002X", True),
        ("cert_no", "110105194912310021", "110105194912310021", False),
        ("cert_no", "11010519490231002X", "11010519490231002X", False),
        ("cert_no", "01010519491231002X", "01010519491231002X", False),
        ("cert_no", "1101051949123100", "1101051949123100", False),
        ("cert_no", "甲乙丙丁戊己", "甲乙丙丁戊己", False),
        ("cert_no", "", "", False),
        ("mobile", "13812341234", "13812341234", True),
        ("mobile", "+8613812341234", "13812341234", True),
        ("mobile", "+86-13812341234", "13812341234", True),
        ("mobile", "0086 13812341234 ", "13812341234", True),
        ("mobile", "8613812341234", "13812341234", True),
        ("mobile", "12812341234", "12812341234", False),
        ("mobile", " 1381234123", "1381234123", False),
        ("mobile", "1381234123", "1381234123", False),
        ("bank_card", "6222 0212-3456 7890", "6222021234567890", True),
        ("bank_card", "62220212345", "62220212345", False),
        ("person_name", " 阿卜杜拉•买买提 ", "阿卜杜拉·买买提", True),
        ("person_name", "张*", "张*", False),
        ("email", " Li.Ming@Example.COM ", "li.ming@example.com", True),
        ("email", "li.ming", "li.ming", False),
        ("device_id", "6D92078A-8246-4BA4-AE5B-76104861E7DC", "6d92078a-8246-4ba4-ae5b-76104861e7dc", True),
        ("device_id", "?", "?", False),
        ("openid", "oGZUI0egBJY1zhBYw2KhdUfwVJJE", "oGZUI0egBJY1zhBYw2KhdUfwVJJE", True),
        ("openid", "short", "short", False),
        ("mobile_md5", "5D41402ABC4B2A76B9719D911017C592", "5d41402abc4b2a76b9719d911017c592", True),
        ("mobile_md5", "5d41402abc4b2a76b9719d911017c59", "5d41402abc4b2a76b9719d911017c59", False),
        ("cert_no_sha256", "A" * 64, "a" * 64, True),
        ("bank_card_sm3", "a" * 32, "a" * 32, False),
        ("cert_no_masked", "110105＊＊＊＊＊＊＊＊002x", "110105********002X", True),
        ("mobile_masked", "138****1234", "138****1234", True),
        ("mobile_masked", "138***1234", "138***1234", False),
    ],
)
def test_canonical_form(
    connection: duckdb.DuckDBPyConnection, kind: str, delivered: str, canonical: str, is_well_formed: bool
) -> None:
    assert ask(connection, canonical_sql(kind, "v"), delivered) == canonical
    assert ask(connection, well_formed_sql(kind, "v"), canonical) is is_well_formed
    assert ask(connection, well_formed_sql(kind, f"({canonical_sql(kind, 'v')})"), delivered) is is_well_formed


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_stays_nothing(connection: duckdb.DuckDBPyConnection, kind: str) -> None:
    for sql in (canonical_sql(kind, "v"), well_formed_sql(kind, "v"), masked_sql(kind, "v"), keyed_sql("v", kind, SM3)):
        if sql is not None:
            assert ask(connection, sql, None) is None


@pytest.mark.parametrize(
    ("kind", "value", "masked"),
    [
        ("person_name", "张三", "张*"),
        ("person_name", "张三丰", "张**"),
        ("person_name", "欧阳锋", "欧阳*"),
        ("person_name", "诸葛孔明", "诸葛**"),
        ("person_name", "阿卜杜拉·买买提", "阿*******"),
        ("person_name", "王", "*"),
        ("person_name", "LI Ming", "LI *"),
        ("person_name", "LI Ming Hua", "LI *"),
        ("person_name", "Ming", "M***"),
        ("mobile", "13812341234", "138****1234"),
        ("mobile", "1381234123", "**********"),
        ("mobile", "1381234123a", "***********"),
        ("cert_no", "11010519491231002X", "110105********002X"),
        ("cert_no", "110105491231002", "110105*****1002"),
        ("cert_no", "12345", "*****"),
        ("bank_card", "6222021234567890", "************7890"),
        ("bank_card", "622202", "******"),
        ("email", "li.ming@example.com", "l***@example.com"),
        ("email", "@example.com", "************"),
        ("address", "广东省深圳市南山区科苑路8号", "广东省深圳市***"),
        ("address", "北京市朝阳区建国路93号", "北京市***"),
        ("address", "内蒙古自治区锡林郭勒盟锡林浩特市", "内蒙古自治区锡林郭勒盟***"),
        ("address", "南山区科苑路8号", "***"),
        ("device_id", "6d92078a-8246-4ba4", "**************4ba4"),
        ("device_id", "abc", "***"),
    ],
)
def test_mask(connection: duckdb.DuckDBPyConnection, kind: str, value: str, masked: str) -> None:
    assert ask(connection, masked_sql(kind, "v"), value) == masked


def test_masked_form_of_each_hashed_kind_is_what_a_partner_may_send(connection: duckdb.DuckDBPyConnection) -> None:
    values = {"cert_no": "11010519491231002X", "mobile": "13812341234", "bank_card": "6222021234567890123"}
    for kind in HASHED:
        masked = ask(connection, masked_form_sql(kind, "v"), values[kind])
        assert ask(connection, well_formed_sql(f"{kind}_masked", "v"), masked) is True


@pytest.mark.parametrize(("keys", "algorithm"), [(SHA256, "sha256"), (SM3, "sm3")])
@pytest.mark.parametrize("kind", ["cert_no", "mobile_sha256", "person_name"])
def test_token_is_the_keyed_hash_of_domain_and_value(
    connection: duckdb.DuckDBPyConnection, keys: Keys, algorithm: str, kind: str
) -> None:
    value = "欧阳" * 20
    want = hmac.new(keys.token, f"{kind}\x1f{value}".encode(), algorithm).hexdigest()
    assert ask(connection, keyed_sql("v", kind, keys), value) == want


def test_first_key_is_drawn_for_the_wanted_algorithm(tmp_path: Path) -> None:
    assert load_keys(tmp_path / "a.key").label == "hmac-sha256:1"
    keys = load_keys(tmp_path / "b.key", "sm3")
    assert keys.label == "hmac-sm3:1"
    assert load_keys(tmp_path / "b.key", "sm3") == keys
    assert (tmp_path / "b.key").stat().st_mode & 0o777 == 0o600
    assert keys.token.hex() not in repr(keys) and repr(keys.token) not in repr(keys)


def test_rotation_adds_a_version_and_keeps_the_older(tmp_path: Path) -> None:
    path = tmp_path / "platform.key"
    first = load_keys(path)
    second = add_key(path, "sha256")
    third = add_key(path, "sm3")
    assert [version.label for version in third.versions] == ["hmac-sm3:3", "hmac-sha256:2", "hmac-sha256:1"]
    assert third.older[1].token == first.token and second.token == third.older[0].token
    assert len({version.token for version in third.versions}) == 3
    assert unseal_quarantine(seal_text(b"raw", first.quarantine, "d"), third, "d") == b"raw"
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(KeyUnusable, match="newest key makes hmac-sm3:3 tokens, but PLATFORM_TOKEN_ALGORITHM is sha256"):
        load_keys(path, "sha256")


@pytest.mark.parametrize("content", ["", "ab" * 31, "1 sha1 " + "ab" * 32, "1 sm3 " + "ab" * 32 + "\n" + "cd" * 32])
def test_a_broken_key_file_is_reported(tmp_path: Path, content: str) -> None:
    (tmp_path / "platform.key").write_text(content)
    with pytest.raises(KeyUnusable, match="restore it from your key store"):
        load_keys(tmp_path / "platform.key")


def test_the_algorithm_is_a_setting(tmp_path: Path) -> None:
    assert load_settings({"PLATFORM_HOME": str(tmp_path)}).token_algorithm is None
    assert load_settings({"PLATFORM_TOKEN_ALGORITHM": "sm3"}).token_algorithm == "sm3"
    with pytest.raises(SettingsInvalid, match="set sha256 or sm3"):
        load_settings({"PLATFORM_TOKEN_ALGORITHM": "md5"})


def recorded(settings: Settings) -> list[dict[str, Any]]:
    with duckdb.connect() as connection:
        files = settings.lake / "_equivalents" / "*" / "*.parquet"
        return connection.sql(f"select * from '{files}' order by all").pl().to_dicts()


def tokenised(values: str, kind: str, keys: Keys) -> str:
    return f"(select value, {keyed_sql('value', kind, keys)} as token from {values})"


@pytest.mark.parametrize("keys", [SHA256, SM3])
def test_a_partners_hash_meets_our_value(connection: duckdb.DuckDBPyConnection, settings: Settings, keys: Keys) -> None:
    phone = "13812341234"
    values = tokenised(f"(select '{phone}' as value)", "mobile", keys)
    assert record_equivalents(connection, values, "mobile", keys, settings, "d1") == 1
    (row,) = recorded(settings)
    assert row["token"] == ask(connection, keyed_sql("v", "mobile", keys), phone)
    for form in ("md5", "sha256", "sm3"):
        sent = hashlib.new(form, phone.encode()).hexdigest()
        assert row[f"{form}_token"] == ask(connection, keyed_sql("v", f"mobile_{form}", keys), sent)
    assert row["masked_token"] == ask(connection, keyed_sql("v", "mobile_masked", keys), "138****1234")
    assert (row["kind"], row["key_version"], row["previous_token"]) == ("mobile", 1, None)


def test_only_new_values_are_recorded_and_again_gives_the_same_bytes(
    connection: duckdb.DuckDBPyConnection, settings: Settings
) -> None:
    write_equivalents_schema(settings)
    assert recorded(settings) == []
    connection.execute(
        "create table clear as select (13800000000 + i)::varchar as value from range(5000) r(i)"
    ).fetchall()
    connection.execute("insert into clear from clear union all select null").fetchall()
    first = "(from clear where value < '13800003000' or value is null)"

    def record(values: str, delivery: str) -> int:
        clear = tokenised(values, "mobile", SHA256)
        return record_equivalents(connection, clear, "mobile", SHA256, settings, delivery)

    assert record(first, "d1") == 3000
    assert record("clear", "d2") == 2000
    assert record("clear", "d3") == 0
    folder = settings.lake / "_equivalents" / "mobile"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert set(before) == {"d1.parquet", "d2.parquet"}
    assert (record(first, "d1"), record("clear", "d2"), record("clear", "d3")) == (3000, 2000, 0)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert len({row["token"] for row in recorded(settings)}) == len(recorded(settings)) == 5000


def test_after_a_rotation_old_and_new_tokens_of_a_value_meet(
    connection: duckdb.DuckDBPyConnection, settings: Settings
) -> None:
    old = load_keys(settings.key_file)
    values = "(select '11010519491231002X' as value)"
    record_equivalents(connection, tokenised(values, "cert_no", old), "cert_no", old, settings, "d1")
    new = add_key(settings.key_file, "sm3")
    register_functions(connection, new)
    assert record_equivalents(connection, tokenised(values, "cert_no", new), "cert_no", new, settings, "d2") == 1
    rows = {row["key_version"]: row for row in recorded(settings)}
    assert rows[2]["previous_token"] == rows[1]["token"] != rows[2]["token"]


@pytest.mark.parametrize("returns", [(1, 3), (1, 2, 3), (2, 3), (3,), (1, 4)])
def test_tokens_of_every_version_of_the_key_lead_to_one(
    connection: duckdb.DuckDBPyConnection, settings: Settings, returns: tuple[int, ...]
) -> None:
    """Whichever versions a value was delivered under: each points at the one before it, down to the first."""
    value = "11010519491231002X"
    values = f"(select '{value}' as value)"
    keys = load_keys(settings.key_file)
    for version in range(1, max(returns) + 1):
        keys = keys if version == 1 else add_key(settings.key_file, "sm3" if version == 3 else "sha256")
        if version in returns:
            register_functions(connection, keys)
            given = tokenised(values, "cert_no", keys)
            assert record_equivalents(connection, given, "cert_no", keys, settings, f"d{version}") == 1
            held = {path.name: path.read_bytes() for path in (settings.lake / "_equivalents" / "cert_no").iterdir()}
            assert record_equivalents(connection, given, "cert_no", keys, settings, f"d{version}") == 1
            again = {path.name: path.read_bytes() for path in (settings.lake / "_equivalents" / "cert_no").iterdir()}
            assert again == held
    rows = recorded(settings)
    made = {one.version: ask(connection, keyed_sql("v", "cert_no", one), value) for one in keys.versions}
    assert {row["key_version"]: row["token"] for row in rows} == made
    assert len(rows) == len(made), "each once"
    for row in rows:
        assert row["previous_token"] == made.get(row["key_version"] - 1)
        (version,) = (one for one in keys.versions if one.version == row["key_version"])
        for form in ("md5", "sha256", "sm3"):
            sent = hashlib.new(form, value.encode()).hexdigest()
            assert row[f"{form}_token"] == ask(connection, keyed_sql("v", f"cert_no_{form}", version), sent)


def test_no_clear_value_and_no_unkeyed_hash_is_recorded(
    connection: duckdb.DuckDBPyConnection, settings: Settings
) -> None:
    card = "6222021234567890123"
    values = tokenised(f"(select '{card}' as value)", "bank_card", SHA256)
    record_equivalents(connection, values, "bank_card", SHA256, settings, "d1")
    held = {str(value) for row in recorded(settings) for value in row.values()}
    assert not held & {card, *(hashlib.new(form, card.encode()).hexdigest() for form in ("md5", "sha256", "sm3"))}
