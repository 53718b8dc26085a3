"""A lake made by hand: rows of any dataset and date, as landing would leave them, without files to parse.

What is delivered obeys the ledger's rules (a newer delivery of a date supersedes the older one, a late one is
superseded the moment it arrives), so that a test of histories says only what came when.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import sqlalchemy as sa

from ingestion.contract import Dataset, load_registry
from ingestion.foundation import Settings
from ingestion.foundation.ledger import deliveries, open_ledger
from ingestion.foundation.sql import quote_name
from ingestion.lake import derive_lake_schema
from quality.warehouse import build

Row = Mapping[str, Any]


class HandmadeLake:
    """The lake and ledger of one platform, filled row by row."""

    def __init__(self, settings: Settings, known_at: str | None = None) -> None:
        self.settings = settings
        self._known_at = known_at
        self._datasets = {f"{held.source}.{held.name}": held for held in load_registry(settings).datasets}

    def deliver(
        self, dataset: str, day: str, rows: Sequence[Row], received: str, sequence: int = 1, stands_beside: bool = False
    ) -> str:
        """Land `rows` as a delivery of `dataset` (`source.name`) for `day`, received at a Beijing time.

        A row's `_known_at` is the receipt unless the row brings its own, as stock rows do.
        """
        held = self._datasets[dataset]
        moment = f"{received}+08:00"
        ledger = open_ledger(self.settings)
        of_date = sa.and_(
            deliveries.c.source == held.source,
            deliveries.c.dataset == held.name,
            deliveries.c.batch_date == date.fromisoformat(day),
        )
        with ledger.begin() as connection:
            version = connection.execute(sa.select(sa.func.count()).where(of_date)).scalar_one() + 1
            current = sa.and_(of_date, deliveries.c.superseded_at.is_(None))
            newer = connection.execute(sa.select(deliveries).where(current, deliveries.c.sequence > sequence)).first()
            if newer is None and not stands_beside:
                connection.execute(sa.update(deliveries).where(current).values(superseded_at=moment))
            delivery_id = f"{dataset}.{day}.{version}"
            connection.execute(
                sa.insert(deliveries).values(
                    delivery_id=delivery_id, source=held.source, dataset=held.name,
                    batch_date=date.fromisoformat(day), sequence=sequence, version=version, content_hash=delivery_id,
                    contract_version="1", token_key="hmac-sha256:1", state="landed", received_at=moment,
                    superseded_at=moment if newer is not None else None, file_name=delivery_id, file_size=1,
                    file_mtime_ns=1, rows_in=len(rows), rows_landed=len(rows), rows_quarantined=0,
                )
            )  # fmt: skip
        ledger.dispose()
        lineage = {"_delivery_id": delivery_id, "_batch_date": day, "_sequence": sequence}
        numbered = [{"_known_at": moment, "_line_number": place, **row, **lineage} for place, row in enumerate(rows, 2)]
        folder = self.settings.lake / held.source / held.name / f"batch_date={day}" / delivery_id
        _write(held, numbered, folder / "part-00.parquet")
        return delivery_id

    def hold_equivalents(self, kind: str, rows: Sequence[Row]) -> None:
        """Keep equivalence tokens as landing would: `token`, `previous_token`, `key_version` and the forms' tokens."""
        names = (
            "kind",
            "key_version",
            "token",
            "previous_token",
            "masked_token",
            "md5_token",
            "sha256_token",
            "sm3_token",
        )
        folder = self.settings.lake / "_equivalents" / kind
        folder.mkdir(parents=True, exist_ok=True)
        schema = {name: pl.Int32 if name == "key_version" else pl.String for name in names}
        held = [{name: row.get(name) for name in names} | {"kind": kind} for row in rows]
        pl.DataFrame(held, schema=schema).write_parquet(folder / f"{len(list(folder.iterdir()))}.parquet")

    def build(self, day: str, as_of: Sequence[str] = (), select: Sequence[str] | None = None) -> None:
        """Build the warehouse of a business date."""
        dates = [date.fromisoformat(text) for text in as_of] or None
        known_at = datetime.fromisoformat(self._known_at) if self._known_at else None
        build(date.fromisoformat(day), self.settings, select=select, as_of_dates=dates, known_at=known_at)

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of the built warehouse; instants as Beijing text to the second."""
        with duckdb.connect(str(self.settings.warehouse), read_only=True) as connection:
            connection.execute("set TimeZone = 'Asia/Shanghai'").fetchall()
            return [tuple(_shown(value) for value in row) for row in connection.execute(sql).fetchall()]

    def known_at(self, moment: str, home: Path) -> HandmadeLake:
        """The same lake under `home`, whose builds see what was known at a Beijing time."""
        return self.copy_to(home, known_at=f"{moment}+08:00")

    def copy_to(self, home: Path, known_at: str | None = None) -> HandmadeLake:
        """The same lake and ledger under `home`, where nothing is built yet."""
        home.mkdir(parents=True)
        shutil.copyfile(self.settings.home / "ledger.db", home / "ledger.db")
        shutil.copytree(self.settings.lake, home / "lake")
        settings = replace(self.settings, home=home, ledger_url=f"sqlite:///{home / 'ledger.db'}")
        return HandmadeLake(settings, known_at=known_at)


def find_difference(table: str, left: HandmadeLake, right: HandmadeLake) -> str | None:
    """How a table of two warehouses differs, in columns or in rows (the first of them); None where it does not."""
    with duckdb.connect() as connection:
        for name, lake in (("left_rows", left), ("right_rows", right)):
            with duckdb.connect(str(lake.settings.warehouse), read_only=True) as warehouse:
                connection.register(name, warehouse.sql(f"select * from {quote_name(table)}").to_arrow_table())
        shapes = [connection.sql(f"describe {name}").fetchall() for name in ("left_rows", "right_rows")]
        if shapes[0] != shapes[1]:
            return f"{table}: columns {shapes[0]} and {shapes[1]}"
        only_left, only_right = (
            connection.sql(f"from {rows} except all from {others} order by all limit 3").fetchall()
            for rows, others in (("left_rows", "right_rows"), ("right_rows", "left_rows"))
        )
    return f"{table}: only left {only_left}, only right {only_right}" if only_left or only_right else None


def _shown(value: Any) -> Any:
    return value.replace(tzinfo=None).isoformat(" ") if isinstance(value, datetime) else value


def _write(dataset: Dataset, rows: Sequence[Row], path: Path) -> None:
    """One Parquet file with the dataset's own types; a column that no row names is NULL."""
    schema = derive_lake_schema(dataset)
    unknown = {name for row in rows for name in row} - set(schema)
    assert not unknown, f"{dataset.source}.{dataset.name} has no {sorted(unknown)}"
    frame = pl.DataFrame(
        {name: [None if row.get(name) is None else str(row[name]) for row in rows] for name in schema},
        schema=dict.fromkeys(schema, pl.String),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = ", ".join(f"cast({quote_name(name)} as {kind}) as {quote_name(name)}" for name, kind in schema.items())
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'Asia/Shanghai'").fetchall()
        connection.register("frame", frame.to_arrow())
        connection.execute(f"copy (select {columns} from frame) to '{path}' (format parquet)").fetchall()
