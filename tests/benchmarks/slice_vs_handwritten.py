"""The whole platform, from delivered files to scores, beside one hand-written DuckDB script (`handwritten.py`).

Both read the same simulated deliveries: the stock load of the first business date, then one ordinary date. Every stage
of the platform is a process of its own, as under the scheduler; the script is one process. Libraries are compiled to
bytecode beforehand, for both alike, and the figures must be equal before there is a ratio. Landing the parties that no
figure needs (the script does not read them) is measured beside the total, not in it. The script keeps no versions,
lineage, tokens, quarantine, gates or fingerprints, and trains and applies no scorecard: the ratio is what all of that
costs.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import sys
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from tests.benchmarks.measuring import Cost, Record, measure, total

NAMES = ("slice_vs_handwritten",)
CUSTOMERS = 200_000
SEED = 1
FIRST_DATE = date(2026, 3, 2)
HERE = Path(__file__).parent
COMPILED = (
    "great_expectations.expectations, dbt.cli.main, sklearn.linear_model, sklearn.metrics, quality.publication,"
    " features.publish, features.scorecard"
)
STAGES = ("ingest", "warehouse", "gates_and_publication", "features", "scoring")
BESIDES = "ingest_of_other_parties"
PARTIES = ("bank_a", "bank_b", "dept_compliance", "dept_loan_core", "dept_risk", "traffic_e")
FIGURES = {
    "customers": "select count(*) from dim_customers",
    "applications": "select count(*) from fct_applications",
    "loans": "select count(*), sum(principal_amount) from fct_loans where not is_reversed",
    "instalments": "select count(*), count(cleared_date_before_compensation), count(cleared_date_after_compensation),"
    " sum(dpd_ever_before_compensation), sum(dpd_ever_after_compensation) from fct_instalments",
    "bridge": "select balance_before_compensation_amount, balance_after_compensation_amount,"
    " compensated_outstanding_amount, buyback_outstanding_amount from mtr_balance_bridge__daily where {day}",
    "delinquency": "select calibre, threshold, balance_principal_amount, overdue_balance_amount, active_loan_count,"
    " active_borrower_count, overdue_loan_count from mtr_delinquency__daily where {day} order by calibre, threshold",
    "buckets": "select calibre, bucket, loan_count, balance_principal_amount from mtr_delinquency_buckets__daily"
    " where scheme = 'S30' and {day} order by calibre, bucket",
    "loan_reconciliation": "select break_type, count(*) from rec_loans__funder group by all order by all",
    "balance_reconciliation": "select break_type, count(*) from rec_balances__funder group by all order by all",
    "customer_360": "select lifecycle_stage, count(*), sum(application_count), sum(approved_count), sum(lead_count),"
    " sum(overdue_principal_amount), max(dpd_ever_before_compensation), sum(has_marketing_consent::int),"
    " sum(has_limit_management_consent::int), sum(has_model_development_consent::int) from customer_360"
    " group by all order by all",
}


class FiguresDiffer(Exception):
    """The two sides disagree, so a ratio would compare different work; the message lists the figures."""


def run(home: Path, names: Sequence[str] = NAMES, customers: int | None = None, days: int = 2) -> list[Record]:
    """Deliver, run both sides for each business date, compare their figures, and report the stock load's ratio.

    `customers` is 200,000, or what `BENCH_CUSTOMERS` says. Deliveries of an earlier run of that size are used again;
    all else starts from nothing.

    Raises:
        SideFailed: a stage or the script failed.
        FiguresDiffer: they computed different things.
    """
    customers = customers or int(os.environ.get("BENCH_CUSTOMERS", CUSTOMERS))
    place = home / f"slice-{customers}"
    _deliver(place, customers, days)
    measure([sys.executable, "-c", f"import {COMPILED}"], _environment(place), place / "logs" / "compile.log")
    costs = [_measure_date(place, FIRST_DATE + timedelta(days=offset)) for offset in range(days)]
    ours, other = costs[0]["ours"], costs[0]["other"]
    detail: dict[str, Any] = {
        "customers": customers,
        "threads": _environment(place)["PLATFORM_THREADS"],
        "load_average": [round(load, 1) for load in os.getloadavg()],
        "measured": f"landing of {', '.join(PARTIES)}, warehouse, gates, publication, features and scores; landing"
        " of the parties that no figure needs is reported separately",
    }
    detail["stages"] = {name: _describe(cost) for name, cost in zip(("stock_load", "daily"), costs, strict=False)}
    peak, other_peak = ours["total"].peak_rss_mb, other.peak_rss_mb
    return [Record(names[0], ours["total"].cpu_s, other.cpu_s, "cpu_s", peak, other_peak, detail)]


def _environment(place: Path) -> dict[str, str]:
    threads = os.environ.get("PLATFORM_THREADS", str(os.cpu_count() or 2))
    limit = os.environ.get("PLATFORM_MEMORY_LIMIT", "4GB")
    values = {"PLATFORM_HOME": str(place), "PLATFORM_THREADS": threads, "PLATFORM_MEMORY_LIMIT": limit}
    if sys.dont_write_bytecode:
        values |= {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(place.parent / "bytecode")}
    return values


def _deliver(place: Path, customers: int, days: int) -> None:
    """Simulate unless that was done before; leave nothing in the home but what the parties delivered."""
    place.mkdir(parents=True, exist_ok=True)
    for left in place.iterdir():
        if left.name in {"landing", "simulation", "keys"}:
            continue
        shutil.rmtree(left) if left.is_dir() else left.unlink()
    for extracted in place.glob("landing/dept_loan_core/2*"):
        shutil.rmtree(extracted)
    if (place / "simulation").exists():
        return
    size = ["--customers", str(customers), "--days", str(days), "--seed", str(SEED)]
    command = [sys.executable, "-m", "ingestion.simulation", *size]
    _describe_error(
        f"delivering {customers:,} customers", measure(command, _environment(place), place / "logs" / "simulate.log")
    )


def _measure_date(place: Path, day: date) -> dict[str, Any]:
    logs = place / "logs" / day.isoformat()
    ours: dict[str, Cost] = {}
    for stage in (STAGES[0], BESIDES, *STAGES[1:]):
        command = [sys.executable, "-m", "tests.benchmarks.slice_vs_handwritten", stage, day.isoformat()]
        ours[stage] = measure(command, _environment(place), logs / f"{stage}.log")
        _describe_error(f"{day} {stage}", ours[stage])
    ours["total"] = total([ours[stage] for stage in STAGES])
    found, expected = logs / "ours.json", logs / "other.json"
    script: list[str | Path] = [
        sys.executable,
        HERE / "handwritten.py",
        place / "landing",
        str(day),
        place / "other.duckdb",
        expected,
    ]
    other = measure(script, _environment(place), logs / "handwritten.log")
    _describe_error(f"{day} handwritten", other)
    command = [sys.executable, "-m", "tests.benchmarks.slice_vs_handwritten", "figures", day.isoformat(), str(found)]
    measure(command, _environment(place), logs / "figures.log")
    compare(json.loads(found.read_text(encoding="utf-8")), json.loads(expected.read_text(encoding="utf-8")))
    return {"ours": ours, "other": other}


def _describe_error(what: str, cost: Cost) -> None:
    print(f"{what:36} {cost}", file=sys.stderr, flush=True)


def _describe(costs: dict[str, Any]) -> dict[str, Any]:
    other = costs["other"]
    sides = {**costs["ours"], "handwritten": other}
    return {stage: {**cost.to_json(), "cpu_ratio": round(cost.cpu_s / other.cpu_s, 3)} for stage, cost in sides.items()}


def compare(found: dict[str, Any], expected: dict[str, Any]) -> None:
    """Accept only equal figures: counts, days and amounts exactly, sums of doubles to nine digits.

    Raises:
        FiguresDiffer: naming every figure that differs, both values beside it.
    """
    names = sorted({*found, *expected})
    reported = [
        f"{name}: ours {found.get(name)}, by hand {expected.get(name)}"
        for name in names
        if not _agree(found.get(name), expected.get(name))
    ]
    if reported:
        raise FiguresDiffer("; ".join(reported))


def _agree(left: object, right: object) -> bool:
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(_agree(*pair) for pair in zip(left, right, strict=True))
    if isinstance(left, float) or isinstance(right, float):
        return None not in (left, right) and math.isclose(float(str(left)), float(str(right)), rel_tol=1e-9)
    try:
        return Decimal(str(left)) == Decimal(str(right))
    except InvalidOperation:
        return left == right


def run_stage(stage: str, day: date) -> None:
    """One stage of the platform for one business date, in this process."""
    match stage:
        case "ingest" | "ingest_of_other_parties":
            from ingestion.contract import load_registry
            from ingestion.foundation import load_settings
            from ingestion.landing import land_source

            for source in load_registry(load_settings()).contracts:
                if (source in PARTIES) == (stage == "ingest"):
                    print(source, land_source(source, day))
        case "warehouse":
            from quality.warehouse import build

            build(day)
        case "gates_and_publication":
            from quality.publication import audit_and_publish

            print(audit_and_publish("warehouse", day))
        case "features":
            from features.publish import build_features

            print(build_features(day))
        case "scoring":
            from features.scorecard import score

            print(score(day))
        case _:
            raise ValueError(stage)


def list_figures(day: date) -> dict[str, list[list[object]]]:
    """The figures of what is published for a business date; reconciliations are read where they were built."""
    import duckdb

    from ingestion.foundation import load_settings
    from quality.published import open_published

    settings = load_settings()
    warehouse = open_published("warehouse", settings)
    features = open_published("features", settings)
    assert (warehouse.batch_date, features.batch_date) == (day, day)
    published = next(warehouse.path.glob("*.duckdb"))
    queries = dict(FIGURES)
    scoring = f"read_parquet('{features.path}/scoring/*.parquet')"
    with duckdb.connect(str(published), read_only=True) as connection:
        connection.execute(f"attach '{settings.warehouse}' as built (read_only)").fetchall()
        connection.execute("set search_path = 'main,built'").fetchall()
        for name, *_ in connection.execute(f"describe select * from {scoring}").fetchall():
            if name not in {"customer_id", "as_of"}:
                queries[f"features.{name}"] = f"select count(*), count({name}), sum({name}) from {scoring}"
        at_day = {"day": f"as_of_date = date '{day}'"}
        return {
            name: [list(row) for row in connection.execute(query.format(**at_day)).fetchall()]
            for name, query in queries.items()
        }


def main(arguments: Sequence[str]) -> None:
    """`STAGE DATE`, or `figures DATE FILE`: what the measured child processes run."""
    stage, day = arguments[0], date.fromisoformat(arguments[1])
    if stage == "figures":
        text = json.dumps(list_figures(day), default=str, ensure_ascii=False, indent=1)
        Path(arguments[2]).write_text(text, encoding="utf-8")
    else:
        run_stage(stage, day)


if __name__ == "__main__":
    main(sys.argv[1:])
