"""Quarantined rows (隔离区): what was kept out and why, its sealed text, and a retry under the corrected contract."""

from __future__ import annotations

import hashlib
import io
import tempfile
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path

import duckdb
import polars as pl
import sqlalchemy as sa

from ingestion.contract import Contract, load_contract
from ingestion.contract.definitions import SHORT
from ingestion.delivery import Delivery, DeliveryRefused
from ingestion.delivery.bookkeeping import record_delivery
from ingestion.delivery.extraction import list_extracts
from ingestion.delivery.finding import list_delivered
from ingestion.foundation import Settings
from ingestion.foundation.ledger import deliveries, open_ledger, use_ledger
from ingestion.foundation.ledger.tables import openings, replays
from ingestion.foundation.sql import quote_text
from ingestion.foundation.verdict import write_verdicts
from ingestion.lake import choose_parquet_options
from ingestion.landing.committing import commit_delivery, lock_source
from ingestion.landing.held import list_held_sql
from ingestion.landing.kept_out import RAW, ROWS
from ingestion.landing.parsing import LANDED, PART, QUARANTINED, Parsed, parse_delivery
from ingestion.landing.verdicts import form_verdict
from ingestion.protection import load_keys
from ingestion.protection.sealing import unseal_quarantine


class QuarantineUnknown(Exception):
    """There is no such quarantine, or what it needs is not there any more."""


@dataclass(frozen=True)
class HeldDelivery:
    """The quarantine of one delivery; `rows` are still waiting for a corrected contract or a re-send."""

    delivery_id: str
    source: str
    dataset: str
    batch_date: date
    file_name: str
    rows: int
    contract_hash: str | None = None

    def __str__(self) -> str:
        read_by = f", contract {self.contract_hash[:SHORT]}" if self.contract_hash else ""
        return (
            f"{self.delivery_id[:12]}  {self.source}.{self.dataset} of {self.batch_date}  {self.file_name}:"
            f" {self.rows:,} rows{read_by}"
        )


def list_held(settings: Settings, source: str | None = None, batch_date: date | None = None) -> list[HeldDelivery]:
    """Quarantines of current deliveries that were not replayed yet, by source, dataset and date."""
    query = list_held_sql(source)
    if batch_date is not None:
        query = query.where(deliveries.c.batch_date == batch_date)
    with use_ledger(settings) as connection:
        rows = connection.execute(query).all()
    return [
        HeldDelivery(
            row.delivery_id,
            row.source,
            row.dataset,
            row.batch_date,
            row.file_name,
            row.rows_quarantined,
            row.contract_hash,
        )
        for row in rows
    ]


def show_held(delivery: str, settings: Settings) -> pl.DataFrame:
    """Line, column and rule of every quarantined row of a delivery; `delivery` may be the beginning of its name."""
    return pl.read_parquet(_locate_folder(_find(delivery, settings), settings) / ROWS).sort("line_number")


def unlock_held(delivery: str, actor: str, reason: str, at: datetime, settings: Settings) -> pl.DataFrame:
    """The delivered text beside line, column and rule; who looked and why is recorded first."""
    held = _find(delivery, settings)
    folder = _locate_folder(held, settings)
    with use_ledger(settings) as connection:
        entry = {"delivery_id": held.delivery_id, "actor": actor, "reason": reason, "opened_at": at.isoformat()}
        connection.execute(sa.insert(openings).values(**entry))
    keys = load_keys(settings.key_file)
    raw = pl.read_parquet(io.BytesIO(unseal_quarantine((folder / RAW).read_bytes(), keys, held.delivery_id)))
    return pl.read_parquet(folder / ROWS).join(raw, on="line_number", how="left").sort("line_number")


