"""The vault (保险库): the only place, outside lake and warehouse, that can give a clear identifier back.

Every subject (the token of a person's primary identifier) has its own random 256-bit key, wrapped by a key of the
platform's key file; the subject's clear values, a JSON list of kind, token and value, are sealed together with that
key (AES-256-GCM, bound to the subject). Whoever asks names a purpose that the configuration knows, and leaves an audit
row before anything is opened.

Forgetting a subject destroys its key and its sealed values; what stays is the token with the date. Later deliveries
that bring the subject again are passed over, until the subject is readmitted (a new consent); that begins with nothing.
Backups of the database hold the key until they expire.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import pyarrow as pa

from ingestion.foundation import Settings
from ingestion.protection import Keys
from ingestion.vault.deposit import DepositReport, deposit_values
from ingestion.vault.questions import Request, forget_subject, list_entries, readmit_subject, reveal_value
from ingestion.vault.store import Store


class Vault:
    """An open vault; every method is one or a few transactions and may run beside others."""

    def __init__(self, settings: Settings, keys: Keys) -> None:
        """Open the vault, creating what is missing, one process at a time.

        Raises:
            SettingsInvalid: there is no database at the vault's address, or it is not one of this version.
        """
        self.purposes = settings.vault_purposes
        self.store = Store(settings, keys)
        self.engine = self.store.engine

    def close(self) -> None:
        self.engine.dispose()

    def deposit(self, values: pa.Table | Iterable[pa.RecordBatch]) -> DepositReport:
        """Seal what is not held yet; see `deposit_values`."""
        return deposit_values(self.store, values)

    def reveal(self, token: str, purpose: str, actor: str, reason: str, ticket: str, at: datetime) -> str:
        """The clear value behind a token, for a purpose that may see its kind; see `reveal_value`."""
        return reveal_value(self.store, self.purposes, token, purpose, Request(actor, reason, ticket, at))

    def forget(self, subject: str, actor: str, reason: str, ticket: str, at: datetime) -> int:
        """Destroy the key and the sealed values of a subject for good; see `forget_subject`."""
        return forget_subject(self.store, subject, Request(actor, reason, ticket, at))

    def readmit(self, subject: str, actor: str, reason: str, ticket: str, at: datetime) -> None:
        """Accept a forgotten subject again; see `readmit_subject`."""
        readmit_subject(self.store, subject, Request(actor, reason, ticket, at))

    def list_entries(self) -> list[dict[str, Any]]:
        """Every audit row, oldest first."""
        return list_entries(self.store)
