"""From a command to its exit code (退出码), one way for every command line of the platform."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Mapping

from ingestion.foundation.settings import SettingsInvalid
from ingestion.foundation.tenant import PROJECT

PIPE_CLOSED, UNFORESEEN = 141, 70


def run_command(command: Callable[[], int], told: Mapping[type[Exception], int]) -> int:
    """Run a command; what a user can mend is one sentence on standard error, with the exit code that `told` gives it.

    What nobody foresaw is told by kind and place alone, for its own words may quote data.
    """
    codes: dict[type[Exception], int] = {SettingsInvalid: max(told.values(), default=1), **told}
    try:
        code: int = command()
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes once more when it ends
        return PIPE_CLOSED
    except tuple(codes) as error:
        print(error, file=sys.stderr)
        return min(code for kind, code in codes.items() if isinstance(error, kind))
    except Exception as error:
        print(f"{type(error).__name__} at {_place(error)} was not foreseen; report these words.", file=sys.stderr)
        return UNFORESEEN
    return code


def _place(error: Exception) -> str:
    """The innermost place in the platform's own code."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(str(PROJECT))]
    return " < ".join(f"{frame.filename[len(str(PROJECT)) + 1 :]}:{frame.lineno}" for frame in reversed(frames[-3:]))
