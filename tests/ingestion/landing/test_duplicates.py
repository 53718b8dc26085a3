"""Keys that repeat, wherever they lie: found within descents only, however many there are."""

from __future__ import annotations

import random
from pathlib import Path

import duckdb
import pytest

from ingestion.contract import load_contract
from ingestion.landing.duplicates import MOST_DESCENTS, drop_duplicates
from tests.ingestion.broken import Party, column


def arrange(kind: str) -> list[int]:
    draw = random.Random(3)
    rising = list(range(1000))
    match kind:
        case "rising":
            return rising
        case "repeated at once":
            return [*rising[:500], 499, *rising[500:]]
        case "repeated at the end":
            return [*rising, 17]
        case "one descent without a repetition":
            return [*rising[500:], *rising[:500]]
        case "as many descents as are looked into":
            return [number for start in range(MOST_DESCENTS + 1) for number in range(start * 7, start * 7 + 9)]
        case _:
            return [draw.randrange(1500) for _ in range(1000)]


KINDS = [
    *("rising", "repeated at once", "repeated at the end", "one descent without a repetition"),
    *("as many descents as are looked into", "in no order"),
]


@pytest.mark.parametrize("kind", KINDS)
def test_the_first_of_equal_keys_stays(party: Party, tmp_path: Path, kind: str) -> None:
    party.declare(column("id", "INTEGER", key=True))
    contract = load_contract(party.source, party.settings)
    assert contract is not None
    ids, part = arrange(kind), tmp_path / "it's" / "part-00.parquet"
    part.parent.mkdir()
    with duckdb.connect() as connection:
        connection.execute("create table rows as select unnest($1) as id, unnest($2) as _line_number",
                           [ids, list(range(2, len(ids) + 2))]).fetchall()  # fmt: skip
        connection.execute(f"copy rows to '{tmp_path}/rows.parquet'").fetchall()
        (tmp_path / "rows.parquet").replace(part)
        kept_out = drop_duplicates(connection, contract.datasets[0], part)
        left = connection.execute("select id from read_parquet($1) order by _line_number", [str(part)]).fetchall()
    seen: set[int] = set()
    again = [place + 2 for place, number in enumerate(ids) if number in seen or seen.add(number)]
    assert kept_out["line_number"].to_list() == again
    assert [number for (number,) in left] == list(dict.fromkeys(ids))
    assert set(kept_out.select("column", "rule").rows()) == ({("id", "unique key")} if again else set())
