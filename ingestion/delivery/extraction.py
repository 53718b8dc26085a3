"""Database sources (业务库抽取): one business date of a query becomes a Parquet delivery like any other file."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from itertools import count, takewhile
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa

from ingestion.contract import Contract, Dataset
from ingestion.delivery.extracted_text import keep_json, render_batch
from ingestion.delivery.identity import Delivery, DeliveryIncomplete
from ingestion.delivery.known import read_held
from ingestion.foundation import BUSINESS_TIMEZONE, Settings
from ingestion.foundation.files import digest_file
from ingestion.foundation.ledger import deliveries
from ingestion.foundation.sql import quote_text
from ingestion.identifiers.sensitive import redact_numbers

BATCH_ROWS = 200_000


def extract_delivery(contract: Contract, dataset: Dataset, batch_date: date, settings: Settings) -> Delivery:
    """Query one business date and keep the answer under the landing folder, untouched and repeatable.

    On the go-live date the window opens at the beginning of time (the stock load, 存量). The receipt is the contracted
    availability on the following day, for the window is closed: it gives what was recorded until then, whenever it
    is asked. An answer with other rows than the last kept one (in another order they are the same) is a re-send with
    the next number, received when it came and never before what it replaces.

    Raises:
        DeliveryIncomplete: the database cannot be reached, the query fails, or it gives other columns.
    """
    since = date.min if batch_date == contract.profile.go_live else batch_date - timedelta(days=1)
    folder = settings.landing / dataset.source / f"{batch_date:%Y%m%d}"
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.glob(f".{dataset.name}.*"):
        left.unlink()  # the draft of a killed run: one run of a source at a time is here
    draft = folder / f".{dataset.name}.{os.getpid()}"
    kept = _list_kept(folder, dataset)
    url = str(contract.profile.connection).format(landing=settings.locate_source(dataset.source))
    try:
        _query_to_parquet(url, dataset, since, batch_date, draft)
    except (sa.exc.SQLAlchemyError, pl.exceptions.PolarsError, pa.ArrowException, ValueError, ImportError) as error:
        draft.unlink(missing_ok=True)
        reason = redact_numbers(" ".join(str(getattr(error, "orig", None) or error).split()))[:200]
        raise DeliveryIncomplete(
            f"{dataset.source}.{dataset.name} of {batch_date}: the database did not answer ({reason});"
            " check its URL and the query in the contract, and run again."
        ) from None
    if kept and _is_same_answer(kept[-1], draft):
        draft.unlink()
    else:
        if not kept:
            day, moment = batch_date + timedelta(days=1), contract.profile.available_at
            received = datetime.combine(day, moment, tzinfo=BUSINESS_TIMEZONE).timestamp()
            os.utime(draft, (received, received))
        elif draft.stat().st_mtime_ns < (before := kept[-1].stat().st_mtime_ns):
            os.utime(draft, ns=(before, before))
        kept.append(_place_answer(folder, dataset, len(kept) + 1))
        draft.replace(kept[-1])
    return _describe_answer(contract, dataset, batch_date, len(kept), kept[-1])


def extract_restated(
    contract: Contract, dataset: Dataset, first: date, settings: Settings, ledger: sa.Engine
) -> Iterator[Delivery]:
    """Query the recorded dates before `first` again as far as the contract looks back (回看), oldest first.

    Yields re-sends: answers that were not judged yet under the contract's version. Among them are those that a killed
    run has kept without landing them, however old; every other date beyond the look-back is left alone.

    Raises:
        DeliveryIncomplete: as `extract_delivery`.
    """
    judged: dict[date, set[str]] = {}
    last_number: dict[date, int] = {}
    for row in read_held(dataset, ledger):
        last_number[row.batch_date] = max(row.sequence, last_number.get(row.batch_date, 0))
        if row.state == "landed" or row.contract_version == contract.version:
            judged.setdefault(row.batch_date, set()).add(row.delivery_id)
    for day in sorted(day for day in last_number if day < first):
        if (first - day).days <= dataset.delivery.look_back_days:
            delivery = extract_delivery(contract, dataset, day, settings)
            if delivery.delivery_id not in judged.get(day, ()):
                yield delivery
        else:
            kept = _place_answer(settings.landing / dataset.source / f"{day:%Y%m%d}", dataset, last_number[day] + 1)
            if kept.exists():
                *_, newest = list_extracts(contract, dataset, day, settings)
                yield newest


def list_extracts(contract: Contract, dataset: Dataset, day: date, settings: Settings) -> Iterator[Delivery]:
    """Every kept answer for one business date, the oldest first."""
    folder = settings.landing / dataset.source / f"{day:%Y%m%d}"
    for number, path in enumerate(_list_kept(folder, dataset), 1):
        yield _describe_answer(contract, dataset, day, number, path)


def _describe_answer(contract: Contract, dataset: Dataset, day: date, number: int, path: Path) -> Delivery:
    stat = path.stat()
    return Delivery(dataset, contract.version, day, number, path, stat.st_size, stat.st_mtime_ns, digest_file(path))


def _list_kept(folder: Path, dataset: Dataset) -> list[Path]:
    return list(takewhile(Path.exists, (_place_answer(folder, dataset, number) for number in count(1))))


def _place_answer(folder: Path, dataset: Dataset, number: int) -> Path:
    return folder / (f"{dataset.name}.parquet" if number == 1 else f"{dataset.name}_{number:02}.parquet")


def _is_same_answer(kept: Path, answer: Path) -> bool:
    """Whether two answers have the same columns and, in any order, the same rows."""
    if digest_file(kept) == digest_file(answer):
        return True
    if pq.read_schema(kept) != pq.read_schema(answer):
        return False
    one, other = (f"from read_parquet({quote_text(path)}, hive_partitioning = false)" for path in (kept, answer))
    differing = f"select exists (({one} except all {other}) union all ({other} except all {one}))"
    with duckdb.connect(":memory:") as connection:
        return connection.execute(differing).fetchone() == (False,)


def _query_to_parquet(url: str, dataset: Dataset, since: date, until: date, target: Path) -> None:
    schema = pa.schema([(column.physical_name, pa.string()) for column in dataset.columns])
    window = {"parameters": {"since": since.isoformat(), "until": until.isoformat()}}
    engine = _open_database(url)
    try:
        with engine.connect() as connection, pq.ParquetWriter(target, schema, compression="zstd") as writer:
            batches = pl.read_database(
                sa.text(str(dataset.delivery.query)),
                connection.execution_options(stream_results=True),
                iter_batches=True,
                batch_size=BATCH_ROWS,
                execute_options=window,
                infer_schema_length=None,
            )
            for batch in batches:
                writer.write_table(render_batch(batch, dataset).to_arrow().cast(schema))
    finally:
        engine.dispose()


def _open_database(url: str) -> sa.Engine:
    """A party's database; one of SQLite is opened for reading alone, and not made where it is missing."""
    named = sa.make_url(url)
    if named.get_backend_name() == "postgresql":
        return sa.create_engine(url, json_deserializer=keep_json)
    if named.get_backend_name() != "sqlite" or named.database in (None, "", ":memory:"):
        return sa.create_engine(url)
    path = Path(str(named.database).removeprefix("file:"))
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    address = f"{path.absolute().as_uri()}?mode=ro"
    return sa.create_engine("sqlite://", creator=lambda: sqlite3.connect(address, uri=True))


def list_dates_to_extract(contract: Contract, dataset: Dataset, batch_date: date, ledger: sa.Engine) -> list[date]:
    """Business dates of a database source to extract: every one since the last landed date, and `batch_date`."""
    query = sa.select(sa.func.max(deliveries.c.batch_date)).where(
        deliveries.c.source == dataset.source, deliveries.c.dataset == dataset.name, deliveries.c.state == "landed"
    )
    with ledger.connect() as connection:
        last: date | None = connection.execute(query).scalar()
    first = min(contract.profile.go_live, batch_date) if last is None else min(last + timedelta(days=1), batch_date)
    return [first + timedelta(days=offset) for offset in range((batch_date - first).days + 1)]
