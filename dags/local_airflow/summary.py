"""One screen about what the platform holds now: deliveries, gates, publications, one customer, one bridge."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import duckdb
import sqlalchemy as sa

from ingestion.foundation import Settings
from ingestion.foundation.ledger import deliveries, open_ledger
from quality.override import judge_overrides
from quality.published import NothingPublished, Published, kept_versions, open_published
from quality.sets import load_set
from quality.verdict import Outcome, read_verdicts

CUSTOMER = (
    "customer_id, name_masked, mobile_masked, lifecycle_stage, application_count, loan_count,"
    " balance_before_compensation_amount, dpd_before_compensation, has_marketing_consent"
)


def summarise(settings: Settings, dates: list[date], url: str) -> str:
    """The summary as text; every figure is read from the ledger or from what is published."""
    lines = ["", "Rows landed (quarantined), by business date and source", *_landed(settings, dates)]
    lines += ["", "Gates and publications", *_gates(settings, dates)]
    try:
        warehouse = open_published("warehouse", settings)
    except NothingPublished:
        lines += ["", "Nothing is published yet."]
    else:
        lines += ["", *_customer_and_bridge(warehouse), "", *_scores(settings, dates)]
    lines += [
        "",
        "Where to look next",
        f"  Airflow       {url} after `make up` (no login)",
        f"  dbt docs      {settings.reports / 'dbt' / 'index.html'}",
        f"  gate reports  {settings.reports / 'quality'} (index.html; data_docs by Great Expectations)",
        f"  warehouse     {settings.published / 'warehouse'}",
        "  notebook      notebooks/01_first_look.ipynb",
    ]
    return "\n".join(lines)


def _landed(settings: Settings, dates: list[date]) -> Iterator[str]:
    ledger = open_ledger(settings)
    counted = sa.select(
        deliveries.c.batch_date,
        deliveries.c.source,
        sa.func.sum(sa.case((deliveries.c.superseded_at.is_(None), deliveries.c.rows_landed), else_=0)),
        sa.func.sum(sa.case((deliveries.c.superseded_at.is_(None), deliveries.c.rows_quarantined), else_=0)),
        sa.func.sum(sa.case((deliveries.c.superseded_at.is_not(None), 1), else_=0)),
    ).group_by(deliveries.c.batch_date, deliveries.c.source)
    with ledger.connect() as connection:
        cells = {
            (day, source): f"{landed:,} ({held}){'*' * replaced}"
            for day, source, landed, held, replaced in connection.execute(counted)
        }
    ledger.dispose()
    sources = sorted({source for _, source in cells})
    yield "  " + " " * 16 + "".join(f"{day!s:>15}" for day in dates)
    for source in sources:
        yield f"  {source:<16}" + "".join(f"{cells.get((day, source), '-'):>15}" for day in dates)
    if any(cell.endswith("*") for cell in cells.values()):
        yield "  * a corrected file superseded the first one; both versions stay in the lake"


def _gates(settings: Settings, dates: list[date]) -> Iterator[str]:
    for day in dates:
        for gate in [gate for name in ("warehouse", "features", "scores") for gate in load_set(name, settings).gates]:
            latest = {one.verdict.table: one for one in judge_overrides(read_verdicts(settings, day, gate), settings)}
            failing = [one.verdict for one in latest.values() if one.outcome is Outcome.FAIL]
            overridden = [one.verdict.table for one in latest.values() if one.override]
            if not latest:
                continue
            checks = ", ".join(failure.check for verdict in failing for failure in verdict.failing_checks)
            accepted = f"passed, {', '.join(overridden)} OVERRIDDEN" if overridden else "all passed"
            told = f"REFUSED by {checks}; the last good version stayed" if failing else accepted
            yield f"  {day}  {gate:<9} {len(latest):>2} {'table' if len(latest) == 1 else 'tables'}: {told}"
    for path in sorted(settings.published.glob("*/current.json")):
        current = open_published(path.parent.name, settings)
        yield f"  published {current.set_name}: {current.version}"


def _customer_and_bridge(warehouse: Published) -> Iterator[str]:
    with duckdb.connect(str(warehouse.path / f"warehouse-{warehouse.version}.duckdb"), read_only=True) as connection:
        customer = connection.sql(
            f"select {CUSTOMER} from customer_360 where lifecycle_stage = 'overdue' order by customer_id limit 1"
        )
        yield "One customer (客户360, masked)"
        for row in customer.fetchall():
            yield "  " + ", ".join(f"{name} {value}" for name, value in zip(customer.columns, row, strict=True))
        yield ""
        yield "One bridge (BR-01, 代偿前后余额)"
        bridge = connection.sql("select * from mtr_balance_bridge__daily order by as_of_date desc limit 1").fetchall()
    for day, before, after, difference, compensated, bought_back, unexplained in bridge:
        yield f"  {day}  before {before:,} - after {after:,} = {difference:,}"
        yield f"  = compensated {compensated:,} + bought back {bought_back:,} + unexplained {unexplained:,}"


def _scores(settings: Settings, dates: list[date]) -> Iterator[str]:
    for version in kept_versions("scores", settings):
        held = open_published("scores", settings, version)
        if held.batch_date in dates:
            (path,) = held.bucket_paths("scores")
            count, low, middle, high = duckdb.sql(
                f"select count(*), min(score), cast(median(score) as integer), max(score) from '{path}'"
            ).fetchall()[0]
            yield f"Scores {held.batch_date}: {count:,} customers, {low} to {high} points, median {middle}"
