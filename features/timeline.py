"""Which versions of events are visible at an instant, in integer time.

Everything here is one bucket: `Timeline` holds its event versions, `Instants` the instants asked about, and
times are integer microseconds. A version is visible at `as_of` within a window `w` exactly when

    max(known, happened + 1) <= as_of < min(superseded, happened + w + 1)

so it is an interval of instants, and a count or an integer sum is the difference of two prefix sums: over the
intervals begun and over the intervals ended. An interval that would end before it begins (known later than
its window lasts, or superseded before it was known) ends where it begins, so it cancels, which keeps the two
sums exact however late an event arrives. Other aggregates look at the range of events by event time; where
all versions in it are visible (the count says so) they reduce it in place, otherwise they keep the visible
versions first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from features.arrays import Flags, Ints, Numbers

NEVER = int(np.iinfo(np.int64).max)
_PAIRS_AT_ONCE = 4_000_000


@dataclass(frozen=True)
class Timeline:
    """Event versions sorted by entity, event time, knowledge time.

    `offsets[c]:offsets[c + 1]` are those of entity c.
    """

    offsets: Ints
    entity: Ints
    happened: Ints
    known: Ints
    superseded: Ints

    @classmethod
    def of(cls, entity: Ints, happened: Ints, known: Ints, superseded: Ints, entities: int) -> Timeline:
        """Wrap arrays already in order."""
        offsets = np.searchsorted(entity, np.arange(entities + 1)).astype(np.int64)
        return cls(offsets, entity, happened, known, superseded)

    def take(self, rows: Ints | Flags) -> Timeline:
        """The same timeline with only some versions, or in another order within equal keys."""
        return Timeline.of(
            self.entity[rows],
            self.happened[rows],
            self.known[rows],
            self.superseded[rows],
            len(self.offsets) - 1,
        )

    def __len__(self) -> int:
        return len(self.entity)


@dataclass(frozen=True)
class Instants:
    """Instants asked about, sorted by entity and instant."""

    entity: Ints
    as_of: Ints

    def __len__(self) -> int:
        return len(self.entity)


def find_chronological_order(entity: Ints, happened: Ints, known: Ints) -> Ints | None:
    """The permutation into timeline order; None when the rows are in it already."""
    return _order(entity, happened, known)


def find_order_of_ties(timeline: Timeline, values: Numbers) -> Ints | None:
    """The permutation that also orders versions equal in entity, event and knowledge time by value, if any are."""
    same = (
        (timeline.entity[1:] == timeline.entity[:-1])
        & (timeline.happened[1:] == timeline.happened[:-1])
        & (timeline.known[1:] == timeline.known[:-1])
    )
    if not same.any():
        return None
    return np.lexsort((values, timeline.known, timeline.happened, timeline.entity)).astype(np.int64)


def _order(*keys: Ints) -> Ints | None:
    behind = np.zeros(max(len(keys[0]) - 1, 0), dtype=np.bool_)
    for key in reversed(keys):
        behind = (key[1:] < key[:-1]) | ((key[1:] == key[:-1]) & behind)
    return np.lexsort(keys[::-1]).astype(np.int64) if behind.any() else None


def bisect(values: Ints, low: Ints, high: Ints, sought: Ints, *, right: bool) -> Ints:
    """For each i the first index in [low[i], high[i]) whose value is >= sought[i] (> with `right`), or high[i].

    The values of each range are sorted; ranges of different rows need no order between them.
    """
    low, high = low.copy(), high.copy()
    if not len(low) or not len(values):
        return low
    for _ in range(int((high - low).max()).bit_length()):
        middle = (low + high) >> 1
        value = values[np.minimum(middle, len(values) - 1)]
        before = (value <= sought) if right else (value < sought)
        before &= low < high
        low = np.where(before, middle + 1, low)
        high = np.where(before, high, np.maximum(middle, low))
    return low


class Beginnings:
    """How many versions of its entity each instant asked about has seen begin; the same for every window."""

    def __init__(self, timeline: Timeline, asked: Instants) -> None:
        self.timeline = timeline
        self.asked = asked
        self.begun: Ints = np.maximum(timeline.known, timeline.happened + 1)
        self.order, self.at = _positions(timeline, asked, self.begun)


class Window:
    """What of a timeline each instant asked about sees in [as_of - length, as_of); length None is unbounded."""

    def __init__(self, beginnings: Beginnings, length: int | None) -> None:
        self.timeline = beginnings.timeline
        self.asked = beginnings.asked
        self._beginnings = beginnings
        ended = self.timeline.superseded
        if length is not None:
            ended = np.minimum(ended, self.timeline.happened + (length + 1))
        ended = np.maximum(ended, beginnings.begun)
        self._ended_order, self._ended_at = _positions(self.timeline, self.asked, ended)
        self.counts: Ints = beginnings.at - self._ended_at
        self._length = length
        self._range: tuple[Ints, Ints] | None = None

    def add_up(self, values: Ints) -> Ints:
        """Exact sum of the visible values; integer, so the order of the additions does not matter."""
        begun = values if self._beginnings.order is None else values[self._beginnings.order]
        ended = values if self._ended_order is None else values[self._ended_order]
        sums: Ints = _prefix(begun)[self._beginnings.at] - _prefix(ended)[self._ended_at]
        return sums

    def find_range(self) -> tuple[Ints, Ints]:
        """First index, and index after the last, of the events in the window by event time alone."""
        if self._range is None:
            low = self.timeline.offsets[self.asked.entity]
            high = self.timeline.offsets[self.asked.entity + 1]
            end = bisect(self.timeline.happened, low, high, self.asked.as_of, right=False)
            if self._length is not None:
                low = bisect(self.timeline.happened, low, end, self.asked.as_of - self._length, right=False)
            self._range = low, end
        return self._range

    def select_visible(self) -> Iterator[Selection]:
        """The visible versions of every instant that sees at least one, in pieces of bounded size."""
        low, end = self.find_range()
        complete = (self.counts > 0) & (self.counts == end - low)
        rows = np.flatnonzero(complete)
        if len(rows):
            yield Selection(rows, None, low[rows], end[rows])
        rows = np.flatnonzero((self.counts > 0) & ~complete)
        pairs = np.cumsum((end - low)[rows])
        while len(rows):
            taken = max(int(np.searchsorted(pairs, _PAIRS_AT_ONCE, side="right")), 1)
            yield self._visible(rows[:taken], low, end)
            pairs = pairs[taken:] - pairs[taken - 1]
            rows = rows[taken:]

    def _visible(self, rows: Ints, low: Ints, end: Ints) -> Selection:
        owner, index = expand_ranges(low[rows], end[rows])
        as_of = self.asked.as_of[rows][owner]
        seen = (self.timeline.known[index] <= as_of) & (as_of < self.timeline.superseded[index])
        index, owner = index[seen], owner[seen]
        ends = np.cumsum(np.bincount(owner, minlength=len(rows))).astype(np.int64)
        return Selection(rows, index, np.concatenate(([0], ends[:-1])).astype(np.int64), ends)


@dataclass(frozen=True)
class Selection:
    """Visible versions of some asked rows: row `rows[i]` sees `index[low[i]:end[i]]`, never empty.

    `index` None means that timeline positions are meant directly.
    """

    rows: Ints
    index: Ints | None
    low: Ints
    end: Ints

    def keep_newest(self, number: int | None) -> Selection:
        """Only the last `number` versions of each row."""
        if number is None:
            return self
        return Selection(self.rows, self.index, np.maximum(self.low, self.end - number), self.end)

    def gather(self, values: Numbers) -> Numbers:
        """The values in the order that `low` and `end` index."""
        return values if self.index is None else values[self.index]

    @property
    def counts(self) -> Ints:
        return self.end - self.low


def expand_ranges(low: Ints, end: Ints) -> tuple[Ints, Ints]:
    """Owner number and index of every element of the ranges."""
    lengths = end - low
    owner = np.repeat(np.arange(len(low)), lengths)
    index = np.arange(len(owner)) + np.repeat(low - (np.cumsum(lengths) - lengths), lengths)
    return owner, index


def _prefix(values: Ints) -> Ints:
    sums = np.zeros(len(values) + 1, dtype=np.int64)
    np.cumsum(values, out=sums[1:])
    return sums


def _positions(timeline: Timeline, asked: Instants, times: Ints) -> tuple[Ints | None, Ints]:
    """The order of `times` within entities, and for each instant asked the position after the last time <= it."""
    first, last = int(asked.as_of.min()), int(asked.as_of.max())
    times = np.clip(times, first, last + 1)  # what lies outside compares alike for every instant asked
    order = _order_within(timeline.entity, times - first, last - first + 2)
    ordered = times if order is None else times[order]
    low, high = timeline.offsets[asked.entity], timeline.offsets[asked.entity + 1]
    return order, bisect(ordered, low, high, asked.as_of, right=True)


def _order_within(entity: Ints, times: Ints, span: int) -> Ints | None:
    """Permutation that sorts times (0 <= time < span) inside entities, moving only entities out of order."""
    behind = (entity[1:] == entity[:-1]) & (times[1:] < times[:-1])
    if not behind.any():
        return None
    disordered = np.zeros(int(entity[-1]) + 1, dtype=np.bool_)
    disordered[entity[1:][behind]] = True
    rows = np.flatnonzero(disordered[entity])
    if int(entity[-1]) < (2**63 - span) // span:
        sorting = np.argsort(entity[rows] * span + times[rows])
    else:
        sorting = np.lexsort((times[rows], entity[rows]))
    order = np.arange(len(entity))
    order[rows] = rows[sorting]
    return order
