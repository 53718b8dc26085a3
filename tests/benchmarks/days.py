"""A day costs a day: what a business date costs late in the life of a platform, over what one cost early.

Each comparison brings one simulated group through its dates in order; stages of the two dates that are compared run as
processes of their own, as under the scheduler, and the dates between them in one process that is not measured. No
party makes the error by which the simulated group's third date is refused, so that every date is published.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from tests.benchmarks import slice_vs_handwritten as slices
from tests.benchmarks.measuring import Cost, Record, measure, total
from tests.benchmarks.slice_vs_handwritten import BESIDES, COMPILED, FIRST_DATE, SEED, STAGES, run_stage

LANDING = (STAGES[0], BESIDES)
BUILDING = ("warehouse", "gates_and_publication")
WHOLE = (*LANDING, *STAGES[1:])
DELIVERED = "delivered.txt"


@dataclass(frozen=True)
class Comparison:
    """Which stages of which two dates, counted from 1, are compared, and at what size.

    `skips` says that dates between are only landed: but for the two and the dates before each, nothing is built.
    """

    early: int
    late: int
    customers: int
    stages: tuple[str, ...] = WHOLE
    skips: bool = False


@dataclass(frozen=True)
class Step:
    """Stages of neighbouring dates, one date after the other."""

    stages: tuple[str, ...]
    first: int
    last: int
    is_measured: bool = False


COMPARISONS = {
    "day30_vs_day5": Comparison(5, 30, 20_000),
    "day_vs_stock": Comparison(1, 2, 200_000),
    "day365_vs_day10": Comparison(10, 365, 2_000, BUILDING, skips=True),
}
NAMES = tuple(COMPARISONS)


def run(
    home: Path, names: Sequence[str] = NAMES, customers: int | None = None, days: int | None = None
) -> list[Record]:
    """Bring a group through its dates for each comparison, and report the later date over the earlier one.

    `customers` is what the comparison says, or `BENCH_CUSTOMERS`; `days`, the later date, may be given by `BENCH_DAYS`.
    Deliveries of an earlier run of that size are used again; all else starts from nothing.

    Raises:
        SideFailed: a stage failed, or a date was not published.
    """
    records = []
    for name in names:
        asked = COMPARISONS[name]
        size = customers or int(os.environ.get("BENCH_CUSTOMERS", asked.customers))
        late = days or int(os.environ.get("BENCH_DAYS", asked.late))
        comparison = replace(asked, customers=size, late=late)
        place = home / f"days-{size}-{late}"
        deliver(place, comparison)
        compile_log = place / "logs" / "compile.log"
        measure([sys.executable, "-c", f"import {COMPILED}"], slices._environment(place), compile_log)
        costs = {step.last: costs for step in list_steps(comparison) if (costs := take(place, step))}
        threads = slices._environment(place)["PLATFORM_THREADS"]
        records.append(compare_days(name, comparison, costs[comparison.early], costs[late], threads))
    return records


def list_steps(comparison: Comparison) -> list[Step]:
    """What has to run, in order; steps without a date are left out."""
    steps: list[Step] = []
    since = 1
    for day in (comparison.early, comparison.late):
        if comparison.skips:
            steps += [Step(LANDING, since, day - 1), Step(comparison.stages, max(since, day - 1), day - 1)]
            steps += [Step(LANDING, day, day)]
        else:
            steps += [Step(comparison.stages, since, day - 1)]
        steps += [Step(comparison.stages, day, day, is_measured=True)]
        since = day + 1
    return [step for step in steps if step.first <= step.last]


def take(place: Path, step: Step) -> dict[str, Cost]:
    """Run a step: each stage as a process that is accounted for, or all of it as one that is not (and no costs)."""
    first, last = (str(_date(day)) for day in (step.first, step.last))
    command = [sys.executable, "-m", "tests.benchmarks.days"]
    if not step.is_measured:
        log = place / "logs" / f"{first}-{last}-{step.stages[0]}.log"
        cost = measure([*command, ",".join(step.stages), first, last], slices._environment(place), log)
        slices._describe_error(f"{first} to {last}, not compared", cost)
        return {}
    costs = {}
    for stage in step.stages:
        log = place / "logs" / first / f"{stage}.log"
        costs[stage] = measure([*command, stage, first, first], slices._environment(place), log)
        slices._describe_error(f"{first} {stage}", costs[stage])
    return costs


def compare_days(
    name: str, comparison: Comparison, early: dict[str, Cost], late: dict[str, Cost], threads: str = "2"
) -> Record:
    """CPU seconds of all stages of the later date over those of the earlier one."""
    ours, other = (total([costs[stage] for stage in comparison.stages]) for costs in (late, early))
    sides = {"early": {**early, "total": other}, "late": {**late, "total": ours}}
    base = sides["early"]
    stages = {
        f"day {day}": {
            stage: {**cost.to_json(), "cpu_ratio": round(cost.cpu_s / base[stage].cpu_s, 3)}
            for stage, cost in sides[side].items()
        }
        for side, day in (("early", comparison.early), ("late", comparison.late))
    }
    detail: dict[str, Any] = {
        "customers": comparison.customers,
        "threads": threads,
        "load_average": [round(load, 1) for load in os.getloadavg()],
        "measured": f"{', '.join(comparison.stages)} of date {comparison.late} over date {comparison.early}",
        "stages": stages,
    }
    return Record(name, ours.cpu_s, other.cpu_s, "cpu_s", ours.peak_rss_mb, other.peak_rss_mb, detail)


def deliver(place: Path, comparison: Comparison) -> None:
    """Simulate unless that was done before; leave nothing in the home but what the parties delivered."""
    place.mkdir(parents=True, exist_ok=True)
    is_delivered = (place / DELIVERED).exists()
    kept = {"landing", "keys", DELIVERED} if is_delivered else set()
    for left in place.iterdir():
        if left.name not in kept:
            shutil.rmtree(left) if left.is_dir() else left.unlink()
    for extracted in place.glob("landing/dept_loan_core/2*"):
        shutil.rmtree(extracted)
    if is_delivered:
        return
    size = [str(comparison.customers), str(comparison.late)]
    command = [sys.executable, "-m", "tests.benchmarks.days", "deliver", *size]
    cost = measure(command, slices._environment(place), place / "logs" / "deliver.log")
    slices._describe_error(f"delivering {comparison.customers:,} customers, {comparison.late} dates", cost)


def deliver_dates(customers: int, days: int) -> None:
    """Write what the simulated group delivers on `days` dates, with its defects of rows, in this process."""
    if days > _horizon().FUTURE_DAYS:
        _widen_horizon(days)
    from ingestion.foundation import load_settings
    from ingestion.simulation import build_world, payment_f
    from ingestion.simulation import deliver as deliver_date
    from ingestion.simulation.defects import CONFUSED_DATE, DefectInjector
    from ingestion.simulation.dropping import leave_intact

    settings = load_settings()
    world = build_world(customers, SEED)
    injector = DefectInjector(SEED)
    payment_f.hand_over_secret(settings.home)
    for number in range(1, days + 1):
        day = _date(number)
        since = _date(number - 1) if number > 1 else None
        deliver_date(world, settings.landing, day, since, leave_intact if day == CONFUSED_DATE else injector)
        if day == payment_f.LATE_WITH:
            payment_f.correct_fees(world, settings.landing, payment_f.LATE_DATE, night_of=day)
    (settings.home / DELIVERED).write_text(f"{days} dates\n")


def _horizon() -> Any:
    """The simulation's calendar alone, before anything of the simulation has read it."""
    from importlib.util import module_from_spec, spec_from_file_location

    import ingestion

    name = "ingestion.simulation.horizon"
    path = Path(str(ingestion.__file__)).parent / "simulation" / "horizon.py"
    spec = spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _widen_horizon(days: int) -> None:
    """Let the world of this process live for `days` dates, which is more than the simulation ever needs."""
    horizon = _horizon()
    horizon.FUTURE_DAYS = days
    horizon.LAST_DATE = horizon.GO_LIVE + timedelta(days=days)
    horizon.HORIZON_DAYS = (horizon.LAST_DATE - horizon.FIRST_DATE).days + 1
    sys.modules["ingestion.simulation.horizon"] = horizon


def _date(number: int) -> date:
    return FIRST_DATE + timedelta(days=number - 1)


def main(arguments: Sequence[str]) -> None:
    """`deliver CUSTOMERS DAYS`, or `STAGE,STAGE FIRST LAST`: what the child processes run."""
    if arguments[0] == "deliver":
        deliver_dates(int(arguments[1]), int(arguments[2]))
        return
    first, last = (date.fromisoformat(text) for text in arguments[1:3])
    for offset in range((last - first).days + 1):
        for stage in arguments[0].split(","):
            run_stage(stage, first + timedelta(days=offset))


if __name__ == "__main__":
    main(sys.argv[1:])
