"""The vault (保险库): the only place, outside lake and warehouse, that can give a clear identifier back.

Every subject (the token of a person's primary identifier) has its own random 256-bit key, wrapped by a key of the
platform's key file; the subject's clear values, a JSON object of kind, token and value, are sealed together with that
key (AES-256-GCM, bound to the subject). Whoever asks names a purpose that the configuration knows, and leaves an audit
row before anything is opened.

Forgetting a subject destroys its key and its sealed values; what stays is the token with the date. Later deliveries
that bring the subject again are passed over, until the subject is readmitted (a new consent), which starts anew.
Backups of the database hold the key until they expire.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from json.encoder import encode_basestring
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import sqlalchemy as sa
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ingestion.foundation import Settings, SettingsInvalid
from ingestion.foundation.ledger import shown_url
from ingestion.foundation.locks import hold_lock
from ingestion.protection import Keys

BATCH = 100_000
NAMES_A_QUERY, MOST_HOLDERS = 25_000, 8
NONCE, KEY, TOKEN, START = 12, 32, 32, 8
IDENTIFIER_LIKE = re.compile(r"\d{11}")
Content = dict[tuple[str, str], str]  # kind and token (hexadecimal) to clear value
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
    sa.Column("kind", sa.String(32), comment="of the value whose token is the subject; NULL where none is held"),
    sa.Column("key_version", sa.Integer, comment="which platform key wraps the subject's key"),
    sa.Column("wrapped_key", Octets, comment="NULL once forgotten"),
    sa.Column("sealed", Octets, comment="all values of the subject; NULL once forgotten"),
    sa.Column("forgotten_at", sa.String(32), comment="ISO 8601 with zone; NULL while known"),
    sqlite_with_rowid=False,
)

# A subject's own value is found by the primary key above. Tokens arrive in no order: their first bytes make short rows.
token_starts = sa.Table(
    "token_starts",
    metadata,
    sa.Column("start", sa.BigInteger, primary_key=True, comment="first eight bytes of a token"),
    sa.Column("subject", Octets, primary_key=True, comment="who has a value with such a token"),
    sa.Column("kind", sa.String(32), primary_key=True, comment="of that value"),
    sqlite_with_rowid=False,
)

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


class _Overtaken(Exception):
    """Another process has written a row first."""


@dataclass(frozen=True)
class Deposited:
    """What a deposit did with distinct values; `passed_over` belong to forgotten subjects."""

    new: int
    known: int
    passed_over: int


class _Given:
    """Values to be deposited; `rows` tells where those of each subject are, `texts` how each is written when sealed."""

    def __init__(self, values: pa.RecordBatch) -> None:
        names = ("subject", "kind", "token", "clear")
        self.owners, self.kinds, given, clear = (values.column(name).to_pylist() for name in names)
        owners, tokens = (
            np.frombuffer(b"".join(octets), np.uint8).reshape(-1, TOKEN) for octets in (self.owners, given)
        )
        turns = np.flatnonzero((owners[1:] != owners[:-1]).any(axis=1)) + 1
        runs = pairwise([0, *turns.tolist(), len(owners)]) if len(owners) else ()
        self.rows = {self.owners[begin]: slice(begin, end) for begin, end in runs}
        self.is_grouped = len(self.rows) == len(turns) + bool(len(owners))
        digits = tokens.tobytes().hex()
        self.tokens = [digits[start : start + 2 * TOKEN] for start in range(0, len(digits), 2 * TOKEN)]
        self.texts = list(map(_text, self.kinds, self.tokens, clear))
        self.starts = tokens[:, :START].copy().view(">i8").ravel().astype(np.int64)
        self.is_own = (tokens == owners).all(axis=1)
        self.own_kinds = {self.owners[row]: self.kinds[row] for row in np.flatnonzero(self.is_own).tolist()}

    def key(self, row: int) -> tuple[str, str]:
        """Kind and token of a value."""
        return self.kinds[row], self.tokens[row]

    def leads(self, is_wanted: npt.NDArray[np.bool_]) -> list[tuple[int, bytes, str]]:
        """From the tokens of wanted values to their subjects, in order; a subject's own token needs none."""
        wanted = np.flatnonzero(is_wanted & ~self.is_own)
        rows = wanted[np.argsort(self.starts[wanted], kind="stable")]
        return [
            (start, self.owners[row], self.kinds[row])
            for start, row in zip(self.starts[rows].tolist(), rows.tolist(), strict=True)
        ]


