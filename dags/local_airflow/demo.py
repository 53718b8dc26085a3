"""The demo (演示): business dates of a simulated group, one after the other, on the real Airflow of this machine."""

from __future__ import annotations

import signal
import time
from datetime import date, datetime

from dags.local_airflow.progress import Progress
from dags.local_airflow.runs import list_dags, read_outcome, run_date
from dags.local_airflow.simulated_group import SimulatedGroup, deliver_days, describe_group
from dags.local_airflow.stack import Stack, bring_up
from dags.local_airflow.summary import announce, summarise
from ingestion.contract import read_cards
from ingestion.foundation import BUSINESS_TIMEZONE, Settings


def show_demo(stack: Stack, settings: Settings, customers: int, days: int, seed: int, progress: Progress) -> int:
    """Run every business date that has not ended yet, then show the summary.

    Idempotent: a date that was scored or refused before is not run again. Airflow is left as it was found, running or
    stopped. Returns 1 when a run failed for another reason than a refusal.

    Raises: SimulationFailed when the group delivers fewer days, or the home holds another group.
    """
    group = describe_group(settings, customers, days, seed)
    sources = [card.source for card in read_cards(settings)]
    began = time.monotonic()
    was_up = stack.is_up()
    has_begun = False
    try:
        for number, day in enumerate(group.dates, 1):
            done = read_outcome(settings, sources, day)
            if done:
                progress.say(f"{day}  {done} before")
                continue
            if not has_begun:
                progress.say(announce(group))
                has_begun = True
            _deliver(settings, group, number, progress)
            bring_up(stack, list_dags(settings), progress)
            if not _run(stack, settings, sources, day, progress):
                return 1
    finally:
        if not was_up:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            with progress.doing("Airflow is stopping"):
                stack.stop()
    summary = summarise(settings, group, stack.home.url, datetime.now(BUSINESS_TIMEZONE).date())
    progress.say(f"{summary}\n\nDone in {time.monotonic() - began:.0f} s.")
    return 0


def _deliver(settings: Settings, group: SimulatedGroup, days: int, progress: Progress) -> None:
    """Let a day's files arrive before its run, not earlier: the confused payouts file first, then its correction."""
    with progress.doing("the simulated group writes its deliveries"):
        deliver_days(settings, group, days)


def _run(stack: Stack, settings: Settings, sources: list[str], day: date, progress: Progress) -> bool:
    """Run one business date; False when it failed for another reason than a refusal."""
    began = time.monotonic()
    progress.say(f"{day}  {len(sources)} sources, rows landed (quarantined); Airflow is at {stack.url}")
    failed = run_date(stack, settings, sources, day, progress)
    if failed:
        progress.say(f"  {'REFUSED' if failed.refused else 'FAILED'}: {failed.sentence}")
    progress.say(f"{day}  {'ended' if failed else 'done'} after {time.monotonic() - began:.0f} s")
    return failed is None or failed.refused
