"""What nobody foresaw: its place in words that quote no data, its traceback in a file for the owner alone."""

from __future__ import annotations

import os
import tempfile
import traceback
from pathlib import Path

from ingestion.foundation.settings import SettingsInvalid, load_settings
from ingestion.foundation.tenant import PROJECT


def name_place(error: BaseException) -> str:
    """The innermost places in the platform's own code, innermost first."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(str(PROJECT))]
    return " < ".join(f"{frame.filename[len(str(PROJECT)) + 1 :]}:{frame.lineno}" for frame in reversed(frames[-3:]))


def keep_traceback(error: BaseException) -> Path:
    """Write the traceback to a new file that only its owner can read, under `<home>/logs` or, failing that, temporary.

    Its last lines may quote data: nothing of it is shown anywhere else.
    """
    try:
        folder = load_settings().home / "logs"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, name = tempfile.mkstemp(prefix="traceback-", suffix=".txt", dir=folder)
    except (OSError, SettingsInvalid):
        handle, name = tempfile.mkstemp(prefix="traceback-", suffix=".txt")
    with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
        file.writelines(traceback.format_exception(error))
    return Path(name)