class Vault:
    """An open vault; every method is one or a few transactions and may run beside others."""

    def __init__(self, settings: Settings, keys: Keys) -> None:
        """Open the vault, creating what is missing, one process at a time.

        Raises:
            SettingsInvalid: there is no database at the vault's address, or it is not one of this version.
        """
        url = settings.vault_url or f"sqlite:///{settings.home / 'vault' / 'vault.db'}"
        self.purposes = settings.vault_purposes
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
            with hold_lock(settings.home / ".vault.lock"):
                tables = sa.inspect(self.engine)
                held = tables.get_columns(subjects.name) if tables.has_table(subjects.name) else []
                is_other = held and {column["name"] for column in held} != set(subjects.columns.keys())
                if not is_other:
                    metadata.create_all(self.engine)
        except (sa.exc.SQLAlchemyError, sqlite3.Error, ModuleNotFoundError) as error:
            raise SettingsInvalid(
                f"The vault {shown_url(url)} cannot be opened ({type(error).__name__}); correct PLATFORM_VAULT_URL, or"
                " put the last copy of the vault in its place."
            ) from None
        if is_other:
            raise SettingsInvalid(
                f"The vault {shown_url(url)} was made by another version of the platform; ask that version for its"
                " values, and give this one an empty database and a new home."
            )

    def close(self) -> None:
        self.engine.dispose()

    def deposit(self, values: pa.Table | Iterable[pa.RecordBatch]) -> Deposited:
        """Seal what is not held yet, 100,000 values a transaction; a repeated deposit changes nothing.

        `values` has columns `subject` and `token` (the bytes of their digits), `kind` and `clear` (text), distinct, and
        best with the values of a subject together; rows with a NULL are ignored.
        """
        batches = values.to_batches(BATCH) if isinstance(values, pa.Table) else values
        counts = [0, 0, 0]
        for batch in batches:
            for start in range(0, batch.num_rows, BATCH):
                part = batch.slice(start, BATCH)
                part = part.drop_null() if any(column.null_count for column in part.columns) else part
                given = _Given(part)
                given = given if given.is_grouped else _Given(part.sort_by("subject"))
                counts = [sum(pair) for pair in zip(counts, self._deposit(given), strict=True)]
        return Deposited(*counts)

    def _deposit(self, given: _Given) -> tuple[int, int, int]:
        while True:
            with suppress(_Overtaken):
                return self._deposit_once(given)

    def _deposit_once(self, given: _Given) -> tuple[int, int, int]:
        is_new, passed_over, grown = np.ones(len(given.texts), dtype=bool), 0, []
        with self._writing() as connection:
            held = self._subjects(connection, given.rows)
            for subject, row in held.items():
                numbers = range(len(is_new))[given.rows[subject]]
                is_new[numbers] = False
                if row.wrapped_key is None:
                    passed_over += len(numbers)
                    continue
                try:
                    content = self._opened(row)
                except InvalidTag:
                    name = subject.hex()[:8]
                    raise VaultRefused(f"{name}…: what is sealed is damaged; restore the vault's database.") from None
                added = [number for number in numbers if given.key(number) not in content]
                if added:
                    is_new[added] = True
                    own = row.kind or given.own_kinds.get(subject)
                    grown.append((row, own, [*_texts(content), *(given.texts[number] for number in added)]))
            self._add(connection, given, sorted(subject for subject in given.rows if subject not in held))
            self._replace(connection, grown)
            self._insert(connection, token_starts, ("start", "subject", "kind"), given.leads(is_new))
        new = int(is_new.sum())
        return new, len(is_new) - new - passed_over, passed_over

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        """A transaction that no other writer's comes between; SQLite locks all, others the rows that are read."""
        with self.engine.begin() as connection:
            if self.engine.dialect.name == "sqlite":
                connection.exec_driver_sql("begin immediate")
            yield connection

    def _subjects(self, connection: sa.Connection, names: Iterable[bytes]) -> dict[bytes, sa.Row[Any]]:
        """The rows of these subjects, asked for in parts: databases limit how many a query may hold."""
        listed, query = sorted(names), sa.select(subjects).order_by(subjects.c.subject).with_for_update()
        parts = (listed[start : start + NAMES_A_QUERY] for start in range(0, len(listed), NAMES_A_QUERY))
        rows = (row for part in parts for row in connection.execute(query.where(subjects.c.subject.in_(part))))
        return {bytes(row.subject): row for row in rows}

    def _add(self, connection: sa.Connection, given: _Given, names: list[bytes]) -> None:
        """Draw a key for each new subject and seal what is given of it.

        Raises:
            _Overtaken: another process was first with some of them.
        """
        wrap, rows = AESGCM(self.newest.vault), []
        for subject, secret in zip(names, _parts(os.urandom((KEY + NONCE + NONCE) * len(names))), strict=True):
            key, wrapping, sealing = secret[:KEY], secret[KEY:-NONCE], secret[-NONCE:]
            wrapped = wrapping + wrap.encrypt(wrapping, key, subject)
            sealed = sealing + AESGCM(key).encrypt(sealing, _joined(given.texts[given.rows[subject]]), subject)
            rows.append((subject, given.own_kinds.get(subject), self.newest.version, wrapped, sealed))
        columns = ("subject", "kind", "key_version", "wrapped_key", "sealed")
        if self._insert(connection, subjects, columns, rows) < len(rows):
            raise _Overtaken

    def _replace(self, connection: sa.Connection, grown: list[tuple[sa.Row[Any], str | None, list[str]]]) -> None:
        """Seal more values of subjects that are held, with their keys: row, kind of its own value, all texts."""
        rows = []
        for row, kind, texts in grown:
            nonce, subject = os.urandom(NONCE), bytes(row.subject)
            sealed = nonce + AESGCM(self._unwrapped(row)).encrypt(nonce, _joined(texts), subject)
            rows.append({"of": subject, "kind": kind, "sealed": sealed})
        if rows:
            connection.execute(sa.update(subjects).where(subjects.c.subject == sa.bindparam("of")), rows)

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
        return _decrypted(self.keys[row.key_version].vault, row.wrapped_key, row.subject)

    def _opened(self, row: sa.Row[Any]) -> Content:
        return _read(_decrypted(self._unwrapped(row), row.sealed, row.subject))

    def reveal(self, token: str, purpose: str, actor: str, reason: str, ticket: str, at: datetime) -> str:
        """The clear value behind a token, for a purpose that may see its kind; the audit row is written first.

        Raises:
            VaultRefused: who, why or ticket are missing, the purpose may not, or the vault does not hold the value.
        """
        rows = self._holders(_token(token))
        kind = rows[0].value_kind if rows else None
        _check_words(actor, reason, ticket)
        allowed = self.purposes.get(purpose, ())
        problem = None
        if not allowed:
            problem = f"purpose {purpose!r} may see nothing; allowed are {', '.join(sorted(self.purposes))}."
        elif kind is None:
            problem = "the vault holds no value for this token; it was never deposited, or its subject was forgotten."
        elif kind not in allowed:
            problem = f"purpose {purpose} may not see a {kind}; it may see {', '.join(allowed)}."
        outcome = "granted" if problem is None else "unknown" if kind is None and allowed else "refused"
        self._note("reveal", outcome, actor, reason, ticket, at, token, purpose, kind)
        if problem is None:
            contents = (self._opened(row) for row in rows)
            clear = next((content[key] for content in contents if (key := (str(kind), token.lower())) in content), None)
            if clear is not None:
                return clear
            problem = f"no {kind} of this token is sealed where the vault's tables lead; restore its database."
        raise VaultRefused(f"{token[:8]}…: {problem}")

    def _holders(self, token: bytes) -> list[sa.Row[Any]]:
        """Subjects that have a value with this token, by their own or by its first bytes, with its `value_kind`; of a
        token that many share, a few.
        """
        own = sa.select(subjects, subjects.c.kind.label("value_kind")).where(
            subjects.c.subject == token, subjects.c.kind.is_not(None), subjects.c.wrapped_key.is_not(None)
        )
        others = (
            sa.select(subjects, token_starts.c.kind.label("value_kind"))
            .join(token_starts, subjects.c.subject == token_starts.c.subject)
            .where(token_starts.c.start == _start(token), subjects.c.wrapped_key.is_not(None))
            .order_by(token_starts.c.subject, token_starts.c.kind)
            .limit(MOST_HOLDERS)
        )
        with self.engine.connect() as connection:
            return [row for query in (own, others) for row in connection.execute(query)]

    def forget(self, subject: str, actor: str, reason: str, ticket: str, at: datetime) -> int:
        """Destroy the key and the sealed values of a subject for good; returns how many values are gone.

        Forgetting an unknown subject leaves a mark too, so that a later delivery does not bring it in.
        """
        _check_words(actor, reason, ticket)
        name = _token(subject)
        while True:
            with suppress(_Overtaken), self._writing() as connection:
                gone = self._erase(connection, name)
                marks = [(name, at.isoformat())]
                if not self._insert(connection, subjects, ("subject", "forgotten_at"), marks):
                    raise _Overtaken
                done = _entry("forget", "done", actor, reason, ticket, at, subject, None, None)
                connection.execute(sa.insert(audit), done)
                break
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
        with self._writing() as connection:
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
        """Delete a subject's row and what leads to it; of one whose key is lost already, the row."""
        of, content = token_starts.c, Content()
        for row in self._subjects(connection, [subject]).values():
            try:
                content = self._opened(row) if row.wrapped_key is not None else content
            except (VaultRefused, InvalidTag):  # its tokens are not to be had: all leads are looked through
                connection.execute(sa.delete(token_starts).where(of.subject == subject))
        leads = [{"at": _start(bytes.fromhex(token)), "to": subject, "as": kind} for kind, token in content]
        if leads:
            is_it = (
                (of.start == sa.bindparam("at")) & (of.subject == sa.bindparam("to")) & (of.kind == sa.bindparam("as"))
            )
            connection.execute(sa.delete(token_starts).where(is_it), leads)
        connection.execute(sa.delete(subjects).where(subjects.c.subject == subject))
        return len(content)

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


