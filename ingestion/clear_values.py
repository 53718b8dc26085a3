"""Clear values on their one short way (明文): from the parse to equivalence tokens and the vault, then gone.

While good rows stream into the lake their identifiers are spooled to the working folder, which is emptied when the
delivery is done, whatever becomes of it. Nothing else sees them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ingestion.contract import Column, Dataset
from ingestion.delivery import Delivery
from ingestion.equivalents import record_equivalents
from ingestion.identifiers import HASHED
from ingestion.lake import connect
from ingestion.protection import Keys, keyed_sql, register_functions
from ingestion.settings import Settings
from ingestion.typing_rules import quoted
from ingestion.vault import Vault

MEMORY_LIMIT = "384MB"
SPOOL = "clear.parquet"
ROWS_AT_ONCE = 65_536
DEPOSIT_ROWS = 50_000
SUBJECTS = ("cert_no", "mobile", "bank_card", "openid", "device_id", "email")


@dataclass
class Spool:
    """Identifiers of good rows, written in row order; `take` is the callback of the pass over the file."""

    path: Path
    batches: list[pa.RecordBatch] = field(default_factory=list)
    held: int = 0
    writer: pq.ParquetWriter | None = None

    def take(self, rows: pa.ChunkedArray) -> pa.Array:
        """Keep the values and let the rows pass."""
        for chunk in rows.chunks:
            self.batches.append(pa.RecordBatch.from_struct_array(chunk))
            self.held += len(chunk)
        if self.held >= ROWS_AT_ONCE:
            self._write()
        return pa.array([True] * len(rows))

    def close(self) -> None:
        """Finish the file; without rows there is none."""
        self._write()
        if self.writer is not None:
            self.writer.close()

    def _write(self) -> None:
        if not self.batches:
            return
        table = pa.Table.from_batches(self.batches)
        if self.writer is None:
            self.writer = pq.ParquetWriter(self.path, table.schema, compression="lz4")
        self.writer.write_table(table)
        self.batches, self.held = [], 0


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
                f"select {quoted(column.name)} as value from {source}"
                for column in columns
                if column.profile.protect == kind
            )
            record_equivalents(connection, f"({values})", kind, keys, settings, delivery.delivery_id)
        if settings.vault_deposit:
            deposits = connection.sql(_deposits_sql(columns, source, keys)).to_arrow_reader(DEPOSIT_ROWS)
            vault = Vault(settings, keys)
            try:
                vault.deposit(deposits)
            finally:
                vault.close()
    finally:
        connection.close()
        spool.unlink()


def _deposits_sql(columns: list[Column], source: str, keys: Keys) -> str:
    """Distinct (kind, token, clear, subject), a subject's together: it is the best identifier of the same row."""
    ranked = sorted(
        (column for column in columns if column.profile.protect in SUBJECTS),
        key=lambda column: SUBJECTS.index(str(column.profile.protect)),
    )
    if not ranked:
        return f"select '' as kind, '' as token, '' as clear, null::varchar as subject from {source} limit 0"
    distinct = ", ".join(quoted(column.name) for column in columns)
    tokenised = ", ".join(
        f"{keyed_sql(quoted(column.name), str(column.profile.protect), keys)} as {quoted(f'{column.name} token')}"
        for column in columns
    )
    subject = f"coalesce({', '.join(quoted(f'{column.name} token') for column in ranked)})"
    distinct_values = " union all ".join(
        f"select distinct '{column.profile.protect}' as kind, {quoted(f'{column.name} token')} as token,"
        f" {quoted(column.name)} as clear, {subject} as subject"
        f" from (select *, {tokenised} from (select distinct {distinct} from {source}))"
        f" where {quoted(column.name)} is not null"
        for column in columns
    )
    return f"{distinct_values} order by subject, token, kind, clear"
