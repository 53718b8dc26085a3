"""Open marks (待确认): what the scaffold guessed, and nobody has confirmed yet."""

from __future__ import annotations

from ingestion.foundation import Settings, list_files

MARKS = {"contracts": "# check:", "models": "-- check:", "suites": "# check:"}
PATTERNS = {"contracts": "*.yml", "models": "staging/**/*.sql", "suites": "**/*.yml"}


def count_marks(settings: Settings) -> dict[str, int]:
    """How many marks each contract, staging model and suite still has, by its name; those without are left out."""
    files = {"contracts": settings.contracts, "models": settings.models, "suites": settings.suites}
    counts = {
        f"{kind}/{name}": path.read_text(encoding="utf-8", errors="replace").count(MARKS[kind])
        for kind, found in files.items()
        for name, path in list_files(found, PATTERNS[kind]).items()
    }
    return {name: marks for name, marks in sorted(counts.items()) if marks}
