"""A raw code that a contract lets in has a meaning in the seed, or `python -m ingestion check` says so."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ingestion.contract import SourceRegistry, load_registry
from ingestion.contract.code_tables import find_untranslated_codes
from ingestion.foundation import Settings, load_settings
from tests.ingestion.broken import Party, column, contract, dataset

SEED = "code_set,code,canonical,label\nparty.state,A,a,\nparty.state,B,b,\n"
MODEL = "select * from source {{{{ join_code('states', 'party.state', 'source.{column}') }}}}"


@pytest.fixture
def registry(party: Party) -> SourceRegistry:
    state = column("state") | {"enum": [{"value": "A"}, {"value": "B"}, {"value": "Z"}]}
    party.agree(contract("party", dataset(column("id", key=True), state, column("free"))))
    return load_registry(party.settings)


def found(registry: SourceRegistry, settings: Settings, folder: Path, column: str, more: str = "") -> list[str]:
    (folder / "seeds").mkdir()
    (folder / "seeds" / "ref_codes.csv").write_text(SEED + more)
    (folder / "models").mkdir()
    (folder / "models" / "stg_party__rows.sql").write_text(MODEL.format(column=column))
    reported = find_untranslated_codes(registry, replace(settings, seeds=folder / "seeds", models=folder / "models"))
    return [str(problem) for problem in reported]


@pytest.mark.parametrize(
    ("column", "problem"),
    [
        ("state", "ref_codes.csv: party.state: lacks Z, which party.yml lets in as state; add a row for each"),
        ("free", "party.yml: rows.free.enum: is missing, though stg_party__rows.sql translates the column; "
         "list the codes it may hold"),
        ("gone", "stg_party__rows.sql: gone: is no column of the contract; correct the model"),
    ],
)  # fmt: skip
def test_what_would_become_null_is_reported(
    party: Party, registry: SourceRegistry, tmp_path: Path, column: str, problem: str
) -> None:
    assert found(registry, party.settings, tmp_path, column) == [f"{problem}."]


def test_a_code_that_is_given_twice_is_reported(party: Party, registry: SourceRegistry, tmp_path: Path) -> None:
    (reported,) = found(registry, party.settings, tmp_path, "state", "party.state,Z,z,\nparty.state,A,other,\n")
    assert reported == (
        "ref_codes.csv: party.state: gives A more than once, which would double its rows; take all but one out."
    )


def test_the_shipped_code_tables_are_complete() -> None:
    settings = load_settings({})
    assert find_untranslated_codes(load_registry(settings), settings) == []
