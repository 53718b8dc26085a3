"""What everything stands on: settings, tenant, ledger, locks, command line, declarations, SQL quoting, files."""

from ingestion.foundation.settings import BUSINESS_TIMEZONE, PROJECT, Settings, SettingsInvalid, load_settings

__all__ = [
    "BUSINESS_TIMEZONE",
    "PROJECT",
    "Settings",
    "SettingsInvalid",
    "load_settings",
]
