"""Overrides (人工放行): a person accepts what a gate refused, for one verdict, with a reason, until a day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from ingestion.foundation import Settings
from ingestion.foundation.ledger import use_ledger
from ingestion.foundation.ledger.tables import overrides
from ingestion.foundation.overrides import Override, read_last_overrides, record_override
from quality.verdict import KEEPS_ITS_ROWS, LANDING, Outcome, Verdict, find_verdicts

SHORT = 8
LEAST_REASON = 10


class OverrideRefused(ValueError):
    """The verdict cannot be overridden, or the override says too little."""


@dataclass(frozen=True)
class Decision:
    """A verdict, and the override that lets it pass although it failed; or the one that `ended`, or its withdrawal."""

    verdict: Verdict
    override: Override | None = None
    ended: Override | None = None

    @property
    def outcome(self) -> Outcome:
        return Outcome.OVERRIDDEN if self.override else self.verdict.outcome


def judge_overrides(verdicts: Sequence[Verdict], settings: Settings, as_of: date | None = None) -> list[Decision]:
    """What verdicts come to with the overrides that stand on the day `as_of`, by default each one's business date.

    The last word on a verdict counts: a later override replaces an earlier one, be it longer or shorter, and a
    withdrawal takes it back.
    """
    with use_ledger(settings) as ledger:
        words = read_last_overrides([verdict.verdict_id for verdict in verdicts if not verdict.passed], ledger)
    decisions = []
    for verdict in verdicts:
        word = words.get(verdict.verdict_id)
        stands = word is not None and word.is_valid(as_of or verdict.batch_date)
        decisions.append(Decision(verdict, word if stands else None, None if stands else word))
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
    """Record that a person accepts one failed verdict; the content it speaks of may then be published, or landed.

    `verdict_id` may be shortened to what is unique. It holds for one content: another one needs a verdict and an
    override of its own. A later one, be it longer or shorter, replaces it. `recorded_at` and the day `as_of` come from
    the edge. Idempotent.

    Raises:
        OverrideRefused: no verdict, or several, begin so; it passed; its table does not exist; it is of a delivery
            that has more wrong than its lost rows; the reason is too short; or `until` lies before the day `as_of` or
            the verdict's date.
    """
    verdict = _find(verdict_id, settings)
    named = _name(verdict)
    if verdict.outcome is not Outcome.FAIL:
        raise OverrideRefused(f"{named} is {verdict.outcome}; only a failed one can be overridden.")
    if verdict.gate == LANDING and any(failure.check != KEEPS_ITS_ROWS for failure in verdict.failing_checks):
        raise OverrideRefused(f"{named} is of a delivery, which was not landed; correct the file or its contract.")
    if any(failure.check == "table_is_present" for failure in verdict.failures):
        raise OverrideRefused(f"{named} found no table; there is no content to accept, so build it first.")
    if until < verdict.batch_date:
        raise OverrideRefused(f"{named} cannot be overridden until {until}, an earlier day; choose a later --until.")
    if as_of is not None and until < as_of:
        raise OverrideRefused(f"{named} cannot be overridden until {until}, for it is {as_of}; choose a later --until.")
    given = Override(verdict.verdict_id, _check_name(by), _check_reason(reason), until, recorded_at)
    with use_ledger(settings) as ledger:
        record_override(given, ledger)
    return verdict, given


def withdraw_override(
    verdict_id: str, by: str, reason: str, recorded_at: str, settings: Settings, as_of: date
) -> tuple[Verdict, Override]:
    """Record that a person takes the override of a verdict back on the day `as_of`; the verdict fails again.

    The override stays in the ledger beside the withdrawal. What was published while it stood stays readable, and its
    manifest says that it was withdrawn (`quality.pages.renew_readings`).

    Raises:
        OverrideRefused: no verdict, or several, begin so; it has no override that stands; or the reason is too short.
    """
    verdict = _find(verdict_id, settings)
    with use_ledger(settings) as ledger:
        word = read_last_overrides([verdict.verdict_id], ledger).get(verdict.verdict_id)
        if word is None:
            raise OverrideRefused(f"{_name(verdict)} has no override; there is nothing to withdraw.")
        if not word.is_valid(as_of):
            how = "was" if word.is_withdrawal else "is no longer"
            raise OverrideRefused(f"{_name(verdict)} has no override any more: it {how} {word.sentence}.")
        given = Override(verdict.verdict_id, _check_name(by), _check_reason(reason), as_of, recorded_at, True)
        record_override(given, ledger)
    return verdict, given


def _name(verdict: Verdict) -> str:
    return f"Verdict {verdict.verdict_id[:SHORT]} on {verdict.table} of {verdict.batch_date}"


def _check_name(by: str) -> str:
    name = " ".join(by.split())
    if not name or len(name) > overrides.c.overridden_by.type.length:  # type: ignore[attr-defined]
        raise OverrideRefused("An override needs the name of a person, of at most 128 characters; write --by.")
    return name


def _check_reason(reason: str) -> str:
    words = " ".join(reason.split())
    if len(words) < LEAST_REASON:
        raise OverrideRefused(f"The reason {words!r} is too short; say in {LEAST_REASON} characters or more why.")
    return words


def _find(verdict_id: str, settings: Settings) -> Verdict:
    found = find_verdicts(verdict_id, settings) if verdict_id else []
    if len(found) == 1:
        return found[0]
    if found:
        listed = ", ".join(verdict.verdict_id[: len(verdict_id) + 4] for verdict in found[:5])
        raise OverrideRefused(f"{len(found)} verdicts begin with {verdict_id}; write more of one: {listed}.")
    raise OverrideRefused(f"No verdict begins with {verdict_id}; `python -m quality verdicts` lists them.")
