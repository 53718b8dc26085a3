"""Airflow's processes: start them, wait until they are healthy, stop them without leaving one behind."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

import psutil  # type: ignore[import-untyped]  # comes with Airflow; types-psutil is not installed

from dags.local_airflow.home import POOLS, AirflowHome, prepare_database, write_configuration
from dags.local_airflow.progress import Progress

COMPONENTS = {
    "api-server": ["api-server"],
    "scheduler": ["scheduler", "--skip-serve-logs"],
    "dag-processor": ["dag-processor"],
    # No task defers, so nothing needs it; without it Airflow's home page shows a red triggerer, and has no switch.
    "triggerer": ["triggerer", "--skip-serve-logs", "--capacity", "1"],
}
STOP_ORDER = ("scheduler", "triggerer", "dag-processor", "api-server")
HEALTHY = ("metadatabase", "scheduler", "dag_processor")
START_SECONDS = 120.0
STOP_SECONDS = 10.0
MOST_TRIES = 6
LAST_PORT = 65535
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class StackFailed(Exception):
    """Airflow did not start, stopped, or refused a request; the message says where to read why."""


def call(url: str, method: str = "GET", body: Mapping[str, Any] | None = None) -> Any:
    """One request to Airflow's REST API, past any proxy. Raises: urllib.error.URLError."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
    with DIRECT.open(request, timeout=30) as answer:
        return json.load(answer)


def _choose_port() -> int:
    """The port that PLATFORM_AIRFLOW_PORT names, or else 8080 or, where that is taken, any free one.

    Raises: StackFailed when the named port is no port, or cannot be had.
    """
    asked = os.environ.get("PLATFORM_AIRFLOW_PORT")
    if asked is not None and not (asked.isdecimal() and 0 < int(asked) <= LAST_PORT):
        raise StackFailed(f"PLATFORM_AIRFLOW_PORT is {asked!r}; set a port number from 1 to {LAST_PORT}.")
    for port in (8080, 0) if asked is None else (int(asked),):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return int(probe.getsockname()[1])
    named = "No local port is free" if asked is None else f"Port {asked} is in use or not allowed"
    raise StackFailed(f"{named}; stop the program that holds it, or set another PLATFORM_AIRFLOW_PORT.")


def _members(session: int) -> Iterator[int]:
    """Every process of a session: tasks leave Airflow's process group, but not its session."""
    for process in psutil.pids():
        try:
            if os.getsid(process) == session and psutil.Process(process).status() != psutil.STATUS_ZOMBIE:
                yield process
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue


