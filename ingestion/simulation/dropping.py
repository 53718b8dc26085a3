"""How files come to lie in the landing folder: bytes, ready markers, and the instants of arrival."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Protocol
from zoneinfo import ZoneInfo

import polars as pl

BUSINESS_TIMEZONE = ZoneInfo("Asia/Shanghai")
FIRST_ARRIVAL = {
    "dept_loan_core": timedelta(hours=1, minutes=5),
    "dept_app": timedelta(hours=1, minutes=20),
    "dept_risk": timedelta(hours=1, minutes=40),
    "dept_collections": timedelta(hours=2, minutes=10),
    "dept_compliance": timedelta(hours=2, minutes=30),
    "dept_service": timedelta(hours=2, minutes=50),
    "traffic_e": timedelta(hours=3, minutes=20),
    "dept_marketing": timedelta(hours=3, minutes=45),
    "dept_finance": timedelta(hours=4, minutes=30),
    "bank_a": timedelta(hours=5),
    "bank_b": timedelta(hours=4, minutes=10),
    "guarantor_c": timedelta(hours=4, minutes=35),
    "bureau_d": timedelta(hours=2, minutes=5),
    "payment_f": timedelta(hours=5, minutes=30),
}
MARKER_DELAY = timedelta(seconds=45)
Compose = Callable[[pl.DataFrame], pl.DataFrame]


@dataclass(frozen=True)
class Drop:
    """One dataset of one business date in one file; `heading` lines come before its first row."""

    source: str
    dataset: str
    batch_date: date
    name: str
    heading: int = 0

    def path(self, landing: Path) -> Path:
        """Where the file lies: `landing/<source>/<yyyymmdd>/<name>`."""
        return landing / self.source / f"{self.batch_date:%Y%m%d}" / self.name

    @property
    def arrival(self) -> datetime:
        """When it arrives, in the night after its business date."""
        return arrive_at(self.source, self.name, self.batch_date)


class Spoiler(Protocol):
    """May damage a file on its way: gets its rows and how they are composed, gives what is written."""

    def __call__(self, drop: Drop, rows: pl.DataFrame, compose: Compose, /) -> pl.DataFrame:
        """Return the composed rows: one column `line` for a text file, the rows themselves for Parquet."""


def leave_intact(_drop: Drop, rows: pl.DataFrame, compose: Compose) -> pl.DataFrame:
    """Deliver every row as it is."""
    return compose(rows)


def arrive_at(source: str, name: str, night_of: date) -> datetime:
    """Instant in the night after `night_of`, 01:05 to 06:00 Shanghai time, at which a file arrives."""
    midnight = datetime(night_of.year, night_of.month, night_of.day, tzinfo=BUSINESS_TIMEZONE) + timedelta(days=1)
    return midnight + FIRST_ARRIVAL[source] + timedelta(seconds=zlib.crc32(f"{source}/{name}".encode()) % 1_500)


def stamp(path: Path, instant: datetime) -> None:
    """Set a file's modification time, which the platform takes for its receipt."""
    seconds = int(instant.timestamp())
    os.utime(path, (seconds, seconds))


def drop_file(drop: Drop, landing: Path, content: bytes, night_of: date | None = None) -> datetime:
    """Write one delivered file; returns when it arrived, by default in the night after its business date."""
    path = drop.path(landing)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    instant = arrive_at(drop.source, drop.name, night_of or drop.batch_date)
    stamp(path, instant)
    return instant


def drop_marker(path: Path, after: datetime, content: str = "") -> None:
    """Write the marker that says the files before it are complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    stamp(path, after + MARKER_DELAY)


def join_lines(lines: pl.Series, end: str = "\n") -> str:
    """Join a column of lines into one text that ends with a line end, or is empty."""
    return end.join([*lines.to_list(), ""])


def during(moment: str, batch_date: date, since: date | None) -> pl.Expr:
    """Rows whose `moment` lies on a business date after `since` up to `batch_date`."""
    day = pl.col(moment).cast(pl.Date)
    return (day <= batch_date) & (pl.lit(True) if since is None else day > since)


def fen_text(fen: int) -> str:
    """Fen as text in yuan with two decimals."""
    return f"{Decimal(fen) / 100:.2f}"


def yuan_text(column: str) -> pl.Expr:
    """Fen as text in yuan with two decimals, exact."""
    fen = pl.col(column)
    sign = pl.when(fen < 0).then(pl.lit("-")).otherwise(pl.lit(""))
    whole, rest = fen.abs() // 100, (fen.abs() % 100).cast(pl.String).str.zfill(2)
    return pl.concat_str(sign, whole.cast(pl.String), pl.lit("."), rest).alias(column.removesuffix("_fen"))


def yuan(column: str) -> pl.Expr:
    """Fen as a decimal amount in yuan."""
    return yuan_text(column).cast(pl.Decimal(18, 2))
