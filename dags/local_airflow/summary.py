"""One screen about what the platform holds now: deliveries, gates, publications, one customer, one bridge."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

import duckdb

from dags.local_airflow.lake_rows import count_lake_rows
from dags.local_airflow.runs import REFUSALS
from dags.local_airflow.simulated_group import PlantedFault, SimulatedGroup
from ingestion.foundation import PROJECT, Settings
from ingestion.foundation.runs import RunState, list_newest_runs
from quality.override import judge_overrides
from quality.published import NothingPublished, Published, list_kept_versions, open_published
from quality.sets import load_set
from quality.verdict import Outcome, read_verdicts

CUSTOMER = (
    "customer_id, name_masked, mobile_masked, lifecycle_stage, application_count, loan_count,"
    " balance_before_compensation_amount, dpd_before_compensation, has_marketing_consent"
)


def announce(group: SimulatedGroup) -> str:
    """What the demo will do, and what to watch."""
    dates = group.dates
    lines = [
        f"A simulated group of {group.customers:,} customers delivers {len(dates)} business dates from {dates[0]} on;"
        " the real dags run them on a real Airflow.",
        "A date: every source lands its files, the warehouse is built, gated and published, then features and scores.",
    ]
    for planted in group.planted_faults:
        comes = f" The corrected file comes with {planted.corrected_with}." if planted.corrected_with in dates else ""
        lines += [
            f"Watch {planted.business_date}: {planted.source} sends its {planted.fault}. The gate",
            f"refuses the date, and readers keep the last good version.{comes}",
        ]
    return "\n".join([*lines, ""])


def summarise(settings: Settings, group: SimulatedGroup, url: str, as_of: date) -> str:
    """The summary as text; every figure is read from the ledger or from what is published.

    Overrides count that stand on the day `as_of`, which comes from the edge.
    """
    dates = group.dates
    lines = ["", "Rows landed (quarantined), by business date and source", *_list_landed(settings, dates)]
    lines += ["", "Gates and publications", *_list_gates(settings, dates, as_of)]
    if group.planted_faults:
        lines += ["", "What went wrong, and how it was put right"]
        lines += [line for planted in group.planted_faults for line in _explain(settings, planted)]
    held = None
    try:
        held = open_published("warehouse", settings)
    except NothingPublished:
        lines += ["", "Nothing is published yet."]
    else:
        lines += ["", *_show_customer_and_bridge(held), "", *_list_scores(settings, dates)]
    places = {
        "reports": settings.reports / "index.html",
        "dbt docs": settings.reports / "dbt" / held.version / "index.html" if held else settings.reports / "dbt",
        "warehouse": held.database if held else settings.published,
        "notebook": PROJECT / "notebooks" / "01_first_look.ipynb",
    }
    shown = [f"  {name:<13} {path}" for name, path in places.items() if path.exists()]
    return "\n".join([*lines, "", "Where to look next", f"  {'Airflow':<13} {url} after `make up` (no login)", *shown])


def _list_landed(settings: Settings, dates: Sequence[date]) -> Iterator[str]:
    cells = count_lake_rows(settings)
    sources = sorted({source for _, source in cells})
    yield "  " + " " * 16 + "".join(f"{day!s:>15}" for day in dates)
    for source in sources:
        yield f"  {source:<16}" + "".join(f"{cells.get((day, source), '-')!s:>15}" for day in dates)
    if any(cell.replaced for cell in cells.values()):
        yield "  * a corrected file superseded the first one; both versions stay in the lake"


def _list_gates(settings: Settings, dates: Sequence[date], as_of: date) -> Iterator[str]:
    for day in dates:
        for gate in [gate for name in ("warehouse", "features", "scores") for gate in load_set(name, settings).gates]:
            decisions = judge_overrides(read_verdicts(settings, day, gate), settings, as_of)
            latest = {one.verdict.table: one for one in decisions}
            failing = [one.verdict for one in latest.values() if one.outcome is Outcome.FAIL]
            overridden = [one.verdict.table for one in latest.values() if one.override]
            ended = [f"{one.verdict.table} until {one.ended.valid_until}" for one in latest.values() if one.ended]
            if not latest:
                continue
            checks = ", ".join(failure.check for verdict in failing for failure in verdict.failing_checks)
            accepted = f"passed, {', '.join(overridden)} OVERRIDDEN" if overridden else "all passed"
            was = f" (was overridden: {', '.join(ended)})" if ended else ""
            said = f"REFUSED by {checks}{was}; the last good version stayed" if failing else accepted
            yield f"  {day}  {gate:<9} {len(latest):>2} {'table' if len(latest) == 1 else 'tables'}: {said}"
    for path in sorted(settings.published.glob("*/current.json")):
        current = open_published(path.parent.name, settings)
        yield f"  published {current.set_name}: {current.version}"


def _explain(settings: Settings, planted: PlantedFault) -> Iterator[str]:
    """A planted fault, as far as the ledger knows of its refusal and of its correction."""
    wrong, later = planted.business_date, planted.corrected_with
    sent = f"{planted.source} sent its {planted.fault}"
    refused = list_newest_runs(settings, wrong).get("warehouse")
    corrected = count_lake_rows(settings).get((wrong, planted.source))
    after = list_newest_runs(settings, later).get("warehouse")
    if refused is None or refused.extras.get("error") not in REFUSALS:
        yield f"  {wrong}  was not refused, although {sent}"
        return
    yield f"  {wrong}  refused: {sent}; readers kept the version before"
    if corrected and corrected.replaced and after and after.state is RunState.SUCCEEDED:
        yield f"  {later}  put right: its corrected file of {wrong} superseded the wrong one, and the"
        yield f"              warehouse {after.extras['version']} holds {wrong} as it should be"
    else:
        yield f"  {later}  not run yet: it brings the corrected file of {wrong}"


def _show_customer_and_bridge(warehouse: Published) -> Iterator[str]:
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
            "select * exclude (_inputs_hash) from mtr_balance_bridge__daily order by as_of_date desc limit 1"
        ).fetchall()
    for day, before, after, difference, compensated, bought_back, unexplained in bridge:
        yield f"  {day}  before {before:,} - after {after:,} = {difference:,}"
        yield f"  = compensated {compensated:,} + bought back {bought_back:,} + unexplained {unexplained:,}"


def _list_scores(settings: Settings, dates: Sequence[date]) -> Iterator[str]:
    for version in list_kept_versions("scores", settings):
        held = open_published("scores", settings, version)
        if held.batch_date in dates:
            (path,) = held.list_bucket_paths("scores")
            count, low, middle, high = duckdb.sql(
                f"select count(*), min(score), cast(median(score) as integer), max(score) from '{path}'"
            ).fetchall()[0]
            yield f"Scores {held.batch_date}: {count:,} customers, {low} to {high} points, median {middle}"
