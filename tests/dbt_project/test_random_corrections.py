"""Deliveries in any order: which version of a key stands, and from when, against a replay in plain Python."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tests.conftest import make_settings
from tests.dbt_project.test_histories import application, decision
from tests.handmade_lake import HandmadeLake

DAYS = [f"2026-03-0{day}" for day in range(2, 7)]
KEYS = [f"{name}-{number}" for name in "ABC" for number in range(8)]
SEED = 15


@dataclass
class Sent:
    """One delivery as the replay remembers it."""

    rank: tuple[str, int, str]
    received: str
    values: dict[str, int]
    replaced: str | None = None


def balance(number: str, amount: int) -> dict[str, Any]:
    return {"fund_loan_no": number, "balance_date": "2026-03-01", "balance_amount": amount}


def compensation(number: str, amount: int) -> dict[str, Any]:
    return {
        "comp_no": number, "fund_loan_no": "F", "term_no": 1, "compensated_date": "2026-03-01", "comp_type_code": "DC",
        "principal_amount": amount, "interest_amount": 0,
    }  # fmt: skip


DATASETS: dict[str, tuple[str, str, str, Callable[[str, int], dict[str, Any]]]] = {
    "dept_risk.applications": (
        "fct_applications_history", "application_id", "requested_amount",
        lambda number, amount: application(number, requested_amount=amount),
    ),
    "dept_risk.decisions": (
        "fct_decisions_history", "application_id", "approved_amount",
        lambda number, amount: decision(number, "A", amount),
    ),
    "bank_b.balances": ("fct_funder_balances_history", "loan_id_funder", "balance_amount", balance),
    "bank_b.compensations": ("fct_compensations_history", "compensation_id", "principal_amount", compensation),
}  # fmt: skip


def send_at_random(lake: HandmadeLake, dataset: str, draw: random.Random) -> list[Sent]:
    """Thirty deliveries of any date and sequence, each with some of the keys and one of three amounts."""
    sent: list[Sent] = []
    for place in range(30):
        day, sequence = draw.choice(DAYS), draw.randint(1, 3)
        received = f"2026-03-07T{place // 2:02d}:{30 * (place % 2):02d}:00"
        values = {number: draw.choice((100, 200, 300)) for number in draw.sample(KEYS, 8)}
        row = DATASETS[dataset][3]
        lake.deliver(dataset, day, [row(*value) for value in values.items()], received, sequence)
        new = Sent((day, sequence, received), received.replace("T", " "), values)
        standing = [old for old in sent if old.rank[0] == day and old.replaced is None]
        if any(old.rank[1] > sequence for old in standing):
            new.replaced = new.received
        else:
            for old in standing:
                old.replaced = new.received
        sent.append(new)
    return sent


def replay(sent: list[Sent], number: str) -> Iterator[tuple[int, str, str | None]]:
    """What a key said, from when until when: at every receipt, what the highest standing delivery says of it."""
    said: int | None = None
    since = ""
    for moment in [each.received for each in sent]:
        held = [
            each for each in sent
            if number in each.values and each.received <= moment and (each.replaced is None or moment < each.replaced)
        ]  # fmt: skip
        says = max(held, key=lambda each: each.rank).values[number] if held else None
        if says != said:
            if said is not None:
                yield said, since, moment
            said, since = says, moment
    if said is not None:
        yield said, since, None


def test_what_stands_is_what_a_replay_of_all_deliveries_says(tmp_path: Any) -> None:
    lake, draw = HandmadeLake(make_settings(tmp_path / "home")), random.Random(SEED)
    sent = {dataset: send_at_random(lake, dataset, draw) for dataset in DATASETS}
    lake.build("2026-03-06", as_of=DAYS[-1:], select=[f"+{table}" for table, *_ in DATASETS.values()])
    for dataset, (table, key, shown, _) in DATASETS.items():
        expected = [(number, *version) for number in KEYS for version in replay(sent[dataset], number)]
        found = lake.ask(f"select {key}, cast({shown} as int), _known_at, _superseded_at from {table} order by 1, 3")
        assert len(expected) > 60
        assert found == expected, dataset
