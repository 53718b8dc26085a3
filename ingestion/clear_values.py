"""Clear values on their one short way (明文): from the parse to equivalence tokens and the vault, then gone.

The identifiers of good rows are spooled to the working folder, each set once, which is emptied when the delivery is
done, whatever becomes of it. Nothing else sees them.
"""

from __future__ import annotations

from pathlib import Path

from ingestion.contract import Column, Dataset
from ingestion.delivery import Delivery
from ingestion.equivalents import record_equivalents
from ingestion.identifiers import HASHED
from ingestion.lake import connect
from ingestion.protection import Keys, register_functions
from ingestion.settings import Settings
from ingestion.typing_rules import quoted
from ingestion.vault import BATCH, Vault

MEMORY_LIMIT = "384MB"
SPOOL = "clear.parquet"
SUBJECTS = ("cert_no", "mobile", "bank_card", "openid", "device_id", "email")


def spooled_columns(dataset: Dataset, settings: Settings) -> list[Column]:
    """Columns whose clear values are needed once: those that partners hash, all identifiers where a vault is kept."""
    protected = [column for column in dataset.columns if column.profile.protect and not column.profile.drop]
    wanted = (*SUBJECTS, "person_name", "address") if settings.vault_deposit else HASHED
    return [column for column in protected if column.profile.protect in wanted]


def keep_clear_values(delivery: Delivery, settings: Settings, keys: Keys, work: Path) -> None:
    """Record equivalence tokens of new values, and deposit clear values where a vault is kept; idempotent."""
    spool = work / SPOOL
    if not spool.exists():
        return
    columns = spooled_columns(delivery.dataset, settings)
    source = f"read_parquet('{spool}')"
    connection = connect(settings, MEMORY_LIMIT, work / "spill")
    try:
        register_functions(connection, keys)
        for kind in sorted({str(column.profile.protect) for column in columns} & set(HASHED)):
            values = " union all ".join(
                f"select {quoted(column.name)} as value, {_token(column)} as token from {source}"
                for column in columns
                if column.profile.protect == kind
            )
            record_equivalents(connection, f"({values})", kind, keys, settings, delivery.delivery_id)
        if settings.vault_deposit:
            deposits = connection.sql(_deposits_sql(columns, source)).to_arrow_reader(BATCH)
            vault = Vault(settings, keys)
            try:
                vault.deposit(deposits)
            finally:
                vault.close()
    finally:
        connection.close()
        spool.unlink()


def _deposits_sql(columns: list[Column], source: str) -> str:
    """Distinct (subject, token, kind, clear), a subject's together: it is the best identifier of the same row."""
    ranked = sorted(
        (column for column in columns if column.profile.protect in SUBJECTS),
        key=lambda column: SUBJECTS.index(str(column.profile.protect)),
    )
    if not ranked:
        return f"select ''::blob as subject, ''::blob as token, '' as kind, '' as clear from {source} limit 0"
    subject = f"coalesce({', '.join(_token(column) for column in ranked)})"
    values = " union ".join(
        f"select unhex({subject}) as subject, unhex({_token(column)}) as token, '{column.profile.protect}' as kind,"
        f" {quoted(column.name)} as clear from {source} where {quoted(column.name)} is not null"
        for column in columns
    )
    return f"{values} order by subject"


def _token(column: Column) -> str:
    return quoted(f"{column.name}_token")
