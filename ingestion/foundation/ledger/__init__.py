"""The ledger (台账): transactional state of deliveries, quarantine, verdicts, publications and runs."""

from ingestion.foundation.ledger.opening import open_ledger, shown_url, use_ledger
from ingestion.foundation.ledger.tables import deliveries, metadata

__all__ = ["deliveries", "metadata", "open_ledger", "shown_url", "use_ledger"]
