"""Landing (入湖): verify, decode, parse, type, quarantine, tokenise, and commit one delivery atomically.

A commit is a rename of a finished folder followed by one ledger transaction. Readers see a delivery only through the
ledger, so a run that is killed anywhere leaves the old state, and running again finishes it.
"""

from __future__ import annotations

import fcntl
import io
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import sqlalchemy as sa

from ingestion.contract import Column, Contract, Dataset
from ingestion.delivery import Delivery, DeliveryIncomplete, DeliveryRefused, dates_to_extract, find_deliveries
from ingestion.extraction import extract
from ingestion.ledger import deliveries, open_ledger
from ingestion.protection import Keys, load_keys, normalise_sql, output_types, outputs_sql, seal
from ingestion.readers import FileUnreadable, Reading, open_reading
from ingestion.readers.lines import count_lines, read_lines
from ingestion.readers.reading import each_line, read_rejects
from ingestion.registry import load_registry
from ingestion.settings import BUSINESS_TIMEZONE, Settings, load_settings
from ingestion.typing_rules import RowRule, present_sql, quoted, row_rules, typed_sql

LINEAGE = {
    "_delivery_id": "VARCHAR",
    "_line_number": "BIGINT",
    "_batch_date": "DATE",
    "_sequence": "INTEGER",
    "_known_at": "TIMESTAMPTZ",
}
RULES_A_WORD = 60
SPANS = pl.Schema({"at": pl.Int64, "lines": pl.Int64})
BLOCKS = pl.Schema({"line_number": pl.Int64, "inner": pl.Int64, "column": pl.String, "rule": pl.String})


class SourceUnknown(Exception):
    """No contract has this name."""


@dataclass(frozen=True)
class Landed:
    """What became of one delivery; rows in = rows landed + rows quarantined."""

    source: str
    dataset: str
    batch_date: date
    sequence: int
    rows_in: int
    rows_landed: int
    rows_quarantined: int
    outcome: str


@dataclass(frozen=True)
class LandingReport:
    """What one call of `land_source` did, delivery by delivery, oldest first."""

    source: str
    batch_date: date
    landed: tuple[Landed, ...]

    def __str__(self) -> str:
        rows = sum(entry.rows_landed for entry in self.landed)
        quarantined = sum(entry.rows_quarantined for entry in self.landed)
        return f"{rows:,} landed, {quarantined:,} quarantined"


def land_source(source: str, batch_date: date, settings: Settings | None = None) -> LandingReport:
    """Land every delivery of `source` with business date up to `batch_date` that is not in the lake yet.

    Idempotent: the same bytes again do nothing, other bytes for the same date supersede them. Concurrent calls for
    one source wait for each other.

    Raises:
        SourceUnknown: there is no such contract.
        ContractInvalid: a contract of the tenant has problems.
        DeliveryIncomplete: a file that the contract demands of `batch_date` is not there; others were landed.
        DeliveryRefused: at least one delivery was refused whole; the others were landed.
    """
    settings = settings or load_settings()
    registry = load_registry(settings)
    if source not in registry.contracts:
        raise SourceUnknown(
            f"no contract {source}.yml in {settings.contracts}; known are {', '.join(registry.contracts)}."
        )
    contract = registry.contracts[source]
    ledger, keys = open_ledger(settings), load_keys(settings.key_file)
    landed: list[Landed] = []
    refused: list[str] = []
    absent: list[str] = []
    with _exclusively(settings.home / "locks" / source):
        for dataset in contract.datasets:
            try:
                pending = _pending(contract, dataset, batch_date, settings, ledger)
            except DeliveryIncomplete as error:
                absent.append(str(error))
                continue
            for delivery in pending:
                try:
                    landed.append(_land(contract, delivery, settings, ledger, keys))
                except DeliveryRefused as error:
                    refused.append(str(error))
    ledger.dispose()
    if refused:
        raise DeliveryRefused("\n".join(refused))
    if absent:
        raise DeliveryIncomplete("\n".join(absent))
    return LandingReport(source, batch_date, tuple(landed))


