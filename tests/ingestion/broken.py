"""A party of its own for every case: a small contract, files dropped where it delivers, and what became of them.

Only the public surface is used: the contract's file, the landing folder, `land_source`, the files and the ledger.
"""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import sqlalchemy as sa
import yaml

from ingestion.foundation import Settings, load_settings
from ingestion.foundation.ledger import deliveries, open_ledger
from ingestion.landing import LandingReport, land_source
from ingestion.landing.sources import DeliveryRefused
from ingestion.protection import load_keys
from ingestion.protection.sealing import unseal_text

BEIJING = ZoneInfo("Asia/Shanghai")
KEY = "00112233445566778899aabbccddeeff" * 2
DAY = date(2026, 3, 2)
NO_FILE_IS_NO_DATA = {"no_data": ["absent"]}
LOGICAL = {"BIGINT": "integer", "INTEGER": "integer", "DATE": "date", "TIMESTAMPTZ": "timestamp", "BOOLEAN": "boolean"}


def column(name: str, kind: str = "VARCHAR", *, key: bool = False, **declared: Any) -> dict[str, Any]:
    """One property of a contract; what the standard has no word for goes into the profile `column`."""
    standard = {"required", "physicalName", "classification", "logicalTypeOptions"}
    entry: dict[str, Any] = {
        "name": name,
        "logicalType": LOGICAL.get(kind, "string" if kind == "VARCHAR" else "number"),
        "physicalType": kind,
        "description": "x",
    }
    if key:
        entry |= {"primaryKey": True, "primaryKeyPosition": 1, "required": True}
    if "enum" in declared:
        entry["enum"] = [{"value": value} for value in declared.pop("enum")]
    if "protect" in declared:
        entry["classification"] = "C2"
    entry |= {word: declared.pop(word) for word in sorted(standard & set(declared))}
    if declared:
        entry["customProperties"] = [{"property": "column", "value": declared}]
    return entry


def dataset(*columns: dict[str, Any], name: str = "rows", **delivery: Any) -> dict[str, Any]:
    """One schema entry: comma-separated text with a heading that tolerates every broken row, unless stated."""
    profile: dict[str, Any] = {"reader": "delimited", "mode": "append", "max_quarantine_share": 1}
    profile |= {"volume": {"maximum": 1_000_000}} | delivery
    if "query" not in delivery:
        profile.setdefault("files", "{yyyymmdd}/" + name + ".csv")
    return {
        "name": name,
        "description": "x",
        "customProperties": [{"property": "delivery", "value": profile}],
        "properties": list(columns),
    }


def contract(source: str, *datasets: dict[str, Any], **profile: Any) -> dict[str, Any]:
    """A contract document of a source."""
    usual = {"cron": "0 7 * * *", "available_at": "07:00", "go_live": "2026-03-02"}
    return {
        "apiVersion": "v3.2.0",
        "kind": "DataContract",
        "id": source,
        "name": source,
        "version": "1.0.0",
        "status": "active",
        "description": {"purpose": "x"},
        "team": {"name": "loan_core"},
        "customProperties": [{"property": "source", "value": usual | profile}],
        "schema": list(datasets),
    }