def replay_held(delivery: str, at: datetime, settings: Settings) -> tuple[int, int]:
    """Try a delivery's quarantined rows again under the present contract; returns rows landed and still held.

    What passes is landed as a delivery of its own, known since `at`, beside the one it completes; what does not is
    quarantined again, with its rules of now. The delivered file is read again: it has to lie where it arrived.

    Raises:
        QuarantineUnknown: no such delivery, its file is gone or has other bytes, or no row passes.
    """
    held = _find(delivery, settings)
    contract = load_contract(held.source, settings)
    if contract is None:
        raise QuarantineUnknown(f"no contract {held.source}.yml; restore it, then replay.")
    ledger = open_ledger(settings)
    with lock_source(held.source, settings), tempfile.TemporaryDirectory(dir=settings.home, prefix=".replay-") as work:
        original = _locate_delivery(held, contract, settings, ledger)
        digest = hashlib.sha256(f"{held.delivery_id}\x1f{contract.version}\x1f{at.isoformat()}".encode()).hexdigest()
        moment = int(at.timestamp()) * 1_000_000_000
        again = replace(original, content_hash=digest, mtime_ns=moment, contract_version=contract.version)
        keys = load_keys(settings.key_file, settings.token_algorithm)
        parsed = parse_delivery(contract, original, settings, keys, Path(work), lands_as=again)
        verdict = form_verdict(parsed.judgement, again, contract, parsed.rows_in)
        if parsed.judgement.refusal is not None:
            write_verdicts([verdict], ledger)
            raise DeliveryRefused(parsed.judgement.refusal)
        wanted = show_held(held.delivery_id, settings)["line_number"]
        parsed = _restrict(parsed, wanted, Path(work), choose_parquet_options(original.dataset))
        if not parsed.rows_landed:
            raise QuarantineUnknown(
                f"none of the {wanted.len()} rows of {original} passes the present contract; correct it, or ask the"
                " party for a corrected re-send."
            )
        write_verdicts([replace(verdict, rows=parsed.rows_in)], ledger)
        commit_delivery(again, parsed, settings)
        record_delivery(again, contract, ledger, "landed", None, parsed.counted, keys.label, completes=held.delivery_id)
        with ledger.begin() as connection:
            connection.execute(sa.insert(replays).values(delivery_id=held.delivery_id, replay_id=again.delivery_id))
    ledger.dispose()
    return parsed.rows_landed, parsed.rows_in - parsed.rows_landed


def _restrict(parsed: Parsed, wanted: pl.Series, work: Path, parquet: str) -> Parsed:
    """Only the rows that were held, of a delivery that was parsed as a whole."""
    part, kept = work / LANDED / PART, work / "kept.parquet"
    with duckdb.connect(":memory:") as connection:
        connection.register("wanted", pl.DataFrame({"_line_number": wanted}).to_arrow())
        copied = connection.execute(
            f"copy (from {quote_text(part)} semi join wanted using (_line_number)) to {quote_text(kept)} ({parquet})"
        ).fetchall()
    kept.replace(part)
    still = parsed.quarantine.filter(pl.col("line_number").is_in(wanted.implode()))
    still.write_parquet(work / QUARANTINED / ROWS, compression="zstd")
    return replace(parsed, rows_in=wanted.len(), rows_landed=int(copied[0][0]), quarantine=still)


def _find(delivery: str, settings: Settings) -> HeldDelivery:
    found = [held for held in list_held(settings) if held.delivery_id.startswith(delivery)]
    if len(found) != 1:
        raise QuarantineUnknown(
            f"{len(found)} quarantined deliveries begin with {delivery!r}; `python -m ingestion quarantine list` names"
            " them."
        )
    return found[0]


def _locate_folder(held: HeldDelivery, settings: Settings) -> Path:
    return settings.quarantine / held.source / held.dataset / f"batch_date={held.batch_date}" / held.delivery_id


def _locate_delivery(held: HeldDelivery, contract: Contract, settings: Settings, ledger: sa.Engine) -> Delivery:
    """The delivery, as it lies where it arrived, whose rows these are, or are what a replay left of them."""
    dataset, delivery_id = contract.find_dataset(held.dataset), held.delivery_id
    with ledger.connect() as connection:
        while replayed := connection.execute(
            sa.select(replays.c.delivery_id).where(replays.c.replay_id == delivery_id)
        ).scalar():
            delivery_id = replayed
        row = connection.execute(sa.select(deliveries).where(deliveries.c.delivery_id == delivery_id)).one()
    is_query = dataset.delivery.reader == "database"
    for delivery in (list_extracts if is_query else list_delivered)(contract, dataset, held.batch_date, settings):
        if (delivery.sequence, delivery.content_hash) == (row.sequence, row.content_hash):
            return delivery
    raise QuarantineUnknown(
        f"{held.file_name} of {held.source}.{held.dataset} of {held.batch_date} is not in the landing folder any more,"
        " or has other bytes; restore it, or ask the party for a corrected re-send."
    )
