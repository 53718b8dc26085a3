"""The vault (保险库): the only place, outside lake and warehouse, that can give a clear identifier back.

Every subject (the token of a person's primary identifier) has its own random 256-bit key, wrapped by a key of the
platform's key file; every clear value is sealed with its subject's key (AES-256-GCM, bound to subject, kind and
token). Whoever asks names a purpose that the configuration knows, and leaves an audit row before anything is opened.

Forgetting a subject destroys its key and its sealed values; what stays is the token with the date. Later deliveries
that bring the subject again are passed over, until the subject is readmitted (a new consent), which starts anew.
Backups of the database hold the key until they expire.
"""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import sqlalchemy as sa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ingestion.protection import Keys
from ingestion.settings import Settings

BATCH = 100_000
NAMES_A_QUERY = 25_000
NONCE, KEY = 12, 32
IDENTIFIER_LIKE = re.compile(r"\d{11}")
Value = tuple[bytes, bytes, str]
metadata = sa.MetaData()


class Octets(sa.LargeBinary):
    """Bytes given to the driver as they are, not wrapped one by one."""

    cache_ok = True

    def bind_processor(self, dialect: sa.Dialect) -> None:
        return None


subjects = sa.Table(
    "subjects",
    metadata,
    sa.Column("subject", Octets, primary_key=True, comment="token of the primary identifier"),
    sa.Column("key_version", sa.Integer, comment="which platform key wraps the subject's key"),
    sa.Column("wrapped_key", Octets, comment="NULL once forgotten"),
    sa.Column("forgotten_at", sa.String(32), comment="ISO 8601 with zone; NULL while known"),
    sqlite_with_rowid=False,
)

sealed_values = sa.Table(
    "sealed_values",
    metadata,
    sa.Column("subject", Octets, primary_key=True),
    sa.Column("token", Octets, primary_key=True),
    sa.Column("kind", sa.String(32), primary_key=True),
    sa.Column("sealed", Octets, nullable=False),
    sqlite_with_rowid=False,
)

# A subject's own value is found by the primary key; the other tokens arrive in no order, so each costs its entry.
is_of_another = sealed_values.c.token != sealed_values.c.subject
sa.Index("ix_sealed_values_token", sealed_values.c.token, sqlite_where=is_of_another, postgresql_where=is_of_another)

