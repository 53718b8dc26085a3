"""Difference report (差异报告): what a new version of a delivery changed against the one that it supersedes."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

import duckdb

from ingestion.contract import Dataset
from ingestion.foundation import Settings
from ingestion.foundation.files import replace_atomically
from ingestion.foundation.sql import quote_name, quote_text
from ingestion.lake.layout import LINEAGE, derive_lake_schema


@dataclass(frozen=True)
class VersionDifference:
    """Rows by business key, and for every amount column its sum before and after, as text."""

    source: str
    dataset: str
    batch_date: str
    before: str
    after: str
    rows_added: int
    rows_removed: int
    rows_changed: int
    rows_unchanged: int
    sums: dict[str, tuple[str, str]]

    def __str__(self) -> str:
        moved = ", ".join(f"{name} {old} to {new}" for name, (old, new) in self.sums.items() if old != new)
        return (
            f"{self.source}.{self.dataset} of {self.batch_date} was superseded: {self.rows_added} rows added,"
            f" {self.rows_removed} removed, {self.rows_changed} changed" + (f"; sums: {moved}" if moved else "")
        )


def compare_versions(
    dataset: Dataset, batch_date: date, before: list[str], after: str, settings: Settings
) -> VersionDifference | None:
    """Compare two versions of a business date in the lake and keep the report under `reports/differences`.

    `before` are the deliveries that were current together (a delivery and its replays), `after` is the new one; None
    where nothing was superseded.
    """
    if not before:
        return None
    folder = settings.lake / dataset.source / dataset.name / f"batch_date={batch_date}"
    columns = [name for name in derive_lake_schema(dataset) if name not in LINEAGE]
    protected = {column.name for column in dataset.columns if column.profile.protect}
    key = [f"{name}_token" if name in protected else name for name in dataset.key]
    amounts = [
        name
        for name, kind in derive_lake_schema(dataset).items()
        if kind.startswith("DECIMAL") or name.endswith("_fen")
    ]
    old_files = ", ".join(quote_text(folder / name / "part-00.parquet") for name in before)
    same = " and ".join(f"old.{quote_name(name)} is not distinct from new.{quote_name(name)}" for name in columns)
    on = " and ".join(f"old.{quote_name(name)} = new.{quote_name(name)}" for name in key)
    with duckdb.connect(":memory:", config={"threads": settings.threads}) as connection:
        connection.execute(f"create view old as from read_parquet([{old_files}])").fetchall()
        new_file = quote_text(folder / after / "part-00.parquet")
        connection.execute(f"create view new as from read_parquet({new_file})").fetchall()
        counts = connection.execute(
            _count_equal_sql(columns)
            if not key
            else f"""
            select
                count(*) filter (old._delivery_id is null), count(*) filter (new._delivery_id is null),
                count(*) filter (old._delivery_id is not null and new._delivery_id is not null and not ({same})),
                count(*) filter (old._delivery_id is not null and new._delivery_id is not null and ({same}))
            from old full join new on {on}
            """
        ).fetchall()[0]
        totals = [_sum_amounts(connection, side, amounts) for side in ("old", "new")]
    difference = VersionDifference(
        source=dataset.source,
        dataset=dataset.name,
        batch_date=str(batch_date),
        before="+".join(before),
        after=after,
        rows_added=counts[0],
        rows_removed=counts[1],
        rows_changed=counts[2],
        rows_unchanged=counts[3],
        sums={name: (totals[0][name], totals[1][name]) for name in amounts},
    )
    _write_difference(difference, settings.reports / "differences" / dataset.source / dataset.name)
    return difference


def _count_equal_sql(columns: list[str]) -> str:
    """SQL of rows added, removed, changed and unchanged where rows have no key: equal ones are the same row."""
    listed = ", ".join(map(quote_name, columns))
    grouped = " full join ".join(
        f"(select {listed}, count(*) as {side}_rows from {side} group by all) as {side}" for side in ("old", "new")
    )
    same = " and ".join(f"old.{quote_name(name)} is not distinct from new.{quote_name(name)}" for name in columns)
    before, after = "coalesce(old_rows, 0)", "coalesce(new_rows, 0)"
    return (
        f"select coalesce(sum(greatest({after} - {before}, 0)), 0)::bigint,"
        f" coalesce(sum(greatest({before} - {after}, 0)), 0)::bigint, 0,"
        f" coalesce(sum(least({before}, {after})), 0)::bigint from {grouped} on {same}"
    )


def _write_difference(difference: VersionDifference, folder: Path) -> None:
    with replace_atomically(folder / f"{difference.batch_date}-{difference.after[:8]}.json") as draft:
        draft.write_text(json.dumps(asdict(difference), ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def _sum_amounts(connection: duckdb.DuckDBPyConnection, side: str, amounts: list[str]) -> dict[str, str]:
    if not amounts:
        return {}
    sums = ", ".join(f"cast(coalesce(sum({quote_name(name)}), 0) as varchar)" for name in amounts)
    row = connection.execute(f"select {sums} from {side}").fetchall()[0]
    return dict(zip(amounts, row, strict=True))