def _pending(
    contract: Contract, dataset: Dataset, batch_date: date, settings: Settings, ledger: sa.Engine
) -> list[Delivery]:
    if dataset.delivery.reader != "database":
        return find_deliveries(contract, dataset, batch_date, settings, ledger)
    dates = dates_to_extract(contract, dataset, batch_date, ledger)
    return [extract(contract, dataset, day, settings) for day in dates]


@contextmanager
def _exclusively(lock: Path) -> Iterator[None]:
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _land(contract: Contract, delivery: Delivery, settings: Settings, ledger: sa.Engine, keys: Keys) -> Landed:
    with ledger.connect() as connection:
        held = connection.execute(
            sa.select(deliveries).where(deliveries.c.delivery_id == delivery.delivery_id)
        ).one_or_none()
    if held is not None:
        _remember_file(delivery, ledger)
        if held.state == "refused":
            raise DeliveryRefused(held.reason)
        return Landed(
            delivery.dataset.source, delivery.dataset.name, delivery.batch_date, delivery.sequence,
            held.rows_in, held.rows_landed, held.rows_quarantined, "unchanged",
        )  # fmt: skip
    settings.home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=settings.home, prefix=".landing-") as folder:
        try:
            counted = _Parse(contract, delivery, settings, keys, Path(folder)).run()
        except (DeliveryRefused, FileUnreadable) as error:
            reason = (
                f"{delivery}: {error}; nothing of it was landed, the previous data stays."
                " Ask the party to deliver again."
            )
            _record(delivery, ledger, "refused", reason, (0, 0, 0))
            raise DeliveryRefused(reason) from None
    _record(delivery, ledger, "landed", None, counted)
    return Landed(
        delivery.dataset.source, delivery.dataset.name, delivery.batch_date, delivery.sequence, *counted, "landed"
    )


