"""Opening the ledger: made where there is none, migrated where it is older, refused where it is newer than the code."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from ingestion.foundation.ledger.tables import metadata
from ingestion.foundation.locks import hold_lock
from ingestion.foundation.revisions import RevisionNewer, Revisions
from ingestion.foundation.settings import Settings, SettingsInvalid

HEAD = "0004"
MIGRATIONS = Path(__file__).parent / "migrations"
VERSION_TABLE = "ledger_revision"  # an orchestrator in the same database keeps `alembic_version` for itself
ADVISORY_LOCK = 0x6C65_6467_6572

_revisions = Revisions(metadata, HEAD, MIGRATIONS, VERSION_TABLE, ADVISORY_LOCK)


@contextmanager
def use_ledger(settings: Settings) -> Iterator[sa.Connection]:
    """Open the ledger for one transaction: committed when the block ends well, rolled back when it raises.

    Raises:
        SettingsInvalid: as `open_ledger`.
    """
    engine = open_ledger(settings)
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


def open_ledger(settings: Settings) -> sa.Engine:
    """Open the ledger at the newest revision; SQLite runs in WAL mode so that readers never wait.

    One process at a time makes or migrates it: the processes of a machine wait for each other at a file, those of
    several machines in the database (SQLite does not wait where two of them change the mode of a new file at once).

    Raises:
        SettingsInvalid: there is no database at the ledger's address, it cannot be read, or it is newer than the code.
    """
    try:
        settings.home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsInvalid(
            f"PLATFORM_HOME {settings.home} is no folder that can be made ({error.strerror}); choose another one."
        ) from None
    shown = hide_password(settings.ledger_url)
    try:
        engine = sa.create_engine(settings.ledger_url)
        if engine.dialect.name == "sqlite":
            sa.event.listen(engine, "connect", _set_sqlite_pragmas)
        with hold_lock(settings.home / ".ledger.lock"):
            if not _revisions.is_newest(engine):
                _revisions.make_newest(engine)
    except RevisionNewer as error:
        raise SettingsInvalid(
            f"The ledger {shown} has revision {error}, and this version of the platform knows it up to {HEAD}; update"
            " the platform, or set PLATFORM_LEDGER_URL to a ledger of its own."
        ) from None
    except (sa.exc.SQLAlchemyError, sqlite3.Error, ModuleNotFoundError) as error:
        raise SettingsInvalid(
            f"The ledger {shown} cannot be opened ({type(error).__name__}); correct PLATFORM_LEDGER_URL, or put the"
            " last copy of the ledger in its place."
        ) from None
    return engine


def hide_password(url: str) -> str:
    """A database URL with its password hidden."""
    try:
        return sa.make_url(url).render_as_string(hide_password=True)
    except sa.exc.ArgumentError:
        return "at the address that was set"


def _set_sqlite_pragmas(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("pragma busy_timeout = 60000")
    if cursor.execute("pragma journal_mode").fetchone() != ("wal",):
        cursor.execute("pragma journal_mode = wal")
    cursor.execute("pragma synchronous = normal")
    cursor.close()
