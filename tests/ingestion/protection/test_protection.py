"""What replaces an identifier, who can undo it, and that no identifier is left anywhere in the clear."""

from __future__ import annotations

import hashlib
import hmac
import stat
from datetime import date
from pathlib import Path

import duckdb
import polars as pl
import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ingestion.commands import main
from ingestion.protection import KeyUnusable, add_key, load_keys
from ingestion.protection.sealing import seal_text, unseal_text
from tests.ingestion.broken import KEY, Party, column, contract, dataset, make_party

CERT = "11010519491231002X"
PHONE = "13812341234"


def token(domain: str, value: str, key: str = KEY) -> str:
    """HMAC-SHA-256 by Python's own library, with the key that HKDF derives for tokens (RFC 5869)."""
    derived = HKDF(SHA256(), 32, None, b"loan-data-platform/token").derive(bytes.fromhex(key))
    return hmac.new(derived, domain.encode() + b"\x1f" + value.encode(), hashlib.sha256).hexdigest()


def land_one(party: Party, kind: str, *texts: str, **delivery: str) -> Party:
    """Land one identifier column `x` with a row for each text."""
    party.declare(
        column("id", "INTEGER", key=True), column("x", protect=kind), header="none", separator="|", **delivery
    )
    party.deliver("\n".join(f"{number}|{text}" for number, text in enumerate(texts, 1)))
    party.land()
    return party


def test_a_value_that_returns_after_two_rotations_is_the_same_value(tmp_path: Path) -> None:
    """As `keys add` twice in a row does, so that no delivery ever came under the version between them."""
    party = land_one(make_party(tmp_path), "cert_no", CERT)
    add_key(party.settings.key_file, "sm3")
    add_key(party.settings.key_file, "sha256")
    party.deliver(f"1|{CERT}", day=date(2026, 3, 3))
    party.land(date(2026, 3, 3))
    landed = {token for (token,) in party.rows("x_token")}
    assert len(landed) == 2
    known = pl.read_parquet(party.settings.lake / "_equivalents" / "cert_no" / "*.parquet")
    before = dict(known.select("token", "previous_token").iter_rows())

    def first(token: str) -> str:
        return first(before[token]) if before[token] else token

    assert len(before) == 3 and len({first(token) for token in landed}) == 1


