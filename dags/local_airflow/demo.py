"""The demo (演示): business dates of a simulated group, one after the other, on the real Airflow of this machine."""

from __future__ import annotations

import signal
import time
from datetime import date, timedelta

from dags.local_airflow.progress import Progress
from dags.local_airflow.runs import list_dags, outcome, run_date
from dags.local_airflow.stack import Stack, bring_up
from dags.local_airflow.summary import announce, summarise
from ingestion.contract import read_cards
from ingestion.foundation import Settings
from ingestion.simulation import GO_LIVE, SimulationInvalid, delivered_days, simulate
from ingestion.simulation.horizon import FUTURE_DAYS


def show_demo(stack: Stack, settings: Settings, customers: int, days: int, seed: int, progress: Progress) -> int:
    """Run every business date that has not ended yet, then show the summary.

    Idempotent: a date that was scored or refused before is not run again. Airflow is left as it was found, running or
    stopped. Returns 1 when a run failed for another reason than a refusal.

    Raises: SimulationInvalid when the group delivers fewer days.
    """
    if days > FUTURE_DAYS:
        raise SimulationInvalid(f"The simulated group delivers {FUTURE_DAYS} days at most; ask for fewer than {days}.")
    sources = [card.source for card in read_cards(settings)]
    dates = [GO_LIVE + timedelta(days=day) for day in range(days)]
    began = time.monotonic()
    was_up = stack.is_up()
    has_begun = False
    try:
        for number, day in enumerate(dates, 1):
            done = outcome(settings, sources, day)
            if done:
                progress.say(f"{day}  {done} before")
                continue
            if not has_begun:
                progress.say(announce(dates, customers))
                has_begun = True
            _deliver(settings, customers, number, seed, progress)
            bring_up(stack, list_dags(settings), progress)
            if not _run(stack, settings, sources, day, progress):
                return 1
    finally:
        if not was_up:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            with progress.doing("Airflow is stopping"):
                stack.stop()
    summary = summarise(settings, dates, stack.home.url)
    progress.say(f"{summary}\n\nDone in {time.monotonic() - began:.0f} s.")
    return 0


def _deliver(settings: Settings, customers: int, days: int, seed: int, progress: Progress) -> None:
    """Let a day's files arrive before its run, not earlier: the confused payouts file first, then its correction."""
    if delivered_days(settings.home) < days:
        with progress.doing("the simulated group writes its deliveries"):
            simulate(customers, days, seed, settings.home, progress=lambda _: None)


def _run(stack: Stack, settings: Settings, sources: list[str], day: date, progress: Progress) -> bool:
    """Run one business date; False when it failed for another reason than a refusal."""
    began = time.monotonic()
    progress.say(f"{day}  {len(sources)} sources, rows landed (quarantined); Airflow is at {stack.url}")
    failed = run_date(stack, settings, sources, day, progress)
    if failed:
        progress.say(f"  {'REFUSED' if failed.refused else 'FAILED'}: {failed.sentence}")
    progress.say(f"{day}  {'ended' if failed else 'done'} after {time.monotonic() - began:.0f} s")
    return failed is None or failed.refused
