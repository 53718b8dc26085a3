"""SM3 and HMAC-SM3 against the published vectors and OpenSSL."""

from __future__ import annotations

import hashlib
import hmac
import random

import duckdb
import pyarrow as pa
import pytest

from ingestion.identifiers.sm3 import digest_sm3, make_hmac_sm3

ABC = "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"
ABCD_16 = "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732"
EMPTY = "1ab21d8355cfa17f8e61194831e81a8f22bec8c728fefb747ed035eb5082aa2b"


def test_published_vectors() -> None:
    assert digest_sm3(pa.array(["abc", "abcd" * 16, "", None])).to_pylist() == [ABC, ABCD_16, EMPTY, None]


@pytest.fixture(scope="module")
def values() -> list[bytes | None]:
    draw = random.Random(5)
    lengths = [*range(0, 200), *(draw.randrange(0, 400) for _ in range(300))]
    return [None if number % 17 == 16 else draw.randbytes(length) for number, length in enumerate(lengths)]


def test_every_length_agrees_with_openssl(values: list[bytes | None]) -> None:
    if "sm3" not in hashlib.algorithms_available:
        pytest.skip("this OpenSSL has no SM3")
    want = [None if value is None else hashlib.new("sm3", value).hexdigest() for value in values]
    assert digest_sm3(pa.array(values)).to_pylist() == want


@pytest.mark.parametrize("key", [b"k", b"key" * 11, b"x" * 64, b"y" * 100])
@pytest.mark.parametrize("prefix", [b"", b"mobile\x1f", b"p" * 70])
def test_keyed_form_agrees_with_openssl(values: list[bytes | None], key: bytes, prefix: bytes) -> None:
    if "sm3" not in hashlib.algorithms_available:
        pytest.skip("this OpenSSL has no SM3")
    want = [None if value is None else hmac.new(key, prefix + value, "sm3").hexdigest() for value in values]
    assert make_hmac_sm3(key, prefix)(pa.array(values)).to_pylist() == want


def test_python_without_sm3_gives_the_same(monkeypatch: pytest.MonkeyPatch, values: list[bytes | None]) -> None:
    want = digest_sm3(pa.array(values)).to_pylist()
    monkeypatch.setattr(hashlib, "algorithms_available", {"sha256"})
    monkeypatch.setattr(hashlib, "new", None)
    assert digest_sm3(pa.array(values)).to_pylist() == want
    assert digest_sm3(pa.array(["abc", "abcd" * 16, "", None])).to_pylist() == [ABC, ABCD_16, EMPTY, None]


def test_slices_chunks_and_empty_columns() -> None:
    array = pa.array(["zero", "abc", None, "abc", "four"])
    assert digest_sm3(array.slice(1, 3)).to_pylist() == [ABC, None, ABC]
    assert digest_sm3(pa.chunked_array([array.slice(1, 1), array.slice(2, 2)])).to_pylist() == [ABC, None, ABC]
    assert digest_sm3(pa.array([], pa.string())).to_pylist() == []
    assert digest_sm3(pa.array([None], pa.string())).to_pylist() == [None]
    assert digest_sm3(pa.array(["abc", None], pa.large_string())).to_pylist() == [ABC, None]


def test_serves_as_a_function_of_the_engine() -> None:
    with duckdb.connect() as connection:
        connection.create_function("sm3", digest_sm3, ["VARCHAR"], "VARCHAR", type="arrow")
        rows = connection.execute(
            "select count(distinct sm3(text)), max(sm3(text)) filter (text = 'abc'), count(*) - count(sm3(text))"
            " from (select case when i % 1000 = 7 then 'abc' when i % 1000 = 8 then null else i::varchar end as text"
            " from range(50000) r(i))"
        ).fetchall()
    assert rows == [(49901, ABC, 50)]
