"""Invented identifiers are valid by form."""

import numpy as np
import polars as pl

from ingestion.simulation.identities import (
    COMPOUND_SURNAMES,
    complete_cert_numbers,
    draw_bank_cards,
    draw_cert_numbers,
    draw_mobiles,
    draw_names,
)
from ingestion.simulation.streams import open_stream


def check_digit(leading: str) -> str:
    """GB 11643 by the recursive definition, independent of the product's weights."""
    remainder = sum(int(digit) * pow(2, 17 - place, 11) for place, digit in enumerate(leading)) % 11
    return "10X98765432"[remainder]


def test_check_character_matches_the_published_examples() -> None:
    published = ["11010519491231002X", "34052419800101001X"]
    assert complete_cert_numbers(pl.Series([number[:17] for number in published])).to_list() == published
    assert [check_digit(number[:17]) for number in published] == ["X", "X"]


def test_cert_numbers_are_valid_distinct_adults() -> None:
    numbers = draw_cert_numbers(open_stream(1, "test"), 5_000)
    assert numbers.n_unique() == 5_000
    assert all(number[17] == check_digit(number[:17]) for number in numbers)
    births = numbers.str.slice(6, 8).str.to_date("%Y%m%d", strict=True)
    assert births.dt.year().is_between(1966, 2005).all()


def test_mobiles_are_distinct_and_valid() -> None:
    mobiles = draw_mobiles(open_stream(1, "test"), 5_000)
    assert mobiles.n_unique() == 5_000
    assert mobiles.str.contains(r"^1[3-9]\d{9}$").all()


def test_bank_cards_are_distinct_and_pass_luhn() -> None:
    cards = draw_bank_cards(open_stream(1, "test"), 2_000)
    assert cards.n_unique() == 2_000
    for card in cards:
        doubled = [int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(card))]
        assert sum(number // 10 + number % 10 for number in doubled) % 10 == 0
        assert len(card) == 19


def test_names_hold_compound_surnames_and_hard_characters() -> None:
    names = draw_names(open_stream(1, "test"), 20_000)
    text = "".join(names.to_list())
    assert any(name.startswith(tuple(COMPOUND_SURNAMES)) for name in names)
    assert any(len(character.encode("gb18030")) == 4 for character in set(text))
    assert any(character.encode("gb18030")[1:] == b"|" for character in set(text) if ord(character) > 127)
    assert names.str.len_chars().is_between(2, 4).all()


def test_streams_depend_on_their_name_only() -> None:
    first = open_stream(5, "a").random(4)
    open_stream(5, "b").random(1000)
    assert np.array_equal(first, open_stream(5, "a").random(4))
    assert not np.array_equal(first, open_stream(5, "b").random(4))
    assert not np.array_equal(first, open_stream(6, "a").random(4))
