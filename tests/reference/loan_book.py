"""A random loan book of every kind that the warehouse must read right, and what is true of it, in plain Python.

Nothing here shares a formula with the models: each figure is worked out from the definitions of DOMAIN.md 3.7, for one
loan and one day at a time, from the sums paid by the end of that day. No interval, no running total, no join.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from functools import cache
from typing import Any

START = date(2025, 9, 1)
END = date(2026, 3, 20)
VIEWS = ("before_compensation", "after_compensation")
ZERO = Decimal("0.00")
Cell = dict[str, Any]
Figures = dict[tuple[Any, ...], tuple[Any, ...]]


@dataclass(frozen=True)
class Term:
    """One instalment of the plan that stands."""

    number: int
    due: date
    principal: Decimal
    interest: Decimal
    fee: Decimal

    @property
    def total(self) -> Decimal:
        return self.principal + self.interest + self.fee


@dataclass(frozen=True)
class Payment:
    """Money on a term on a day; negative where it goes back. `payer` is customer, compensation or buyback."""

    term: int
    day: date
    payer: str
    principal: Decimal
    interest: Decimal = ZERO
    fee: Decimal = ZERO


@dataclass
class Loan:
    """One loan with the versions of its plan (the last one stands) and all that was paid on it."""

    number: str
    customer: str
    funder: str
    funder_number: str
    product: str
    channel: str | None
    principal: Decimal
    funded: date
    booked: date
    valued: date
    reversed: date | None = None
    plans: list[list[Term]] = field(default_factory=list)
    payments: list[Payment] = field(default_factory=list)
    kinds: set[str] = field(default_factory=set)

    @property
    def plan(self) -> list[Term]:
        return self.plans[-1]

    def stands(self, day: date) -> bool:
        return self.funded <= day and (self.reversed is None or day < self.reversed)

    def paid(self, term: int, until: date, *payers: str) -> tuple[Decimal, Decimal, Decimal]:
        """Principal, principal and interest, and all that these payers have paid on a term by the end of a day."""
        held = [p for p in self.payments if p.term == term and p.day <= until and p.payer in payers]
        principal = sum((p.principal for p in held), ZERO)
        interest = sum((p.interest for p in held), ZERO)
        return principal, principal + interest, principal + interest + sum((p.fee for p in held), ZERO)

    def terms_moved(self) -> list[tuple[int, Decimal | None]]:
        """Every term that the plan has or money moved on, with its principal; None for one the plan left out."""
        planned: dict[int, Decimal | None] = {term.number: term.principal for term in self.plan}
        return sorted({p.term: planned.get(p.term) for p in self.payments}.items() | planned.items())


CUSTOMER, GUARANTOR = ("customer",), ("compensation", "buyback")
ANYONE = CUSTOMER + GUARANTOR


def capped(principal: Decimal | None, paid: Decimal) -> Decimal:
    """What of a payment lies within the instalment; a term that is not planned any more has no limit."""
    return paid if principal is None else min(principal, paid)


def balance(loan: Loan, day: date, view: str) -> Decimal:
    payers = CUSTOMER if view == VIEWS[0] else ANYONE
    return loan.principal - sum(
        (capped(principal, loan.paid(term, day, *payers)[0]) for term, principal in loan.terms_moved()), ZERO
    )


def is_open(loan: Loan, term: Term, day: date, view: str) -> bool:
    """Whether something of the instalment is unpaid at the end of the day, in the eyes of the view."""
    if view == VIEWS[0]:
        return loan.paid(term.number, day, *CUSTOMER)[2] < term.total
    principal, both, _ = loan.paid(term.number, day, *ANYONE)
    bought = sum(
        -1 if p.principal + p.interest < 0 else 1
        for p in loan.payments
        if p.term == term.number and p.payer == "buyback" and p.day <= day
    )
    return both < term.principal + term.interest and not (bought > 0 and principal >= term.principal)


def cleared_since(loan: Loan, term: Term, day: date, view: str) -> date | None:
    """The first day since when the instalment has been cleared without a break until `day`."""
    if is_open(loan, term, day, view):
        return None
    days = sorted({p.day for p in loan.payments if p.term == term.number and loan.funded <= p.day <= day}, reverse=True)
    since = loan.funded
    for place in days:
        if is_open(loan, term, place - timedelta(days=1), view):
            return place
    return since


def dpd(loan: Loan, term: Term, day: date, view: str) -> int:
    return max((day - term.due).days, 0) if is_open(loan, term, day, view) else 0


def dpd_ever(loan: Loan, term: Term, day: date, view: str) -> int:
    if day <= term.due:
        return 0
    since = cleared_since(loan, term, day, view)
    return (day - term.due).days if since is None else max((since - term.due).days, 0)


def day_of_loan(loan: Loan, day: date) -> tuple[Any, ...]:
    """Balance, DPD and worst DPD in both views, and unpaid principal of what is overdue to the customer."""
    overdue = sum(
        (
            term.principal - capped(term.principal, loan.paid(term.number, day, *CUSTOMER)[0])
            for term in loan.plan
            if dpd(loan, term, day, VIEWS[0]) > 0
        ),
        ZERO,
    )
    return (
        *(balance(loan, day, view) for view in VIEWS),
        overdue,
        *(max(dpd(loan, term, day, view) for term in loan.plan) for view in VIEWS),
        *(max(dpd_ever(loan, term, day, view) for term in loan.plan) for view in VIEWS),
    )


def loan_days(book: list[Loan], days: list[date]) -> Figures:
    return {(day, loan.number): day_of_loan(loan, day) for day in days for loan in book if loan.stands(day)}


def read_views(held: Figures, customers: dict[str, str]) -> Iterator[tuple[date, str, str, Decimal, int]]:
    """Day, calibre, customer, balance and DPD of every loan and day."""
    for (day, number), row in held.items():
        for place, view in enumerate(VIEWS):
            yield day, view, customers[number], row[place], row[3 + place]


THRESHOLDS = {">=1": 1, ">=7": 7, ">=30": 30, ">30": 31, ">=60": 60, ">=90": 90}
SCHEMES = {"S30": (30, 60, 90, 120, 150, 180), "S29": (29, 59, 89)}


def rate(part: Decimal | int, whole: Decimal | int) -> Decimal | None:
    return None if whole == 0 else round(Decimal(part) / Decimal(whole), 9)


def delinquency(held: Figures, customers: dict[str, str]) -> Figures:
    rows: dict[tuple[Any, ...], list[tuple[str, Decimal, int]]] = defaultdict(list)
    for day, view, customer, owed, late in read_views(held, customers):
        for threshold in THRESHOLDS:
            rows[day, view, threshold].append((customer, owed, late))
    figures: Figures = {}
    for (day, view, threshold), found in rows.items():
        past = [(owed, late) for _, owed, late in found if late >= THRESHOLDS[threshold]]
        total, overdue = sum((owed for _, owed, _ in found), ZERO), sum((owed for owed, _ in past), ZERO)
        figures[day, view, threshold] = (
            total,
            overdue,
            sum(1 for _, owed, _ in found if owed > 0),
            len({customer for customer, owed, _ in found if owed > 0}),
            sum(1 for owed, _ in past if owed > 0),
            rate(overdue, total),
        )
    return figures


def buckets(held: Figures, customers: dict[str, str]) -> Figures:
    figures: dict[tuple[Any, ...], tuple[int, Decimal]] = {}
    for day, view, _, owed, late in read_views(held, customers):
        if owed <= 0 and late <= 0:
            continue
        for scheme, limits in SCHEMES.items():
            place = sum(late > limit for limit in limits) + 1
            key = day, view, scheme, f"M{place}" if late > 0 else "C"
            count, amount = figures.get(key, (0, ZERO))
            figures[key] = count + 1, amount + owed
    return dict(figures)


FPD = {"FPD1_cnt": (1, 0), "FPD1_cnt_g3": (1, 3), "FPD7_cnt": (7, 0), "FPD30_cnt": (30, 0)}


def first_payment_default(book: list[Loan], days: list[date]) -> Figures:
    figures: dict[tuple[Any, ...], tuple[int, int]] = {}
    for day in days:
        for loan in book:
            first = loan.plan[0]
            if not loan.stands(day) or first.due > day:
                continue
            for view in VIEWS:
                worst = dpd_ever(loan, first, day, view)
                for metric, (wait, grace) in FPD.items():
                    matured = (day - first.due).days >= wait
                    is_bad = matured and worst >= wait and worst > grace
                    key = day, first.due, view, metric
                    count, bad = figures.get(key, (0, 0))
                    figures[key] = count + matured, bad + is_bad
    return {key: (count, bad, rate(bad, count)) for key, (count, bad) in figures.items()}


def first_payment_unpaid(book: list[Loan], until: date) -> Figures:
    figures: dict[tuple[Any, ...], tuple[Decimal, Decimal]] = {}
    for loan in book:
        first = loan.plan[0]
        if first.due <= until and loan.stands(first.due):
            owed = first.principal + first.interest
            paid = min(loan.paid(1, first.due, *CUSTOMER)[1], owed)
            due, by_due = figures.get((first.due,), (ZERO, ZERO))
            figures[(first.due,)] = due + owed, by_due + paid
    return {key: (due, paid, rate(due - paid, due)) for key, (due, paid) in figures.items()}


def disbursement(book: list[Loan]) -> Figures:
    figures: dict[tuple[Any, ...], list[Any]] = defaultdict(lambda: [ZERO, ZERO, ZERO, 0])
    for loan in book:
        for basis, day in (("t0", loan.funded), ("booked", loan.booked), ("value", loan.valued)):
            what = loan.funder, loan.product, loan.channel or "unstated"
            row = figures[(day, basis, *what)]
            row[0] += loan.principal
            if loan.reversed is None:
                row[2] += loan.principal
                row[3] += 1
            else:
                figures[(max(day, loan.reversed), basis, *what)][1] += loan.principal
    return {key: (gross, back, gross - back, kept, count) for key, (gross, back, kept, count) in figures.items()}


def balance_bridge(book: list[Loan], days: list[date]) -> Figures:
    """BR-01: what guarantors have paid to funders and not got back, by whether they have bought the instalment."""
    figures: Figures = {}
    for day in days:
        standing = [loan for loan in book if loan.stands(day)]
        if not standing:
            continue
        before, after = (sum((balance(loan, day, view) for loan in standing), ZERO) for view in VIEWS)
        owed = {"compensation": ZERO, "buyback": ZERO}
        for loan in standing:
            for term, principal in loan.terms_moved():
                claim = capped(principal, loan.paid(term, day, *ANYONE)[0]) - capped(
                    principal, loan.paid(term, day, *CUSTOMER)[0]
                )
                bought = [p for p in loan.payments if p.term == term and p.payer == "buyback" and p.day <= day]
                standing_buybacks = sum(-1 if p.principal + p.interest < 0 else 1 for p in bought)
                owed["buyback" if standing_buybacks > 0 else "compensation"] += claim
        figures[(day,)] = before, after, before - after, owed["compensation"], owed["buyback"], ZERO
    return figures


def rollforward(book: list[Loan], days: list[date]) -> Figures:
    """BAL-02 by day, calibre and funder; a customer pays before a guarantor within a day."""
    figures: dict[tuple[Any, ...], list[Decimal]] = defaultdict(lambda: [ZERO] * 6)
    for day in days:
        eve = day - timedelta(days=1)
        for loan in book:
            if not (loan.stands(day) or loan.stands(eve) or day in (loan.funded, loan.reversed)):
                continue
            for view in VIEWS:
                row = figures[day, view, loan.funder]
                opening = balance(loan, eve, view) if loan.stands(eve) else ZERO
                disbursed = loan.principal if loan.funded == day else ZERO
                repaid = compensated = ZERO
                if loan.reversed is None or day < loan.reversed:
                    for term, principal in loan.terms_moved():
                        held, paid = loan.paid(term, eve, *CUSTOMER)[0], loan.paid(term, day, *CUSTOMER)[0]
                        lent = lending = ZERO
                        if view == VIEWS[1]:
                            lent, lending = (loan.paid(term, moment, *GUARANTOR)[0] for moment in (eve, day))
                        repaid += capped(principal, paid + lent) - capped(principal, held + lent)
                        compensated += capped(principal, paid + lending) - capped(principal, paid + lent)
                back = -(opening + disbursed) if loan.reversed == day else ZERO
                closing = balance(loan, day, view) if loan.stands(day) else ZERO
                for place, amount in enumerate((opening, disbursed, repaid, compensated, back, closing)):
                    row[place] += amount
    return {key: (*row, ZERO, 0) for key, row in figures.items()}


@cache
def _months_later(day: date, months: int) -> date:
    year, month = divmod(day.month - 1 + months, 12)
    for number in range(day.day, 0, -1):
        try:
            return date(day.year + year, month + 1, number)
        except ValueError:
            continue
    raise AssertionError


def draw_book(count: int, seed: int) -> list[Loan]:
    """Loans of every kind; the same seed gives the same book."""
    draw = random.Random(seed)
    return [_draw_loan(number, draw) for number in range(count)]


def _draw_loan(number: int, draw: random.Random) -> Loan:
    funded = START + timedelta(days=draw.randrange(150))
    size = draw.choice((1, 2, 3, 3, 6))
    share = Decimal(draw.randrange(10_000, 90_000)) / 100
    funder = draw.choice(("bank_a", "bank_b"))
    loan = Loan(
        number=f"L{number:05d}",
        customer=f"C{draw.randrange(max(number, 1)) if draw.random() < 0.2 else number:05d}".ljust(32, "0"),
        funder=funder,
        # Two banks number their loans alike.
        funder_number=f"F{number // 2 if funder == 'bank_a' else number:05d}x{number if number % 2 else 'e'}",
        product=draw.choice(("CASH03", "CASH06")),
        channel=draw.choice(("app_organic", "traffic_e", None)),
        principal=share * size,
        funded=funded,
        booked=funded + timedelta(days=draw.choice((0, 0, 1, 3))),
        valued=funded + timedelta(days=draw.choice((0, 1))),
    )
    interest, fee = Decimal(draw.randrange(0, 900)) / 100, Decimal(draw.choice((0, 0, 150))) / 100
    loan.plans.append([Term(term, _months_later(funded, term), share, interest, fee) for term in range(1, size + 1)])
    if draw.random() < 0.15:
        _replan(loan, draw)
    for term in loan.plan:
        _pay(loan, term, draw)
    if draw.random() < 0.12:
        loan.reversed = funded + timedelta(days=draw.choice((0, 0, 1, 2, 9, 40)))
        loan.kinds.add("reversed")
    if draw.random() < 0.1 and len(loan.plan) > 1:
        _buy_back(loan, draw)
    loan.payments = [payment for payment in loan.payments if payment.day <= END]
    return loan


def _replan(loan: Loan, draw: random.Random) -> None:
    """Another plan with fewer or more terms, the same number with other dates, or less interest."""
    first = loan.plan
    size = max(1, len(first) + draw.choice((-1, 0, 1, 2)))
    share = (loan.principal / size).quantize(Decimal("0.01"))
    amounts = [share] * (size - 1)
    amounts.append(loan.principal - sum(amounts, ZERO))
    shift = draw.choice((0, 5))
    interest = draw.choice((ZERO, first[0].interest))
    loan.plans.append(
        [
            Term(term, _months_later(loan.funded, term) + timedelta(days=shift), amount, interest, first[0].fee)
            for term, amount in enumerate(amounts, 1)
        ]
    )
    loan.kinds.add("replanned")
    if size < len(first) and draw.random() < 0.3:
        # Something was paid on a term that the new plan left out.
        loan.payments.append(Payment(len(first), loan.funded + timedelta(days=3), "customer", Decimal("1.00")))
        loan.kinds.add("paid on a dropped term")


WAYS = {
    "in time": 30, "late": 15, "parts": 8, "unpaid": 12, "compensated": 12, "returned": 10, "double": 4, "overpaid": 4,
    "same day": 4, "twice": 4,
}  # fmt: skip


def _pay(loan: Loan, term: Term, draw: random.Random) -> None:
    """Pay an instalment in one of the ways in which that happens, or not at all."""
    (way,) = draw.choices(list(WAYS), weights=list(WAYS.values()))
    loan.kinds.add(way)
    for days, payer, part, extra in _movements(way, draw):
        share = Decimal(part)
        loan.payments.append(
            Payment(
                term.number,
                max(term.due + timedelta(days=days), loan.funded),
                payer,
                (term.principal * share).quantize(Decimal("0.01")) + Decimal(extra),
                (term.interest * share).quantize(Decimal("0.01")),
                (term.fee * share).quantize(Decimal("0.01")) if payer == "customer" else ZERO,
            )
        )


Movement = tuple[int, str, str, str]
"""Days after the due date, payer, share of the instalment (negative: it goes back), and principal on top."""


def _movements(way: str, draw: random.Random) -> list[Movement]:
    early, late = -draw.choice((0, 0, 1, 12)), draw.randrange(1, 70)
    payer, gap = "customer", draw.choice((0, 2, 30))
    compensated: Movement = (20, "compensation", "1", "0")
    again: list[Movement] = [(20 + late, payer, draw.choice(("1", "0.5")), "0")] if draw.random() < 0.5 else []
    if way == "returned":
        return _returned(early, late, draw)
    ways: dict[str, list[Movement]] = {
        "in time": [(early, payer, "1", "0")],
        "late": [(late, payer, "1", "0")],
        "parts": [
            (early, payer, "0.25", "0"),
            *([(late, payer, "0.5", "0"), (late + 7, payer, "0.25", "0.01")] if draw.random() < 0.7 else []),
        ],
        "unpaid": [],
        "compensated": [compensated, *again],
        "double": [(early, payer, "1", "0"), (early, payer, "1", "0"), (early + gap, payer, "-1", "0")],
        "overpaid": [(late, payer, "1", "5.00"), *([compensated] if draw.random() < 0.3 else [])],
        "same day": [compensated, (20, payer, "1", "0")],
        "twice": [
            (20, "compensation", "0.5", "0"),
            (20 + draw.choice((0, 3)), draw.choice(GUARANTOR), "0.5", "0.01"),
            *again,
        ],
    }
    return ways[way]


def _returned(early: int, late: int, draw: random.Random) -> list[Movement]:
    """A payment that goes back: for good, paid once more, gone back again, or the guarantor steps in."""
    first, gap = draw.choice((early, late)), draw.choice((0, 1, 15, 40))
    paid: list[Movement] = [(first, "customer", "1", "0"), (first + gap, "customer", "-1", "0")]
    ending = draw.choice(("open", "paid", "compensated", "again"))
    if ending == "compensated":
        return [*paid, (first + gap + 20, "compensation", "1", "0")]
    once_more: Movement = (first + gap + late, "customer", "1", "0")
    back: Movement = (first + gap + late + 2, "customer", "-1", "0")
    return [*paid, *([once_more] if ending in ("paid", "again") else []), *([back] if ending == "again" else [])]


def _buy_back(loan: Loan, draw: random.Random) -> None:
    """The guarantor buys what is left, with the interest up to the day and no more."""
    day = loan.plan[0].due + timedelta(days=draw.randrange(10, 60))
    left = [
        term for term in loan.plan if not any(p.term == term.number and p.payer != "customer" for p in loan.payments)
    ]
    loan.payments = [p for p in loan.payments if not (p.payer == "customer" and p.day > day) or draw.random() < 0.5]
    for term in left:
        principal = term.principal - loan.paid(term.number, day, *ANYONE)[0]
        if principal > 0:
            interest = term.interest if term.due <= day else ZERO
            loan.payments.append(Payment(term.number, day, "buyback", principal, interest))
    loan.kinds.add("bought back")
