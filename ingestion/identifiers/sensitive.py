"""C3 detector (鉴别信息检测): passwords, card verification codes, magnetic tracks and biometric templates never land.

JR/T 0171 class C3, DOMAIN.md 6.1 rule 13: a delivery that holds one is refused whole. Columns are judged by their
names, values by what they look like; the words are in `codes/forbidden_names.toml`.
"""

from __future__ import annotations

import re
import tomllib
from functools import cache
from typing import Any

from ingestion.identifiers.kinds import CODES

LONG_NUMBER = re.compile(r"[0-9]{11,}[0-9Xx]?")  # a date is shorter
SHORTEST = 15
TRACK_1 = r"B[0-9]{12,19}\^[^\^]{2,26}\^[0-9]{4}"
TRACK_2 = "(^|[^0-9])[0-9]{12,19}=[0-9]{7,}"
CARD_WITH_CODE = (
    r"(?:^|[^0-9A-Za-z])([0-9]{13,19}|[0-9]{4} [0-9]{4} [0-9]{4} [0-9]{4}(?: [0-9]{3})?)[^0-9A-Za-z][^0-9]{0,11}"
    r"(?:0[1-9]|1[0-2])[/-]?(?:20)?[2-4][0-9][^0-9A-Za-z][^0-9]{0,11}[0-9]{3}(?:[^0-9A-Za-z]|$)"
)
CARD_WITH_CODE_LENGTH = 22
PASSWORD_HASH = r"(\$(1|2[abxy]?|5|6|y|apr1|argon2(id|i|d))\$.{8,}|\{(SSHA|SHA|SMD5|CRYPT|BCRYPT)[0-9]*\}.{12,})"
IMAGE_STARTS = ("data:image/", "/9j/", "iVBORw0KGgo", "Rk1SA", "RkFDA")
IMAGE_LENGTH, BLOB_LENGTH = 64, 1000
BLOB = r"(data:[a-z/]+;base64,)?([A-Za-z0-9+/]{60,}\s+)*[A-Za-z0-9+/]{60,}\s*[A-Za-z0-9+/]*={0,2}\s*"


def find_forbidden_names(names: list[str]) -> list[str]:
    """Those of the given column names that promise authentication data, in their order."""
    return [name for name in names if classify_name(name)]


def classify_name(name: str) -> str | None:
    """What a column's name promises (`password`, `card_verification`, `magnetic_track`, `biometric`), if C3."""
    words = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name).lower()
    spelled = "_" + re.sub(r"[^0-9a-z\u3400-\u9fff]+", "_", words) + "_"
    for kind, listed in _read_words().items():
        left = spelled
        for exception in listed.get("except", ()):
            left = left.replace(_delimit_word(exception), "_")
        if any(_delimit_word(word) in left for word in listed["names"]):
            return kind
    return None


@cache
def _read_words() -> dict[str, dict[str, Any]]:
    return tomllib.loads((CODES / "forbidden_names.toml").read_text(encoding="utf-8"))


def redact_numbers(text: str) -> str:
    """Redact long numbers in a text that somebody else wrote; they may be identifiers."""
    return LONG_NUMBER.sub("…", text)


def _delimit_word(word: str) -> str:
    return f"_{word}_" if word.isascii() else word


def forbidden_kind_sql(text: str) -> str:
    """SQL of the kind of authentication data in a text; NULL for anything else.

    Kinds are `magnetic_track`, `card_verification`, `password` and `biometric`. Short texts cost a length test, others
    a few searches.
    """
    starts = " or ".join(f"starts_with({text}, '{start}')" for start in IMAGE_STARTS)
    return (
        f"case when {text} is null or strlen({text}) < {SHORTEST} then null"
        f" when contains({text}, '^') and regexp_matches({text}, '{TRACK_1}') then 'magnetic_track'"
        f" when contains({text}, '=') and regexp_matches({text}, '{TRACK_2}') then 'magnetic_track'"
        f" when ascii({text}) in (36, 123) and regexp_full_match({text}, '{PASSWORD_HASH}') then 'password'"
        f" when strlen({text}) < {CARD_WITH_CODE_LENGTH} then null"
        f" when strlen({text}) >= {IMAGE_LENGTH} and ({starts}) then 'biometric'"
        f" when strlen({text}) >= {BLOB_LENGTH} and regexp_full_match({text}, '{BLOB}') then 'biometric'"
        f" when regexp_matches({text}, '[0-9]{{13}}|[0-9]{{4}} [0-9]{{4}}') then {_card_kind_sql(text)} end"
    )


def forbidden_sql(text: str) -> str:
    """SQL that is true where a text holds authentication data; never NULL."""
    return f"({text} is not null and strlen({text}) >= {SHORTEST} and ({forbidden_kind_sql(text)}) is not null)"


def _card_kind_sql(text: str) -> str:
    """A card number that passes Luhn's test, its expiry and three digits, all in one text."""
    number = f"replace(regexp_extract({text}, '{CARD_WITH_CODE}', 1), ' ', '')"
    digit = "cast(substr(number, length(number) - place, 1) as integer)"
    doubled = f"case when place % 2 = 1 then {digit} * 2 - case when {digit} > 4 then 9 else 0 end else {digit} end"
    total = f"list_sum(list_transform(range(length(number)), lambda place: {doubled}))"
    is_card = f"list_transform([{number}], lambda number: {total} % 10 = 0)[1]"  # the number is worked out once
    return (
        f"case when regexp_matches({text}, '{CARD_WITH_CODE}')"
        f" then case when {is_card} then 'card_verification' end end"
    )