class _Parse:
    """One pass over one delivery, in a working folder that is renamed into the lake when all of it holds."""

    def __init__(self, contract: Contract, delivery: Delivery, settings: Settings, keys: Keys, work: Path) -> None:
        self.contract, self.delivery, self.settings, self.keys, self.work = contract, delivery, settings, keys, work
        self.dataset = delivery.dataset
        self.rules = list(row_rules(self.dataset))
        self.connection = connect(settings, work / "work.duckdb", work / "spill")

    def run(self) -> tuple[int, int, int]:
        """Returns rows in, landed and quarantined."""
        try:
            reading = open_reading(self.delivery.path, self.dataset, self.work)
            self._type(reading)
            rejects = read_rejects(self.connection, reading)
            rejects = self._number_lines(reading, rejects)
            self._mark_duplicates()
            quarantine = self._quarantine(reading, rejects)
            good = self._count("select count(*) from typed where not _is_broken")
            rows_in = self._count("select count(*) from typed") + rejects.height
            self._judge(reading, rows_in, good, quarantine)
            self._commit(quarantine)
        finally:
            self.connection.close()
        return rows_in, good, rows_in - good

    def _type(self, reading: Reading) -> None:
        columns = self.dataset.columns
        texts, typed, values = [], [], []
        for column in columns:
            name = quoted(f"t_{column.name}")
            source = present_sql(self.dataset, column)
            texts.append(f"{source} as {name}")
            typed.append(f"{typed_sql(column, name)} as {quoted('v_' + column.name)}")
            values.extend(self._outputs(column))
        words = [self.rules[start : start + RULES_A_WORD] for start in range(0, len(self.rules), RULES_A_WORD)]
        masks = [f"({_mask_sql(word)}) as _broken_{index}" for index, word in enumerate(words)]
        valid = "json_valid(line)" if self.dataset.delivery.reader == "json_lines" else "true"
        place = "_ordinal, _inner, _filled, _is_open" if reading.has_quotes else "_ordinal"
        sql = f"""
            create table typed as
            with delivered as ({reading.relation}),
            present as (
                select {place}, {valid} as _is_row, {", ".join(texts)} from delivered
            ),
            typed as (select *, {", ".join(typed)} from present)
            select {place}, _is_row, {", ".join(values + masks)} from typed
        """
        try:
            self._run(sql)
        except (duckdb.InvalidInputException, duckdb.IOException, duckdb.SerializationException):
            # The engine's own words are not passed on: they may quote the file.
            raise FileUnreadable(f"cannot be split into rows{_tell_stray(reading)}") from None
        broken = " or ".join(f"_broken_{index} <> 0" for index in range(len(words))) or "false"
        self._run("alter table typed add column _is_broken boolean default false")
        self._run(f"update typed set _is_broken = true where {broken} or not _is_row")

    def _outputs(self, column: Column) -> list[str]:
        if column.profile.drop:
            return []
        if column.profile.protect is None:
            return [f"{quoted('v_' + column.name)} as {quoted(column.name)}"]
        value = f"({normalise_sql(column, quoted('v_' + column.name))})"
        return [f"{sql} as {quoted(name)}" for name, sql in outputs_sql(column, value, self.keys).items()]

    def _number_lines(self, reading: Reading, rejects: pl.DataFrame) -> pl.DataFrame:
        """Give every row its physical line: its place among the rows, shifted by heading, rejects and blank lines.

        Counts the file's lines independently, because an open quote may swallow good rows without a word. Returns
        the rejects, with the lines of rows that an open quote made.
        """
        gaps, spans = rejects["line_number"], pl.DataFrame(schema=SPANS)
        if reading.has_quotes:
            spans = self._frame("select _ordinal + 1, _filled - 1 from typed where _inner > 0 order by 1", SPANS)
        if reading.text is not None:
            counted = count_lines(reading.text)
            blank = pl.Series(counted.blank[counted.blank > reading.heading])
            gaps = pl.concat([gaps, blank]).unique().sort()
            told = self._count("select count(*) from typed") + int(spans["lines"].sum()) + len(gaps)
            if counted.total - reading.heading != told:
                raise FileUnreadable(
                    f"has {counted.total - reading.heading} lines below its heading, but {told} were accounted for"
                    + _tell_stray(reading)
                )
        # In coordinates without the gaps before it, gap k stands at line - k; a row moves by all gaps at or before it.
        shifts = pl.DataFrame({"at": gaps, "shift": pl.int_range(1, len(gaps) + 1, eager=True)})
        shifts = (
            shifts.with_columns(pl.col("at") - pl.col("shift") + 1).group_by("at").agg(pl.col("shift").max()).sort("at")
        )
        self.connection.register("gap_shifts", shifts.to_arrow())
        self.connection.register("row_spans", spans.with_columns(pl.col("lines").cum_sum()).to_arrow())
        plain = f"select _ordinal, _ordinal + {reading.heading} as _line_number from typed"
        self._run(
            f"""
            create table lines as
            with placed as (
                select _ordinal, _ordinal + {reading.heading} + coalesce(row_spans.lines, 0) as place
                from typed asof left join row_spans on _ordinal >= row_spans."at"
            )
            select _ordinal, place + coalesce(shift, 0) as _line_number
            from placed asof left join gap_shifts on place >= gap_shifts."at"
            """
            if len(gaps) or len(spans)
            else f"create view lines as {plain}"
        )
        if spans.is_empty():
            return rejects
        opened = self._frame(
            "select _line_number, _inner, null, 'open quote' from typed join lines using (_ordinal) where _is_open",
            BLOCKS,
        )
        self._run("delete from typed where _is_open")
        return pl.concat([rejects, each_line(opened)]).sort("line_number")

    def _mark_duplicates(self) -> None:
        """A business key occurs once in a delivery; later occurrences are quarantined."""
        columns = {column.name: column for column in self.dataset.columns}
        key = ", ".join(quoted(f"{name}_token" if columns[name].profile.protect else name) for name in self.dataset.key)
        self._run("alter table typed add column _is_duplicate boolean default false")
        self._run(
            f"""
            update typed set _is_duplicate = true, _is_broken = true where _ordinal in (
                select _ordinal from typed where not _is_broken
                qualify row_number() over (partition by {key} order by _ordinal) > 1
            )
            """
        )

    def _quarantine(self, reading: Reading, rejects: pl.DataFrame) -> pl.DataFrame:
        """Broken rows and rejected lines: line number, first broken column and rule, all rules, raw text."""
        cases = [
            f"case when not _is_row then {_struct('', 'valid JSON')} end",
            *(
                f"case when _is_row and (_broken_{index // RULES_A_WORD} & {1 << index % RULES_A_WORD}) <> 0"
                f" then {_struct(rule.column, rule.rule)} end"
                for index, rule in enumerate(self.rules)
            ),
            f"case when _is_duplicate then {_struct(', '.join(self.dataset.key), 'unique key')} end",
        ]
        inner = "_inner" if reading.has_quotes else "0"
        broken = self._frame(
            f"""
            select _line_number, {inner}, broken[1].column,
                array_to_string(list_transform(broken, lambda x: x.rule), '; ')
            from (
                select *, list_filter([{", ".join(cases)}], lambda x: x is not null) as broken
                from typed join lines using (_ordinal) where _is_broken
            )
            order by _line_number
            """,
            BLOCKS,
        )
        told = pl.concat([broken, rejects.with_columns(inner=pl.lit(0, pl.Int64)).select(broken.columns)])
        return told.join(self._raw(reading, told), on="line_number", how="left").drop("inner").sort("line_number")

    def _raw(self, reading: Reading, told: pl.DataFrame) -> pl.DataFrame:
        """The delivered text of the given rows (for Parquet: the row as JSON)."""
        if reading.text is not None:
            lines = each_line(told)
            texts = read_lines(reading.text, lines["line_number"])
            rows = told.select(row="line_number", inner="inner").with_columns(
                line_number=pl.int_ranges(pl.col("row"), pl.col("row") + pl.col("inner") + 1)
            )
            joined = rows.explode("line_number").join(texts, on="line_number").sort("line_number")
            return joined.group_by(line_number="row", maintain_order=True).agg(pl.col("raw").str.join("\n"))
        self.connection.register("wanted", told.select("line_number").to_arrow())
        names = ", ".join(quoted(column.physical_name) for column in self.dataset.columns)
        return self._frame(
            f"select _ordinal, cast(to_json(struct_pack({names})) as varchar)"
            f" from ({reading.relation}) semi join wanted on _ordinal = line_number",
            pl.Schema({"line_number": pl.Int64, "raw": pl.String}),
        )

    def _judge(self, reading: Reading, rows_in: int, good: int, quarantine: pl.DataFrame) -> None:
        delivery = self.dataset.delivery
        if reading.announced_rows is not None and reading.announced_rows != rows_in:
            raise DeliveryRefused(f"line 1 announces {reading.announced_rows} rows, the file has {rows_in}")
        if rows_in != good + quarantine.height:
            raise DeliveryRefused(f"{rows_in} rows came in, {good} + {quarantine.height} were accounted for")
        if not delivery.volume.minimum <= rows_in <= delivery.volume.maximum:
            envelope = f"{delivery.volume.minimum}..{delivery.volume.maximum}"
            raise DeliveryRefused(f"has {rows_in} rows, outside the contract's volume {envelope}")
        allowed = max(delivery.max_quarantine_share * rows_in, 1)
        if quarantine.height > allowed:
            worst = (
                quarantine.group_by("column", "rule")
                .len()
                .sort("len", "column", "rule", descending=[True, False, False])
            )
            column, rule, count = worst.row(0)
            raise DeliveryRefused(
                f"{quarantine.height} of {rows_in} rows break a rule, more than the contract's"
                f" {delivery.max_quarantine_share:.2%} (most: column {column or '(line)'}, rule {rule}, {count} rows,"
                f" first at line {quarantine.item(0, 'line_number')})"
            )

    def _commit(self, quarantine: pl.DataFrame) -> None:
        """Write both outcomes beside their destination, then rename; a folder left by a killed run is replaced."""
        delivery = self.delivery
        where = Path(self.dataset.source, self.dataset.name, f"batch_date={delivery.batch_date}", delivery.delivery_id)
        landed = self.work / "landed"
        landed.mkdir()
        names = ", ".join(quoted(name) for name in lake_schema(self.dataset) if name not in LINEAGE)
        self._run(
            f"""
            copy (
                select {names}, '{delivery.delivery_id}' as _delivery_id, _line_number,
                    date '{delivery.batch_date}' as _batch_date, {delivery.sequence}::integer as _sequence,
                    {self._known_at_sql()} as _known_at
                from typed join lines using (_ordinal) where not _is_broken order by _line_number
            ) to '{landed / "part-00.parquet"}' (format parquet, compression zstd)
            """
        )
        kept = self.work / "quarantined"
        kept.mkdir()
        context = delivery.delivery_id
        quarantine.drop("raw").write_parquet(kept / "rows.parquet", compression="zstd")
        buffer = io.BytesIO()
        quarantine.select("line_number", "raw").write_parquet(buffer, compression="zstd")
        (kept / "raw.sealed").write_bytes(seal(buffer.getvalue(), self.keys.quarantine, context))
        if quarantine.height:
            _move(kept, self.settings.quarantine / where)
        _move(landed, self.settings.lake / where)

    def _known_at_sql(self) -> str:
        """Receipt; for rows recorded before go-live, the moment a daily delivery would have brought them."""
        received = f"timestamptz '{self.delivery.received_at.isoformat()}'"
        column, profile = self.dataset.delivery.recorded_at, self.contract.profile
        if column is None:
            return received
        day = f"cast({quoted(column)} as date)"
        usual = f"cast({day} + 1 + time '{profile.available_at}' as timestamptz)"
        return f"case when {day} < date '{profile.go_live}' then least({received}, {usual}) else {received} end"

    def _frame(self, sql: str, schema: pl.Schema) -> pl.DataFrame:
        """Answer of a query, with its columns named and typed by `schema`."""
        frame = pl.DataFrame(self.connection.sql(sql).to_arrow_table())
        frame.columns = list(schema)
        return frame.cast(schema)

    def _count(self, sql: str) -> int:
        return int(self._run(sql)[0][0])

    def _run(self, sql: str) -> list[tuple[Any, ...]]:
        """Execute and read to the end: an unread result blocks a DuckDB connection."""
        return self.connection.execute(sql).fetchall()


