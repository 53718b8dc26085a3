"""Revisions (库表版本): a database's tables are made where there are none, migrated where older, refused where newer.

The recorded revision is read first; Alembic is imported only where it is not the newest.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

_migrating = threading.Lock()


class RevisionNewer(Exception):
    """The recorded revision is none that this code knows."""


@dataclass(frozen=True)
class Revisions:
    """The tables of one database as the code wants them, and the migrations that lead an older one there.

    `head` is the newest revision, recorded in `version_table`; `lock` is the number of PostgreSQL's advisory lock.
    """

    tables: sa.MetaData
    head: str
    migrations: Path
    version_table: str
    lock: int

    def is_newest(self, engine: sa.Engine) -> bool:
        """Whether nothing is to be done."""
        with engine.connect() as connection:
            return self._read(connection) == self.head

    def make_newest(self, engine: sa.Engine) -> None:
        """Make an empty database the newest, or migrate the one that is there; all of it or nothing.

        Raises:
            RevisionNewer: it was written by a newer version of the code.
        """
        with _migrating, engine.begin() as connection:
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql(
                    "begin immediate"
                )  # its driver would commit each change of a table by itself
            elif connection.dialect.name == "postgresql":
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(self.lock)))
            if self._read(connection) == self.head:
                return  # another process was first
            if not set(sa.inspect(connection).get_table_names()) & {*self.tables.tables, self.version_table}:
                self.tables.create_all(connection)
                self._record.create(connection)
                connection.execute(sa.insert(self._record).values(version_num=self.head))
            else:
                self._migrate(connection)

    @property
    def _record(self) -> sa.Table:
        return sa.Table(
            self.version_table,
            sa.MetaData(),
            sa.Column("version_num", sa.String(32), nullable=False),
            sa.PrimaryKeyConstraint("version_num", name=f"{self.version_table}_pkc"),
        )

    def _read(self, connection: sa.Connection) -> str | None:
        """The recorded revision; None where none was recorded, and where there are no tables."""
        if not connection.dialect.has_table(connection, self.version_table):
            return None
        return connection.execute(sa.select(self._record.c.version_num)).scalar()

    def _migrate(self, connection: sa.Connection) -> None:
        from alembic import command
        from alembic.config import Config
        from alembic.util.exc import CommandError

        config = Config()
        config.set_main_option("script_location", str(self.migrations).replace("%", "%%"))
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError:
            raise RevisionNewer(self._read(connection)) from None
