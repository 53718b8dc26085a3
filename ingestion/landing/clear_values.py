"""Clear-text identifiers (明文): from the parse to the equivalence tokens and the vault, and then dropped.

The identifiers of good rows are gathered in a table of the connection that parsed them, each set once, which ends with
it, whatever becomes of the delivery. Nothing else sees them.
"""

from __future__ import annotations

import duckdb

from ingestion.contract import Dataset
from ingestion.contract.profiles import Column
from ingestion.delivery import Delivery
from ingestion.foundation import Settings
from ingestion.foundation.sql import quote_name
from ingestion.identifiers import HASHED
from ingestion.landing.identifier_sets import gather_clear_values
from ingestion.protection import Keys
from ingestion.protection.equivalents import record_equivalents
from ingestion.vault import Vault
from ingestion.vault.deposit import BATCH

TABLE = "clear_values"
SUBJECTS = ("cert_no", "mobile", "bank_card", "openid", "device_id", "email")


def keep_clear_values(
    connection: duckdb.DuckDBPyConnection, landed: str, delivery: Delivery, settings: Settings, keys: Keys
) -> None:
    """Record equivalence tokens of new values, and deposit clear values where a vault is kept; idempotent.

    `connection` is the one that has written the rows `landed`.
    """
    columns = _list_kept_columns(delivery.dataset, settings)
    if delivery.is_empty or not columns:
        return
    gather_clear_values(connection, columns, landed, TABLE)
    for kind in sorted({str(column.profile.protect) for column in columns} & set(HASHED)):
        values = " union all ".join(
            f"select {quote_name(column.name)} as value, {_token(column)} as token from {TABLE}"
            for column in columns
            if column.profile.protect == kind
        )
        record_equivalents(connection, f"({values})", kind, keys, settings, delivery.delivery_id)
    if settings.vault_deposit:
        deposits = connection.sql(_deposits_sql(columns)).to_arrow_reader(BATCH)
        vault = Vault(settings, keys)
        try:
            vault.deposit(deposits)
        finally:
            vault.close()


def _list_kept_columns(dataset: Dataset, settings: Settings) -> list[Column]:
    """Columns whose clear values are needed once: those that partners hash, all identifiers where a vault is kept."""
    protected = [column for column in dataset.columns if column.profile.protect and not column.profile.drop]
    wanted = (*SUBJECTS, "person_name", "address") if settings.vault_deposit else HASHED
    return [column for column in protected if column.profile.protect in wanted]


def _deposits_sql(columns: list[Column]) -> str:
    """Distinct (subject, token, kind, clear), a subject's together: it is the best identifier of the same row."""
    ranked = sorted(
        (column for column in columns if column.profile.protect in SUBJECTS),
        key=lambda column: SUBJECTS.index(str(column.profile.protect)),
    )
    if not ranked:
        return f"select ''::blob as subject, ''::blob as token, '' as kind, '' as clear from {TABLE} limit 0"
    subject = f"coalesce({', '.join(_token(column) for column in ranked)})"
    values = " union ".join(
        f"select unhex({subject}) as subject, unhex({_token(column)}) as token, '{column.profile.protect}' as kind,"
        f" {quote_name(column.name)} as clear from {TABLE} where {quote_name(column.name)} is not null"
        for column in columns
    )
    return f"{values} order by subject"


def _token(column: Column) -> str:
    return quote_name(f"{column.name}_token")
