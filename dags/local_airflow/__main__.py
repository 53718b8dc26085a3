"""`python -m dags.local_airflow demo|up|down|airflow`: run the platform's dags on this machine."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

from dags.local_airflow.home import AirflowHome, AirflowHomeUnusable
from dags.local_airflow.progress import Progress
from dags.local_airflow.runs import list_dags
from dags.local_airflow.stack import Stack, StackFailed, bring_up
from ingestion.foundation import Settings, SettingsInvalid, load_settings
from ingestion.foundation.command_line import run_command

INTERRUPTED = 130


class _Parser(argparse.ArgumentParser):
    """A parser whose complaint is one sentence."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{message[:1].upper()}{message[1:]}; see `{self.prog} --help`.\n")


def _count(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1")
    return int(text)


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = _Parser(prog="python -m dags.local_airflow", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    demo = commands.add_parser("demo", help="run business dates one after the other, then stop Airflow")
    demo.add_argument("--customers", type=_count, default=5000, help="size of the simulated group")
    demo.add_argument("--days", type=_count, default=4, help="business dates, from the go-live of the contracts")
    demo.add_argument("--seed", type=_count, default=1)
    demo.add_argument("--again", action="store_true", help="run finished dates once more")
    up = commands.add_parser("up", help="start Airflow and leave it running")
    up.add_argument("--scheduled", action="store_true", help="let the clock create runs too")
    commands.add_parser("down", help="stop what `up` started")
    airflow = commands.add_parser("airflow", help="a command of Airflow itself, on this home", add_help=False)
    airflow.add_argument("arguments", nargs=argparse.REMAINDER, help="as in `airflow backfill create ...`")
    return parser.parse_args(argv)


def _run(given: argparse.Namespace, settings: Settings) -> int:
    stack = Stack(AirflowHome(settings.home / "airflow"))
    match given.command:
        case "demo":
            from dags.local_airflow.demo import show_demo

            with Progress() as progress:
                return show_demo(stack, settings, given.customers, given.days, given.seed, given.again, progress)
        case "up":
            with Progress() as progress:
                bring_up(stack, list_dags(settings), progress, given.scheduled)
            print(f"Airflow is up at {stack.url} (no login); stop it with `make down`.")
        case "down":
            stack.stop()
        case "airflow":
            return stack.run_command(given.arguments)
    return 0


def _open_home(settings: Settings) -> Settings:
    """Raises: SettingsInvalid when nothing can be written under home."""
    try:
        settings.home.mkdir(parents=True, exist_ok=True)
        if not os.access(settings.home, os.W_OK | os.X_OK):
            raise PermissionError(13, "Permission denied")
    except OSError as error:
        raise SettingsInvalid(
            f"PLATFORM_HOME {settings.home} cannot be written ({error.strerror}); name a folder of your own."
        ) from None
    return settings


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; user errors are one sentence on stderr and exit status 1 (arguments 2), an interrupt is 130."""
    given = _parse(argv)
    for interrupt in (signal.SIGINT, signal.SIGTERM):
        signal.signal(interrupt, signal.default_int_handler)
    from ingestion.simulation import SimulationInvalid

    try:
        return run_command(
            lambda: _run(given, _open_home(load_settings())),
            dict.fromkeys((StackFailed, AirflowHomeUnusable, SettingsInvalid, SimulationInvalid), 1),
        )
    except KeyboardInterrupt:
        print("Interrupted; run the same command again to continue.", file=sys.stderr)
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