audit = sa.Table(
    "audit",
    metadata,
    sa.Column("entry", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("at", sa.String(32), nullable=False, comment="ISO 8601 with zone"),
    sa.Column("action", sa.String(16), nullable=False, comment="reveal | forget | readmit"),
    sa.Column("outcome", sa.String(16), nullable=False, comment="granted | refused | unknown | done"),
    sa.Column("actor", sa.String(128), nullable=False),
    sa.Column("purpose", sa.String(32), comment="of a reveal"),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("ticket", sa.String(64), nullable=False),
    sa.Column("token", sa.String(64), nullable=False, comment="what was asked for, or the subject"),
    sa.Column("kind", sa.String(32), comment="of the value that was asked for"),
)


class VaultRefused(Exception):
    """The vault does not do what it was asked, and says why."""


@dataclass(frozen=True)
class Deposited:
    """What a deposit did with distinct values; `passed_over` belong to forgotten subjects."""

    new: int
    known: int
    passed_over: int


class Vault:
    """An open vault; every method is one or a few transactions and may run beside others."""

    def __init__(self, settings: Settings, keys: Keys) -> None:
        url = settings.vault_url or f"sqlite:///{settings.home / 'vault' / 'vault.db'}"
        self.purposes = settings.vault_purposes
        self.keys = {version.version: version for version in keys.versions}
        self.newest = keys
        self.engine = sa.create_engine(url)
        if self.engine.dialect.name == "sqlite" and self.engine.url.database:
            Path(self.engine.url.database).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            sa.event.listen(self.engine, "connect", _set_sqlite_pragmas)
        dialect = importlib.import_module(f"sqlalchemy.dialects.{self.engine.dialect.name}")
        self.insert: Any = dialect.insert
        metadata.create_all(self.engine)

    def close(self) -> None:
        self.engine.dispose()

    def deposit(self, values: pa.Table | Iterable[pa.RecordBatch]) -> Deposited:
        """Seal what is not held yet, 100,000 values a transaction; a repeated deposit changes nothing.

        `values` has columns `kind` and `clear` (text), `token` and `subject` (the bytes of their digits), best distinct
        and the values of a subject together; rows with a NULL are ignored.
        """
        batches = values.to_batches(BATCH) if isinstance(values, pa.Table) else values
        new = known = passed_over = 0
        for batch in batches:
            for start in range(0, batch.num_rows, BATCH):
                part = batch.slice(start, BATCH).drop_null()
                value = [part.column(name).to_pylist() for name in ("subject", "token", "kind")]
                clear = part.column("clear").cast(pa.binary()).to_pylist()
                counts = self._deposit(dict(zip(zip(*value, strict=True), clear, strict=True)))
                new, known, passed_over = new + counts[0], known + counts[1], passed_over + counts[2]
        return Deposited(new, known, passed_over)

    def _deposit(self, given: dict[Value, bytes]) -> tuple[int, int, int]:
        with self.engine.begin() as connection:
            found = self._subjects(connection, {subject for subject, _, _ in given})
            held = self._held(connection, found)
            new = [value for value in given if value not in held]
            opened = self._subject_keys(connection, list(dict.fromkeys(subject for subject, _, _ in new)), found)
            sealable = [value for value in new if value[0] in opened]
            nonces, rows = _parts(os.urandom(NONCE * len(sealable)), NONCE), []
            for nonce, value in zip(nonces, sealable, strict=True):
                subject, token, kind = value
                sealed = opened[subject].encrypt(nonce, given[value], _bound(subject, kind, token))
                rows.append((subject, token, kind, nonce + sealed))
            self._insert(connection, sealed_values, ("subject", "token", "kind", "sealed"), rows)
        return len(rows), len(given) - len(new), len(new) - len(rows)

    def _subjects(self, connection: sa.Connection, names: Iterable[bytes]) -> dict[bytes, sa.Row[Any]]:
        return {bytes(row.subject): row for row in _rows_of(connection, sa.select(subjects), subjects.c.subject, names)}

    def _held(self, connection: sa.Connection, names: Iterable[bytes]) -> set[Value]:
        """Subject, token and kind of every value that these subjects have; of a new subject there is none to ask."""
        query = sa.select(*sealed_values.c["subject", "token", "kind"])
        rows = _rows_of(connection, query, sealed_values.c.subject, names)
        return {(bytes(row.subject), bytes(row.token), str(row.kind)) for row in rows}

    def _subject_keys(
        self, connection: sa.Connection, names: list[bytes], found: dict[bytes, sa.Row[Any]]
    ) -> dict[bytes, AESGCM]:
        """The opened key of each subject, drawing keys for those that are new; forgotten subjects have none."""
        unknown = [name for name in names if name not in found]
        nonces, wrap, rows = os.urandom(NONCE * len(unknown)), AESGCM(self.newest.vault), []
        drawn = dict(zip(unknown, _parts(os.urandom(KEY * len(unknown)), KEY), strict=True))
        for nonce, (name, key) in zip(_parts(nonces, NONCE), drawn.items(), strict=True):
            rows.append((name, self.newest.version, nonce + wrap.encrypt(nonce, key, name)))
        inserted = self._insert(connection, subjects, ("subject", "key_version", "wrapped_key"), rows)
        if inserted < len(rows):  # another process was first with some of them
            found, drawn = found | self._subjects(connection, drawn), {}
        known = {name: row for name, row in found.items() if row.wrapped_key is not None}
        return {
            name: AESGCM(drawn[name] if name in drawn else self._unwrapped(known[name]))
            for name in names
            if name in drawn or name in known
        }

    def _insert(
        self, connection: sa.Connection, table: sa.Table, names: tuple[str, ...], rows: list[tuple[Any, ...]]
    ) -> int:
        """Insert rows of which another process may have been first, as they are; returns how many were inserted."""
        if not rows:
            return 0
        statement = self.insert(table).on_conflict_do_nothing()
        compiled = statement.compile(dialect=self.engine.dialect, column_keys=names)
        if compiled.positional:
            assert tuple(compiled.positiontup) == names
            return connection.exec_driver_sql(compiled.string, rows).rowcount
        named = [dict(zip(names, row, strict=True)) for row in rows]
        return connection.exec_driver_sql(compiled.string, named).rowcount

    def _unwrapped(self, row: sa.Row[Any]) -> bytes:
        if row.key_version not in self.keys:
            raise VaultRefused(
                f"the key file has no version {row.key_version} any more; restore it from your key store."
            )
        return _opened(self.keys[row.key_version].vault, bytes(row.wrapped_key), bytes(row.subject))

    def reveal(self, token: str, purpose: str, actor: str, reason: str, ticket: str, at: datetime) -> str:
        """The clear value behind a token, for a purpose that may see its kind; the audit row is written first.

        Raises:
            VaultRefused: who, why or ticket are missing, the purpose may not, or the vault does not hold the value.
        """
        name = _token(token)
        is_token = sealed_values.c.token == name
        is_asked = (is_token & (sealed_values.c.subject == name)) | (is_token & is_of_another)
        query = (
            sa.select(
                sealed_values.c.kind, sealed_values.c.sealed, *subjects.c["subject", "key_version", "wrapped_key"]
            )
            .join(subjects, subjects.c.subject == sealed_values.c.subject)
            .where(is_asked, subjects.c.wrapped_key.is_not(None))
            .order_by(subjects.c.subject, sealed_values.c.kind)
            .limit(1)
        )
        _check_words(actor, reason, ticket)
        with self.engine.connect() as connection:
            row = connection.execute(query).one_or_none()
        allowed = self.purposes.get(purpose, ())
        problem = None
        if not allowed:
            problem = f"purpose {purpose!r} may see nothing; allowed are {', '.join(sorted(self.purposes))}."
        elif row is None:
            problem = "the vault holds no value for this token; it was never deposited, or its subject was forgotten."
        elif row.kind not in allowed:
            problem = f"purpose {purpose} may not see a {row.kind}; it may see {', '.join(allowed)}."
        outcome = "granted" if problem is None else "unknown" if row is None and allowed else "refused"
        self._note("reveal", outcome, actor, reason, ticket, at, token, purpose, row.kind if row else None)
        if problem is not None or row is None:
            raise VaultRefused(f"{token[:8]}…: {problem}")
        bound = _bound(bytes(row.subject), row.kind, _token(token))
        return _opened(self._unwrapped(row), bytes(row.sealed), bound).decode()

    def forget(self, subject: str, actor: str, reason: str, ticket: str, at: datetime) -> int:
        """Destroy the key and the sealed values of a subject for good; returns how many values are gone.

        Forgetting an unknown subject leaves a mark too, so that a later delivery does not bring it in.
        """
        _check_words(actor, reason, ticket)
        name = _token(subject)
        with self.engine.begin() as connection:
            gone = self._erase(connection, name)
            connection.execute(sa.insert(subjects), {"subject": name, "forgotten_at": at.isoformat()})
            connection.execute(
                sa.insert(audit), _entry("forget", "done", actor, reason, ticket, at, subject, None, None)
            )
        if self.engine.dialect.name == "sqlite":
            with self.engine.connect() as connection:
                connection.exec_driver_sql("pragma wal_checkpoint(truncate)").fetchall()
        return gone

    def readmit(self, subject: str, actor: str, reason: str, ticket: str, at: datetime) -> None:
        """Accept a forgotten subject again; its old values stay unreadable.

        Raises:
            VaultRefused: the subject is not a forgotten one.
        """
        _check_words(actor, reason, ticket)
        name = _token(subject)
        forgotten = sa.select(subjects).where(subjects.c.subject == name, subjects.c.forgotten_at.is_not(None))
        with self.engine.begin() as connection:
            found = connection.execute(forgotten).one_or_none() is not None
            if found:
                self._erase(connection, name)
            outcome = "done" if found else "unknown"
            connection.execute(
                sa.insert(audit), _entry("readmit", outcome, actor, reason, ticket, at, subject, None, None)
            )
        if not found:
            raise VaultRefused(f"{subject[:8]}… is not forgotten; there is nothing to readmit.")

    def _erase(self, connection: sa.Connection, subject: bytes) -> int:
        gone = connection.execute(sa.delete(sealed_values).where(sealed_values.c.subject == subject)).rowcount
        connection.execute(sa.delete(subjects).where(subjects.c.subject == subject))
        return int(gone)

    def entries(self) -> list[dict[str, Any]]:
        """Every audit row, oldest first."""
        with self.engine.connect() as connection:
            return [dict(row._mapping) for row in connection.execute(sa.select(audit).order_by(audit.c.entry))]

    def _note(self, *values: Any) -> None:
        with self.engine.begin() as connection:
            connection.execute(sa.insert(audit), _entry(*values))


def _entry(
    action: str, outcome: str, actor: str, reason: str, ticket: str, at: datetime, token: str,
    purpose: str | None, kind: str | None,
) -> dict[str, str | None]:  # fmt: skip
    return {
        "action": action, "outcome": outcome, "actor": actor, "reason": reason, "ticket": ticket,
        "at": at.isoformat(), "token": token, "purpose": purpose, "kind": kind,
    }  # fmt: skip


def _check_words(actor: str, reason: str, ticket: str) -> None:
    given = {"actor": actor, "reason": reason, "ticket": ticket}
    for name, text in given.items():
        if not text.strip():
            raise VaultRefused(f"no {name} given; say who asks, why, and under which ticket.")
        if IDENTIFIER_LIKE.search(text):
            raise VaultRefused(f"the {name} holds what looks like an identifier; refer to the person by token.")


def _rows_of(
    connection: sa.Connection, query: sa.Select[Any], column: sa.Column[Any], names: Iterable[bytes]
) -> Iterator[sa.Row[Any]]:
    """The rows whose column is one of the names, asked in parts: databases limit how many a query may hold."""
    listed = list(names)
    for start in range(0, len(listed), NAMES_A_QUERY):
        yield from connection.execute(query.where(column.in_(listed[start : start + NAMES_A_QUERY])))


def _token(text: str) -> bytes:
    try:
        token = bytes.fromhex(text)
    except ValueError:
        token = b""
    if len(token) != 32:
        raise VaultRefused("what was given is no token; a token has 64 hexadecimal digits.")
    return token


def _parts(octets: bytes, size: int) -> Iterator[bytes]:
    return (octets[start : start + size] for start in range(0, len(octets), size))


def _bound(subject: bytes, kind: str, token: bytes) -> bytes:
    return subject + kind.encode() + token


def _opened(key: bytes, sealed: bytes, bound: bytes) -> bytes:
    return AESGCM(key).decrypt(sealed[:NONCE], sealed[NONCE:], bound)


def _set_sqlite_pragmas(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("pragma busy_timeout = 60000")
    cursor.execute("pragma journal_mode = wal")
    cursor.execute("pragma synchronous = normal")
    cursor.execute("pragma wal_autocheckpoint = 16384")
    cursor.execute("pragma secure_delete = on")  # a destroyed key leaves no bytes behind
    cursor.execute("pragma cache_size = -65536")  # tokens arrive in no order: the index has to fit
    cursor.close()
