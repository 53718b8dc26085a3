"""Code tables (标准代码表): every raw code that a contract lets in must have a meaning before it comes.

Staging models translate raw codes by the seed `ref_codes`. A code outside the contract's list is quarantined at the
door; one that is on the list but not in the seed would become NULL in the warehouse without a word.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Container, Iterator

from ingestion.contract.profiles import Dataset
from ingestion.contract.registry import SourceRegistry, name_staging_model
from ingestion.foundation import Files, Settings, list_files, read_files
from ingestion.foundation.declarations import Problem

SEED = "ref_codes.csv"
TRANSLATED = re.compile(r"join_code\(\s*'\w+',\s*'(?P<code_set>[^']+)',\s*'source\.(?P<column>\w+)'\s*\)")


def find_untranslated_codes(registry: SourceRegistry, settings: Settings) -> list[Problem]:
    """Translated columns whose contract lists no codes, and codes that the seed lacks or repeats."""
    seed = read_files(settings.seeds, SEED).get(SEED, b"").decode("utf-8")
    known = Counter((row["code_set"], row["code"]) for row in csv.DictReader(io.StringIO(seed, newline="")))
    twice = [
        Problem(SEED, code_set, f"gives {code} more than once, which would double its rows", "take all but one out")
        for (code_set, code), count in known.items()
        if count > 1
    ]
    return twice + [problem for dataset in registry.datasets for problem in _examine(dataset, known, settings.models)]


def _examine(dataset: Dataset, known: Container[tuple[str, str]], models: Files) -> Iterator[Problem]:
    name = f"{name_staging_model(dataset)}.sql"
    columns = {column.name: column for column in dataset.columns}
    for path in list_files(models, f"**/{name}").values():
        for found in TRANSLATED.finditer(path.read_text(encoding="utf-8")):
            code_set, column = found["code_set"], columns.get(found["column"])
            if column is None:
                yield Problem(name, found["column"], "is no column of the contract", "correct the model")
            elif not column.accepted:
                yield Problem(
                    f"{dataset.source}.yml",
                    f"{dataset.name}.{column.name}.enum",
                    f"is missing, though {name} translates the column",
                    "list the codes it may hold",
                )
            elif missing := sorted(code for code in column.accepted if (code_set, code) not in known):
                yield Problem(
                    SEED,
                    code_set,
                    f"lacks {', '.join(missing)}, which {dataset.source}.yml lets in as {column.name}",
                    "add a row for each",
                )
