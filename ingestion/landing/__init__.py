"""Landing (入湖): one delivery through the door, and the rows that were kept out."""

from ingestion.landing.quarantine import QuarantineUnknown, list_held, replay_held, show_held, unlock_held
from ingestion.landing.sources import LandingReport, SourceUnknown, land_source

__all__ = [
    "LandingReport",
    "QuarantineUnknown",
    "SourceUnknown",
    "land_source",
    "list_held",
    "replay_held",
    "show_held",
    "unlock_held",
]