def _token(text: str) -> bytes:
    try:
        token = bytes.fromhex(text)
    except ValueError:
        token = b""
    if len(token) != 32:
        raise VaultRefused("what was given is no token; a token has 64 hexadecimal digits.")
    return token


def _start(token: bytes) -> int:
    return int.from_bytes(token[:START], signed=True)


def _read(sealed: bytes) -> Content:
    return {(kind, token): clear for kind, token, clear in json.loads(sealed)}


def _texts(content: Content) -> list[str]:
    return [_text(kind, token, clear) for (kind, token), clear in content.items()]


def _text(kind: str, token: str, clear: str) -> str:
    """A value as JSON; kinds and tokens need no escapes."""
    return f'["{kind}","{token}",{encode_basestring(clear)}]'


def _joined(texts: Iterable[str]) -> bytes:
    return f"[{','.join(texts)}]".encode()


def _parts(octets: bytes) -> Iterator[bytes]:
    size = KEY + NONCE + NONCE
    return (octets[start : start + size] for start in range(0, len(octets), size))


def _decrypted(key: bytes, sealed: Any, bound: Any) -> bytes:
    octets = bytes(sealed)
    return AESGCM(key).decrypt(octets[:NONCE], octets[NONCE:], bytes(bound))


def _set_sqlite_pragmas(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("pragma busy_timeout = 60000")
    cursor.execute("pragma journal_mode = wal")
    cursor.execute("pragma synchronous = normal")
    cursor.execute("pragma wal_autocheckpoint = 16384")
    cursor.execute("pragma secure_delete = on")  # a destroyed key leaves no bytes behind
    cursor.execute("pragma cache_size = -65536")  # tokens arrive in no order: the index has to fit
    cursor.close()
