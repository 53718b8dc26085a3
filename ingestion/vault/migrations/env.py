"""How Alembic runs the vault's migrations: on the connection that opens the vault, within its transaction."""

from __future__ import annotations

from alembic import context

from ingestion.vault.store import VERSION_TABLE
from ingestion.vault.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    render_as_batch=True,
)
context.run_migrations()
