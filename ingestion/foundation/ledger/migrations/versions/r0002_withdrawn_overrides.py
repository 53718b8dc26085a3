"""Nothing that gates rest on is overwritten: overrides are numbered, publications of one version stand side by side.

The last override of a verdict counts and may be a withdrawal; those that were recorded before are numbered by the day
until which they hold, for the longest one counted then. A version whose reconciliations were audited with other content
is published once more, with row counts of its own.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

metadata = sa.MetaData()

overrides = sa.Table(
    "overrides",
    metadata,
    sa.Column("sequence", sa.Integer, primary_key=True, autoincrement=True, comment="order of recording"),
    sa.Column("override_id", sa.String(32), nullable=False, unique=True, comment="hash of everything below"),
    sa.Column("verdict_id", sa.String(32), nullable=False, index=True),
    sa.Column("overridden_by", sa.String(128), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("valid_until", sa.Date, nullable=False, comment="last day on which it lets the content pass"),
    sa.Column("recorded_at", sa.String(32), nullable=False, comment="ISO 8601 with zone"),
    sa.Column(
        "is_withdrawal",
        sa.Boolean,
        nullable=False,
        server_default=sa.false(),
        comment="takes what was accepted before back; valid_until is then the day on which it did",
    ),
)
publications = sa.Table(
    "publications",
    metadata,
    sa.Column("sequence", sa.Integer, primary_key=True, autoincrement=True, comment="order of publication"),
    sa.Column("set_name", sa.String(64), nullable=False),
    sa.Column("version", sa.String(64), nullable=False),
    sa.Column("batch_date", sa.Date, nullable=False),
    sa.Column("run", sa.String(128), nullable=False),
    sa.Column("fingerprint", sa.String(64), nullable=False, comment="content and layout of the whole set"),
    sa.Column("row_counts", sa.JSON, nullable=False, comment="rows by table, of all that its gates audited"),
    sa.Column("current_counts", sa.JSON, comment="rows of each audited history that no later version superseded"),
    sa.Column("contents", sa.JSON, comment="fingerprint by table, of all that its gates audited"),
    sa.Column("members", sa.JSON, comment="the tables that were published"),
    sa.Index("ix_publications_by_date", "set_name", "batch_date"),
)
ORDERS = {"overrides": ("valid_until", "recorded_at", "override_id"), "publications": ("sequence",)}


def upgrade() -> None:
    """Make both tables again with their rows: a primary key and a constraint cannot be changed in place everywhere."""
    connection = op.get_bind()
    for made in metadata.sorted_tables:
        before = sa.Table(made.name, sa.MetaData(), autoload_with=connection)
        order = [before.c[name] for name in ORDERS[made.name]]
        numbered = [column for column in before.c if column.name in made.c and column.name != "sequence"]
        held = connection.execute(sa.select(*numbered).order_by(*order)).all()
        before.drop(connection)
        made.create(connection)
        if held:
            connection.execute(sa.insert(made), [dict(row._mapping) for row in held])
