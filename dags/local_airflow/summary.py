"""One screen about what the platform holds now: deliveries, gates, publications, one customer, one bridge."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import duckdb

from dags.local_airflow.lake_rows import count_lake_rows
from dags.local_airflow.runs import REFUSALS
from ingestion.foundation import PROJECT, Settings
from ingestion.foundation.runs import RunState, list_newest_runs
from ingestion.simulation.bank_a import SOURCE as CONFUSED_SOURCE
from ingestion.simulation.defects import CONFUSED_DATE, RESENT_WITH
from quality.override import judge_overrides
from quality.published import NothingPublished, Published, list_kept_versions, open_published
from quality.sets import load_set
from quality.verdict import Outcome, read_verdicts

CUSTOMER = (
    "customer_id, name_masked, mobile_masked, lifecycle_stage, application_count, loan_count,"
    " balance_before_compensation_amount, dpd_before_compensation, has_marketing_consent"
)
FAULT = f"{CONFUSED_SOURCE} sent its payouts 100 times too high (分 as 元)"


def announce(dates: list[date], customers: int) -> str:
    """What the demo will do, and what to watch."""
    lines = [
        f"A simulated group of {customers:,} customers delivers {len(dates)} business dates from {dates[0]} on;"
        " the real dags run them on a real Airflow.",
        "A date: every source lands its files, the warehouse is built, gated and published, then features and scores.",
    ]
    if CONFUSED_DATE in dates:
        lines += [
            f"Watch {CONFUSED_DATE}: {CONFUSED_SOURCE} sends its payouts 100 times too high (分 as 元). The gate",
            "refuses the date, and readers keep the last good version."
            + (f" The corrected file comes with {RESENT_WITH}." if RESENT_WITH in dates else ""),
        ]
    return "\n".join([*lines, ""])


def summarise(settings: Settings, dates: list[date], url: str) -> str:
    """The summary as text; every figure is read from the ledger or from what is published."""
    lines = ["", "Rows landed (quarantined), by business date and source", *_landed(settings, dates)]
    lines += ["", "Gates and publications", *_gates(settings, dates)]
    if CONFUSED_DATE in dates:
        lines += ["", "What went wrong, and how it was put right", *_fault(settings)]
    held = None
    try:
        held = open_published("warehouse", settings)
    except NothingPublished:
        lines += ["", "Nothing is published yet."]
    else:
        lines += ["", *_customer_and_bridge(held), "", *_scores(settings, dates)]
    places = {
        "reports": settings.reports / "index.html",
        "dbt docs": settings.reports / "dbt" / held.version / "index.html" if held else settings.reports / "dbt",
        "warehouse": held.database if held else settings.published,
        "notebook": PROJECT / "notebooks" / "01_first_look.ipynb",
    }
    shown = [f"  {name:<13} {path}" for name, path in places.items() if path.exists()]
    return "\n".join([*lines, "", "Where to look next", f"  {'Airflow':<13} {url} after `make up` (no login)", *shown])


def _landed(settings: Settings, dates: list[date]) -> Iterator[str]:
    cells = count_lake_rows(settings)
    sources = sorted({source for _, source in cells})
    yield "  " + " " * 16 + "".join(f"{day!s:>15}" for day in dates)
    for source in sources:
        yield f"  {source:<16}" + "".join(f"{cells.get((day, source), '-')!s:>15}" for day in dates)
    if any(cell.replaced for cell in cells.values()):
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


def _fault(settings: Settings) -> Iterator[str]:
    """The simulated fault, as far as the ledger knows of its refusal and of its correction."""
    refused = list_newest_runs(settings, CONFUSED_DATE).get("warehouse")
    corrected = count_lake_rows(settings).get((CONFUSED_DATE, CONFUSED_SOURCE))
    after = list_newest_runs(settings, RESENT_WITH).get("warehouse")
    if refused is None or refused.extras.get("error") not in REFUSALS:
        yield f"  {CONFUSED_DATE}  was not refused, although {FAULT}"
        return
    yield f"  {CONFUSED_DATE}  refused: {FAULT}; readers kept the version before"
    if corrected and corrected.replaced and after and after.state is RunState.SUCCEEDED:
        yield f"  {RESENT_WITH}  put right: its corrected file of {CONFUSED_DATE} superseded the wrong one, and the"
        yield f"              warehouse {after.extras['version']} holds {CONFUSED_DATE} as it should be"
    else:
        yield f"  {RESENT_WITH}  not run yet: it brings the corrected file of {CONFUSED_DATE}"


def _customer_and_bridge(warehouse: Published) -> Iterator[str]:
    with duckdb.connect(str(warehouse.database), read_only=True) as connection:
        customer = connection.execute(
            f"select {CUSTOMER} from customer_360 where lifecycle_stage = 'overdue' order by customer_id limit 1"
        )
        names = [column[0] for column in customer.description or ()]
        yield "One customer (客户360, masked)"
        for row in customer.fetchall():
            yield "  " + ", ".join(f"{name} {value}" for name, value in zip(names, row, strict=True))
        yield ""
        yield "One bridge (BR-01, 代偿前后余额)"
        bridge = connection.execute(
            "select * from mtr_balance_bridge__daily order by as_of_date desc limit 1"
        ).fetchall()
    for day, before, after, difference, compensated, bought_back, unexplained in bridge:
        yield f"  {day}  before {before:,} - after {after:,} = {difference:,}"
        yield f"  = compensated {compensated:,} + bought back {bought_back:,} + unexplained {unexplained:,}"


def _scores(settings: Settings, dates: list[date]) -> Iterator[str]:
    for version in list_kept_versions("scores", settings):
        held = open_published("scores", settings, version)
        if held.batch_date in dates:
            (path,) = held.list_bucket_paths("scores")
            count, low, middle, high = duckdb.sql(
                f"select count(*), min(score), cast(median(score) as integer), max(score) from '{path}'"
            ).fetchall()[0]
            yield f"Scores {held.batch_date}: {count:,} customers, {low} to {high} points, median {middle}"
