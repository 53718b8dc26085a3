"""In which order the distinct identifier sets of a delivery are held: the same for any order of its rows."""

from __future__ import annotations

import random

import duckdb
import pytest

from ingestion.contract import load_contract
from ingestion.landing.identifier_sets import TEXTS, judge_sets
from ingestion.landing.typing_rules import derive_row_rules
from ingestion.protection import load_keys
from tests.ingestion.broken import Party, column

ROWS = [
    (str(13_800_000_000 + number % 5_000), f"device {number % 3}" if number % 7 else None) for number in range(9_000)
]


@pytest.mark.parametrize("threads", [1, 4])
def test_sets_are_held_in_order(party: Party, threads: int) -> None:
    party.declare(column("id", key=True), column("mobile", protect="mobile"), column("device", protect="opaque"))
    [dataset] = load_contract(party.source, party.settings).datasets
    held = []
    for seed in range(2):
        with duckdb.connect(config={"threads": threads}) as connection:
            frame = random.Random(seed).sample(ROWS, len(ROWS))
            connection.execute(f"create table {TEXTS} (d_mobile varchar, d_device varchar)")
            connection.execute(
                f"insert into {TEXTS} select unnest($mobile), unnest($device)",
                {"mobile": [row[0] for row in frame], "device": [row[1] for row in frame]},
            )
            judge_sets(connection, dataset, list(derive_row_rules(dataset, True)), load_keys(party.settings.key_file))
            held.append(connection.execute("select d_mobile, d_device, o_mobile_token from identifier_sets").fetchall())
    assert held[0] == held[1]
    assert [(mobile, device or "~") for mobile, device, _ in held[0]] == sorted({(m, d or "~") for m, d in ROWS})
