"""The first recorded revision: every table, for a new vault and for one that was made before revisions were recorded.

The tables stand here as they were then; what a vault has of them stays, with its rows.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

metadata = sa.MetaData()

sa.Table(
    "subjects",
    metadata,
    sa.Column("subject", sa.LargeBinary, primary_key=True, comment="token of the primary identifier"),
    sa.Column("kind", sa.String(32), comment="of the value whose token is the subject; NULL where none is held"),
    sa.Column("key_version", sa.Integer, comment="which platform key wraps the subject's key"),
    sa.Column("wrapped_key", sa.LargeBinary, comment="NULL once forgotten"),
    sa.Column("sealed", sa.LargeBinary, comment="all values of the subject; NULL once forgotten"),
    sa.Column("forgotten_at", sa.String(32), comment="ISO 8601 with zone; NULL while known"),
    sqlite_with_rowid=False,
)
sa.Table(
    "token_starts",
    metadata,
    sa.Column("start", sa.BigInteger, primary_key=True, comment="first eight bytes of a token"),
    sa.Column("subject", sa.LargeBinary, primary_key=True, comment="who has a value with such a token"),
    sa.Column("kind", sa.String(32), primary_key=True, comment="of that value"),
    sqlite_with_rowid=False,
)
sa.Table(
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


def upgrade() -> None:
    """Create the tables that are missing."""
    metadata.create_all(op.get_bind())