class Stack:
    """The running Airflow of one home; `processes.json` in the home names its sessions and its address."""

    def __init__(self, home: AirflowHome) -> None:
        self.home = home
        self.file = home.path / "processes.json"
        self.children: list[subprocess.Popen[bytes]] = []

    def record(self) -> dict[str, Any]:
        """The recorded processes {name: [pid, start time]} and `url`; empty when nothing was left running."""
        try:
            found: dict[str, Any] = json.loads(self.file.read_text(encoding="utf-8"))
        except (FileNotFoundError, json.JSONDecodeError):
            return {}
        return found

    def _alive(self) -> list[int]:
        living = []
        for pid, started in self.record().get("processes", {}).values():
            try:
                process = psutil.Process(pid)
                if process.create_time() == started and process.status() != psutil.STATUS_ZOMBIE:
                    living.append(pid)
            except psutil.NoSuchProcess:
                continue
        return living

    @property
    def url(self) -> str:
        return str(self.record()["url"])

    def is_up(self) -> bool:
        """Whether every recorded process lives and Airflow says it is healthy."""
        return bool(self.record()) and len(self._alive()) == len(COMPONENTS) and self._healthy()

    def _healthy(self) -> bool:
        try:
            health = call(f"{self.url}/api/v2/monitor/health")
        except (OSError, ValueError):
            return False
        return all(health[part]["status"] == "healthy" for part in HEALTHY)

    def start(self, scheduled: bool = False) -> None:
        """Start Airflow and wait until it is healthy, its dags are known and its pools exist.

        `scheduled` lets the dags' own timetables create runs; otherwise runs come only from requests.

        Raises: StackFailed when a process ends or nothing is healthy after START_SECONDS.
        """
        self.stop()
        port = _choose_port()
        write_configuration(self.home, port)
        prepare_database(self.home)
        processes = {}
        for name, arguments in COMPONENTS.items():
            with (self.home.path / f"{name}.log").open("wb") as log:
                child = subprocess.Popen(
                    [sys.executable, "-m", "airflow", *arguments],
                    env=self.home.environment(scheduled),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            self.children.append(child)
            processes[name] = [child.pid, psutil.Process(child.pid).create_time()]
            self.file.write_text(
                json.dumps({"url": f"http://127.0.0.1:{port}", "scheduled": scheduled, "processes": processes}),
                encoding="utf-8",
            )
        try:
            self._await_start()
            self._configure()
        except BaseException:
            self.stop()
            raise

    def _await_start(self) -> None:
        until = time.monotonic() + START_SECONDS
        while not self._healthy():
            self.check()
            if time.monotonic() > until:
                raise StackFailed(
                    f"Airflow was not healthy after {START_SECONDS:.0f} s; read the logs in {self.home.path}."
                )
            time.sleep(0.25)

    def check(self) -> None:
        """Raises: StackFailed when a process that should run has ended."""
        if len(self._alive()) < len(COMPONENTS) or any(child.poll() is not None for child in self.children):
            raise StackFailed(f"A process of Airflow ended by itself; read the logs in {self.home.path}.")

    def ask(self, path: str, method: str = "GET", body: Mapping[str, Any] | None = None) -> Any:
        """Ask Airflow's REST API; again while it is busy, for on SQLite it answers 500 while another process writes.

        A POST of what is there already (an earlier try was taken after all) returns None.

        Raises: StackFailed when Airflow refuses, does not answer, or a process of it has ended.
        """
        for attempt in range(1, MOST_TRIES + 1):
            try:
                return call(f"{self.url}/api/v2/{path}", method, body)
            except urllib.error.HTTPError as error:
                if method == "POST" and error.code == HTTPStatus.CONFLICT:
                    return None
                if error.code < HTTPStatus.INTERNAL_SERVER_ERROR:
                    raise StackFailed(f"Airflow refused {method} {path} ({error}); see {self.url}.") from None
                reason = str(error)
            except OSError as error:
                reason = str(error)
            self.check()
            time.sleep(attempt)
        raise StackFailed(f"Airflow does not answer {method} {path} ({reason}); read the logs in {self.home.path}.")

    def _configure(self) -> None:
        known = {pool["name"] for pool in self.ask("pools")["pools"]}
        for name, (description, slots) in POOLS.items():
            if name not in known:
                pool = {"name": name, "slots": slots, "description": description, "include_deferred": False}
                self.ask("pools", "POST", pool)

    def await_dags(self, expected: set[str]) -> None:
        """Wait until Airflow has parsed every expected dag, and unpause them all.

        Raises: StackFailed with the import error of a dag file, or with the dags that never came.
        """
        until = time.monotonic() + START_SECONDS
        while missing := expected - {dag["dag_id"] for dag in self.ask("dags?limit=100")["dags"]}:
            for error in self.ask("importErrors")["import_errors"]:
                reason = str(error["stack_trace"]).strip().splitlines()[-1]
                raise StackFailed(f"{error['filename']} cannot be imported: {reason}")
            if time.monotonic() > until:
                raise StackFailed(f"Airflow did not find the dags {', '.join(sorted(missing))}.")
            time.sleep(0.25)
        self.ask("dags?dag_id_pattern=%25&update_mask=is_paused", "PATCH", {"is_paused": False})

    def run_command(self, arguments: list[str]) -> int:
        """Run one command of Airflow itself on this home, with its output as it comes; returns its exit code.

        Raises: StackFailed when there is no Airflow yet, or none is running that would take up a backfill.
        """
        if arguments[:1] == ["backfill"] and not self.is_up():
            raise StackFailed("Airflow is not running, so nothing would run the backfill; start it with `make up`.")
        if not self.home.database.exists():
            raise StackFailed(f"There is no Airflow in {self.home.path} yet; start it with `make up`.")
        environment = self.home.environment(bool(self.record().get("scheduled")))
        return subprocess.run([sys.executable, "-m", "airflow", *arguments], env=environment, check=False).returncode

    def stop(self) -> None:
        """End every recorded process and all its descendants; harmless when nothing runs.

        The scheduler ends first, for its tasks cannot report to an API that is gone. A task has STOP_SECONDS
        to end; after that, or when its component had died, the whole session is killed.
        """
        alive = self._alive()
        for name in STOP_ORDER:
            session, _ = self.record().get("processes", {}).get(name, (0, 0.0))
            patience = STOP_SECONDS if session in alive else 0.0
            if patience:
                _signal([session], signal.SIGTERM)
            until = time.monotonic() + patience
            while remaining := list(_members(session)) if session else []:
                if time.monotonic() > until:
                    _signal(remaining, signal.SIGKILL)
                for child in self.children:
                    child.poll()
                time.sleep(0.05)
        self.children.clear()
        self.file.unlink(missing_ok=True)


def bring_up(stack: Stack, dags: set[str], progress: Progress, scheduled: bool = False) -> None:
    """Start Airflow unless it runs, and wait until it knows every one of the dags.

    Raises: StackFailed when it does not start, or a dag file cannot be imported.
    """
    if not stack.is_up():
        progress.say("Starting Airflow (scheduler, LocalExecutor) ...")
        with progress.doing("Airflow is starting"):
            stack.start(scheduled)
    with progress.doing("Airflow is reading the dags"):
        stack.await_dags(dags)


def _signal(processes: list[int], number: signal.Signals) -> None:
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, number)
