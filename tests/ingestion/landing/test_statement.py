"""The statement by its text: what is written for each column, and what the lineage holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ingestion.contract import Contract, load_contract
from ingestion.delivery import Delivery
from ingestion.landing.identifier_sets import IdentifierSets
from ingestion.landing.statement import (
    columns_sql,
    count_words,
    known_at_sql,
    levels_sql,
    lineage_sql,
    list_rules,
    mask_sql,
    pass_sql,
)
from tests.ingestion.broken import DAY, Party, column

COLUMNS = [
    column("id", "INTEGER", key=True),
    column("phone", protect="mobile"),
    column("at", "TIMESTAMPTZ"),
    column("spare", drop=True),
]
RECEIVED = "timestamptz '2026-03-03T06:00:00+00:00'"


def agree(party: Party, *columns: dict[str, Any], **delivery: Any) -> tuple[Contract, Delivery]:
    party.declare(*(columns or COLUMNS), **delivery)
    contract = load_contract(party.source, party.settings)
    assert contract is not None
    moment = 1_772_517_600 * 1_000_000_000
    return contract, Delivery(contract.datasets[0], contract.version, DAY, 2, Path("rows.csv"), 1, moment, "0" * 64)


def test_the_lake_holds_typed_values_and_stand_ins_and_not_what_is_dropped(party: Party) -> None:
    _, delivery = agree(party)
    found = IdentifierSets((), [], {"phone_token": "o1", "phone_masked": "o2"})
    assert columns_sql(delivery.dataset, found) == (
        '"v_id" as "id", o1 as "phone_token", o2 as "phone_masked", "v_at" as "at"'
    )


def test_a_row_says_where_it_came_from(party: Party) -> None:
    contract, delivery = agree(party)
    assert lineage_sql(contract, delivery, "_ordinal + 1") == (
        f"'{delivery.delivery_id}' as _delivery_id, cast(_ordinal + 1 as bigint) as _line_number,"
        f" date '2026-03-02' as _batch_date, 2::integer as _sequence, {RECEIVED} as _known_at"
    )


def test_only_stock_is_known_before_its_receipt(party: Party) -> None:
    assert known_at_sql(*agree(party)) == RECEIVED
    stock = known_at_sql(*agree(party, recorded_at="at"))
    assert stock == (
        "case when cast(\"v_at\" as date) < date '2026-03-02' then"
        f" least({RECEIVED}, cast(cast(\"v_at\" as date) + 1 + time '07:00:00' as timestamptz)) else {RECEIVED} end"
    )


@pytest.mark.parametrize("has_quotes", [False, True])
def test_rows_of_open_quotes_are_left_out_before_anything_is_typed(party: Party, has_quotes: bool) -> None:
    _, delivery = agree(party)
    levels = levels_sql(delivery.dataset, IdentifierSets((), [], {}), "from file", "_row", has_quotes)
    assert ("from numbered where not _is_open)" in levels) == has_quotes
    assert "select *, _row as _ordinal from (from file)" in levels
    assert 'try_cast("r_id" as INTEGER) as "c_id"' in levels
    assert '"r_phone"' not in levels.partition("cast_once")[2], "no clear identifier passes the sets"


def test_broken_rows_are_handed_over_with_words_of_sixty_rules(party: Party) -> None:
    many = [column(f"n{place}", "INTEGER", required=True) for place in range(35)]
    contract, delivery = agree(party, column("id", "INTEGER", key=True), *many, trailing_separator=True)
    rules = list_rules(delivery.dataset, True)
    assert (len(rules), count_words(rules), count_words(rules[:60]), count_words([])) == (73, 2, 1, 0)
    assert rules[-1].rule == "too many columns"
    sets = IdentifierSets((), rules, {})
    reported = pass_sql(contract, delivery, sets, "from file", "line_of(_ordinal)", False, ["n1"])
    first, second = mask_sql([rule.violated for rule in rules[:60]]), mask_sql([rule.violated for rule in rules[60:]])
    assert f"note({{'0': _ordinal, '1': {first}, '2': {second}, '3': cast(\"v_n1\" as decimal(38,9))}})" in reported
    assert (
        "row_number() over () as _ordinal" in reported
        and "cast(line_of(_ordinal) as bigint) as _line_number" in reported
    )


def test_a_bit_for_each_condition() -> None:
    assert mask_sql(["a", "b is null"]) == (
        "case when a then 1::bigint else 0::bigint end | case when b is null then 2::bigint else 0::bigint end"
    )
