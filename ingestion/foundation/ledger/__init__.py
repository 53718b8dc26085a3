"""The ledger (台账): transactional state of deliveries, quarantine, verdicts, publications and runs."""

from ingestion.foundation.ledger.opening import hide_password, open_ledger, use_ledger
from ingestion.foundation.ledger.tables import deliveries, metadata

__all__ = ["deliveries", "hide_password", "metadata", "open_ledger", "use_ledger"]
