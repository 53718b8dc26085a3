"""The vault: bulk deposit, reveal for a purpose with an audit row first, and forgetting for good."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from cryptography.exceptions import InvalidTag

from ingestion.commands import main
from ingestion.foundation import BUSINESS_TIMEZONE, Settings, SettingsInvalid, command_line, load_settings
from ingestion.protection import add_key, load_keys
from ingestion.vault import Vault, VaultRefused
from ingestion.vault.deposit import DepositReport
from ingestion.vault.store import HEAD, MIGRATIONS, VERSION_TABLE
from ingestion.vault.tables import metadata, subjects, token_starts

AT = datetime(2026, 3, 5, 9, 30, tzinfo=BUSINESS_TIMEZONE)
WHO = {"actor": "li.ming", "reason": "customer asked for a call", "ticket": "T-17", "at": AT}


def token(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def values(*rows: tuple[str, str, str | None]) -> pa.Table:
    """Rows of person, kind, clear value."""
    tokens = [None if clear is None else bytes.fromhex(token(kind + clear)) for _, kind, clear in rows]
    return pa.table(
        {
            "kind": pa.array([kind for _, kind, _ in rows], pa.string()),
            "token": pa.array(tokens, pa.binary()),
            "clear": pa.array([clear for _, _, clear in rows], pa.string()),
            "subject": pa.array([bytes.fromhex(token(person)) for person, _, _ in rows], pa.binary()),
        }
    )


PEOPLE = values(
    ("zhang", "cert_no", "11010519491231002X"),
    ("zhang", "mobile", "13812341234"),
    ("li", "cert_no", "34052419800101001X"),
    ("li", "mobile", "13812341234"),
    ("li", "email", None),
)
SHARED = token("mobile13812341234")
ZHANG = token("cert_no11010519491231002X")


@pytest.fixture
def vault(settings: Settings) -> Iterator[Vault]:
    opened = Vault(settings, load_keys(settings.key_file))
    yield opened
    opened.close()


@pytest.fixture
def shared(settings: Settings, server: str) -> Iterator[Vault]:
    """A vault in PostgreSQL."""
    opened = Vault(replace(settings, vault_url=server), load_keys(settings.key_file))
    yield opened
    metadata.drop_all(opened.engine)
    with opened.engine.begin() as connection:
        connection.execute(sa.text(f"drop table {VERSION_TABLE}"))
    opened.close()


def files(settings: Settings) -> bytes:
    return b"".join(path.read_bytes() for path in sorted((settings.home / "vault").iterdir()))


def test_deposit_keeps_each_value_once(vault: Vault) -> None:
    assert vault.deposit(PEOPLE) == DepositReport(new=4, known=0, passed_over=0)
    assert vault.deposit(PEOPLE) == DepositReport(new=0, known=4, passed_over=0)
    assert vault.deposit(iter(values(("zhang", "email", "z@example.com")).to_batches())).new == 1
    assert vault.deposit(values()).new == 0
    assert vault.deposit(PEOPLE) == DepositReport(new=0, known=4, passed_over=0)


def test_values_of_a_person_may_come_apart_and_later(vault: Vault) -> None:
    own = "cert_no11010519491231002X"
    apart = values((own, "mobile", "13812341234"), ("li", "mobile", "13812341234"), (own, "email", "z@example.com"))
    assert vault.deposit(apart) == DepositReport(new=3, known=0, passed_over=0)
    assert vault.deposit(values((own, "cert_no", "11010519491231002X"))).new == 1
    assert vault.reveal(ZHANG, "DSR", **WHO) == "11010519491231002X"
    assert vault.reveal(token("emailz@example.com"), "DSR", **WHO) == "z@example.com"
    assert vault.forget(token(own), **WHO) == 3


def test_any_text_comes_back_as_it_was(vault: Vault) -> None:
    texts = ['"赵\\伟"', "㛃𠮷", "a\nb\tc\0d", "['x', 1]", "\u2028"]
    vault.deposit(values(*(("zhang", "person_name", text) for text in texts)))
    assert [vault.reveal(token("person_name" + text), "DSR", **WHO) for text in texts] == texts


def test_it_may_be_kept_in_postgresql(shared: Vault) -> None:
    assert shared.deposit(PEOPLE) == DepositReport(new=4, known=0, passed_over=0)
    assert shared.deposit(
        values(("zhang", "mobile", "13812341234"), ("zhang", "email", "z@example.com"))
    ) == DepositReport(new=1, known=1, passed_over=0)
    assert shared.reveal(token("emailz@example.com"), "DSR", **WHO) == "z@example.com"
    assert shared.forget(token("zhang"), **WHO) == 3
    assert shared.deposit(PEOPLE) == DepositReport(new=0, known=2, passed_over=2)
    shared.readmit(token("zhang"), **WHO)
    assert shared.deposit(PEOPLE) == DepositReport(new=2, known=2, passed_over=0)


@pytest.mark.parametrize("kept", ["vault", "shared"])
def test_forgetting_while_a_person_first_comes_is_done_before_or_after(
    kept: str, request: pytest.FixtureRequest
) -> None:
    vault: Vault = request.getfixturevalue(kept)
    people = [f"p{number}" for number in range(3000)]
    table = values(*((person, "email", person) for person in people))
    with ThreadPoolExecutor(2) as pool:
        coming = pool.submit(vault.deposit, table)
        gone = [vault.forget(token(person), **WHO) for person in people[:40]]
        found = coming.result()
    assert found.new == len(people) - found.passed_over
    assert sum(gone) + found.passed_over == len(gone)
    for person in people[:40]:
        with pytest.raises(VaultRefused, match="its subject was forgotten"):
            vault.reveal(token("email" + person), "DSR", **WHO)


@pytest.mark.parametrize("kept", ["vault", "shared"])
def test_deposits_of_the_same_persons_at_once_lose_nothing(kept: str, request: pytest.FixtureRequest) -> None:
    vault: Vault = request.getfixturevalue(kept)
    people = [f"p{number}" for number in range(300)]
    kinds = ("email", "mobile", "person_name", "address")
    tables = [values(*((person, kind, kind + person) for person in people)) for kind in kinds]
    with ThreadPoolExecutor(len(kinds)) as pool:
        found = list(pool.map(vault.deposit, tables))
    assert found == [DepositReport(new=300, known=0, passed_over=0)] * len(kinds)
    for kind in kinds:
        assert vault.reveal(token(kind + kind + people[7]), "DSR", **WHO) == kind + people[7]
    assert vault.forget(token(people[7]), **WHO) == len(kinds)


def test_reveal_gives_the_value_and_leaves_a_row(vault: Vault) -> None:
    vault.deposit(PEOPLE)
    assert vault.reveal(SHARED, "COLLECTION", **WHO) == "13812341234"
    (entry,) = vault.list_entries()
    assert entry["outcome"] == "granted" and entry["purpose"] == "COLLECTION" and entry["kind"] == "mobile"
    assert (entry["actor"], entry["reason"], entry["ticket"]) == ("li.ming", "customer asked for a call", "T-17")
    assert entry["at"] == "2026-03-05T09:30:00+08:00"
    assert "13812341234" not in str(entry)


def test_any_value_is_found_without_reading_all(vault: Vault) -> None:
    number, phone = "11010519491231002X", "13812341234"
    vault.deposit(values(("cert_no" + number, "cert_no", number), ("cert_no" + number, "mobile", phone)))
    plans = []

    def explain(connection: sa.Connection, _cursor: object, sql: str, values: tuple[object, ...], *_: object) -> None:
        if sql.startswith("SELECT") and "FROM subjects" in sql:
            plans.append(str(connection.connection.cursor().execute(f"explain query plan {sql}", values).fetchall()))

    sa.event.listen(vault.engine, "before_cursor_execute", explain)
    assert vault.reveal(token("cert_no" + number), "DSR", **WHO) == number
    assert vault.reveal(SHARED, "COLLECTION", **WHO) == phone
    assert len(plans) == 4
    assert all("SEARCH subjects" in plan and "SCAN" not in plan and "TEMP B-TREE" not in plan for plan in plans)


def test_the_row_is_written_even_if_opening_fails(vault: Vault) -> None:
    vault.deposit(PEOPLE)
    with vault.engine.begin() as connection:
        connection.execute(subjects.update().values(sealed=b"\0" * 60))
    with pytest.raises(InvalidTag):
        vault.reveal(SHARED, "COLLECTION", **WHO)
    assert [entry["outcome"] for entry in vault.list_entries()] == ["granted"]


@pytest.mark.parametrize(
    ("asked", "purpose", "outcome", "sentence"),
    [
        (ZHANG, "COLLECTION", "refused", "purpose COLLECTION may not see a cert_no; it may see mobile"),
        (ZHANG, "CURIOSITY", "refused", "purpose 'CURIOSITY' may see nothing; allowed are BUREAU_QUERY, COLLECTION"),
        (token("nobody"), "DSR", "unknown", "the vault holds no value for this token"),
    ],
)
def test_refusals_are_reported_and_noted(vault: Vault, asked: str, purpose: str, outcome: str, sentence: str) -> None:
    vault.deposit(PEOPLE)
    with pytest.raises(VaultRefused, match=sentence) as error:
        vault.reveal(asked, purpose, **WHO)
    assert "11010519491231002X" not in str(error.value)
    assert [entry["outcome"] for entry in vault.list_entries()] == [outcome]


@pytest.mark.parametrize("missing", ["actor", "reason", "ticket"])
def test_who_why_and_ticket_are_needed(vault: Vault, missing: str) -> None:
    with pytest.raises(VaultRefused, match=f"no {missing} given"):
        vault.reveal(SHARED, "COLLECTION", **{**WHO, missing: " "})
    with pytest.raises(VaultRefused, match=f"the {missing} holds what looks like an identifier"):
        vault.forget(SHARED, **{**WHO, missing: "about 13812341234"})
    assert vault.list_entries() == []


def test_what_is_no_token_is_reported(vault: Vault) -> None:
    with pytest.raises(VaultRefused, match="a token has 64 hexadecimal digits"):
        vault.reveal("13812341234", "COLLECTION", **WHO)


def test_forgetting_is_for_good(vault: Vault, settings: Settings) -> None:
    vault.deposit(PEOPLE)
    with vault.engine.connect() as connection:
        rows = connection.execute(subjects.select().where(subjects.c.subject == bytes.fromhex(token("zhang")))).all()
    wrapped = bytes(rows[0].wrapped_key)
    assert wrapped in files(settings)
    assert vault.forget(token("zhang"), **WHO) == 2
    assert wrapped not in files(settings) and bytes(rows[0].sealed) not in files(settings)
    with vault.engine.connect() as connection:
        left = {bytes(row.subject) for row in connection.execute(token_starts.select())}
    assert left == {bytes.fromhex(token("li"))}
    with pytest.raises(VaultRefused, match="its subject was forgotten"):
        vault.reveal(ZHANG, "DSR", **WHO)
    assert vault.reveal(SHARED, "DSR", **WHO) == "13812341234", "the other person's copy stays"
    assert vault.deposit(PEOPLE) == DepositReport(new=0, known=2, passed_over=2)
    assert [entry["action"] for entry in vault.list_entries()] == ["forget", "reveal", "reveal"]


def test_a_person_whose_key_is_lost_can_be_forgotten(vault: Vault, settings: Settings) -> None:
    rotated = Vault(settings, add_key(settings.key_file, "sm3"))
    rotated.deposit(PEOPLE)
    rotated.close()
    with pytest.raises(VaultRefused, match="the key file has no version 2"):
        vault.deposit(PEOPLE)
    assert vault.forget(token("zhang"), **WHO) == 0
    with vault.engine.connect() as connection:
        left = {bytes(row.subject) for row in connection.execute(token_starts.select())}
    assert left == {bytes.fromhex(token("li"))}
    with pytest.raises(VaultRefused, match="its subject was forgotten"):
        vault.reveal(ZHANG, "DSR", **WHO)


def test_a_damaged_row_is_reported_and_nothing_is_deposited(vault: Vault) -> None:
    vault.deposit(PEOPLE)
    with vault.engine.begin() as connection:
        connection.execute(subjects.update().values(sealed=b"\0" * 60))
    with pytest.raises(VaultRefused, match="what is sealed is damaged; restore the vault's database"):
        vault.deposit(values(("zhang", "email", "z@example.com"), ("wang", "email", "w@example.com")))
    with vault.engine.connect() as connection:
        assert len(connection.execute(subjects.select()).all()) == 2


def test_a_person_forgotten_before_the_first_delivery_is_passed_over(vault: Vault) -> None:
    assert vault.forget(token("zhang"), **WHO) == 0
    assert vault.deposit(PEOPLE).passed_over == 2


def test_readmission_starts_again(vault: Vault) -> None:
    vault.deposit(PEOPLE)
    vault.forget(token("zhang"), **WHO)
    vault.readmit(token("zhang"), **WHO)
    assert vault.deposit(PEOPLE) == DepositReport(new=2, known=2, passed_over=0)
    assert vault.reveal(ZHANG, "DSR", **WHO) == "11010519491231002X"
    with pytest.raises(VaultRefused, match="is not forgotten"):
        vault.readmit(token("zhang"), **WHO)


def test_a_value_cannot_be_passed_off_as_another(vault: Vault) -> None:
    own = "cert_no11010519491231002X"
    vault.deposit(PEOPLE)
    vault.deposit(values((own, "cert_no", "11010519491231002X")))
    with vault.engine.begin() as connection:
        connection.execute(token_starts.update().where(token_starts.c.kind == "cert_no").values(kind="mobile"))
        connection.execute(subjects.update().where(subjects.c.kind == "cert_no").values(kind="mobile"))
    with pytest.raises(VaultRefused, match="no mobile of this token is sealed"):
        vault.reveal(ZHANG, "COLLECTION", **WHO)
    with vault.engine.begin() as connection:
        (other,) = connection.execute(subjects.select().where(subjects.c.kind == "mobile")).all()
        connection.execute(subjects.update().values(sealed=other.sealed, wrapped_key=other.wrapped_key))
    with pytest.raises(InvalidTag):
        vault.reveal(SHARED, "COLLECTION", **WHO)


def test_rotated_platform_keys_still_open_what_older_ones_wrapped(vault: Vault, settings: Settings) -> None:
    vault.deposit(PEOPLE)
    rotated = Vault(settings, add_key(settings.key_file, "sm3"))
    assert rotated.reveal(ZHANG, "DSR", **WHO) == "11010519491231002X"
    assert rotated.deposit(values(("wang", "mobile", "13912341234"))).new == 1
    with pytest.raises(VaultRefused, match="the key file has no version 2"):
        vault.reveal(token("mobile13912341234"), "DSR", **WHO)
    rotated.close()


def test_no_clear_value_is_in_the_files(vault: Vault, settings: Settings) -> None:
    vault.deposit(PEOPLE)
    held = files(settings)
    assert all(clear.encode() not in held for clear in PEOPLE["clear"].drop_null().to_pylist())


def test_a_vault_of_another_version_is_reported_and_left_as_it_is(settings: Settings) -> None:
    path = settings.home / "vault" / "vault.db"
    path.parent.mkdir(parents=True)
    with sqlite3.connect(path) as connection:
        connection.execute("create table subjects (subject blob primary key, wrapped_key blob)")
    with pytest.raises(SettingsInvalid, match="was made by another version of the platform"):
        Vault(settings, load_keys(settings.key_file))
    with sqlite3.connect(path) as connection:
        assert connection.execute("select name from sqlite_master where type = 'table'").fetchall() == [("subjects",)]


def find_differences(engine: sa.Engine) -> list[object]:
    with engine.connect() as connection:
        own = {"include_name": lambda name, kind, _: kind != "table" or name in metadata.tables}  # a server is shared
        options = {"compare_type": True, "version_table": VERSION_TABLE, **own}
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))


@pytest.mark.parametrize("name", ["vault", "shared"])
def test_a_vault_of_before_revisions_is_adopted_and_loses_nothing(name: str, request: pytest.FixtureRequest) -> None:
    opened: Vault = request.getfixturevalue(name)
    settings: Settings = request.getfixturevalue("settings")
    settings = replace(settings, vault_url=opened.engine.url.render_as_string(hide_password=False))
    keys = opened.store.newest
    opened.deposit(PEOPLE)
    with opened.engine.begin() as connection:
        connection.execute(sa.text(f"drop table {VERSION_TABLE}"))
        connection.execute(sa.text("drop table audit"))
    again = Vault(settings, keys)
    assert again.deposit(PEOPLE) == DepositReport(new=0, known=4, passed_over=0)
    assert find_differences(again.engine) == []
    with again.engine.connect() as connection:
        assert connection.execute(sa.text(f"select version_num from {VERSION_TABLE}")).scalar() == HEAD
    again.close()
    assert ScriptDirectory(str(MIGRATIONS)).get_heads() == [HEAD]


@pytest.mark.parametrize("name", ["vault", "shared"])
def test_a_vault_newer_than_the_code_is_refused_in_a_sentence(name: str, request: pytest.FixtureRequest) -> None:
    opened: Vault = request.getfixturevalue(name)
    settings: Settings = request.getfixturevalue("settings")
    settings = replace(settings, vault_url=opened.engine.url.render_as_string(hide_password=False))
    assert find_differences(opened.engine) == []
    with opened.engine.begin() as connection:
        connection.execute(sa.text(f"update {VERSION_TABLE} set version_num = '9999'"))
    sentence = (
        r"^The vault .* has revision 9999, .* knows it up to 0001; update the platform, or set PLATFORM_VAULT_URL"
    )
    with pytest.raises(SettingsInvalid, match=sentence) as caught:
        Vault(settings, opened.store.newest)
    assert "\n" not in str(caught.value)


def test_purposes_and_place_are_configured(tmp_path: Path) -> None:
    tenant = tmp_path / "tenant"
    tenant.mkdir()
    (tenant / "tenant.toml").write_text('[vault]\ndeposit = false\n[vault.purposes]\nCALLS = ["mobile"]\n')
    environment = {"PLATFORM_HOME": str(tmp_path / "home"), "PLATFORM_TENANT": str(tenant)}
    settings = load_settings(environment)
    assert settings.vault_purposes == {"CALLS": ("mobile",)} and not settings.vault_deposit
    assert settings.vault_url == f"sqlite:///{tmp_path / 'home' / 'vault' / 'vault.db'}"
    (tenant / "tenant.toml").write_text('[vault]\npurposes = ["CALLS"]\n')
    with pytest.raises(SettingsInvalid, match="write PURPOSE = "):
        load_settings(environment)


def test_command_line(
    vault: Vault, settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command_line, "load_settings", lambda: settings)

    def run(*words: str) -> tuple[int, str, str]:
        return main(words), *capsys.readouterr()

    vault.deposit(PEOPLE)
    why = ("--reason", "complaint", "--ticket", "T-18", "--actor", "wang")
    assert run("vault", "reveal", SHARED, "--purpose", "SERVICING", *why) == (0, "13812341234\n", "")
    code, out, error = run("vault", "reveal", ZHANG, "--purpose", "SERVICING", *why)
    assert (code, out) == (1, "") and "purpose SERVICING may not see a cert_no" in error
    assert run("vault", "forget", token("zhang"), *why)[1] == "forgotten; 2 values are gone for good.\n"
    assert run("vault", "readmit", token("zhang"), *why)[0] == 0
    listed = run("vault", "audit")[1].splitlines()
    assert [line.split()[2:4] for line in listed] == [
        ["reveal", "granted"],
        ["reveal", "refused"],
        ["forget", "done"],
        ["readmit", "done"],
    ]
    assert run("keys", "add", "sm3")[1] == "hmac-sm3:2\nhmac-sha256:1\n"
    assert run("keys", "list")[1] == "hmac-sm3:2\nhmac-sha256:1\n"