TOKENS = {
    "cert_no": (CERT, CERT),
    "cert_no, lower case": ("11010519491231002x", CERT),
    "cert_no, 15 digits": ("110105491231002", CERT),
    "mobile": (PHONE, PHONE),
    "mobile, +86": (f"+86{PHONE}", PHONE),
    "mobile, +86 and a blank": (f"+86 {PHONE}", PHONE),
    "mobile, 86-": (f"86-{PHONE}", PHONE),
    "mobile, 0086": (f" 0086{PHONE} ", PHONE),
    "mobile_sha256": (hashlib.sha256(PHONE.encode()).hexdigest().upper(), hashlib.sha256(PHONE.encode()).hexdigest()),
    "person_name": (" 欧阳𠮷 ", "欧阳𠮷"),
    "bank_card": ("6222021234567890123", "6222021234567890123"),
    "opaque": ("D'evice-1", "D'evice-1"),
}


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Tokens by case of TOKENS, landed as the rows of one file with a column for each kind."""
    party = make_party(tmp_path_factory.mktemp("tokens") / "home")
    kinds = sorted({name.partition(",")[0] for name in TOKENS})
    columns = [column(f"x{number}", protect=kind) for number, kind in enumerate(kinds)]
    party.declare(column("id", key=True), *columns, header="none", separator="|")
    rows = [
        "|".join([name, *(text if kind == name.partition(",")[0] else "" for kind in kinds)])
        for name, (text, _) in TOKENS.items()
    ]
    party.deliver("\n".join(rows))
    party.land()
    landed = party.rows("id", *(f"{entry['name']}_token" for entry in columns))
    return {row[0]: next(token for token in row[1:] if token) for row in landed}


@pytest.mark.parametrize("name", TOKENS)
def test_a_token_is_the_hmac_of_domain_and_normal_form(tokens: dict[str, str], name: str) -> None:
    assert tokens[name] == token(name.partition(",")[0], TOKENS[name][1])


def test_equal_values_of_two_kinds_have_two_tokens() -> None:
    assert token("mobile", "1") != token("opaque", "1")


def test_a_partners_phone_hash_meets_our_phone(tmp_path: Path) -> None:
    ours = land_one(make_party(tmp_path / "ours"), "mobile", PHONE)
    theirs = land_one(make_party(tmp_path / "theirs"), "mobile_sha256", hashlib.sha256(PHONE.encode()).hexdigest())
    known = pl.read_parquet(ours.settings.lake / "_equivalents" / "mobile" / "*.parquet")
    assert ours.rows("x_token") == known.select("token").rows()
    assert theirs.rows("x_token") == known.select("sha256_token").rows()


def test_a_phone_and_its_hash_may_stand_in_one_dataset(party: Party) -> None:
    digest = hashlib.sha256(PHONE.encode()).hexdigest()
    columns = [column("x", protect="mobile"), column("x_sha256", protect="mobile_sha256")]
    party.declare(column("id", key=True), *columns).deliver(f"id,x,x_sha256\n1,{PHONE},{digest}\n")
    party.land()
    assert party.rows("x_token", "x_sha256_token") == [(token("mobile", PHONE), token("mobile_sha256", digest))]


def test_the_same_person_has_one_token_in_every_source(party: Party) -> None:
    columns = [column("id", key=True), column("cert_no", protect="cert_no")]
    other = Party(party.settings, "other")
    party.declare(*columns).deliver(f"id,cert_no\n1,{CERT}\n")
    other.agree(contract("other", dataset(*columns, name="people", encoding="gb18030", separator="|", header="none")))
    other.deliver("9|110105491231002\n", "people.csv")
    party.land()
    other.land()
    assert party.rows("cert_no_token") == other.rows("cert_no_token", name="people") == [(token("cert_no", CERT),)]


def test_another_key_gives_other_tokens(tmp_path: Path) -> None:
    party = make_party(tmp_path / "home")
    party.settings.key_file.write_text("f" * 64)
    assert land_one(party, "opaque", "1").rows("x_token") == [(token("opaque", "1", "f" * 64),)]
    assert token("opaque", "1") != token("opaque", "1", "f" * 64)


# DOMAIN.md 4.4 and Annex C.
NAMES = {
    "张三": "张*",
    "张三丰": "张**",
    "欧阳锋": "欧阳*",
    "欧阳": "欧*",
    "司马相如": "司马**",
    "阿卜杜拉·买买提": "阿*******",
    "张": "*",
    "LI Ming": "LI *",
    "𠮷田": "𠮷*",
}


def test_a_masked_name_keeps_the_surname(party: Party) -> None:
    masked = land_one(party, "person_name", *NAMES).rows("x_masked")
    assert dict(zip(NAMES, (mask for (mask,) in masked), strict=True)) == NAMES


def test_a_masked_phone_keeps_three_and_four_digits(party: Party) -> None:
    texts = [PHONE, f"+86{PHONE}", f"0086-{PHONE}"]
    assert land_one(party, "mobile", *texts).rows("x_masked") == [("138****1234",)] * 3


def test_an_identity_number_yields_its_birth_date_and_no_mask(party: Party) -> None:
    """Published examples of GB 11643 (DOMAIN.md annex C), and the old form of the first."""
    land_one(party, "cert_no", CERT, "34052419800101001X", "110105491231002")
    births = [date(1949, 12, 31), date(1980, 1, 1), date(1949, 12, 31)]
    assert party.rows("x_birth_date") == [(birth,) for birth in births]
    assert len(party.rows()[0]) == len(("id", "x_token", "x_birth_date")) + 5


def test_every_other_check_character_is_refused(party: Party) -> None:
    land_one(party, "cert_no", *(CERT[:17] + check for check in "0123456789X"))
    assert party.quarantined() == [(line, "x", "identifier cert_no") for line in range(1, 11)]
    assert party.lines() == [11]


def test_what_is_kept_out_opens_only_with_key_and_delivery(party: Party) -> None:
    land_one(party, "person_name", "张三", "张*")
    (path,) = party.settings.quarantine.rglob("raw.sealed")
    key, context = load_keys(party.settings.key_file).quarantine, path.parent.name
    assert party.sealed() == {2: "2|张*"}
    for wrong_key, wrong_context in ((key, "another delivery"), (bytes(32), context)):
        with pytest.raises(InvalidTag):
            unseal_text(path.read_bytes(), wrong_key, wrong_context)
    damaged = bytearray(path.read_bytes())
    damaged[20] ^= 1
    with pytest.raises(InvalidTag):
        unseal_text(bytes(damaged), key, context)


def test_a_seal_repeats_for_equal_text_and_never_for_another() -> None:
    sealed = seal_text(b"x", bytes(32), "a")
    assert sealed == seal_text(b"x", bytes(32), "a")
    nonces = {sealed[:12], seal_text(b"y", bytes(32), "a")[:12], seal_text(b"x", bytes(32), "b")[:12]}
    assert len(nonces) == 3


def test_the_first_user_draws_a_key_that_only_the_owner_reads(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "platform.key"
    drawn = load_keys(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(bytes.fromhex(path.read_text())) == 32
    assert load_keys(path) == drawn
    assert load_keys(tmp_path / "another.key") != drawn
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


UNUSABLE = {"empty": b"", "short": b"00" * 31, "long": b"00" * 33, "no digits": b"zz" * 32, "binary": b"\xff" * 32}


@pytest.mark.parametrize("content", UNUSABLE.values(), ids=UNUSABLE)
def test_an_unusable_key_gives_one_sentence(
    party: Party, content: bytes, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in party.environment.items():
        monkeypatch.setenv(name, value)
    party.settings.key_file.write_bytes(content)
    party.declare(column("id", key=True)).deliver("id\n1\n")
    assert main(["land", "party", "--date", "2026-03-02"]) == 2
    path = party.settings.key_file
    reported = (
        f"{path} does not hold 64 hexadecimal digits, or lines of `version algorithm key` with each version once;"
        " restore it from your key store.\n"
    )
    assert capsys.readouterr().err == reported
    assert (path.read_bytes(), party.stored()) == (content, {})


def test_a_folder_in_place_of_the_key_is_no_key(tmp_path: Path) -> None:
    with pytest.raises(KeyUnusable, match="does not hold 64 hexadecimal digits"):
        load_keys(tmp_path)


IDENTIFIERS = [
    CERT,
    "34052419800101001X",
    "110105194912310021",
    PHONE,
    "6222021234567890123",
    "张三丰",
    "欧阳锋",
    "张三*",
]
PEOPLE = [
    f"1|{CERT}|张三丰|{PHONE}|6222021234567890123|ok",
    "2|34052419800101001X|欧阳锋|+8613812341234|6222021234567890123|ok",
    f"3|110105194912310021|张三丰|{PHONE}|6222021234567890123|bad check digit",
    f"4|{CERT}|张三*|{PHONE}|6222021234567890123|masked name",
    f"5|{CERT}|张三丰",
    f"6|{CERT}|张三丰|{PHONE}|6222021234567890123|too|long",
    f"1|{CERT}|张三丰|{PHONE}|6222021234567890123|again",
]


def decoded(path: Path) -> str:
    """What a reader of the file sees: bytes as text, and for Parquet its values and statistics as well."""
    text = path.read_bytes().decode("utf-8", "replace") + path.read_bytes().decode("gb18030", "replace")
    if path.suffix == ".parquet":
        reported = duckdb.execute(f"select * from parquet_metadata('{path}')").fetchall()
        text += str(pl.read_parquet(path).rows()) + str(reported)
    return text


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
@pytest.mark.parametrize("share", [1, 0])
def test_no_identifier_is_left_in_the_clear(party: Party, encoding: str, share: int) -> None:
    kinds = {"cert_no": "cert_no", "name": "person_name", "phone": "mobile", "card": "bank_card"}
    party.declare(
        column("id", key=True),
        *(column(name, protect=kind) for name, kind in kinds.items()),
        column("dropped", drop=True),
        header="none",
        separator="|",
        encoding=encoding,
        max_quarantine_share=share,
    )
    party.deliver("\n".join(PEOPLE).encode(encoding))
    if share:
        assert str(party.land()) == "2 landed, 5 quarantined"
        assert list(party.sealed().values()) == PEOPLE[2:]
    else:
        assert "5 of 7 rows break a rule" in party.refusal()
    home = party.settings.home
    kept = [path for path in home.rglob("*") if path.is_file() and (home / "landing") not in path.parents]
    assert len(kept) > 3
    found = [(path.name, text) for path in kept for text in IDENTIFIERS if text in decoded(path)]
    assert found == []
    assert any(CERT in decoded(path) for path in (home / "landing").rglob("*.csv"))


def test_a_dropped_column_is_checked_but_not_kept(party: Party) -> None:
    party.declare(column("id", key=True), column("secret", "INTEGER", drop=True)).deliver("id,secret\n1,7\n2,x\n")
    party.land()
    assert party.quarantined() == [(3, "secret", "type INTEGER")]
    assert len(party.rows()[0]) == 1 + 5
