"""Questions to the vault (查询与删除): reveal a value, forget or readmit a person, and list who asked for what.

Whoever asks is written down, before anything is opened.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from cryptography.exceptions import InvalidTag

from ingestion.vault.contents import TOKEN, Content, read_start
from ingestion.vault.store import Overtaken, Store, VaultRefused
from ingestion.vault.tables import audit, subjects, token_starts

MOST_HOLDERS = 8
IDENTIFIER_LIKE = re.compile(r"\d{11}")


class Request(NamedTuple):
    """Who asks, why, under which ticket, and when."""

    actor: str
    reason: str
    ticket: str
    at: datetime


def reveal_value(
    store: Store, purposes: Mapping[str, Collection[str]], token: str, purpose: str, request: Request
) -> str:
    """The clear value behind a token, for a purpose that may see its kind; the audit row is written first.

    Raises:
        VaultRefused: who, why or ticket are missing, the purpose may not, or the vault does not hold the value.
    """
    rows = _find_holders(store, _read_token(token))
    kind = rows[0].value_kind if rows else None
    _check_words(request)
    allowed = purposes.get(purpose, ())
    problem = None
    if not allowed:
        problem = f"purpose {purpose!r} may see nothing; allowed are {', '.join(sorted(purposes))}."
    elif kind is None:
        problem = "the vault holds no value for this token; it was never deposited, or its subject was forgotten."
    elif kind not in allowed:
        problem = f"purpose {purpose} may not see a {kind}; it may see {', '.join(allowed)}."
    outcome = "granted" if problem is None else "unknown" if kind is None and allowed else "refused"
    _note(store, "reveal", outcome, request, token, purpose, kind)
    if problem is None:
        contents = (store.open_content(row) for row in rows)
        clear = next((content[key] for content in contents if (key := (str(kind), token.lower())) in content), None)
        if clear is not None:
            return clear
        problem = f"no {kind} of this token is sealed where the vault's tables lead; restore its database."
    raise VaultRefused(f"{token[:8]}…: {problem}")


def _find_holders(store: Store, token: bytes) -> list[sa.Row[Any]]:
    """Subjects that have a value with this token, by their own or by its first bytes, with its `value_kind`.

    Of a token that many share, a few.
    """
    own = sa.select(subjects, subjects.c.kind.label("value_kind")).where(
        subjects.c.subject == token, subjects.c.kind.is_not(None), subjects.c.wrapped_key.is_not(None)
    )
    others = (
        sa.select(subjects, token_starts.c.kind.label("value_kind"))
        .join(token_starts, subjects.c.subject == token_starts.c.subject)
        .where(token_starts.c.start == read_start(token), subjects.c.wrapped_key.is_not(None))
        .order_by(token_starts.c.subject, token_starts.c.kind)
        .limit(MOST_HOLDERS)
    )
    with store.engine.connect() as connection:
        return [row for query in (own, others) for row in connection.execute(query)]


def forget_subject(store: Store, subject: str, request: Request) -> int:
    """Destroy the key and the sealed values of a subject for good; returns how many values are gone.

    Forgetting an unknown subject leaves a mark too, so that a later delivery does not bring it in.
    """
    _check_words(request)
    name = _read_token(subject)
    while True:
        with suppress(Overtaken), store.write() as connection:
            gone = _erase(store, connection, name)
            marks = [(name, request.at.isoformat())]
            if not store.insert_new(connection, subjects, ("subject", "forgotten_at"), marks):
                raise Overtaken
            done = _entry("forget", "done", request, subject)
            connection.execute(sa.insert(audit), done)
            break
    if store.engine.dialect.name == "sqlite":
        with store.engine.connect() as connection:
            connection.exec_driver_sql("pragma wal_checkpoint(truncate)").fetchall()
    return gone


def readmit_subject(store: Store, subject: str, request: Request) -> None:
    """Accept a forgotten subject again; its old values stay unreadable.

    Raises:
        VaultRefused: the subject is not a forgotten one.
    """
    _check_words(request)
    name = _read_token(subject)
    forgotten = sa.select(subjects).where(subjects.c.subject == name, subjects.c.forgotten_at.is_not(None))
    with store.write() as connection:
        found = connection.execute(forgotten).one_or_none() is not None
        if found:
            _erase(store, connection, name)
        outcome = "done" if found else "unknown"
        connection.execute(sa.insert(audit), _entry("readmit", outcome, request, subject))
    if not found:
        raise VaultRefused(f"{subject[:8]}… is not forgotten; there is nothing to readmit.")


def _erase(store: Store, connection: sa.Connection, subject: bytes) -> int:
    """Delete a subject's row and what leads to it; of one whose key is lost already, the row."""
    of, content = token_starts.c, Content()
    for row in store.fetch_subjects(connection, [subject]).values():
        try:
            content = store.open_content(row) if row.wrapped_key is not None else content
        except (VaultRefused, InvalidTag):  # its tokens are not to be had: all leads are looked through
            connection.execute(sa.delete(token_starts).where(of.subject == subject))
    leads = [{"at": read_start(bytes.fromhex(token)), "to": subject, "as": kind} for kind, token in content]
    if leads:
        is_it = (of.start == sa.bindparam("at")) & (of.subject == sa.bindparam("to")) & (of.kind == sa.bindparam("as"))
        connection.execute(sa.delete(token_starts).where(is_it), leads)
    connection.execute(sa.delete(subjects).where(subjects.c.subject == subject))
    return len(content)


def list_entries(store: Store) -> list[dict[str, Any]]:
    """Every audit row, oldest first."""
    with store.engine.connect() as connection:
        return [dict(row._mapping) for row in connection.execute(sa.select(audit).order_by(audit.c.entry))]


def _note(
    store: Store, action: str, outcome: str, request: Request, token: str, purpose: str | None, kind: str | None
) -> None:
    with store.engine.begin() as connection:
        connection.execute(sa.insert(audit), _entry(action, outcome, request, token, purpose, kind))


def _entry(
    action: str, outcome: str, request: Request, token: str, purpose: str | None = None, kind: str | None = None
) -> dict[str, str | None]:
    given = {**request._asdict(), "at": request.at.isoformat()}
    return {"action": action, "outcome": outcome, **given, "token": token, "purpose": purpose, "kind": kind}


def _check_words(request: Request) -> None:
    given = {"actor": request.actor, "reason": request.reason, "ticket": request.ticket}
    for name, text in given.items():
        if not text.strip():
            raise VaultRefused(f"no {name} given; say who asks, why, and under which ticket.")
        if IDENTIFIER_LIKE.search(text):
            raise VaultRefused(f"the {name} holds what looks like an identifier; refer to the person by token.")


def _read_token(text: str) -> bytes:
    try:
        token = bytes.fromhex(text)
    except ValueError:
        token = b""
    if len(token) != TOKEN:
        raise VaultRefused("what was given is no token; a token has 64 hexadecimal digits.")
    return token
