"""`python -m dags.local_airflow demo|up|down|airflow`: run the platform's dags on this machine."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable, Sequence

from dags.local_airflow.home import AirflowHome, AirflowHomeUnusable
from dags.local_airflow.progress import Progress
from dags.local_airflow.runs import list_dags
from dags.local_airflow.stack import Stack, StackFailed, bring_up
from ingestion.foundation import Settings, SettingsInvalid
from ingestion.foundation.command_line import NO, Command, ExitCodes, argument, run_program

INTERRUPTED = 130
Work = Callable[[argparse.Namespace, Settings, Stack], int | None]


def show_demo(given: argparse.Namespace, settings: Settings, stack: Stack) -> int:
    """Run business dates of the simulated group one after the other."""
    from dags.local_airflow.demo import show_demo

    with Progress() as progress:
        return show_demo(stack, settings, given.customers, given.days, given.seed, progress)


def start(given: argparse.Namespace, settings: Settings, stack: Stack) -> None:
    """Start Airflow and leave it running."""
    with Progress() as progress:
        bring_up(stack, list_dags(settings), progress, given.scheduled)
    print(f"Airflow is up at {stack.url} (no login); stop it with `make down`.")


def stop(_given: argparse.Namespace, _settings: Settings, stack: Stack) -> None:
    """Stop what `up` started."""
    stack.stop()


def run_airflow(given: argparse.Namespace, _settings: Settings, stack: Stack) -> int:
    """Run a command of Airflow itself on this home."""
    return stack.run_command(given.arguments)


def _on_stack(work: Work) -> Callable[[argparse.Namespace, Settings], int | None]:
    """A command on the Airflow of the platform's home, which has to be a folder that can be written."""

    def run(given: argparse.Namespace, settings: Settings) -> int | None:
        for interrupt in (signal.SIGINT, signal.SIGTERM):
            signal.signal(interrupt, signal.default_int_handler)
        _open_home(settings)
        return work(given, settings, Stack(AirflowHome(settings.home / "airflow")))

    return run


def _open_home(settings: Settings) -> None:
    """Raises: SettingsInvalid when nothing can be written under home."""
    try:
        settings.home.mkdir(parents=True, exist_ok=True)
        if not os.access(settings.home, os.W_OK | os.X_OK):
            raise PermissionError(13, "Permission denied")
    except OSError as error:
        raise SettingsInvalid(
            f"PLATFORM_HOME {settings.home} cannot be written ({error.strerror}); name a folder of your own."
        ) from None


def _count(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1")
    return int(text)


def _exit_codes() -> ExitCodes:
    from dags.local_airflow.simulated_group import SimulationFailed

    return dict.fromkeys((StackFailed, AirflowHomeUnusable, SettingsInvalid, SimulationFailed), NO)


COMMANDS = (
    Command(
        "demo",
        "run business dates one after the other, then stop Airflow",
        _on_stack(show_demo),
        "demo --customers 500 --days 4",
        (
            argument("--customers", type=_count, default=5000, help="size of the simulated group; by default 5000"),
            argument("--days", type=_count, default=4, help="business dates from the go-live on; by default 4"),
            argument("--seed", type=_count, default=1, help="another number is another group; by default 1"),
        ),
        _exit_codes,
    ),
    Command(
        "up",
        "start Airflow and leave it running",
        _on_stack(start),
        "up",
        (argument("--scheduled", action="store_true", help="let the clock create runs too"),),
        _exit_codes,
    ),
    Command("down", "stop what `up` started", _on_stack(stop), "down", (), _exit_codes),
    Command(
        "airflow",
        "a command of Airflow itself, on this home",
        _on_stack(run_airflow),
        "airflow dags list",
        (argument("arguments", nargs=argparse.REMAINDER, help="as in `airflow backfill create ...`"),),
        _exit_codes,
        passes_on=True,
    ),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; user errors are one sentence on stderr and exit status 1 (arguments 2), an interrupt is 130."""
    try:
        return run_program("python -m dags.local_airflow", "The platform's dags on this machine.", COMMANDS, argv)
    except KeyboardInterrupt:
        print("Interrupted; run the same command again to continue.", file=sys.stderr)
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
