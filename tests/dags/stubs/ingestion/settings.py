"""Stub of the settings."""

import os
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

BUSINESS_TIMEZONE = ZoneInfo("Asia/Shanghai")


@dataclass(frozen=True)
class Settings:
    home: Path
    reports: Path


def load_settings() -> Settings:
    home = Path(os.environ.get("PLATFORM_HOME", "var"))
    return Settings(home, home / "reports")
