"""A whole simulated run: the world, its deliveries day by day with defects, and the truth about both."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from ingestion.simulation import bank_a, payment_f
from ingestion.simulation.defects import CONFUSED_DATE, RESENT_WITH, DefectInjector
from ingestion.simulation.delivering import deliver
from ingestion.simulation.horizon import FUTURE_DAYS, GO_LIVE
from ingestion.simulation.world import CLOCKS, World, build_world

Progress = Callable[[str], None]
SUMMARY = "summary.json"


class SimulationInvalid(Exception):
    """The simulation cannot be run as asked; the message says what to change."""


@dataclass(frozen=True)
class SimulationReport:
    """What a simulation delivered: business dates, rows of the world up to the last one, defects by kind."""

    customers: int
    days: int
    seed: int
    first_date: date
    last_date: date
    landing: Path
    truth: Path
    rows: dict[str, int]
    defects: dict[str, int]


def report_on_stderr(message: str) -> None:
    """Show one line of progress."""
    print(message, file=sys.stderr, flush=True)


def simulate(
    customers: int, days: int, seed: int, home: Path, progress: Progress = report_on_stderr
) -> SimulationReport:
    """Deliver `days` business dates from `GO_LIVE` into `<home>/landing`, with the truth beside it.

    The first date holds all history; the truth goes to `<home>/simulation/truth`, the secret of encrypted archives to
    `<home>/keys`. Same customers and seed: the same files, byte for byte, and more days only add to them. Running again
    writes the same bytes and modification times.
    The payouts file of the third date has its amounts wrong; its correction comes with the fourth date. So do the
    channel's fee corrections of the second date: late, and after those of the third.

    Raises:
        SimulationInvalid: sizes out of range, or `home` holds another simulation or a longer one.
    """
    check_size(customers, days)
    landing, truth = home / "landing", home / "simulation" / "truth"
    _check_home(truth, customers, days, seed)
    progress(f"building the world of {customers:,} customers")
    world = build_world(customers, seed)
    injector = DefectInjector(seed)
    payment_f.hand_over_secret(home)
    for offset in range(days):
        batch_date = GO_LIVE + timedelta(days=offset)
        since = batch_date - timedelta(days=1) if offset else None
        deliver(world, landing, batch_date, since, injector)
        if batch_date == RESENT_WITH:
            bank_a.resend_loans(world, landing, CONFUSED_DATE, CONFUSED_DATE - timedelta(days=1), night_of=batch_date)
        if batch_date == payment_f.LATE_WITH:
            payment_f.correct_fees(world, landing, payment_f.LATE_DATE, night_of=batch_date)
        progress(f"{batch_date} delivered ({offset + 1} of {days})")
    labels = injector.list_labels()
    report = SimulationReport(
        customers,
        days,
        seed,
        GO_LIVE,
        batch_date,
        landing,
        truth,
        _count(world, batch_date),
        _count_kinds(labels),
    )
    _write_truth(world, labels, report)
    return report


def check_size(customers: int, days: int) -> None:
    """Raises: SimulationInvalid when a group has no customer, or delivers other than 1 to FUTURE_DAYS days."""
    if customers < 1 or not 1 <= days <= FUTURE_DAYS:
        raise SimulationInvalid(
            f"The simulated group delivers 1 to {FUTURE_DAYS} days and has at least 1 customer; ask for such a one."
        )


def delivered_days(home: Path) -> int:
    """How many business dates a home holds already."""
    path = home / "simulation" / "truth" / SUMMARY
    return int(json.loads(path.read_text(encoding="utf-8"))["days"]) if path.exists() else 0


def _check_home(truth: Path, customers: int, days: int, seed: int) -> None:
    path = truth / SUMMARY
    if not path.exists():
        return
    held: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if (held["customers"], held["seed"]) != (customers, seed):
        raise SimulationInvalid(
            f"This home holds the simulation of {held['customers']} customers with seed {held['seed']};"
            " choose another PLATFORM_HOME, or remove its landing and simulation folders."
        )
    if held["days"] > days:
        raise SimulationInvalid(f"This home holds {held['days']} days already; ask for that many or more.")


def _count(world: World, until: date) -> dict[str, int]:
    frames = {name: getattr(world, name) for name in CLOCKS}
    return {
        name: int(frame.select((pl.col(CLOCKS[name]).cast(pl.Date) <= until).sum()).item())
        for name, frame in frames.items()
    }


def _count_kinds(labels: pl.DataFrame) -> dict[str, int]:
    counts = labels.group_by("source", "dataset", "kind").len().sort("source", "dataset", "kind")
    return {f"{source}.{dataset}.{kind}": count for source, dataset, kind, count in counts.iter_rows()}


def _write_truth(world: World, labels: pl.DataFrame, report: SimulationReport) -> None:
    report.truth.mkdir(parents=True, exist_ok=True)
    for name, frame in (
        ("defects", labels),
        ("persons", world.persons),
        ("leads", world.leads),
        ("loans", world.loans),
    ):
        frame.write_parquet(report.truth / f"{name}.parquet")
    summary = {name: value for name, value in asdict(report).items() if not isinstance(value, Path)}
    text = json.dumps(summary, default=str, ensure_ascii=False, indent=2)
    (report.truth / SUMMARY).write_text(text + "\n", encoding="utf-8")
