"""One delivery through the door (解析): typed rows to Parquet in one pass, broken ones noted as they pass.

The pass is one SQL statement whose filter hands every broken row's number and rules to a callback, so that good rows
stream into the lake's format and nothing is held. Rows in = rows landed + rows quarantined, or nothing is landed.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa

from ingestion.contract import Contract
from ingestion.delivery import Delivery, DeliveryRefused
from ingestion.foundation import Settings
from ingestion.foundation.sql import quote_name
from ingestion.lake import connect, lake_schema, parquet_options
from ingestion.landing.identifier_sets import IN_ORDER, TEXTS, IdentifierSets, judge_sets, texts_sql
from ingestion.landing.typing_rules import (
    FORBIDDEN_RULE,
    JSON_RULE,
    RowRule,
    cast_sql,
    delivered_sql,
    row_rules,
    value_sql,
)
from ingestion.protection import Keys, register_functions
from ingestion.protection.sealing import seal
from ingestion.readers import Lines, Reading, open_reading
from ingestion.readers.layout import Layout, each_line, survey
from ingestion.readers.lines import mark_lines, read_lines
from ingestion.readers.parts import part_lines
from ingestion.readers.reading import SHEET, LineEndsMixed

MEMORY_LIMIT = "640MB"
RULES_A_WORD = 60
MOST_FALLS = 16
QUARANTINE = pl.Schema({"line_number": pl.Int64, "column": pl.String, "rule": pl.String})


@dataclass(frozen=True)
class Parsed:
    """What became of a delivery's rows, and the two folders that hold them: `landed` and `quarantined`."""

    rows_in: int
    rows_landed: int
    quarantine: pl.DataFrame
    sums: dict[str, Decimal]
    folder: Path

    @property
    def counted(self) -> tuple[int, int, int]:
        """Rows in, landed and quarantined."""
        return self.rows_in, self.rows_landed, self.rows_in - self.rows_landed


@dataclass
class _Notes:
    """Broken rows: ordinal, one word of bits for every 60 rules, and the values that control totals add up."""

    batches: list[pa.RecordBatch] = field(default_factory=list)

    def take(self, rows: pa.ChunkedArray) -> pa.Array:
        """Keep the rows and tell the filter to drop them."""
        self.batches += [pa.RecordBatch.from_struct_array(chunk) for chunk in rows.chunks]
        return pa.Array.from_buffers(pa.bool_(), len(rows), [None, pa.py_buffer(bytes(len(rows)))])  # all false


