"""How Alembic runs the ledger's migrations: on the connection that opens the ledger, or on the ledger of the settings.

The second is for who writes one: `alembic revision --autogenerate -m "…"` reads `[tool.alembic]` of pyproject.toml.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import context

from ingestion.foundation.ledger.opening import VERSION_TABLE
from ingestion.foundation.ledger.tables import metadata
from ingestion.foundation.settings import load_settings


def run_on(connection: sa.Connection) -> None:
    """Run what was asked for within the transaction of the connection; SQLite rewrites a table where it must."""
    context.configure(
        connection=connection, target_metadata=metadata, version_table=VERSION_TABLE, render_as_batch=True
    )
    context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    run_on(given)
else:
    with sa.create_engine(load_settings().ledger_url).begin() as own:
        run_on(own)
