"""Long numbers that end in zeros too often for chance refuse the delivery; those that chance explains do not."""

from __future__ import annotations

import pytest

from tests.ingestion.broken import Party, column


def number(place: int, digits: int) -> str:
    return str(10 ** (digits - 1) + place * 1_234_567_891_011_121 % 10 ** (digits - 1))


def deliver(party: Party, numbers: list[str]) -> None:
    party.deliver("id,no\n" + "".join(f"{place},{text}\n" for place, text in enumerate(numbers)))


@pytest.mark.parametrize("how", [{}, {"protect": "opaque"}, {"protect": "bank_card"}])
@pytest.mark.parametrize("digits", [16, 17, 18, 19])
def test_numbers_that_lost_their_last_digits_refuse_the_delivery(
    party: Party, how: dict[str, str], digits: int
) -> None:
    party.declare(column("id", "INTEGER", key=True), column("no", **how))
    lost = digits - 15
    deliver(party, [number(place, digits)[:-lost] + "0" * lost for place in range(1, 9)])
    sentence = party.refusal()
    assert "of 8 numbers of more than 15 digits in column no, 8 end in zeros from the 16th digit on" in sentence
    assert number(1, digits)[:15] not in sentence


def test_two_certificates_are_enough(party: Party) -> None:
    party.declare(column("id", "INTEGER", key=True), column("no", protect="opaque"))
    deliver(party, ["440103197001010000", "440103198001010000"])
    assert "the sender's spreadsheet has rounded" in party.refusal()


@pytest.mark.parametrize("how", [{}, {"protect": "bank_card"}])
def test_chance_and_repetition_are_no_evidence(party: Party, how: dict[str, str]) -> None:
    party.declare(column("id", "INTEGER", key=True), column("no", **how))
    deliver(party, [*(number(place, 16) for place in range(1, 400)), *["6222021234567000000"] * 50, "AB" + "0" * 16])
    party.land()
    assert len(party.rows()) == (450 if not how else 449)


def test_numbers_that_rightly_end_in_zeros_are_said_to(party: Party) -> None:
    party.declare(column("id", "INTEGER", key=True), column("no", round_numbers=True))
    deliver(party, [f"{place}000000000000000000" for place in range(1, 9)])
    party.land()
    assert len(party.rows()) == 8