def _tell_stray(reading: Reading) -> str:
    """Where a text file has a carriage return alone, which no reader agrees on: that line."""
    stray = 0 if reading.text is None else count_lines(reading.text).stray
    return f"; line {stray} holds a carriage return without a line feed" if stray else ""


def _mask_sql(rules: list[RowRule]) -> str:
    return " | ".join(
        f"case when {rule.violated} then {1 << index}::bigint else 0::bigint end" for index, rule in enumerate(rules)
    )


def _struct(column: str, rule: str) -> str:
    column, rule = column.replace("'", "''"), rule.replace("'", "''")
    return f"{{'column': '{column}', 'rule': '{rule}'}}"


def _move(folder: Path, destination: Path) -> None:
    destination.parent.mkdir(parents=True, exist_ok=True)
    if destination.exists():
        shutil.rmtree(destination)
    folder.replace(destination)


def connect(settings: Settings, database: Path, spill: Path) -> duckdb.DuckDBPyConnection:
    """A DuckDB connection within the configured limits, on Beijing time."""
    connection = duckdb.connect(
        str(database),
        config={"threads": settings.threads, "memory_limit": settings.memory_limit, "temp_directory": str(spill)},
    )
    connection.execute(f"set TimeZone = '{BUSINESS_TIMEZONE.key}'").fetchall()
    return connection


