"""The rule codes (规则编码) of DOMAIN.md 6 and their words, kept once in the seed `ref_rules`."""

from __future__ import annotations

import csv
import difflib
from dataclasses import dataclass
from functools import cache

from ingestion.foundation import PROJECT

SEED = PROJECT / "dbt_project" / "seeds" / "ref_rules.csv"


@dataclass(frozen=True)
class Rule:
    """What a rule code means, in Chinese and in English; `severity` is the dossier's H, S, Q or A."""

    rule: str
    family: str
    severity: str
    name_zh: str
    name_en: str

    @property
    def words(self) -> str:
        """Both names in one line."""
        return f"{self.name_zh} · {self.name_en}"


@cache
def read_rules() -> dict[str, Rule]:
    """Every rule by its code, in the seed's order."""
    with SEED.open(encoding="utf-8", newline="") as handle:
        return {row["rule"]: Rule(**row) for row in csv.DictReader(handle)}


def check_rule(code: str) -> str:
    """Give a known rule code back.

    Raises:
        ValueError: the code is in no row of the seed; the nearest ones are named.
    """
    rules = read_rules()
    if code not in rules:
        near = difflib.get_close_matches(code, rules, n=3, cutoff=0.5)
        remedy = f"write {' or '.join(near)}" if near else "take a code of seeds/ref_rules.csv"
        raise ValueError(f"names no rule: {code}; {remedy}, or add it to seeds/ref_rules.csv with its words")
    return code
