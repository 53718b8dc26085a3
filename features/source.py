"""Where a view's event versions are read from, one bucket of entities at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import duckdb
import polars as pl

from features.values import SourceInvalid
from features.view import View
from quality.published import Published

_ENTITY = "__entity"


class EventSource(Protocol):
    """Versioned events in `buckets` parts; all versions of an entity are in the part its hash names."""

    @property
    def name(self) -> str: ...

    @property
    def buckets(self) -> int: ...

    def read(self, bucket: int, columns: Sequence[str], entity: str, entities: pl.DataFrame) -> pl.DataFrame:
        """Rows of the bucket whose entity is in `entities` (its key column and others), inner-joined in file order."""
        ...


@dataclass(frozen=True)
class ParquetEvents:
    """A published table; one part unless it is bucketed by the view's entity."""

    name: str
    parts: tuple[tuple[Path, ...], ...]

    @property
    def buckets(self) -> int:
        return len(self.parts)

    def read(self, bucket: int, columns: Sequence[str], entity: str, entities: pl.DataFrame) -> pl.DataFrame:
        """Raises: SourceInvalid naming the columns that the table lacks."""
        paths = self.parts[bucket]
        if not paths:
            return FrameEvents(self.name, pl.DataFrame(schema=dict.fromkeys(columns, pl.Null))).read(
                0, columns, entity, entities
            )
        table = pl.scan_parquet(list(paths))
        _check_columns(self.name, columns, table.collect_schema().names())
        return _keep(table.select(columns), entity, entities).collect()


@dataclass(frozen=True)
class FrameEvents:
    """Events held in memory, for tests and notebooks; any number of buckets gives the same results."""

    name: str
    frame: pl.DataFrame
    buckets: int = 1

    def read(self, bucket: int, columns: Sequence[str], entity: str, entities: pl.DataFrame) -> pl.DataFrame:
        """The bucket needs no filter of its own: `entities` are the bucket's."""
        del bucket
        _check_columns(self.name, columns, self.frame.columns)
        return _keep(self.frame.lazy().select(columns), entity, entities).collect()


def find_published_events(published: Published, view: View) -> ParquetEvents:
    """The view's source in a published set.

    Raises: SourceInvalid when the set has no such table.
    """
    tables = published.manifest["tables"]
    if view.source not in tables:
        raise SourceInvalid(
            f"View {view.view} reads {view.source}, which set {published.set_name} version "
            f"{published.version} does not hold; publish it, or correct `source`. "
            f"It holds: {', '.join(sorted(tables))}."
        )
    paths = tuple(sorted(published.list_bucket_paths(view.source)))
    layout = tables[view.source].get("layout")
    if not layout or layout["bucket_by"] != view.entity:
        return ParquetEvents(view.source, (paths,))
    by_number = {int(path.stem.rpartition("-")[2]): (path,) for path in paths}
    return ParquetEvents(view.source, tuple(by_number.get(n, ()) for n in range(int(layout["buckets"]))))


def place_in_buckets(entities: pl.Series, buckets: int) -> pl.Series:
    """Bucket number of each entity value: the first eight hex digits of its MD5, modulo `buckets`."""
    if buckets == 1:
        return pl.repeat(0, len(entities), dtype=pl.Int64, eager=True)
    with duckdb.connect() as connection:
        connection.register("entities", entities.rename("value").to_frame().to_arrow())
        digits = "cast('0x' || substr(md5(value), 1, 8) as bigint)"
        query = f"select {digits} % {int(buckets)} as bucket from entities"
        frame: pl.DataFrame = connection.sql(query).pl()
        return frame["bucket"]


def _keep(table: pl.LazyFrame, entity: str, entities: pl.DataFrame) -> pl.LazyFrame:
    key = pl.col(entity).cast(pl.String).alias(_ENTITY)
    joined = table.with_columns(key).join(
        entities.lazy().rename({entities.columns[0]: _ENTITY}), on=_ENTITY, how="inner", maintain_order="left"
    )
    return joined.drop(_ENTITY)


def _check_columns(name: str, columns: Sequence[str], held: Sequence[str]) -> None:
    missing = sorted(set(columns).difference(held))
    if missing:
        raise SourceInvalid(f"Table {name} has no column {', '.join(missing)}; correct the view or the model.")
