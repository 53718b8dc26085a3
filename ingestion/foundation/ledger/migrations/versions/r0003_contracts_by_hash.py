"""Each delivery says by which contract it was read; those that were recorded before say nothing (NULL)."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

contracts = sa.Table(
    "contracts",
    sa.MetaData(),
    sa.Column("contract_hash", sa.String(64), primary_key=True, comment="SHA-256 of what decides reading"),
    sa.Column("source", sa.String(64), nullable=False),
    sa.Column("dataset", sa.String(64), nullable=False),
    sa.Column("definition", sa.Text, nullable=False, comment="all that it said, resolved, as canonical JSON"),
    sa.Column("first_delivery_id", sa.String(64), nullable=False, comment="the first delivery that was read by it"),
)
COMMENT = "of the contract that it was read by; NULL: none was kept yet"


def upgrade() -> None:
    """Make the table of contracts, and the column that leads to it, where a ledger lacks them."""
    connection = op.get_bind()
    contracts.create(connection, checkfirst=True)
    if "contract_hash" not in {column["name"] for column in sa.inspect(connection).get_columns("deliveries")}:
        op.add_column("deliveries", sa.Column("contract_hash", sa.String(64), comment=COMMENT))
