"""What is not as announced (缺口): dates that never came, and files that no contract names."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import sqlalchemy as sa

from ingestion.contract import Contract, Dataset
from ingestion.delivery.calendars import is_due
from ingestion.delivery.candidates import list_candidates
from ingestion.delivery.known import read_held
from ingestion.delivery.patterns import compile_pattern, is_dated, is_file, is_named, list_folders, list_patterns
from ingestion.foundation import Settings


def list_missing_dates(
    contract: Contract, dataset: Dataset, batch_date: date, settings: Settings, ledger: sa.Engine
) -> list[date]:
    """Business dates from go-live to the day before `batch_date` of which nothing was landed and nothing is there.

    Where go-live is yet to come, dates count from the first landed one. Every day of the contract's calendar is
    expected, of none every one; but where it has none and its schedule is not daily, `absent` is legal or file names
    bear no date, none can be missing.
    """
    delivery = dataset.delivery
    is_regular = contract.profile.cron.split()[2:] == ["*", "*", "*"] or delivery.calendar is not None
    if not is_dated(delivery.files or "") or "absent" in delivery.no_data or not is_regular:
        return []
    landed = {row.batch_date for row in read_held(dataset, ledger) if row.state == "landed"}
    go_live = contract.profile.go_live
    first = go_live if go_live <= batch_date else min(landed, default=batch_date)
    candidates = list_candidates(dataset, settings.locate_source(dataset.source), batch_date)
    there = landed | {candidate.day for candidate in candidates if not candidate.lacks}
    days = (first + timedelta(days=offset) for offset in range((batch_date - first).days))
    return [day for day in days if day not in there and is_due(delivery.calendar, day)]


def list_unknown_files(contract: Contract, batch_date: date, settings: Settings) -> list[Path]:
    """Files that no dataset's patterns name, in the folders where `batch_date` is delivered.

    Names that begin with a dot are left alone: transports write drafts under them.
    """
    root = settings.locate_source(contract.source)
    patterns = {pattern for dataset in contract.datasets for pattern in list_patterns(dataset)}
    folders = {folder for pattern in patterns for folder in list_folders(pattern, root, batch_date)}
    expressions = [compile_pattern(pattern) for pattern in patterns]
    return sorted(
        path
        for folder in folders
        for path in folder.glob("*")
        if is_file(path)
        and not path.name.startswith(".")
        and not any(is_named(path.relative_to(root).as_posix(), expression) for expression in expressions)
    )
