"""What the demo shows while it works: its lines, and a sign of life whenever it was silent for a while."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

SILENT_SECONDS = 10.0


class Progress:
    """Prints lines; within `with`, a thread says what is being done after SILENT_SECONDS without a line."""

    def __init__(self, silent_seconds: float = SILENT_SECONDS) -> None:
        self._silent_seconds = silent_seconds
        self._lock = threading.RLock()
        self._ended = threading.Event()
        self._spoke = time.monotonic()
        self._doing: tuple[str, float] | None = None
        self._thread = threading.Thread(target=self._watch, name="progress", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def say(self, line: str = "") -> None:
        """Print one line at once."""
        with self._lock:
            print(line, flush=True)
            self._spoke = time.monotonic()

    @contextmanager
    def doing(self, what: str) -> Iterator[None]:
        """Name what is being done, for the sign of life."""
        self._doing = (what, time.monotonic())
        try:
            yield
        finally:
            self._doing = None

    def _watch(self) -> None:
        while not self._ended.wait(self._silent_seconds / 10):
            with self._lock:
                doing, now = self._doing, time.monotonic()
                if doing and now - self._spoke >= self._silent_seconds:
                    self.say(f"    … {doing[0]} ({now - doing[1]:.0f} s)")
