"""`python -m dags.local_airflow demo|up|down`: run the platform's dags on this machine."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from datetime import date, timedelta

from dags.local_airflow.home import AirflowHome, AirflowHomeUnusable
from dags.local_airflow.runs import CHAIN, outcome, run_date
from dags.local_airflow.stack import Stack, StackFailed
from ingestion.registry import list_sources
from ingestion.settings import load_settings


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m dags.local_airflow", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    demo = commands.add_parser("demo", help="run business dates one after the other, then stop Airflow")
    demo.add_argument("--first", type=date.fromisoformat, required=True, help="first date, yyyy-mm-dd")
    demo.add_argument("--days", type=int, default=5)
    demo.add_argument("--again", action="store_true", help="run finished dates once more")
    up = commands.add_parser("up", help="start Airflow and leave it running")
    up.add_argument("--scheduled", action="store_true", help="let the clock create runs too")
    commands.add_parser("down", help="stop what `up` started")
    return parser.parse_args()


def _show(progress: str) -> None:
    print(f"  {progress}", end=" ·", flush=True)


def _demo(stack: Stack, first: date, days: int, again: bool) -> int:
    sources = [source for source, _ in list_sources()]
    dates = [first + timedelta(days=day) for day in range(days)]
    todo = []
    for day in dates:
        done = None if again else outcome(stack.home, sources, day)
        if done:
            print(f"{day}  {done} before")
        else:
            todo.append(day)
    if not todo:
        return 0
    running = stack.is_up()
    began = time.monotonic()
    try:
        if not running:
            stack.start()
        stack.await_dags({*(f"ingest_{source}" for source in sources), *CHAIN})
        print(f"Airflow is up at {stack.url} ({time.monotonic() - began:.0f} s)", flush=True)
        for day in todo:
            started = time.monotonic()
            print(f"{day}", end="", flush=True)
            failed = run_date(stack, sources, day, again, _show)
            print(f"  {time.monotonic() - started:.0f} s", flush=True)
            if failed:
                print(f"{day}  {'refused' if failed.refused else 'FAILED'}: {failed.sentence}", flush=True)
                if not failed.refused:
                    return 1
    finally:
        if not running:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            stack.stop()
    return 0


def main() -> int:
    """Run the command; user errors are one sentence on stderr and exit status 1, an interrupt is 130."""
    arguments = _arguments()
    stack = Stack(AirflowHome(load_settings().home.resolve() / "airflow"))
    for interrupt in (signal.SIGINT, signal.SIGTERM):
        signal.signal(interrupt, signal.default_int_handler)
    try:
        if arguments.command == "demo":
            return _demo(stack, arguments.first, arguments.days, arguments.again)
        if arguments.command == "up":
            if not stack.is_up():
                stack.start(arguments.scheduled)
            stack.await_dags({*(f"ingest_{source}" for source, _ in list_sources()), *CHAIN})
            print(f"Airflow is up at {stack.url} (no login); stop it with `make down`.")
        else:
            stack.stop()
        return 0
    except (StackFailed, AirflowHomeUnusable) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted; run the same command again to continue.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
