"""Shapes of identifiers (标识符形状): numbers that are clear identifiers by their own form, whoever they belong to.

An identity number has the check character of GB 11643 and a date of birth, a phone eleven digits that begin 13 to 19, a
card 16 to 19 digits that pass Luhn's test. Tokens, amounts, timestamps and numbers of contracts have other forms: a
candidate is a whole word of digits and no part of a decimal fraction. Of numbers that only look like cards one in ten
passes Luhn's test by chance, so cards are found where at least half of those in one place do.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import polars as pl

from ingestion.identifiers.kinds import CERT_NO_CHECK, CERT_NO_WEIGHTS

CANDIDATE = r"(?:\b[0-9]+\.)?\b[0-9]{11,19}[Xx]?\b(?:\.[0-9]+)?"
BIRTH_DATE = "(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])"
SHAPES = {
    "identity numbers": rf"^[1-9][0-9]{{5}}{BIRTH_DATE}[0-9]{{3}}[0-9X]$",
    "mobile numbers": "^(?:86|0086)?1[3-9][0-9]{9}$",
    "bank card numbers": "^[3-6][0-9]{15,18}$",
}
CERT_NO, MOBILE, CARD = SHAPES
LONGEST_CARD = 20
WHOLE_NUMBERS = ("BIGINT", "UBIGINT", "HUGEINT", "UHUGEINT")
VALUE = pl.col("value")


class Shapes:
    """What `find_clear` searches for where nobody knows the values: anything of the shape of an identifier."""

    pattern = CANDIDATE
    has_names = False

    def __init__(self) -> None:
        self._compiled = re.compile(CANDIDATE, re.ASCII)

    def find_within(self, text: str, is_begun: bool = False, is_cut: bool = False) -> set[str]:
        """Those that occur in a text; where it was cut out of a longer one, a number at the cut is none."""
        whole = f"{'0' if is_begun else ''}{text}{'0_' if is_cut else ''}"
        return self.find_among(self._compiled.findall(whole))

    def find_among(self, candidates: Iterable[str]) -> set[str]:
        """Those of the candidates that have a shape; whether they are cards, `count_kinds` says of all together."""
        shaped = _classify(candidates).filter(pl.col("kind").is_not_null())
        return set(shaped["value"].to_list())

    def count_kinds(self, found: set[str]) -> dict[str, int]:
        """How many different values of each kind were found in one place."""
        shaped = _classify(found)
        counts = {kind: shaped.filter(pl.col("kind") == kind).height for kind in (CERT_NO, MOBILE)}
        cards = shaped.filter(pl.col("kind") == CARD)
        passing = cards.filter(_passes_luhn()).height
        counts[CARD] = passing if 2 * passing >= cards.height else 0
        return {kind: count for kind, count in counts.items() if count}

    def is_searched(self, kind: str) -> bool:
        """Whether a column of this DuckDB type can hold an identifier: text, bytes, anything nested, whole numbers."""
        return "VARCHAR" in kind or "BLOB" in kind or kind.endswith(",0)") or kind.startswith(WHOLE_NUMBERS)

    def is_counted(self, kind: str, found: int, values: int) -> bool:
        """Whether what was found in a column counts: a column of numbers is one of identifiers, or holds none."""
        return "VARCHAR" in kind or "BLOB" in kind or 2 * found >= values


def _classify(candidates: Iterable[str]) -> pl.DataFrame:
    """Distinct candidates with the kind whose shape they have, an identity number also its check character."""
    given = pl.DataFrame({"value": sorted({text.upper() for text in candidates})}, schema={"value": pl.String})
    kind = pl.coalesce(pl.when(VALUE.str.contains(shape)).then(pl.lit(name)) for name, shape in SHAPES.items())
    is_whole = (pl.col("kind") != CERT_NO) | _has_check_character()
    return given.with_columns(kind=kind).with_columns(kind=pl.when(is_whole).then("kind"))


def _has_check_character() -> pl.Expr:
    """GB 11643 (ISO 7064 MOD 11-2): the character at the end follows from the 17 digits before it."""
    digits = (VALUE.str.slice(place, 1).cast(pl.Int32, strict=False) for place in range(len(CERT_NO_WEIGHTS)))
    place = pl.sum_horizontal(digit * weight for digit, weight in zip(digits, CERT_NO_WEIGHTS, strict=True)) % 11
    expected = place.replace_strict(dict(enumerate(CERT_NO_CHECK)), return_dtype=pl.String, default=None)
    return expected == VALUE.str.slice(len(CERT_NO_WEIGHTS), 1)


def _passes_luhn() -> pl.Expr:
    """ISO/IEC 7812: every second digit from the right doubled, and the sum of all digits a multiple of ten."""
    padded = VALUE.str.zfill(LONGEST_CARD)
    digits = [padded.str.slice(place, 1).cast(pl.Int32, strict=False) for place in range(LONGEST_CARD)]
    doubled = [digit * 2 - pl.when(digit > 4).then(9).otherwise(0) for digit in digits[::2]]
    return pl.sum_horizontal([*doubled, *digits[1::2]]) % 10 == 0