def lake_schema(dataset: Dataset) -> dict[str, str]:
    """Columns of a dataset in the lake, in order, with their DuckDB types; the last ones tell the lineage."""
    schema: dict[str, str] = {}
    for column in dataset.columns:
        if column.profile.drop:
            continue
        schema.update(output_types(column) if column.profile.protect else {column.name: column.type})
    return schema | LINEAGE


def _record(
    delivery: Delivery, ledger: sa.Engine, state: str, reason: str | None, counted: tuple[int, int, int]
) -> None:
    """Write the delivery to the ledger and supersede the older versions of its date, in one transaction."""
    same_date = sa.and_(
        deliveries.c.source == delivery.dataset.source,
        deliveries.c.dataset == delivery.dataset.name,
        deliveries.c.batch_date == delivery.batch_date,
    )
    received = delivery.received_at.isoformat()
    with ledger.begin() as connection:
        version = connection.execute(sa.select(sa.func.count()).where(same_date)).scalar_one() + 1
        if state == "landed":
            current = sa.and_(same_date, deliveries.c.state == "landed", deliveries.c.superseded_at.is_(None))
            connection.execute(sa.update(deliveries).where(current).values(superseded_at=received))
        connection.execute(
            sa.insert(deliveries).values(
                delivery_id=delivery.delivery_id,
                source=delivery.dataset.source,
                dataset=delivery.dataset.name,
                batch_date=delivery.batch_date,
                sequence=delivery.sequence,
                version=version,
                content_hash=delivery.content_hash,
                contract_version=delivery.contract_version,
                state=state,
                reason=reason,
                received_at=received,
                file_name=delivery.path.name,
                file_size=delivery.size,
                file_mtime_ns=delivery.mtime_ns,
                rows_in=counted[0],
                rows_landed=counted[1],
                rows_quarantined=counted[2],
            )
        )


