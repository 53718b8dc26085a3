"""Overrides (人工放行): a person accepts what a gate refused, for one verdict, with a reason, until a day."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import sqlalchemy as sa

from ingestion.foundation import Settings
from ingestion.foundation.ledger import use_ledger
from ingestion.foundation.ledger.tables import overrides
from quality.verdict import LANDING, Outcome, Verdict, find_verdicts

SHORT = 8
LEAST_REASON = 10


class OverrideRefused(ValueError):
    """The verdict cannot be overridden, or the override says too little."""


@dataclass(frozen=True)
class Override:
    """Who lets one failed verdict pass, why, and until which day."""

    verdict_id: str
    overridden_by: str
    reason: str
    valid_until: date
    recorded_at: str

    @property
    def override_id(self) -> str:
        content = [self.verdict_id, self.overridden_by, self.reason, self.valid_until.isoformat(), self.recorded_at]
        return hashlib.sha256(json.dumps(content, ensure_ascii=False).encode()).hexdigest()[:32]

    @property
    def sentence(self) -> str:
        return f"accepted by {self.overridden_by} until {self.valid_until}: {self.reason}"

    def stands(self, as_of: date) -> bool:
        """Whether it still lets the content pass on a day."""
        return as_of <= self.valid_until

    def describe(self) -> dict[str, str]:
        """What a manifest says of it."""
        return {
            "by": self.overridden_by,
            "reason": self.reason,
            "until": self.valid_until.isoformat(),
            "recorded_at": self.recorded_at,
        }


@dataclass(frozen=True)
class Decision:
    """A verdict, and the override that lets it pass although it failed; or one that did so until it `ended`."""

    verdict: Verdict
    override: Override | None = None
    ended: Override | None = None

    @property
    def outcome(self) -> Outcome:
        return Outcome.OVERRIDDEN if self.override else self.verdict.outcome


def judge_overrides(verdicts: Sequence[Verdict], settings: Settings, as_of: date | None = None) -> list[Decision]:
    """What verdicts come to with the overrides that stand on the day `as_of`, by default each one's business date."""
    overrides = read_overrides([verdict.verdict_id for verdict in verdicts if not verdict.passed], settings)
    decisions = []
    for verdict in verdicts:
        given = overrides.get(verdict.verdict_id)
        stands = given is not None and given.stands(as_of or verdict.batch_date)
        decisions.append(Decision(verdict, given if stands else None, None if stands else given))
    return decisions


def override_verdict(
    verdict_id: str,
    by: str,
    reason: str,
    until: date,
    recorded_at: str,
    settings: Settings,
    as_of: date | None = None,
) -> tuple[Verdict, Override]:
    """Record that a person accepts one failed verdict; the content it speaks of may then be published.

    `verdict_id` may be shortened to what is unique. It holds for one content: another one needs a verdict and an
    override of its own. `recorded_at` and the day `as_of` come from the edge. Idempotent.

    Raises:
        OverrideRefused: no verdict, or several, begin so; it passed; its table does not exist; it is of a
            delivery; the reason is too short; or `until` lies before the day `as_of` or the verdict's date.
    """
    verdict = _find(verdict_id, settings)
    named = f"Verdict {verdict.verdict_id[:SHORT]} on {verdict.table} of {verdict.batch_date}"
    if verdict.outcome is not Outcome.FAIL:
        raise OverrideRefused(f"{named} is {verdict.outcome}; only a failed one can be overridden.")
    if verdict.gate == LANDING:
        raise OverrideRefused(f"{named} is of a delivery, which was not landed; correct the file or its contract.")
    if any(failure.check == "table_is_present" for failure in verdict.failures):
        raise OverrideRefused(f"{named} found no table; there is no content to accept, so build it first.")
    by, reason = " ".join(by.split()), " ".join(reason.split())
    if not by or len(by) > overrides.c.overridden_by.type.length:  # type: ignore[attr-defined]
        raise OverrideRefused("An override needs the name of a person, of at most 128 characters; write --by.")
    if len(reason) < LEAST_REASON:
        raise OverrideRefused(f"The reason {reason!r} is too short; say in {LEAST_REASON} characters or more why.")
    if until < verdict.batch_date:
        raise OverrideRefused(f"{named} cannot be overridden until {until}, an earlier day; choose a later --until.")
    if as_of is not None and until < as_of:
        raise OverrideRefused(f"{named} cannot be overridden until {until}, for it is {as_of}; choose a later --until.")
    given = Override(verdict.verdict_id, by, reason, until, recorded_at)
    with use_ledger(settings) as ledger:
        ledger.execute(sa.delete(overrides).where(overrides.c.override_id == given.override_id))
        ledger.execute(
            sa.insert(overrides).values(
                override_id=given.override_id,
                verdict_id=given.verdict_id,
                overridden_by=given.overridden_by,
                reason=given.reason,
                valid_until=given.valid_until,
                recorded_at=given.recorded_at,
            )
        )
    return verdict, given


def read_overrides(verdict_ids: Sequence[str], settings: Settings) -> dict[str, Override]:
    """The override of each of the verdicts that has one: the one valid longest, of several the last recorded."""
    query = (
        sa.select(overrides)
        .where(overrides.c.verdict_id.in_(list(verdict_ids)))
        .order_by(overrides.c.valid_until, overrides.c.recorded_at, overrides.c.override_id)
    )
    with use_ledger(settings) as ledger:
        return {
            row.verdict_id: Override(row.verdict_id, row.overridden_by, row.reason, row.valid_until, row.recorded_at)
            for row in ledger.execute(query)
        }


def _find(verdict_id: str, settings: Settings) -> Verdict:
    found = find_verdicts(verdict_id, settings) if verdict_id else []
    if len(found) == 1:
        return found[0]
    if found:
        listed = ", ".join(verdict.verdict_id[: len(verdict_id) + 4] for verdict in found[:5])
        raise OverrideRefused(f"{len(found)} verdicts begin with {verdict_id}; write more of one: {listed}.")
    raise OverrideRefused(f"No verdict begins with {verdict_id}; `python -m quality verdicts` lists them.")
