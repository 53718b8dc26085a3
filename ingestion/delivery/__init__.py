"""Deliveries (交付): found, verified against what their sender says of them, and kept in the ledger."""

from ingestion.delivery.bookkeeping import dates_to_build, mark_published
from ingestion.delivery.finding import find_deliveries
from ingestion.delivery.identity import Delivery, DeliveryIncomplete, DeliveryRefused
from ingestion.delivery.verification import check_stated, verify

__all__ = [
    "Delivery",
    "DeliveryIncomplete",
    "DeliveryRefused",
    "check_stated",
    "dates_to_build",
    "find_deliveries",
    "mark_published",
    "verify",
]
