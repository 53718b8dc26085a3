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
OF_IDENTIFIER = re.compile(
    r"_(count|cnt|flag|status|type|code|at|date|time|days|score|level|rank|verified|bound|model|brand|source|ratio)_$"
    r"|(数|次数|个数|状态|类型|标志|时间|日期|天数|评分|来源|是否\w*)_$|^_(is|has|是否)"
)
EXAMPLES = {  # accepted where a pattern is of the kind; not accepted by it
    "cert_no": (("11010119900307109X", "320102200004120990"), ("A10101199003071090", "11010119900307109Y", "1")),
    "mobile": (("13909114101", "15995577889", "19900000000"), ("00000000000", "1390911410", "A3909114101")),
    "bank_card": (("6222021234567890123", "6222021234567890"), ("0000000000000000", "20260302000", "A222021234567890")),
}
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
    return _classify(name, "forbidden_names")


def classify_identifying_name(name: str) -> str | None:
    """The kind of identifier that a column's name promises; None for a count, a flag or a time of one."""
    return None if OF_IDENTIFIER.search(_split_words(name)) else _classify(name, "identifying_names")


def classify_identifying_pattern(pattern: str) -> str | None:
    """The kind of identifier whose form a column's pattern is: it accepts examples of it, and no other text as long."""
    try:
        accepts = re.compile(pattern).fullmatch
    except re.error:
        return None
    for kind, (examples, others) in EXAMPLES.items():
        if all(map(accepts, examples)) and not any(map(accepts, others)):
            return kind
    return None


def _classify(name: str, listed_in: str) -> str | None:
    spelled = _split_words(name)
    for kind, listed in _read_words(listed_in).items():
        left = spelled
        for exception in listed.get("except", ()):
            left = left.replace(_delimit_word(exception), "_")
        if any(_delimit_word(word) in left for word in listed["names"]):
            return kind
    return None


def _split_words(name: str) -> str:
    words = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name).lower()
    return "_" + re.sub(r"[^0-9a-z\u3400-\u9fff]+", "_", words) + "_"


@cache
def _read_words(listed_in: str) -> dict[str, dict[str, Any]]:
    return tomllib.loads((CODES / f"{listed_in}.toml").read_text(encoding="utf-8"))


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


def luhn_sql(number: str) -> str:
    """SQL that is true where a text of digits passes Luhn's test (ISO/IEC 7812)."""
    digit = "try_cast(substr(number, length(number) - place, 1) as integer)"
    doubled = f"case when place % 2 = 1 then {digit} * 2 - case when {digit} > 4 then 9 else 0 end else {digit} end"
    total = f"list_sum(list_transform(range(length(number)), lambda place: {doubled}))"
    return f"list_transform([{number}], lambda number: {total} % 10 = 0)[1]"  # the number is worked out once


def _card_kind_sql(text: str) -> str:
    """A card number that passes Luhn's test, its expiry and three digits, all in one text."""
    number = f"replace(regexp_extract({text}, '{CARD_WITH_CODE}', 1), ' ', '')"
    return (
        f"case when regexp_matches({text}, '{CARD_WITH_CODE}')"
        f" then case when {luhn_sql(number)} then 'card_verification' end end"
    )
