"""The rows of a book as deliveries that come as they do in life: in any order, late, wrong at first, and again.

Whatever the order, what stands in the end is what the book says: every row that is wrong, or should not be there, is
replaced by a re-send of its file or by a later file.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from tests.reference.book_rows import BookRow

LATENESS = (0, 0, 0, 1, 2, 5)
"""Days after the event, as often as each is named."""

FATES = {"plain": 50, "restated": 12, "overtaken": 6, "padded": 8, "corrected later": 12, "repeated": 12}
"""What becomes of a file, by weight. `restated`: one row is wrong until the file comes again; `overtaken`: it comes
again before it came; `padded`: it holds a row that is left out when it comes again; `corrected later`: one row is wrong
and a later file brings it right; `repeated`: a later file brings some of its rows once more."""

Values = dict[str, Any]
Change = Callable[[Values], Values]


@dataclass(frozen=True)
class Mail:
    """One delivery, the step in which it comes, and what becomes of its file."""

    step: int
    dataset: str
    day: date
    sequence: int
    rows: list[Values]
    fate: str


def draw_mail(rows: Sequence[BookRow], dates: Sequence[date], draw: random.Random) -> list[Mail]:
    """Every delivery in the order of receipt: in each step the files of one date, and what comes again with them."""
    steps = {day: step for step, day in enumerate(draw.sample(dates, len(dates)))}
    files = _draw_files(rows, dates, draw)
    mail: list[Mail] = []
    for dataset in sorted({row.dataset for row in rows}):
        for day in dates:
            if right := files[dataset, day]:
                later = [other for other in dates if other > day]
                (fate,) = draw.choices(list(FATES), weights=list(FATES.values()))
                if not later and fate in ("corrected later", "repeated"):
                    fate = "restated"
                first = _change(right, dataset, fate, draw)
                came, again = steps[day], draw.randint(steps[day], len(dates) - 1)
                if fate == "corrected later":
                    files[dataset, draw.choice(later)] += [row for row in right if row not in first]
                elif fate == "repeated":
                    files[dataset, draw.choice(later)] += draw.sample(right, min(3, len(right)))
                elif fate == "overtaken":
                    mail += [Mail(came, dataset, day, 2, right, fate), Mail(again, dataset, day, 1, first, fate)]
                    continue
                mail.append(Mail(came, dataset, day, 1, first, fate))
                if fate in ("restated", "padded"):
                    mail.append(Mail(again, dataset, day, 2, right, fate))
    return sorted(mail, key=lambda one: one.step)


def _draw_files(
    rows: Sequence[BookRow], dates: Sequence[date], draw: random.Random
) -> defaultdict[tuple[str, date], list[Values]]:
    """The rows of each dataset and business date; what one loan's event gives rise to comes together."""
    files: defaultdict[tuple[str, date], list[Values]] = defaultdict(list)
    sent: dict[tuple[str, str, date], date] = {}
    for row in rows:
        event = row.dataset, row.loan, row.happened
        if event not in sent:
            ready = row.happened + timedelta(days=draw.choice(LATENESS))
            sent[event] = min((day for day in dates if day >= ready), default=dates[-1])
        files[row.dataset, sent[event]].append(row.values)
    return files


def _change(right: list[Values], dataset: str, fate: str, draw: random.Random) -> list[Values]:
    """The rows of a file when it comes first."""
    place = draw.randrange(len(right))
    row = right[place]
    if fate == "padded":
        key, *_ = row
        return [*right, row | {key: f"X{row[key]}"}]
    if fate in ("plain", "repeated"):
        return right
    change = draw.choice(CHANGES[dataset])
    return [*right[:place], row | change(row), *right[place + 1 :]]


def _more(*names: str) -> Change:
    """Ten more of whichever of these amounts the row has."""
    return lambda row: {name: row[name] + 10 for name in names if name in row}


def _moved(name: str, days: int) -> Change:
    return lambda row: {name: row[name] + timedelta(days=days)}


COMPENSATION_CHANGES = [
    _more("principal_amount", "principal_amount_fen"),
    _moved("compensated_date", 6),
    _moved("compensated_date", -6),
]
CHANGES: dict[str, list[Change]] = {
    "dept_risk.applications": [lambda row: {"channel_code": "TE" if row["channel_code"] == "APP" else "APP"}],
    "dept_loan_core.loans": [
        _more("principal_amount"),
        _moved("booked_date", 2),
        lambda row: {"fund_loan_no": f"X{row['fund_loan_no']}"},
        lambda row: {"funded_at": row["funded_at"].replace(" 10:", " 23:"), "product_code": "CASH06"},
        lambda row: {"cert_no_token": f"X{row['cert_no_token'][1:]}"},
    ],
    "dept_loan_core.plan_terms": [_more("principal_amount"), _more("interest_amount"), _moved("due_date", 4)],
    "dept_loan_core.repayments": [
        _more("principal_amount"),
        lambda row: {"principal_amount": -row["principal_amount"], "interest_amount": -row["interest_amount"]},
        lambda row: {"paid_at": f"{date.fromisoformat(row['paid_at'][:10]) - timedelta(days=9)} 12:00:00"},
    ],
    "bank_a.compensations": COMPENSATION_CHANGES,
    "bank_b.compensations": COMPENSATION_CHANGES,
}
"""What may be wrong in a row when it comes first; never its key."""