def _remember_file(delivery: Delivery, ledger: sa.Engine) -> None:
    """The same bytes under a new modification time: note it, so that the file is not hashed again."""
    with ledger.begin() as connection:
        connection.execute(
            sa.update(deliveries)
            .where(deliveries.c.delivery_id == delivery.delivery_id)
            .values(file_mtime_ns=delivery.mtime_ns)
        )


def write_manifest(settings: Settings) -> Path:
    """Write what dbt may see of the lake: `lake/deliveries.parquet`, one row a landed delivery, and a zero-row file
    for every dataset, so that a dataset without deliveries is an empty table and not an error.
    """
    registry = load_registry(settings)
    ledger = open_ledger(settings)
    landed = sa.select(deliveries).where(deliveries.c.state == "landed").order_by(deliveries.c.delivery_id)
    with ledger.connect() as connection:
        rows = [dict(row._mapping) for row in connection.execute(landed)]
    ledger.dispose()
    moment = pl.Datetime("us", "UTC")
    schema: dict[str, Any] = {
        "delivery_id": pl.String, "source": pl.String, "dataset": pl.String, "batch_date": pl.Date,
        "sequence": pl.Int32, "version": pl.Int32, "received_at": moment, "superseded_at": moment,
        "rows_in": pl.Int64, "rows_landed": pl.Int64, "rows_quarantined": pl.Int64,
    }  # fmt: skip
    moments = {"received_at", "superseded_at"}
    frame = pl.DataFrame(
        {
            name: [datetime.fromisoformat(row[name]) if name in moments and row[name] else row[name] for row in rows]
            for name in schema
        },
        schema=schema,
    )
    settings.lake.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(":memory:") as connection:
        for dataset in registry.datasets:
            folder = settings.lake / dataset.source / dataset.name / "batch_date=0001-01-01" / "schema"
            folder.mkdir(parents=True, exist_ok=True)
            columns = ", ".join(f"null::{kind} as {quoted(name)}" for name, kind in lake_schema(dataset).items())
            connection.execute(
                f"copy (select {columns} limit 0) to '{folder / 'part-00.parquet'}' (format parquet)"
            ).fetchall()
    draft, path = settings.lake / f".deliveries.{os.getpid()}", settings.lake / "deliveries.parquet"
    frame.write_parquet(draft)
    draft.replace(path)
    return path


def dates_to_build(batch_date: date, settings: Settings) -> list[date]:
    """`batch_date` and every earlier business date with a landed delivery that no publication holds yet.

    This is how a late or restated delivery reopens its date. Dates of the stock load count as the date it came with.
    """
    ledger = open_ledger(settings)
    query = (
        sa.select(deliveries.c.batch_date)
        .distinct()
        .where(
            deliveries.c.state == "landed", deliveries.c.published_in.is_(None), deliveries.c.batch_date <= batch_date
        )
    )
    with ledger.connect() as connection:
        open_dates = {row[0] for row in connection.execute(query)}
    ledger.dispose()
    return sorted(open_dates | {batch_date})


def mark_published(batch_date: date, version: str, settings: Settings) -> None:
    """Note in which published version the deliveries up to `batch_date` were first visible."""
    ledger = open_ledger(settings)
    with ledger.begin() as connection:
        connection.execute(
            sa.update(deliveries)
            .where(deliveries.c.published_in.is_(None), deliveries.c.batch_date <= batch_date)
            .values(published_in=version)
        )
    ledger.dispose()
