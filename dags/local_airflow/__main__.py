"""`python -m dags.local_airflow demo|up|down`: run the platform's dags on this machine."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from datetime import timedelta

from dags.local_airflow.home import AirflowHome, AirflowHomeUnusable
from dags.local_airflow.runs import CHAIN, outcome, run_date
from dags.local_airflow.stack import Stack, StackFailed
from dags.local_airflow.summary import summarise
from ingestion.contract import list_sources
from ingestion.foundation import Settings, SettingsInvalid, load_settings
from ingestion.simulation import GO_LIVE, SimulationInvalid, delivered_days, simulate
from quality.warehouse import write_docs


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m dags.local_airflow", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    demo = commands.add_parser("demo", help="run business dates one after the other, then stop Airflow")
    demo.add_argument("--customers", type=int, default=5000, help="size of the simulated group")
    demo.add_argument("--days", type=int, default=4, help="business dates, from the go-live of the contracts")
    demo.add_argument("--seed", type=int, default=1)
    demo.add_argument("--again", action="store_true", help="run finished dates once more")
    up = commands.add_parser("up", help="start Airflow and leave it running")
    up.add_argument("--scheduled", action="store_true", help="let the clock create runs too")
    commands.add_parser("down", help="stop what `up` started")
    return parser.parse_args()


def _show(progress: str) -> None:
    print(f"  {progress}", end="\n" + " " * 10, flush=True)


def _demo(stack: Stack, settings: Settings, arguments: argparse.Namespace) -> int:
    sources = [source for source, _ in list_sources(settings)]
    dates = [GO_LIVE + timedelta(days=day) for day in range(arguments.days)]
    began = time.monotonic()
    running = stack.is_up()
    try:
        for number, day in enumerate(dates, 1):
            done = None if arguments.again else outcome(stack.home, sources, day)
            if done:
                print(f"{day}  {done} before", flush=True)
                continue
            # A day's files arrive before its run, not earlier: the confused payouts file first, then its correction.
            if delivered_days(settings.home) < number:
                simulate(arguments.customers, number, arguments.seed, settings.home, progress=lambda _: None)
            if not stack.is_up():
                print("Starting Airflow (scheduler, LocalExecutor) ...", flush=True)
                stack.start()
                stack.await_dags({*(f"ingest_{source}" for source in sources), *CHAIN})
                print(f"Airflow is up at {stack.url} ({time.monotonic() - began:.0f} s)", flush=True)
            started = time.monotonic()
            print(f"{day}", end="", flush=True)
            failed = run_date(stack, sources, day, arguments.again, _show)
            if failed:
                _show(f"{'REFUSED' if failed.refused else 'FAILED'}: {failed.sentence}")
            print(f"  {time.monotonic() - started:.0f} s", flush=True)
            if failed and not failed.refused:
                return 1
    finally:
        if not running:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            stack.stop()
    if not (settings.reports / "dbt" / "index.html").exists():
        write_docs(dates[-1], settings)
    print(summarise(settings, dates, stack.home.url))
    print(f"\nDone in {time.monotonic() - began:.0f} s.")
    return 0


def main() -> int:
    """Run the command; user errors are one sentence on stderr and exit status 1, an interrupt is 130."""
    arguments = _arguments()
    for interrupt in (signal.SIGINT, signal.SIGTERM):
        signal.signal(interrupt, signal.default_int_handler)
    try:
        settings = load_settings()
        stack = Stack(AirflowHome(settings.home / "airflow"))
        if arguments.command == "demo":
            return _demo(stack, settings, arguments)
        if arguments.command == "up":
            if not stack.is_up():
                stack.start(arguments.scheduled)
            stack.await_dags({*(f"ingest_{source}" for source, _ in list_sources()), *CHAIN})
            print(f"Airflow is up at {stack.url} (no login); stop it with `make down`.")
        else:
            stack.stop()
        return 0
    except (StackFailed, AirflowHomeUnusable, SettingsInvalid, SimulationInvalid) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted; run the same command again to continue.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
