"""What a side of a benchmark costs: every side runs in a child process of its own, whose kernel account is read.

Imported by a runner that stays small on purpose: a child's peak memory never reads below that of the process that
started it.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[2]


class SideFailed(Exception):
    """A measured process ended with an error; the message ends with the last lines it wrote."""


@dataclass(frozen=True)
class Cost:
    """Wall and CPU seconds (user and system, all threads and children) and peak resident memory in MB."""

    wall_s: float
    cpu_s: float
    peak_rss_mb: float

    def __str__(self) -> str:
        return f"{self.wall_s:6.1f} s wall {self.cpu_s:6.1f} s CPU {self.peak_rss_mb:7,.0f} MB"

    def to_json(self) -> dict[str, float]:
        return asdict(self)


@dataclass(frozen=True)
class Record:
    """One line of `bench.json`: `ours` and `other` in `unit`; what else is worth reporting goes to `detail`."""

    name: str
    ours: float
    other: float
    unit: str
    peak_rss_mb: float
    other_peak_rss_mb: float
    detail: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "ours": self.ours,
            "other": self.other,
            "ratio": round(self.ours / self.other, 3),
            "unit": self.unit,
            "peak_rss_mb": self.peak_rss_mb,
            "other_peak_rss_mb": self.other_peak_rss_mb,
            "detail": self.detail,
        }


def measure(command: Sequence[str | Path], environment: Mapping[str, str], log: Path) -> Cost:
    """Run a command to its end and account for it; what it writes goes to `log`.

    Raises:
        SideFailed: it ended with another exit code than 0.
    """
    values = {**os.environ, **environment, "PYTHONPATH": str(PROJECT)}
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as sink:
        begun = time.perf_counter()
        child = subprocess.Popen([str(part) for part in command], env=values, stdout=sink, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - begun
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        reported = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-8:]
        raise SideFailed(
            f"{' '.join(str(part) for part in command)} ended with {child.returncode}: {' | '.join(reported)}"
        )
    return Cost(round(wall, 2), round(usage.ru_utime + usage.ru_stime, 2), round(usage.ru_maxrss / 1024, 1))


def total(costs: Sequence[Cost]) -> Cost:
    """Costs of processes that ran one after another: times add up, the greatest peak counts."""
    return Cost(
        round(sum(cost.wall_s for cost in costs), 2),
        round(sum(cost.cpu_s for cost in costs), 2),
        max(cost.peak_rss_mb for cost in costs),
    )
