"""Deposit (存入): clear values sealed by subject, in bulk; written for speed, which is kept here alone."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import sqlalchemy as sa
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ingestion.vault.contents import KEY, NONCE, START, TOKEN, join_values, list_texts, write_value
from ingestion.vault.store import Overtaken, Store, VaultRefused
from ingestion.vault.tables import subjects, token_starts

BATCH = 100_000


@dataclass(frozen=True)
class DepositReport:
    """What a deposit did with distinct values; `passed_over` belong to forgotten subjects."""

    new: int
    known: int
    passed_over: int


class _GivenValues:
    """Values to be deposited; `rows` says where those of each subject are, `texts` how each is sealed."""

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
        self.texts = list(map(write_value, self.kinds, self.tokens, clear))
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


def deposit_values(store: Store, values: pa.Table | Iterable[pa.RecordBatch]) -> DepositReport:
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
            given = _GivenValues(part)
            given = given if given.is_grouped else _GivenValues(part.sort_by("subject"))
            counts = [sum(pair) for pair in zip(counts, _deposit(store, given), strict=True)]
    return DepositReport(*counts)


def _deposit(store: Store, given: _GivenValues) -> tuple[int, int, int]:
    while True:
        with suppress(Overtaken):
            return _deposit_once(store, given)


def _deposit_once(store: Store, given: _GivenValues) -> tuple[int, int, int]:
    is_new, passed_over, grown = np.ones(len(given.texts), dtype=bool), 0, []
    with store.write() as connection:
        held = store.fetch_subjects(connection, given.rows)
        for subject, row in held.items():
            numbers = range(len(is_new))[given.rows[subject]]
            is_new[numbers] = False
            if row.wrapped_key is None:
                passed_over += len(numbers)
                continue
            try:
                content = store.open_content(row)
            except InvalidTag:
                name = subject.hex()[:8]
                raise VaultRefused(f"{name}…: what is sealed is damaged; restore the vault's database.") from None
            added = [number for number in numbers if given.key(number) not in content]
            if added:
                is_new[added] = True
                own = row.kind or given.own_kinds.get(subject)
                grown.append((row, own, [*list_texts(content), *(given.texts[number] for number in added)]))
        _add(store, connection, given, sorted(subject for subject in given.rows if subject not in held))
        _replace(store, connection, grown)
        store.insert_new(connection, token_starts, ("start", "subject", "kind"), given.leads(is_new))
    new = int(is_new.sum())
    return new, len(is_new) - new - passed_over, passed_over


def _add(store: Store, connection: sa.Connection, given: _GivenValues, names: list[bytes]) -> None:
    """Draw a key for each new subject and seal what is given of it.

    Raises:
        Overtaken: another process was first with some of them.
    """
    wrap, rows = AESGCM(store.newest.vault), []
    for subject, secret in zip(names, _parts(os.urandom((KEY + NONCE + NONCE) * len(names))), strict=True):
        key, wrapping, sealing = secret[:KEY], secret[KEY:-NONCE], secret[-NONCE:]
        wrapped = wrapping + wrap.encrypt(wrapping, key, subject)
        sealed = sealing + AESGCM(key).encrypt(sealing, join_values(given.texts[given.rows[subject]]), subject)
        rows.append((subject, given.own_kinds.get(subject), store.newest.version, wrapped, sealed))
    columns = ("subject", "kind", "key_version", "wrapped_key", "sealed")
    if store.insert_new(connection, subjects, columns, rows) < len(rows):
        raise Overtaken


def _replace(store: Store, connection: sa.Connection, grown: list[tuple[sa.Row[Any], str | None, list[str]]]) -> None:
    """Seal more values of subjects that are held, with their keys: row, kind of its own value, all texts."""
    rows = []
    for row, kind, texts in grown:
        nonce, subject = os.urandom(NONCE), bytes(row.subject)
        sealed = nonce + AESGCM(store.unwrap_key(row)).encrypt(nonce, join_values(texts), subject)
        rows.append({"of": subject, "kind": kind, "sealed": sealed})
    if rows:
        connection.execute(sa.update(subjects).where(subjects.c.subject == sa.bindparam("of")), rows)


def _parts(octets: bytes) -> Iterator[bytes]:
    size = KEY + NONCE + NONCE
    return (octets[start : start + size] for start in range(0, len(octets), size))
