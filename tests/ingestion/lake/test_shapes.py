"""`python -m ingestion scan` finds whatever has the shape of an identifier, and nothing in what the platform writes."""

from __future__ import annotations

import hashlib
from pathlib import Path

import duckdb
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ingestion.lake.scan
from ingestion.commands import main
from ingestion.identifiers.kinds import CERT_NO_CHECK, CERT_NO_WEIGHTS
from ingestion.lake.scan import Finding, find_clear
from ingestion.lake.shapes import Shapes
from tests.ingestion.broken import Party, column
from tests.ingestion.lake.stores import STORES

CERT_NO, PHONE, CARD = "11010519491231002X", "13812341234", "6222021234567890128"
LEAKS = {CERT_NO: "identity numbers", PHONE: "mobile numbers", CARD: "bank card numbers"}
HARMLESS = {
    "a wrong check character": "110105194912310021",
    "no date of birth": "110105194913310028",
    "no telephone": "12812341234",
    "a card that fails Luhn": "6222021234567890123",
    "a timestamp to the microsecond": "20260302123456789",
    "milliseconds": "1772409600000",
    "nanoseconds": "1772409600123456784",
    "an amount": "13812341234.50",
    "a fraction": "0.13812341234",
    "a number of a contract": "LN13812341234",
    "a longer number": "913812341234",
    "a token": hashlib.sha256(b"x").hexdigest()[:20] + "13812341234a",
    "a mask": "6222***********0128 138****1234",
}


def search(path: Path) -> list[tuple[str, str, int]]:
    return [(finding.path.name, finding.kind, finding.count) for finding in find_clear([path], Shapes())]


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("leak", LEAKS)
def test_what_has_the_shape_of_an_identifier_is_found(tmp_path: Path, store: str, leak: str) -> None:
    STORES[store](tmp_path / store, leak)
    assert search(tmp_path) == [(store, LEAKS[leak], 1)]


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("text", HARMLESS.values(), ids=HARMLESS)
def test_what_only_looks_like_one_is_not(tmp_path: Path, store: str, text: str) -> None:
    STORES[store](tmp_path / store, text)
    assert search(tmp_path) == []


@given(st.integers(10**16, 10**17 - 1), st.sampled_from(CERT_NO_CHECK))
def test_one_check_character_in_eleven_is_right(number: int, check: str) -> None:
    digits = "110105" + "19491231" + f"{number % 1000:03}"
    right = CERT_NO_CHECK[sum(int(d) * w for d, w in zip(digits, CERT_NO_WEIGHTS, strict=True)) % 11]
    assert Shapes().find_within(digits + check) == ({digits + check} if check == right else set())


@pytest.mark.parametrize(
    ("text", "count"),
    [(PHONE, 1), (f"9{PHONE}", 0), (f"{PHONE}9", 0), (f"{PHONE}.50", 0), (f"1.{PHONE}", 0), (f"1.{PHONE}.{PHONE}", 0)],
)
def test_a_number_is_seen_whole_wherever_the_file_is_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, count: int
) -> None:
    monkeypatch.setattr(ingestion.lake.scan, "CHUNK", 1000)
    for place in (*range(995 - len(text), 1002), *range(740 - len(text), 748)):
        (tmp_path / "run.log").write_text(" " * place + text + " " * 700)
        assert [number for _, _, number in search(tmp_path)] == [count] * bool(count), place


def test_a_column_of_whole_numbers_is_one_of_identifiers_or_holds_none(tmp_path: Path) -> None:
    amounts = [int(PHONE), *range(5_000_000_000, 5_000_000_900)]
    pl.DataFrame({"amount_fen": amounts, "phone": [int(PHONE) + n for n in range(901)]}).write_parquet(
        tmp_path / "a.parquet"
    )
    assert find_clear([tmp_path], Shapes()) == [Finding(tmp_path / "a.parquet", "column phone", 901, "mobile numbers")]


def test_a_landed_home_is_clean_and_a_planted_value_is_reported_but_not_shown(
    party: Party, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in party.environment.items():
        monkeypatch.setenv(name, value)
    party.declare(
        column("id", key=1), column("cert_no", protect="cert_no"), column("mobile", protect="mobile"),
        column("card", protect="bank_card"), column("amount", "DECIMAL(18,2)"), max_quarantine_share=0.9,
    )  # fmt: skip
    party.deliver(
        f"id,cert_no,mobile,card,amount\n1,{CERT_NO},{PHONE},{CARD},13812341234.50\n2,{CERT_NO},{PHONE},x,y\n"
    )
    assert str(party.land()) == "1 landed, 1 quarantined"
    assert main(["scan"]) == 0
    assert "none holds any" in capsys.readouterr().out
    assert main(["scan", str(party.settings.locate_source("party"))]) == 1, "what partners deliver is full of them"
    capsys.readouterr()

    part = next(party.settings.lake.rglob("part-00.parquet"))
    pl.read_parquet(part).with_columns(note=pl.lit(f"call {PHONE}")).write_parquet(part)
    with duckdb.connect(str(party.settings.warehouse)) as warehouse:
        warehouse.execute(f"create table notes as select '{CERT_NO}' as text").fetchall()
    assert main(["scan"]) == 1
    out = capsys.readouterr().out
    assert f"{part} holds 1 mobile numbers (column note)" in out
    assert f"{party.settings.warehouse} holds 1 identity numbers (column main.notes.text)" in out
    assert "2 places hold clear identifiers" in out
    assert PHONE not in out and CERT_NO not in out


def test_a_file_that_cannot_be_opened_is_not_called_clean(
    party: Party, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in party.environment.items():
        monkeypatch.setenv(name, value)
    party.settings.lake.mkdir()
    (party.settings.lake / "part.parquet").write_bytes(b"PAR1 and no more")
    assert main(["scan"]) == 1
    assert "part.parquet cannot be searched" in capsys.readouterr().err
