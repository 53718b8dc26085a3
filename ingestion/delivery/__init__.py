"""Deliveries (交付): found, verified against what their sender says of them, and kept in the ledger."""

from ingestion.delivery.bookkeeping import list_dates_to_build, mark_published
from ingestion.delivery.finding import find_deliveries
from ingestion.delivery.identity import Delivery, DeliveryIncomplete, DeliveryRefused
from ingestion.delivery.verification import compare_totals, verify_delivery

__all__ = [
    "Delivery",
    "DeliveryIncomplete",
    "DeliveryRefused",
    "compare_totals",
    "find_deliveries",
    "list_dates_to_build",
    "mark_published",
    "verify_delivery",
]
