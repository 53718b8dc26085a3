"""The ledger: transactional state of deliveries (and, declared downstream, of verdicts and publications)."""

from __future__ import annotations

import sqlite3
from typing import Any

import sqlalchemy as sa

from ingestion.foundation.locks import hold_lock
from ingestion.foundation.settings import Settings, SettingsInvalid

metadata = sa.MetaData()

deliveries = sa.Table(
    "deliveries",
    metadata,
    sa.Column("delivery_id", sa.String(64), primary_key=True, comment="hash of identity and content"),
    sa.Column("source", sa.String(64), nullable=False),
    sa.Column("dataset", sa.String(64), nullable=False),
    sa.Column("batch_date", sa.Date, nullable=False),
    sa.Column("sequence", sa.Integer, nullable=False, comment="1 for the first file of a date, 2.. for re-sends"),
    sa.Column("version", sa.Integer, nullable=False, comment="1.. in order of arrival within the batch date"),
    sa.Column("content_hash", sa.String(64), nullable=False, comment="SHA-256 of the delivered bytes"),
    sa.Column("contract_version", sa.String(32), nullable=False),
    sa.Column("token_key", sa.String(32), comment="algorithm and version of the key of its tokens: hmac-sha256:1"),
    sa.Column("state", sa.String(16), nullable=False, comment="landed | refused"),
    sa.Column("reason", sa.Text, comment="why it was refused"),
    sa.Column("received_at", sa.String(32), nullable=False, comment="receipt, ISO 8601 with zone"),
    sa.Column("superseded_at", sa.String(32), comment="receipt of the version that replaced it"),
    sa.Column("file_name", sa.Text, nullable=False),
    sa.Column("file_size", sa.BigInteger, nullable=False),
    sa.Column("file_mtime_ns", sa.BigInteger, nullable=False),
    sa.Column("rows_in", sa.BigInteger, nullable=False),
    sa.Column("rows_landed", sa.BigInteger, nullable=False),
    sa.Column("rows_quarantined", sa.BigInteger, nullable=False),
    sa.Column("published_in", sa.String(64), comment="first published warehouse version that holds it"),
    sa.Index("ix_deliveries_by_date", "source", "dataset", "batch_date"),
)


def open_ledger(settings: Settings) -> sa.Engine:
    """Open the ledger, creating what is missing; SQLite runs in WAL mode so that readers never wait.

    One process at a time does this: SQLite does not wait where two of them change the mode of a new file at once.

    Raises:
        SettingsInvalid: there is no database at the ledger's address, or it cannot be read.
    """
    settings.home.mkdir(parents=True, exist_ok=True)
    try:
        engine = sa.create_engine(settings.ledger_url)
        if engine.dialect.name == "sqlite":
            sa.event.listen(engine, "connect", _set_sqlite_pragmas)
        with hold_lock(settings.home / ".ledger.lock"):
            metadata.create_all(engine)
            _add_columns(engine)
    except (sa.exc.SQLAlchemyError, sqlite3.Error, ModuleNotFoundError) as error:
        raise SettingsInvalid(
            f"The ledger {shown_url(settings.ledger_url)} cannot be opened ({type(error).__name__}); correct"
            " PLATFORM_LEDGER_URL, or put the last copy of the ledger in its place."
        ) from None
    return engine


def _add_columns(engine: sa.Engine) -> None:
    """Give a ledger of an older version the columns that came since; what was recorded before has NULL there."""
    held = {column["name"] for column in sa.inspect(engine).get_columns(deliveries.name)}
    with engine.begin() as connection:
        for column in deliveries.columns:
            if column.name not in held:
                kind = column.type.compile(engine.dialect)
                connection.execute(sa.text(f"alter table {deliveries.name} add column {column.name} {kind}"))


def shown_url(url: str) -> str:
    """A database's address as it may be told."""
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
