"""What everything stands on: settings, tenant, ledger, locks, command line, declarations, SQL quoting, files."""

from ingestion.foundation.settings import BUSINESS_TIMEZONE, Settings, SettingsInvalid, load_settings
from ingestion.foundation.tenant import PROJECT, Files, list_files, read_files

__all__ = [
    "BUSINESS_TIMEZONE",
    "PROJECT",
    "Files",
    "Settings",
    "SettingsInvalid",
    "list_files",
    "load_settings",
    "read_files",
]
