"""`python -m ingestion scaffold`: a draft contract and a draft staging model from a sample file."""

from __future__ import annotations

import argparse
from pathlib import Path

from ingestion.foundation import Settings
from ingestion.foundation.command_line import DONE, NO, Command, ExitCodes, argument
from ingestion.scaffold import SampleUnusable, draft_contract


def draft_from_sample(given: argparse.Namespace, settings: Settings) -> int:
    """Draft a contract, a staging model and for a new tenant a suite from a sample file, to be read and corrected."""
    drafted = draft_contract(given.file, settings, given.source, given.dataset, given.into)
    written = [str(path) for path in (drafted.contract, drafted.model, drafted.suite) if path is not None]
    if drafted.is_added:
        written[0] += " (one dataset more)"
    print("\n".join(written) + f"\n{drafted.checks} places say `check:`; read and correct each of them.")
    return DONE


def _exit_codes() -> ExitCodes:
    return {SampleUnusable: NO}


COMMANDS = (
    Command(
        "scaffold",
        "draft a contract and a staging model from a sample file, to be read and corrected",
        draft_from_sample,
        "scaffold var/landing/bank_a/20260302/LOAN_20260302.txt --into drafts",
        (
            argument("file", type=Path, help="sample file as the partner delivers it"),
            argument("--source", help="source key; from the folder when left out"),
            argument("--dataset", help="dataset name; from the file name when left out"),
            argument("--into", type=Path, help="folder for the drafts; among the others when left out"),
        ),
        _exit_codes,
    ),
)
