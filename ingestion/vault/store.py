"""The vault's database (保险库存储): opened with the platform's keys, written by one transaction at a time."""

from __future__ import annotations

import importlib
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from ingestion.foundation import Settings, SettingsInvalid
from ingestion.foundation.ledger import hide_password
from ingestion.foundation.locks import hold_lock
from ingestion.foundation.revisions import RevisionNewer, Revisions
from ingestion.protection import Keys
from ingestion.vault.contents import Content, decrypt_sealed, read_content
from ingestion.vault.tables import metadata, subjects

NAMES_A_QUERY = 25_000
HEAD = "0001"
MIGRATIONS = Path(__file__).parent / "migrations"
VERSION_TABLE = "vault_revision"
FIRST_COLUMNS = {"subject", "kind", "key_version", "wrapped_key", "sealed", "forgotten_at"}  # before revisions
ADVISORY_LOCK = 0x7661_756C_74

_revisions = Revisions(metadata, HEAD, MIGRATIONS, VERSION_TABLE, ADVISORY_LOCK)


class VaultRefused(Exception):
    """The vault does not do what it was asked, and says why."""


class Overtaken(Exception):
    """Another process has written a row first."""


class _VaultForeign(Exception):
    """The database holds subjects of another make."""


class Store:
    """The open database with the keys that wrap those of the subjects."""

    def __init__(self, settings: Settings, keys: Keys) -> None:
        """Open the database at its newest revision, made or migrated by one process at a time.

        Raises:
            SettingsInvalid: there is no database at the vault's address, or it is newer than the code or not ours.
        """
        url = _locate(settings)
        self.keys = {version.version: version for version in keys.versions}
        self.newest = keys
        settings.home.mkdir(parents=True, exist_ok=True)
        try:
            self.engine = sa.create_engine(url)
            if self.engine.dialect.name == "sqlite" and self.engine.url.database:
                Path(self.engine.url.database).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                sa.event.listen(self.engine, "connect", _set_sqlite_pragmas)
            dialect = importlib.import_module(f"sqlalchemy.dialects.{self.engine.dialect.name}")
            self.insert: Any = dialect.insert
            self._make_newest(settings)
        except RevisionNewer as error:
            raise SettingsInvalid(
                f"The vault {hide_password(url)} has revision {error}, and this version of the platform knows it up to"
                f" {HEAD}; update the platform, or set PLATFORM_VAULT_URL to a vault of its own."
            ) from None
        except (sa.exc.SQLAlchemyError, sqlite3.Error, ModuleNotFoundError) as error:
            raise SettingsInvalid(
                f"The vault {hide_password(url)} cannot be opened ({type(error).__name__}); correct PLATFORM_VAULT_URL,"
                " or put the last copy of the vault in its place."
            ) from None
        except _VaultForeign:
            raise SettingsInvalid(
                f"The vault {hide_password(url)} was made by another version of the platform; ask that version for its"
                " values, and give this one an empty database and a new home."
            ) from None

    def _make_newest(self, settings: Settings) -> None:
        try:
            with hold_lock(settings.home / ".vault.lock"):
                if not _revisions.is_newest(self.engine):
                    if not _is_ours(self.engine):
                        raise _VaultForeign
                    _revisions.make_newest(self.engine)
        except BaseException:
            self.engine.dispose()
            raise

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """A transaction that no other writer's comes between; SQLite locks all, others the rows that are read."""
        with self.engine.begin() as connection:
            if self.engine.dialect.name == "sqlite":
                connection.exec_driver_sql("begin immediate")
            yield connection

    def fetch_subjects(self, connection: sa.Connection, names: Iterable[bytes]) -> dict[bytes, sa.Row[Any]]:
        """The rows of these subjects, asked for in parts: databases limit how many a query may hold."""
        listed, query = sorted(names), sa.select(subjects).order_by(subjects.c.subject).with_for_update()
        parts = (listed[start : start + NAMES_A_QUERY] for start in range(0, len(listed), NAMES_A_QUERY))
        rows = (row for part in parts for row in connection.execute(query.where(subjects.c.subject.in_(part))))
        return {bytes(row.subject): row for row in rows}

    def insert_new(
        self, connection: sa.Connection, table: sa.Table, names: tuple[str, ...], rows: Sequence[tuple[Any, ...]]
    ) -> int:
        """Insert rows of which another process may have been first, as they are; returns how many were inserted.

        The driver is given the rows without SQLAlchemy's work on each.
        """
        if not rows:
            return 0
        statement = self.insert(table).on_conflict_do_nothing()
        compiled = statement.compile(dialect=self.engine.dialect, column_keys=names)
        if not compiled.positional:
            named = [dict(zip(names, row, strict=True)) for row in rows]
            return connection.exec_driver_sql(compiled.string, named).rowcount
        places = [names.index(name) for name in compiled.positiontup]
        if places != list(range(len(names))):
            rows = [tuple(row[place] for place in places) for row in rows]
        return connection.exec_driver_sql(compiled.string, list(rows)).rowcount

    def unwrap_key(self, row: sa.Row[Any]) -> bytes:
        """The key of a subject; VaultRefused where the key file has lost the version that wraps it."""
        if row.key_version not in self.keys:
            raise VaultRefused(
                f"the key file has no version {row.key_version} any more; restore it from your key store."
            )
        return decrypt_sealed(self.keys[row.key_version].vault, row.wrapped_key, row.subject)

    def open_content(self, row: sa.Row[Any]) -> Content:
        """All values of a subject; InvalidTag where what is sealed is damaged."""
        return read_content(decrypt_sealed(self.unwrap_key(row), row.sealed, row.subject))


def has_vault(settings: Settings) -> bool:
    """Whether there is a vault to open; False only where its file has not been made yet."""
    try:
        url = sa.make_url(_locate(settings))
    except sa.exc.ArgumentError:
        return True  # opening it says what is wrong
    return url.get_backend_name() != "sqlite" or not url.database or Path(url.database).exists()


def _locate(settings: Settings) -> str:
    return settings.vault_url or f"sqlite:///{settings.home / 'vault' / 'vault.db'}"


def _is_ours(engine: sa.Engine) -> bool:
    """True for a database that records revisions, one without subjects, or one with those of the first revision."""
    tables = sa.inspect(engine)
    if tables.has_table(VERSION_TABLE):
        return True
    held = tables.get_columns(subjects.name) if tables.has_table(subjects.name) else []
    return not held or {column["name"] for column in held} == FIRST_COLUMNS


def _set_sqlite_pragmas(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("pragma busy_timeout = 60000")
    cursor.execute("pragma journal_mode = wal")
    cursor.execute("pragma synchronous = normal")
    cursor.execute("pragma wal_autocheckpoint = 16384")
    cursor.execute("pragma secure_delete = on")  # a destroyed key leaves no bytes behind
    cursor.execute("pragma cache_size = -65536")  # tokens arrive in no order: the index has to fit
    cursor.close()
