"""The Airflow home under PLATFORM_HOME: its configuration, its secrets, its metadata database."""

from __future__ import annotations

import base64
import configparser
import os
import secrets
import sqlite3
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

POOLS = {"warehouse_write": ("DuckDB takes one writer", 1)}
REPOSITORY = Path(__file__).resolve().parents[2]


class AirflowHomeUnusable(Exception):
    """The metadata database could not be made; the message names the log."""


@dataclass(frozen=True)
class AirflowHome:
    """AIRFLOW_HOME = PLATFORM_HOME/airflow, never the user's own ~/airflow."""

    path: Path

    @property
    def database(self) -> Path:
        return self.path / "airflow.db"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def url(self) -> str:
        """Where Airflow's page is while it runs, as configured last."""
        configured = configparser.RawConfigParser()
        configured.read(self.path / "airflow.cfg", encoding="utf-8")
        return configured.get("api", "base_url", fallback="http://127.0.0.1:8080")

    def environment(self, scheduled: bool = False) -> dict[str, str]:
        """What every Airflow process gets: the two homes, the import path, no telemetry of any dependency."""
        local = "127.0.0.1,localhost"
        return {
            **{k: v for k, v in os.environ.items() if not k.startswith("AIRFLOW__")},
            "AIRFLOW_HOME": str(self.path),
            "PLATFORM_HOME": str(self.path.parent),
            "PYTHONPATH": _joined(os.pathsep, str(REPOSITORY), os.environ.get("PYTHONPATH")),
            "NO_PROXY": _joined(",", os.environ.get("NO_PROXY"), local),
            "no_proxy": _joined(",", os.environ.get("no_proxy"), local),
            "PLATFORM_SCHEDULE": "on" if scheduled else "off",
            # dbt leaves semaphores behind in a task's process, which ends at once; in a log that looks like an error.
            "PYTHONWARNINGS": _joined(",", os.environ.get("PYTHONWARNINGS"), "ignore:resource_tracker:UserWarning"),
            "DO_NOT_TRACK": "1",
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
            "GX_ANALYTICS_ENABLED": "false",
            "RUNTIME__DLTHUB_TELEMETRY": "false",
            "SCARF_NO_ANALYTICS": "true",
            "OTEL_SDK_DISABLED": "true",
        }


def _joined(separator: str, *parts: str | None) -> str:
    return separator.join(part for part in parts if part)


def _configuration(home: AirflowHome, port: int, kept: dict[str, str]) -> dict[str, dict[str, str]]:
    url = f"http://127.0.0.1:{port}"
    return {
        "core": {
            "executor": "LocalExecutor",
            "dags_folder": str(REPOSITORY / "dags"),
            "plugins_folder": str(REPOSITORY / "dags" / "plugins"),
            "load_examples": "False",
            "parallelism": "2",
            "max_active_tasks_per_dag": "2",
            "dags_are_paused_at_creation": "False",
            "default_timezone": "Asia/Shanghai",
            "execute_tasks_new_python_interpreter": "False",
            "hostname_callable": "socket.gethostname",
            "simple_auth_manager_all_admins": "True",
            "execution_api_server_url": f"{url}/execution/",
            "fernet_key": kept["fernet_key"],
        },
        "database": {"sql_alchemy_conn": f"sqlite:///{home.database}"},
        "api": {
            "host": "127.0.0.1",
            "port": str(port),
            "base_url": url,
            "secret_key": kept["secret_key"],
            "enable_swagger_ui": "False",
            # A refusal is one long line; it is read whole, not scrolled.
            "default_wrap": "True",
        },
        "api_auth": {"jwt_secret": kept["jwt_secret"]},
        "scheduler": {
            "scheduler_idle_sleep_time": "0.2",
            # A task killed together with its scheduler is taken up again after this many seconds.
            "task_instance_heartbeat_timeout": "60",
        },
        "dag_processor": {
            "min_file_process_interval": "60",
            "parsing_processes": "1",
            "print_stats_interval": "0",
        },
        # A task's watcher can miss its end and then sleeps this long (default 5 s, most of a short run).
        "workers": {"min_heartbeat_interval": "1"},
        "logging": {
            "base_log_folder": str(home.logs),
            "dag_processor_child_process_log_directory": str(home.logs / "dag_processor"),
            "logging_level": "WARNING",
            # What a stage says of its own work is in its task's log, Airflow's own bookkeeping is not.
            "namespace_levels": "task=INFO, dags.recording=INFO, platform=INFO",
            "uvicorn_logging_level": "WARNING",
            "colored_console_log": "False",
        },
    }


def write_configuration(home: AirflowHome, port: int) -> None:
    """Write airflow.cfg (readable by its owner only); the secrets in it are made once and kept."""
    home.path.mkdir(parents=True, exist_ok=True)
    file = home.path / "airflow.cfg"
    old = configparser.RawConfigParser()
    old.read(file, encoding="utf-8")
    kept = {
        "fernet_key": old.get("core", "fernet_key", fallback="")
        or base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "secret_key": old.get("api", "secret_key", fallback="") or secrets.token_hex(32),
        "jwt_secret": old.get("api_auth", "jwt_secret", fallback="") or secrets.token_hex(32),
    }
    new = configparser.RawConfigParser()
    new.read_dict(_configuration(home, port, kept))
    part = file.with_suffix(".part")
    part.touch(mode=0o600)
    with part.open("w", encoding="utf-8") as out:
        new.write(out)
    part.replace(file)


def prepare_database(home: AirflowHome) -> bool:
    """Make the metadata database once per Airflow version, in WAL mode; True when it had to be made.

    Raises: AirflowHomeUnusable when Airflow's migration fails.
    """
    mark, now = home.path / "migrated.txt", version("apache-airflow-core")
    if home.database.exists() and mark.exists() and mark.read_text(encoding="utf-8") == now:
        return False
    log = home.path / "migration.log"
    with log.open("wb") as out:
        made = subprocess.run(
            [sys.executable, "-m", "airflow", "db", "migrate"],
            env=home.environment(),
            stdout=out,
            stderr=out,
            check=False,
        )
    if made.returncode:
        raise AirflowHomeUnusable(f"Airflow made no database; read {log}, then delete {home.path} and retry.")
    with sqlite3.connect(home.database) as database:
        database.execute("pragma journal_mode=wal")
    mark.write_text(now, encoding="utf-8")
    return True
