"""The rule codes (规则编码) of DOMAIN.md 6 and their words: the seed `ref_rules`, and what a tenant's own adds to it.

The checks that a table's kind implies name codes of the product's seed, so those are known to every tenant.
"""

from __future__ import annotations

import contextlib
import csv
import difflib
import io
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, fields
from functools import cache

from ingestion.foundation import PROJECT, read_files
from ingestion.foundation.declarations import Problem
from ingestion.foundation.tenant import Files

SEED = "ref_rules.csv"
PRODUCT = PROJECT / "dbt_project" / "seeds"


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


COLUMNS = tuple(field.name for field in fields(Rule))


def read_rules(seeds: Files = PRODUCT) -> dict[str, Rule]:
    """Every rule by its code: the product's in their order, then a tenant's own, which go before those of its code."""
    return {**_read_product(), **_read_own(seeds)[0]}


def find_wrong_rules(seeds: Files) -> list[Problem]:
    """What is wrong with the rows of a tenant's `ref_rules`."""
    return _read_own(seeds)[1]


@contextlib.contextmanager
def use_rules(seeds: Files) -> Iterator[None]:
    """Within the block `check_rule` knows the rules of these seeds; otherwise those of the product."""
    token = _known.set(read_rules(seeds))
    try:
        yield
    finally:
        _known.reset(token)


def check_rule(code: str) -> str:
    """Give a known rule code back.

    Raises:
        ValueError: the code is in no row of the seeds in use; the nearest ones are named.
    """
    rules = _known.get() or _read_product()
    if code not in rules:
        near = difflib.get_close_matches(code, rules, n=3, cutoff=0.5)
        remedy = f"write {' or '.join(near)}" if near else f"take a code of seeds/{SEED}"
        raise ValueError(f"names no rule: {code}; {remedy}, or add it to seeds/{SEED} with its words")
    return code


@cache
def _read_product() -> Mapping[str, Rule]:
    return _read_own(PRODUCT)[0]


def _read_own(seeds: Files) -> tuple[dict[str, Rule], list[Problem]]:
    content = read_files(seeds, SEED).get(SEED)
    if content is None:
        return {}, []
    text = content.decode("utf-8-sig")
    heading, expected = text.partition("\n")[0].strip(), ",".join(COLUMNS)
    if heading != expected:
        return {}, [Problem(SEED, "", f"begins with {heading}", f"begin it with {expected}")]
    rules: dict[str, Rule] = {}
    problems: list[Problem] = []
    for row in csv.DictReader(io.StringIO(text, newline=""), restval="", restkey="more"):
        code = row["rule"]
        if code in rules:
            problems.append(Problem(SEED, code, "is given more than once", "take all but one out"))
        elif "more" in row or not all(row.values()):
            remedy = "fill in each, quoted if it holds a comma"
            problems.append(Problem(SEED, code, f"has not the columns {expected}", remedy))
        else:
            rules[code] = Rule(**row)
    return rules, problems


_known: ContextVar[Mapping[str, Rule] | None] = ContextVar("known_rules", default=None)
