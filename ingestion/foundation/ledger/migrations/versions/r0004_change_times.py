"""A delivery remembers when its file was last changed, so that other bytes of the same size and time are noticed.

Of those that were recorded before nobody knows it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the column, unless a ledger of before revisions was given it when it was adopted."""
    comment = "when the file system last saw the file change; none: not known"
    if "file_ctime_ns" not in {column["name"] for column in sa.inspect(op.get_bind()).get_columns("deliveries")}:
        op.add_column("deliveries", sa.Column("file_ctime_ns", sa.BigInteger, comment=comment))
