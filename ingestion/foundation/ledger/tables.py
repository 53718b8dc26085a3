"""Every table of the ledger; a change here wants a migration beside it (`alembic revision --autogenerate -m …`)."""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData()

deliveries = sa.Table(
    "deliveries",
    metadata,
    sa.Column("delivery_id", sa.String(64), primary_key=True, comment="hash of identity and content"),
    sa.Column("source", sa.String(64), nullable=False),
    sa.Column("dataset", sa.String(64), nullable=False),
    sa.Column("batch_date", sa.Date, nullable=False),
    sa.Column("sequence", sa.Integer, nullable=False, comment="1 for the first file of a date, 2.. for re-sends"),
    sa.Column("version", sa.Integer, nullable=False, comment="1.. in order of arrival within the batch date"),
    sa.Column("content_hash", sa.String(64), nullable=False, comment="SHA-256 of the delivered bytes"),
    sa.Column("contract_version", sa.String(32), nullable=False),
    sa.Column("token_key", sa.String(32), comment="algorithm and version of the key of its tokens: hmac-sha256:1"),
    sa.Column("state", sa.String(16), nullable=False, comment="landed | refused"),
    sa.Column("reason", sa.Text, comment="why it was refused"),
    sa.Column("received_at", sa.String(32), nullable=False, comment="receipt, ISO 8601 with zone"),
    sa.Column("superseded_at", sa.String(32), comment="receipt of the version that replaced it"),
    sa.Column("file_name", sa.Text, nullable=False),
    sa.Column("file_size", sa.BigInteger, nullable=False),
    sa.Column("file_mtime_ns", sa.BigInteger, nullable=False),
    sa.Column("file_ctime_ns", sa.BigInteger, comment="when the file system last saw the file change; none: not known"),
    sa.Column("rows_in", sa.BigInteger, nullable=False),
    sa.Column("rows_landed", sa.BigInteger, nullable=False),
    sa.Column("rows_quarantined", sa.BigInteger, nullable=False),
    sa.Column("published_in", sa.String(64), comment="first published warehouse version that holds it"),
    sa.Column("contract_hash", sa.String(64), comment="of the contract that it was read by; NULL: none was kept yet"),
    sa.Index("ix_deliveries_by_date", "source", "dataset", "batch_date"),
)

contracts = sa.Table(
    "contracts",
    metadata,
    sa.Column("contract_hash", sa.String(64), primary_key=True, comment="SHA-256 of what decides reading"),
    sa.Column("source", sa.String(64), nullable=False),
    sa.Column("dataset", sa.String(64), nullable=False),
    sa.Column("definition", sa.Text, nullable=False, comment="all that it said, resolved, as canonical JSON"),
    sa.Column("first_delivery_id", sa.String(64), nullable=False, comment="the first delivery that was read by it"),
)

replays = sa.Table(
    "replays",
    metadata,
    sa.Column("delivery_id", sa.String(64), primary_key=True, comment="whose quarantined rows were tried again"),
    sa.Column("replay_id", sa.String(64), nullable=False, comment="delivery that holds what became of them"),
)

openings = sa.Table(
    "quarantine_openings",
    metadata,
    sa.Column("opening_id", sa.Integer, primary_key=True),
    sa.Column("delivery_id", sa.String(64), nullable=False),
    sa.Column("actor", sa.String(64), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("opened_at", sa.String(32), nullable=False),
)

verdicts = sa.Table(
    "verdicts",
    metadata,
    sa.Column("sequence", sa.Integer, primary_key=True, autoincrement=True, comment="order of recording"),
    sa.Column("verdict_id", sa.String(32), nullable=False, unique=True, comment="hash of everything below"),
    sa.Column("gate", sa.String(64), nullable=False),
    sa.Column("table_name", sa.String(128), nullable=False),
    sa.Column("batch_date", sa.Date, nullable=False),
    sa.Column("fingerprint", sa.String(32), nullable=False, comment="content that was audited"),
    sa.Column("beside", sa.String(32), comment="content of the other tables that its checks read"),
    sa.Column("outcome", sa.String(24), nullable=False),
    sa.Column("suite_version", sa.String(32), nullable=False),
    sa.Column("row_count", sa.BigInteger, nullable=False),
    sa.Column("check_count", sa.Integer, nullable=False),
    sa.Column("failures", sa.JSON, nullable=False),
    sa.Index("ix_verdicts_by_date", "gate", "batch_date", "table_name"),
)

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

runs = sa.Table(
    "runs",
    metadata,
    sa.Column("sequence", sa.Integer, primary_key=True, autoincrement=True, comment="order in which runs began"),
    sa.Column("stage", sa.String(64), nullable=False, comment="ingest_<source> | warehouse | features | scoring"),
    sa.Column("batch_date", sa.Date, nullable=False),
    sa.Column("run_id", sa.String(250), nullable=False, comment="the orchestrator's name of the run"),
    sa.Column("state", sa.String(16), nullable=False, comment="running | succeeded | failed"),
    sa.Column("detail", sa.Text, nullable=False, comment="what it did, or the sentence why it failed"),
    sa.Column("extras", sa.JSON, nullable=False, comment="figures: rows landed and quarantined, version; error kind"),
    sa.Column("started_at", sa.String(32), nullable=False, comment="ISO 8601 with zone"),
    sa.Column("ended_at", sa.String(32), comment="ISO 8601 with zone; NULL while it runs or when it was killed"),
    sa.UniqueConstraint("stage", "run_id"),
    sa.Index("ix_runs_by_date", "batch_date", "stage"),
    sqlite_autoincrement=True,
)
