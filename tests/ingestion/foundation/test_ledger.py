"""The ledger is made, adopted, migrated and refused by its recorded revision, on SQLite and on PostgreSQL."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from ingestion.foundation import PROJECT, Settings, SettingsInvalid
from ingestion.foundation.ledger import open_ledger, use_ledger
from ingestion.foundation.ledger.opening import HEAD, MIGRATIONS, VERSION_TABLE
from ingestion.foundation.ledger.tables import deliveries, metadata, publications
from ingestion.foundation.overrides import read_last_overrides
from tests.conftest import make_settings

OLD = PROJECT / "tests" / "cases" / "ledgers" / "before_revisions.sql"
COLUMNS = {  # of the tables that got more since
    "deliveries": "delivery_id, source, dataset, batch_date, sequence, version, content_hash, contract_version,"
    " token_key, state, reason, received_at, superseded_at, file_name, file_size, file_mtime_ns, rows_in, rows_landed,"
    " rows_quarantined, published_in",
    "verdicts": "sequence, verdict_id, gate, table_name, batch_date, fingerprint, outcome, suite_version, row_count,"
    " check_count, failures",
    "publications": "sequence, set_name, version, batch_date, run, fingerprint, row_counts",
}
OLD_TABLES = ("deliveries", "verdicts", "publications", "replays", "quarantine_openings")


def make_old(settings: Settings, *more: str) -> None:
    settings.home.mkdir(parents=True, exist_ok=True)
    with sqlite3.connect(settings.home / "ledger.db") as connection:
        connection.executescript(OLD.read_text(encoding="utf-8") + "".join(more))


def read_rows(engine: sa.Engine) -> dict[str, list[tuple[object, ...]]]:
    with engine.connect() as connection:
        queries = {name: sa.text(f"select {COLUMNS.get(name, '*')} from {name}") for name in OLD_TABLES}
        return {name: [tuple(row) for row in connection.execute(query)] for name, query in queries.items()}


def find_differences(engine: sa.Engine) -> list[object]:
    with engine.connect() as connection:
        options = {"compare_type": True, "version_table": VERSION_TABLE}
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))


def forget_revision(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text(f"drop table {VERSION_TABLE}"))


@pytest.fixture
def on_server(server: str, settings: Settings) -> Iterator[Settings]:
    """Settings whose ledger is an empty database of the PostgreSQL server."""
    name = f"ledger_{uuid.uuid4().hex[:8]}"
    admin = sa.create_engine(server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(sa.text(f"create database {name}"))
    yield replace(settings, ledger_url=server.replace("/postgres?", f"/{name}?"))
    with admin.connect() as connection:
        connection.execute(sa.text(f"drop database {name} with (force)"))
    admin.dispose()


def test_the_newest_revision_is_the_one_that_the_code_names() -> None:
    assert ScriptDirectory(str(MIGRATIONS)).get_heads() == [HEAD]


@pytest.mark.parametrize("way", ["made", "migrated"])
def test_tables_and_migrations_give_the_same_schema(way: str, settings: Settings) -> None:
    engine = open_ledger(settings)
    if way == "migrated":
        with engine.begin() as connection:
            for table in metadata.sorted_tables[1:]:
                connection.execute(sa.text(f"drop table {table.name}"))
        forget_revision(engine)
        open_ledger(settings).dispose()
    assert find_differences(engine) == []


@pytest.mark.parametrize("way", ["made", "migrated"])
def test_they_do_on_a_server_too(way: str, on_server: Settings) -> None:
    engine = open_ledger(on_server)
    if way == "migrated":
        with engine.begin() as connection:
            metadata.drop_all(connection, tables=metadata.sorted_tables[1:])
        forget_revision(engine)
        open_ledger(on_server).dispose()
    assert find_differences(engine) == []
    engine.dispose()


def test_a_ledger_of_before_revisions_is_adopted_and_loses_nothing(settings: Settings) -> None:
    make_old(settings)
    before = read_rows(sa.create_engine(settings.ledger_url))
    assert all(before.values())
    engine = open_ledger(settings)
    assert read_rows(engine) == before
    assert find_differences(engine) == []
    with use_ledger(settings) as connection:
        assert connection.execute(sa.text(f"select version_num from {VERSION_TABLE}")).scalar() == HEAD


def test_a_still_older_one_gets_the_columns_that_came_since(settings: Settings) -> None:
    make_old(
        settings,
        "alter table deliveries drop column token_key;",
        "alter table deliveries drop column published_in;",
        "drop index ix_deliveries_by_date; drop table replays;",
    )
    engine = open_ledger(settings)
    assert find_differences(engine) == []
    with engine.connect() as connection:
        row = connection.execute(sa.select(deliveries)).one()
    assert (row.delivery_id, row.rows_in, row.token_key, row.published_in) == ("d1", 3, None, None)
    assert row.contract_hash is None


@pytest.mark.parametrize("where", ["settings", "on_server"])
def test_a_ledger_newer_than_the_code_is_refused_in_a_sentence(where: str, request: pytest.FixtureRequest) -> None:
    settings = request.getfixturevalue(where)
    with use_ledger(settings) as connection:
        connection.execute(sa.text(f"update {VERSION_TABLE} set version_num = '9999'"))
    with pytest.raises(
        SettingsInvalid, match=r"has revision 9999, .* knows it up to 0004; update the platform"
    ) as caught:
        open_ledger(settings)
    assert "\n" not in str(caught.value)


def test_a_migration_that_fails_leaves_the_ledger_as_it_was(settings: Settings) -> None:
    make_old(settings, "create view runs as select 1 as stage;")
    with pytest.raises(SettingsInvalid, match="cannot be opened"):
        open_ledger(settings)
    with sqlite3.connect(settings.home / "ledger.db") as connection:
        names = {name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")}
    assert not names & {"overrides", VERSION_TABLE}


def test_a_transaction_is_whole_or_not_at_all(settings: Settings) -> None:
    insert = "insert into replays values ('a', 'b')"
    with pytest.raises(LookupError), use_ledger(settings) as connection:
        connection.execute(sa.text(insert))
        raise LookupError
    with use_ledger(settings) as connection:
        assert connection.execute(sa.text("select count(*) from replays")).scalar() == 0
        connection.execute(sa.text(insert))
    with use_ledger(settings) as connection:
        assert connection.execute(sa.text("select count(*) from replays")).scalar() == 1


OPEN = """
import sys, ingestion.foundation.ledger as ledger
from ingestion.foundation import load_settings
ledger.open_ledger(load_settings({"PLATFORM_HOME": sys.argv[1], "PLATFORM_LEDGER_URL": sys.argv[2]})).dispose()
print("alembic" in sys.modules)
"""


def open_at_once(*places: tuple[Path, str]) -> list[str]:
    """Open a ledger in one process for each place; whether each imported Alembic, and what failed."""
    started = [
        subprocess.Popen([sys.executable, "-c", OPEN, str(home), url], cwd=PROJECT, stdout=-1, stderr=-1, text=True)
        for home, url in places
    ]
    return ["".join(process.communicate()).strip() for process in started]


def test_processes_that_open_a_new_ledger_at_once_make_one(tmp_path: Path) -> None:
    settings = make_settings(tmp_path / "home")
    assert open_at_once(*[(settings.home, settings.ledger_url)] * 4) == ["False"] * 4
    assert find_differences(open_ledger(settings)) == []


def test_so_do_machines_that_share_only_the_database(tmp_path: Path, on_server: Settings) -> None:
    homes = [tmp_path / str(number) for number in range(4)]
    assert open_at_once(*[(home, on_server.ledger_url) for home in homes]) == ["False"] * 4


def test_processes_that_open_an_old_one_at_once_migrate_it_once(settings: Settings) -> None:
    make_old(settings)
    assert sorted(open_at_once(*[(settings.home, settings.ledger_url)] * 4)) == ["False"] * 3 + ["True"]


@pytest.mark.parametrize("where", ["settings", "on_server"])
def test_overrides_and_publications_of_the_first_revision_are_kept(where: str, request: pytest.FixtureRequest) -> None:
    """The override that is valid longest counted then, so it is the last word now."""
    settings = request.getfixturevalue(where)
    first = ScriptDirectory(str(MIGRATIONS)).get_revision("0001").module.metadata
    said = {"verdict_id": "v", "overridden_by": "li.wei", "reason": "a reason", "recorded_at": "2026-03-03T09:00:00"}
    held = {"set_name": "s", "version": "1", "batch_date": date(2026, 3, 2), "run": "r", "fingerprint": "f"}
    with use_ledger(settings) as connection:
        metadata.drop_all(connection)
        first.create_all(connection)
        connection.execute(sa.text(f"update {VERSION_TABLE} set version_num = '0001'"))
        days = [("a", date(2026, 12, 31)), ("b", date(2026, 3, 3))]
        rows = [said | {"override_id": name, "valid_until": day} for name, day in days]
        connection.execute(sa.insert(first.tables["overrides"]), rows)
        connection.execute(sa.insert(first.tables["publications"]), [held | {"row_counts": {"t": 3}, "members": ["t"]}])
    with use_ledger(settings) as connection:
        (word,) = read_last_overrides(["v"], connection).values()
        assert (word.valid_until, word.is_withdrawal) == (date(2026, 12, 31), False)
        kept = connection.execute(sa.select(publications)).one()
        assert (kept.version, kept.row_counts, kept.members, kept.current_counts) == ("1", {"t": 3}, ["t"], None)
    engine = open_ledger(settings)
    assert find_differences(engine) == []
    engine.dispose()