class Parse:
    """One pass over one delivery, in a working folder; nothing outside it is touched. Who has made it closes it."""

    def __init__(
        self, contract: Contract, delivery: Delivery, path: Path, settings: Settings, keys: Keys, work: Path
    ) -> None:
        self.contract, self.delivery, self.path, self.keys, self.work = contract, delivery, path, keys, work
        self.dataset, self.settings = delivery.dataset, settings
        self.part, self.parquet = work / "landed" / "part-00.parquet", parquet_options(delivery.dataset)
        self.connection = connect(settings, MEMORY_LIMIT, work / "spill")
        register_functions(self.connection, keys)

    def run(self, summed: list[str]) -> Parsed:
        """Parse; `summed` are the columns whose totals the sender has stated.

        Raises:
            DeliveryRefused: the delivery as a whole contradicts its contract.
            FileUnreadable: the file as a whole is not of the contracted dialect.
            LayoutChanged: its columns are not the contract's.
        """
        if self.delivery.is_empty:
            return self._nothing(summed)
        texts = texts_sql(self.dataset)
        try:
            reading = open_reading(self.path, self.dataset, self.work)
            layout = survey(self.connection, reading, texts, TEXTS) if reading.lines else None
        except LineEndsMixed:
            reading = open_reading(self.path, self.dataset, self.work, is_evened=True)
            layout = survey(self.connection, reading, texts, TEXTS)
        if reading.sheet is not None:
            self.connection.register(SHEET, reading.sheet)
        if layout is None and texts:
            self._run(f"create temp table {TEXTS} as select distinct {', '.join(texts)} from ({reading.relation})")
        broken, sums = self._type(reading, layout, summed)
        landed = self._count("select count(*) from {part}")
        quarantine = pl.concat([broken, self._drop_duplicates()])
        if layout is not None:
            quarantine = pl.concat([quarantine, each_line(layout.rejects).select(*QUARANTINE)])
        return self._judge(reading, layout, landed, quarantine.sort("line_number"), sums)

    def close(self) -> None:
        """Forget everything but the files."""
        self.connection.close()

    @property
    def landed(self) -> str:
        """SQL of the rows as they are written."""
        return f"read_parquet('{self.part}')"

    def _type(
        self, reading: Reading, layout: Layout | None, summed: list[str]
    ) -> tuple[pl.DataFrame, dict[str, Decimal]]:
        """Write good rows to the lake's format; returns the broken ones and the totals over both."""
        rules = list(row_rules(self.dataset, layout.holds_replacements if layout else True))
        if self.dataset.delivery.trailing_separator:
            rules.append(RowRule("", "too many columns", "_end is not null"))
        sets = judge_sets(self.connection, self.dataset, rules, self.keys)
        searches = {place: f"_found_{place}" for place, rule in enumerate(sets.rules) if rule.rule == FORBIDDEN_RULE}
        searched = ["*", *(f"{sets.rules[place].violated} as {name}" for place, name in searches.items())]
        violated = [searches.get(place, rule.violated) for place, rule in enumerate(sets.rules)]
        words = [violated[start : start + RULES_A_WORD] for start in range(0, len(rules), RULES_A_WORD)]
        notes = _Notes()
        totals = [f"cast({quote_name(f'v_{name}')} as decimal(38,9))" for name in summed]
        self._register(notes, len(words), len(summed), layout)
        any_broken = " or ".join(f"({is_broken})" for is_broken in violated) or "false"
        noted = ["_ordinal", *(_mask_sql(word) for word in words), *totals]
        note = ", ".join(f"'{place}': {sql}" for place, sql in enumerate(noted))
        self.part.parent.mkdir()
        self._run("set threads = 1")  # how rows fall into row groups would depend on it, and with that the bytes
        self._run(IN_ORDER)
        self._run(
            f"""
            copy (
                with {self._levels(reading, layout, sets)}
                select {self._outputs(sets)}, {self._lineage(layout)}
                from (select {", ".join(searched)} from valued)
                where case when {any_broken} then note({{{note}}}) else true end
            ) to '{self.part}' ({self.parquet})
            """
        )
        self._run(f"set threads = {self.settings.threads}")
        self._run("reset disabled_optimizers")
        frame = pl.DataFrame(pa.Table.from_batches(notes.batches)) if notes.batches else pl.DataFrame()
        held = frame[:, 1 + len(words) :]
        sums = {
            name: self._sum(name) + Decimal(held[:, place].sum() or 0) if frame.height else self._sum(name)
            for place, name in enumerate(summed)
        }
        return self._name_rules(frame, rules, layout), sums

    def _levels(self, reading: Reading, layout: Layout | None, sets: IdentifierSets) -> str:
        """Common table expressions: delivered rows, their texts `r_`, canonical casts `c_`, values `v_`."""
        is_json = self.dataset.delivery.reader == "json_lines"
        plain = [column for column in self.dataset.columns if not column.profile.protect]
        texts = [f"{delivered_sql(column, is_json)} as {quote_name(f'r_{column.name}')}" for column in plain]
        casts = [
            f"{cast} as {quote_name(f'c_{column.name}')}"
            for column in plain
            if (cast := cast_sql(self.dataset, column)) is not None
        ]
        values = [f"{value_sql(self.dataset, column)} as {quote_name(f'v_{column.name}')}" for column in plain]
        ordinal = "_row" if layout is None else "row_number() over ()"
        only_closed = " where not _is_open" if reading.has_quotes else ""
        kept = ["_ordinal"]
        kept += ["_end"] if self.dataset.delivery.trailing_separator else []
        kept += ["_is_json"] if is_json else []
        names = [*kept, *(quote_name(f"r_{column.name}") for column in plain)]
        return f"""
            numbered as (select *, {ordinal} as _ordinal from ({reading.relation})),
            delivered as (select {", ".join([*kept, *texts, *texts_sql(self.dataset)])} from numbered{only_closed}),
            identified as ({sets.joined_sql("delivered", names)}),
            cast_once as (select *{"".join(f", {cast}" for cast in casts)} from identified),
            valued as (select *{"".join(f", {value}" for value in values)} from cast_once)
        """

    def _outputs(self, sets: IdentifierSets) -> str:
        plain = {
            column.name: quote_name(f"v_{column.name}")
            for column in self.dataset.columns
            if not (column.profile.protect or column.profile.drop)
        }
        found = plain | sets.outputs
        names = [name for name in lake_schema(self.dataset) if name in found]
        return ", ".join(f"{found[name]} as {quote_name(name)}" for name in names)

    def _lineage(self, layout: Layout | None) -> str:
        delivery = self.delivery
        number = "_ordinal" if layout is None else layout.line_sql("_ordinal")
        return (
            f"'{delivery.delivery_id}' as _delivery_id, cast({number} as bigint) as _line_number,"
            f" date '{delivery.batch_date}' as _batch_date, {delivery.sequence}::integer as _sequence,"
            f" {self._known_at()} as _known_at"
        )

    def _known_at(self) -> str:
        """Receipt; for rows recorded before go-live, the moment a daily delivery would have brought them."""
        received = f"timestamptz '{self.delivery.received_at.isoformat()}'"
        column, profile = self.dataset.delivery.recorded_at, self.contract.profile
        if column is None:
            return received
        day = f"cast({quote_name(f'v_{column}')} as date)"
        usual = f"cast({day} + 1 + time '{profile.available_at}' as timestamptz)"
        return f"case when {day} < date '{profile.go_live}' then least({received}, {usual}) else {received} end"

    def _register(self, notes: _Notes, words: int, totals: int, layout: Layout | None) -> None:
        create: Any = self.connection.create_function
        kinds = ["bigint"] * (1 + words) + ["decimal(38,9)"] * totals
        row = ", ".join(f'"{place}" {kind}' for place, kind in enumerate(kinds))
        create("note", notes.take, [f"struct({row})"], "boolean", type="arrow", side_effects=True)
        if layout is not None:
            create("line_of", layout.line_numbers, ["bigint"], "bigint", type="arrow")

    def _name_rules(self, frame: pl.DataFrame, rules: list[RowRule], layout: Layout | None) -> pl.DataFrame:
        """One row for each broken row: its line, the first broken column, all broken rules."""
        if frame.is_empty():
            return pl.DataFrame(schema=QUARANTINE)
        ordinals = frame["0"]
        lines = ordinals if layout is None else pl.Series(layout.line_numbers(ordinals.to_arrow()))
        hits = []
        for place, rule in enumerate(rules):
            is_hit = (frame[str(1 + place // RULES_A_WORD)] & (1 << place % RULES_A_WORD)) != 0
            if is_hit.any():
                broken = lines.filter(is_hit)
                hits.append(
                    pl.DataFrame({"line_number": broken, "place": place, "column": rule.column, "rule": rule.rule})
                )
        told = pl.concat(hits).sort("line_number", "place")
        forbidden = told.filter(pl.col("rule") == FORBIDDEN_RULE)
        if forbidden.height:
            line, _, column, what = forbidden.row(0)
            raise DeliveryRefused(
                f"{self._place(line)}, column {column} holds {what}, {forbidden.height} values in all"
            )
        told = told.filter((pl.col("rule") == JSON_RULE) | (pl.col("rule") != JSON_RULE).all().over("line_number"))
        return (
            told.unique(["line_number", "place"], maintain_order=True)
            .group_by("line_number", maintain_order=True)
            .agg(pl.col("column").first(), pl.col("rule").str.join("; "))
            .with_columns(pl.col("column").replace("", None))
            .cast(QUARANTINE)
        )

    def _drop_duplicates(self) -> pl.DataFrame:
        """A business key occurs once in a delivery; later occurrences leave the written rows for the quarantine.

        Where keys rise from row to row none repeats. One that repeats comes down to itself somewhere: it lies between
        the two keys of a fall. Of those that do, first the hashes are compared, which take less memory.
        """
        columns = {column.name: column for column in self.dataset.columns}
        key = ", ".join(
            quote_name(f"{name}_token" if columns[name].profile.protect else name) for name in self.dataset.key
        )
        self._run(
            f"create temp table falls as select row_number() over () as place, low, high"
            f" from (select ({key}) as low, lag(({key})) over () as high from {{part}}) where low <= high"
            f" limit {MOST_FALLS + 1}"
        )
        falls = self._count("select count(*) from falls")
        suspects = f"{{part}} where {_between_sql(key, falls)}"
        hashed = f"select 1 from {suspects} group by hash({key}) having count(*) > 1"
        twice = f"select {key} from {suspects} group by {key} having count(*) > 1"
        if not falls or not all(self._count(f"select count(*) from ({rows})") for rows in (hashed, twice)):
            return pl.DataFrame(schema=QUARANTINE)
        self._run(
            f"""
            create temp table duplicates as
            select _line_number from {{part}} semi join ({twice}) using ({key})
            qualify row_number() over (partition by {key} order by _line_number) > 1
            """
        )
        kept = self.part.with_name("kept.parquet")
        self._run(f"copy (from {{part}} anti join duplicates using (_line_number)) to '{kept}' ({self.parquet})")
        kept.replace(self.part)
        lines = pl.DataFrame(self.connection.sql("from duplicates order by _line_number").to_arrow_table())
        return lines.select(
            line_number="_line_number", column=pl.lit(", ".join(self.dataset.key)), rule=pl.lit("unique key")
        ).cast(QUARANTINE)

    def _judge(
        self, reading: Reading, layout: Layout | None, written: int, quarantine: pl.DataFrame, sums: dict[str, Decimal]
    ) -> Parsed:
        delivery = self.dataset.delivery
        delivered = layout.rows + each_line(layout.rejects).height if layout else None
        landed = self._count("select count(*) from {part}")
        rows_in = landed + quarantine.height if delivered is None else delivered
        if reading.announced_rows is not None and reading.announced_rows != rows_in:
            raise DeliveryRefused(f"line 1 announces {reading.announced_rows} rows, the file has {rows_in}")
        if rows_in != landed + quarantine.height:
            raise DeliveryRefused(f"{rows_in} rows came in, {landed} + {quarantine.height} were accounted for")
        if rows_in == 0 and reading.lines is not None:
            self._judge_empty(reading.lines)
        if not delivery.volume.minimum <= rows_in <= delivery.volume.maximum:
            envelope = f"{delivery.volume.minimum}..{delivery.volume.maximum}"
            raise DeliveryRefused(f"has {rows_in} rows, outside the contract's volume {envelope}")
        if quarantine.height > max(delivery.max_quarantine_share * rows_in, 1):
            raise DeliveryRefused(self._tell_share(quarantine, rows_in))
        self._check_business_date()
        if self.delivery.parts:
            quarantine = quarantine.hstack(part_lines(self.delivery).locate(quarantine["line_number"]))
        self._keep(reading, layout, quarantine)
        return Parsed(rows_in, landed, quarantine, sums, self.work)

    def _nothing(self, summed: list[str]) -> Parsed:
        """A marker came alone: no rows today, in the lake's schema."""
        self.part.parent.mkdir()
        columns = ", ".join(f"null::{kind} as {quote_name(name)}" for name, kind in lake_schema(self.dataset).items())
        self._run(f"copy (select {columns} limit 0) to '{self.part}' ({self.parquet})")
        return Parsed(0, 0, pl.DataFrame(schema=QUARANTINE), dict.fromkeys(summed, Decimal(0)), self.work)

    def _judge_empty(self, lines: Lines) -> None:
        """A file without rows is legal only in the form that the contract names; without heading both are one."""
        delivery = self.dataset.delivery
        form = "empty_file" if lines.delivered.stat().st_size == 0 else "header_only"
        has_heading = delivery.reader == "delimited" and delivery.header != "none"
        forms = {form} if has_heading else {"empty_file", "header_only"}
        if not forms & set(delivery.no_data):
            legal = ", ".join(delivery.no_data) or "none"
            raise DeliveryRefused(f"holds no row ({form}), the contract's ways to say so are: {legal}")

    def _check_business_date(self) -> None:
        stated = self.dataset.delivery.business_date
        if stated is None:
            return
        other = f"cast({quote_name(stated)} as date) <> date '{self.delivery.batch_date}'"
        wrong = self._run(f"select count(*), min(_line_number) from {{part}} where {other}")[0]
        if wrong[0]:
            raise DeliveryRefused(
                f"{wrong[0]} rows say another business date in column {stated} than the file's name (first at"
                f" {self._place(wrong[1])})"
            )

    def _tell_share(self, quarantine: pl.DataFrame, rows_in: int) -> str:
        worst = quarantine.group_by("column", "rule").len()
        column, rule, count = worst.sort("len", "column", "rule", descending=[True, False, False]).row(0)
        return (
            f"{quarantine.height} of {rows_in} rows break a rule, more than the contract's"
            f" {self.dataset.delivery.max_quarantine_share:.2%} (most: column {column or '(line)'}, rule {rule},"
            f" {count} rows, first at {self._place(quarantine.item(0, 'line_number'))})"
        )

    def _place(self, line: int) -> str:
        """A line as its sender finds it: of a split delivery the one in its part."""
        if not self.delivery.parts:
            return f"line {line}"
        part, number = part_lines(self.delivery).locate(pl.Series([line])).row(0)
        return f"line {number} of {part}"

    def _keep(self, reading: Reading, layout: Layout | None, quarantine: pl.DataFrame) -> None:
        """Write the quarantine: rules in clear, delivered text sealed."""
        folder = self.work / "quarantined"
        folder.mkdir()
        quarantine.write_parquet(folder / "rows.parquet", compression="zstd")
        raw = self._raw(reading, layout, quarantine)
        buffer = io.BytesIO()
        quarantine.select("line_number").join(raw, on="line_number", how="left").write_parquet(
            buffer, compression="zstd"
        )
        sealed = seal(buffer.getvalue(), self.keys.quarantine, self.delivery.delivery_id)
        (folder / "raw.sealed").write_bytes(sealed)

    def _raw(self, reading: Reading, layout: Layout | None, quarantine: pl.DataFrame) -> pl.DataFrame:
        """The delivered text of the quarantined rows (without lines: the row as JSON)."""
        if reading.lines is None or layout is None:
            if reading.sheet is not None:
                is_wanted = pl.Series(reading.sheet.column("_row")).is_in(quarantine["line_number"].implode())
                self.connection.register(SHEET, reading.sheet.filter(is_wanted.to_arrow()))
            self.connection.register("wanted", quarantine.select("line_number").to_arrow())
            names = ", ".join(quote_name(column.physical_name) for column in self.dataset.columns)
            rows = self.connection.sql(
                f"select _row as line_number, cast(to_json(struct_pack({names})) as varchar) as raw"
                f" from ({reading.relation}) semi join wanted on _row = line_number"
            )
            return pl.DataFrame(rows.to_arrow_table()).cast({"line_number": pl.Int64, "raw": pl.String})
        starts = quarantine["line_number"]
        spans = layout.spans_at(starts)
        lines = reading.lines
        marks = layout.marks if lines.delivered == lines.text else lines.marks
        marks = mark_lines(lines.delivered) if marks is None else marks
        texts = read_lines(lines.delivered, marks, each_line(spans)["line_number"], lines.encoding)
        return (
            spans.rename({"line_number": "row"})
            .with_columns(line_number=pl.int_ranges(pl.col("row"), pl.col("row") + pl.col("inner") + 1))
            .explode("line_number")
            .join(texts, on="line_number")
            .sort("line_number")
            .group_by(line_number="row", maintain_order=True)
            .agg(pl.col("raw").str.join("\n"))
        )

    def _sum(self, column: str) -> Decimal:
        total = self._run(f"select sum({quote_name(column)})::decimal(38, 9) from {{part}}")[0][0]
        return Decimal(total or 0)

    def _count(self, sql: str) -> int:
        return int(self._run(sql)[0][0])

    def _run(self, sql: str) -> list[tuple[Any, ...]]:
        """Execute and read to the end: an unread result blocks a DuckDB connection."""
        return self.connection.execute(sql.replace("{part}", self.landed)).fetchall()


def _between_sql(key: str, falls: int) -> str:
    """SQL that is true where a key lies between the keys of a fall; of too many falls, true."""
    if falls > MOST_FALLS:
        return "true"
    ends = [
        f"({key}) between (select low from falls where place = {place})"
        f" and (select high from falls where place = {place})"
        for place in range(1, falls + 1)
    ]
    return " or ".join(ends)


def _mask_sql(violated: list[str]) -> str:
    return " | ".join(
        f"case when {is_broken} then {1 << index}::bigint else 0::bigint end"
        for index, is_broken in enumerate(violated)
    )
