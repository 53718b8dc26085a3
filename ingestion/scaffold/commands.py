"""`python -m ingestion scaffold`: a draft contract and a draft staging model from a sample file."""

from __future__ import annotations

import argparse
from pathlib import Path

from ingestion.foundation import Settings
from ingestion.foundation.command_line import DONE, NO, Command, ExitCodes, argument
from ingestion.scaffold import Hints, SampleUnusable, draft_contract, write_model


def draft_from_sample(given: argparse.Namespace, settings: Settings) -> int:
    """Draft a contract, a staging model and for a new tenant a suite from a sample file, to be read and corrected."""
    hints = Hints(given.header, given.encoding, given.separator, given.sheet)
    drafted = draft_contract(given.file, settings, given.source, given.dataset, given.into, hints)
    written = [str(path) for path in (drafted.contract, drafted.model, drafted.suite) if path is not None]
    if drafted.is_added:
        written[0] += " (one dataset more)"
    print("\n".join(written) + f"\n{drafted.checks} places say `check:`; read and correct each of them.")
    return DONE


def write_staging_model(given: argparse.Namespace, settings: Settings) -> int:
    """Write the staging model of a dataset again from its contract as it is now."""
    print(write_model(given.source, given.dataset, settings, given.replace))
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
            argument("--header", choices=["names", "none"], help="whether line 1 holds names; guessed when left out"),
            argument("--encoding", choices=["utf-8", "gb18030", "cp1252"], help="of a text; guessed when left out"),
            argument("--separator", help="between two columns; guessed when left out"),
            argument("--sheet", help="of a workbook; the largest when left out"),
            argument("--into", type=Path, help="folder for the drafts; among the others when left out"),
        ),
        _exit_codes,
    ),
    Command(
        "restage",
        "write the staging model of a dataset again from its corrected contract",
        write_staging_model,
        "restage bank_z loans --replace",
        (
            argument("source", help="source key"),
            argument("dataset", help="dataset name"),
            argument("--replace", action="store_true", help="also where the model is there already"),
        ),
        _exit_codes,
    ),
)
