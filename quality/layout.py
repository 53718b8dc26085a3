"""How a published table lies on disk: which file a row goes to, and the order of rows within it."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from ingestion.foundation.sql import quote_name

BUCKETS = 16

Column = Annotated[str, Field(pattern=r"^\w+$")]


class Layout(BaseModel):
    """Rows are split by a hash of `bucket_by` into 16 files and sorted by `sort_by` within each file.

    Without `bucket_by` the table is one sorted file. NULLs sort last, text sorts by its UTF-8 bytes.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    bucket_by: Column | None = None
    sort_by: tuple[Column, ...] = Field(min_length=1)

    @property
    def buckets(self) -> int:
        return BUCKETS if self.bucket_by else 1


def describe_layout(layout: Layout | None, part_by: str | None = None) -> dict[str, Any] | None:
    """How the rows of a table lie in its files, as a manifest says it; None where nothing is declared."""
    if layout is None:
        return None
    described = {"bucket_by": layout.bucket_by, "buckets": layout.buckets, "sort_by": list(layout.sort_by)}
    return described | ({"part_by": part_by} if part_by else {})


def bucket_sql(column: str, buckets: int = BUCKETS) -> str:
    """SQL of the bucket of an entity value: first 8 hexadecimal digits of its MD5, modulo `buckets`.

    Portable: the same number comes out of Python's `int(md5(v)[:8], 16) % buckets` and of Spark.
    """
    return f"(cast('0x' || substr(md5(cast({quote_name(column)} as varchar)), 1, 8) as bigint) % {buckets})"


def order_sql(layout: Layout | None, key: tuple[str, ...]) -> str:
    """SQL of the total order in which rows are written: bucket, `sort_by`, then the rest of the key."""
    columns = [*(layout.sort_by if layout else ()), *key]
    unique = list(dict.fromkeys(columns))
    terms = [f"{quote_name(column)} asc nulls last" for column in unique]
    if layout and layout.bucket_by:
        terms.insert(0, bucket_sql(layout.bucket_by))
    return ", ".join(terms)
