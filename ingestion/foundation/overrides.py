"""Overrides (人工放行) in the ledger: who accepts what one verdict refused, why and until when, or takes that back."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import sqlalchemy as sa

from ingestion.foundation.ledger.tables import overrides


@dataclass(frozen=True)
class Override:
    """Who lets one failed verdict pass, why, and until which day; or who withdraws that, on which day."""

    verdict_id: str
    overridden_by: str
    reason: str
    valid_until: date
    recorded_at: str
    is_withdrawal: bool = False

    @property
    def override_id(self) -> str:
        content = [self.verdict_id, self.overridden_by, self.reason, self.valid_until.isoformat(), self.recorded_at]
        content += ["withdrawal"] if self.is_withdrawal else []
        return hashlib.sha256(json.dumps(content, ensure_ascii=False).encode()).hexdigest()[:32]

    @property
    def sentence(self) -> str:
        how = "withdrawn by {} on" if self.is_withdrawal else "accepted by {} until"
        return f"{how.format(self.overridden_by)} {self.valid_until}: {self.reason}"

    def is_valid(self, as_of: date) -> bool:
        """Whether it lets the content pass on a day."""
        return not self.is_withdrawal and as_of <= self.valid_until

    def describe(self) -> dict[str, str]:
        """What a manifest says of it."""
        return {
            "by": self.overridden_by,
            "reason": self.reason,
            "on" if self.is_withdrawal else "until": self.valid_until.isoformat(),
            "recorded_at": self.recorded_at,
        }


def record_override(given: Override, ledger: sa.Connection) -> None:
    """Write it as the last word on its verdict; one that is already there is moved to the end."""
    ledger.execute(sa.delete(overrides).where(overrides.c.override_id == given.override_id))
    ledger.execute(
        sa.insert(overrides).values(
            override_id=given.override_id,
            verdict_id=given.verdict_id,
            overridden_by=given.overridden_by,
            reason=given.reason,
            valid_until=given.valid_until,
            recorded_at=given.recorded_at,
            is_withdrawal=given.is_withdrawal,
        )
    )


def read_last_overrides(verdict_ids: Sequence[str], ledger: sa.Connection) -> dict[str, Override]:
    """The last word on each of the verdicts that anybody accepted: an override, or its withdrawal."""
    query = sa.select(overrides).where(overrides.c.verdict_id.in_(list(verdict_ids))).order_by(overrides.c.sequence)
    return {
        row.verdict_id: Override(
            row.verdict_id, row.overridden_by, row.reason, row.valid_until, row.recorded_at, row.is_withdrawal
        )
        for row in ledger.execute(query)
    }