@dataclass(frozen=True)
class Party:
    """The platform of one test, with one tenant; the source is `party` and its dataset `rows` unless stated."""

    settings: Settings
    source: str = "party"

    @property
    def tenant(self) -> Path:
        """The tenant's folder, laid over a product without contracts."""
        assert self.settings.tenant is not None
        return self.settings.tenant

    @property
    def environment(self) -> dict[str, str]:
        """What a process of its own has to be given to serve the same platform."""
        return {
            "PLATFORM_HOME": str(self.settings.home),
            "PLATFORM_TENANT": str(self.tenant),
            "PLATFORM_KEY_FILE": str(self.settings.key_file),
            "PLATFORM_THREADS": str(self.settings.threads),
        }

    def declare(self, *columns: dict[str, Any], **delivery: Any) -> Party:
        """Write the contract of one dataset."""
        return self.agree(contract(self.source, dataset(*columns, **delivery)))

    def agree(self, document: dict[str, Any]) -> Party:
        """Write a whole contract."""
        path = self.tenant / "contracts" / f"{document['id']}.yml"
        path.write_text(yaml.safe_dump(document, allow_unicode=True, sort_keys=False), encoding="utf-8")
        return self

    def deliver(
        self, content: str | bytes, name: str = "rows.csv", *, day: str | date = DAY, at: str = "2026-03-03T06:00:00"
    ) -> Path:
        """Drop one file, received at a Beijing time."""
        folder = self.settings.locate_source(self.source) / str(day).replace("-", "")
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        moment = datetime.fromisoformat(at).replace(tzinfo=BEIJING).timestamp()
        os.utime(path, (moment, moment))
        return path

    def land(self, day: date = DAY) -> LandingReport:
        """Land, and check the account of every delivery against the files: no row is lost or invented."""
        report = land_source(self.source, day, self.settings)
        for entry in report.arrivals:
            assert entry.rows_in == entry.rows_landed + entry.rows_quarantined
        for row in self.ledger():
            if row["state"] == "landed":
                assert row["rows_in"] == row["rows_landed"] + row["rows_quarantined"]
                assert row["rows_landed"] == sum(len(frame) for frame in self._frames(self.settings.lake, row))
                reported = sum(len(frame) for frame in self._frames(self.settings.quarantine, row))
                assert row["rows_quarantined"] == reported
        return report

    def refusal(self, day: date = DAY) -> str:
        """Land what has to be refused whole, and return why."""
        try:
            self.land(day)
        except DeliveryRefused as error:
            return str(error)
        raise AssertionError("nothing was refused")

    def rows(self, *names: str, name: str = "rows") -> list[tuple[Any, ...]]:
        """Rows of the deliveries that nothing has superseded, in file order."""
        current = [row for row in self.ledger(name) if row["state"] == "landed" and row["superseded_at"] is None]
        frames = [
            frame.select(names) if names else frame
            for row in current
            for frame in self._frames(self.settings.lake, row)
        ]
        return [row for frame in frames for row in frame.rows()]

    def lines(self) -> list[int]:
        """Physical lines of the rows in the lake."""
        return [row[0] for row in self.rows("_line_number")]

    def quarantined(self) -> list[tuple[int, str, str]]:
        """Line, column and rule of every row that was kept out, all versions together."""
        return [
            row
            for held in self.ledger()
            for frame in self._frames(self.settings.quarantine, held)
            for row in frame.select("line_number", "column", "rule").rows()
        ]

    def sealed(self) -> dict[int, str]:
        """The delivered text of the quarantined rows, by line."""
        keys = load_keys(self.settings.key_file)
        texts: dict[int, str] = {}
        for path in sorted(self.settings.quarantine.rglob("raw.sealed")):
            frame = pl.read_parquet(io.BytesIO(unseal_text(path.read_bytes(), keys.quarantine, path.parent.name)))
            texts |= dict(frame.select("line_number", "raw").rows())
        return texts

    def ledger(self, name: str = "rows") -> list[dict[str, Any]]:
        """The deliveries of a dataset as the ledger holds them, by date and order of arrival."""
        engine = open_ledger(self.settings)
        query = sa.select(deliveries).where(deliveries.c.source == self.source, deliveries.c.dataset == name)
        with engine.connect() as connection:
            rows = connection.execute(query.order_by(deliveries.c.batch_date, deliveries.c.version)).mappings().all()
        engine.dispose()
        return [dict(row) for row in rows]

    def stored(self) -> dict[str, bytes]:
        """Every file of lake and quarantine, by its path below the platform's home."""
        return {
            path.relative_to(self.settings.home).as_posix(): path.read_bytes()
            for folder in (self.settings.lake, self.settings.quarantine)
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }

    @staticmethod
    def _frames(folder: Path, row: dict[str, Any]) -> list[pl.DataFrame]:
        place = folder / row["source"] / row["dataset"] / f"batch_date={row['batch_date']}" / row["delivery_id"]
        return [pl.read_parquet(path, hive_partitioning=False) for path in sorted(place.glob("*.parquet"))]


def make_party(home: Path, *, threads: int = 2, draw_key: bool = False) -> Party:
    """The platform under `home`; a new one is empty, and its tenant has no contract yet."""
    (home / "tenant" / "contracts").mkdir(parents=True, exist_ok=True)
    (home / "tenant" / "tenant.toml").write_text('without = ["contracts"]\n')
    environment = {
        "PLATFORM_HOME": str(home),
        "PLATFORM_TENANT": str(home / "tenant"),
        "PLATFORM_KEY_FILE": str(home / "platform.key"),
        "PLATFORM_THREADS": str(threads),
    }
    if not draw_key:
        (home / "platform.key").write_text(KEY)
    return Party(load_settings(environment))
