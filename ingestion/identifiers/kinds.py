"""Identifiers (标识符): canonical form, well-formedness and display mask of every kind, as SQL for DuckDB.

The expressions are written for millions of rows: the usual spelling takes a short path, and what is used several
times stands outside CASE branches, where the engine computes it once (it does not look for common parts inside).
"""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import get_args

from ingestion.foundation.tenant import ClearKind

HASHED = ("cert_no", "mobile", "bank_card")
FORMS = ("md5", "sha256", "sm3")
DIGITS = {"md5": 32, "sha256": 64, "sm3": 64}
HASH_FORMS = {f"{kind}_{form}": form for kind in HASHED for form in FORMS}
MASKED_FORMS = {
    "cert_no_masked": r"[1-9][0-9]{5}\*{8}[0-9]{3}[0-9X]",
    "mobile_masked": r"1[3-9][0-9]\*{4}[0-9]{4}",
    "bank_card_masked": r"[0-9]{6}\*{2,9}[0-9]{4}",
}
KINDS: tuple[str, ...] = (*get_args(ClearKind), *HASH_FORMS, *MASKED_FORMS)
CERT_NO_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
CERT_NO_CHECK = "10X98765432"
CODES = Path(__file__).resolve().parent / "codes"


@cache
def list_compound_surnames() -> tuple[str, ...]:
    """Surnames of two characters (复姓)."""
    return tuple((CODES / "compound_surnames.txt").read_text(encoding="utf-8").split())


def canonical_sql(kind: str, value: str) -> str:
    """SQL of the canonical form of a delivered identifier: what is checked, tokenised and masked."""
    match kind:
        case "cert_no":
            upper = f"upper(trim({value}))"
            legacy = f"substr({upper}, 1, 6) || '19' || substr({upper}, 7)"
            return (
                f"case when strlen({value}) = 18 and not contains({value}, ' ') and not ends_with({value}, 'x')"
                f" then {value} when regexp_full_match({upper}, '[0-9]{{15}}')"
                f" then ({legacy}) || {check_digit_sql(f'({legacy})')} else {upper} end"
            )
        case "mobile":
            stripped = f"regexp_replace(trim({value}), '^(\\+?86|0086)[- ]?', '')"
            return f"case when strlen({value}) = 11 and not contains({value}, ' ') then {value} else {stripped} end"
        case "bank_card":
            return f"replace(replace({value}, ' ', ''), '-', '')"
        case "person_name":
            dotted = f"translate(trim({value}), '•・‧∙', '····')"
            return f"case when regexp_matches({value}, '[•・‧∙]') then {dotted} else trim({value}) end"
        case "email" | "device_id":
            return f"lower(trim({value}))"
        case kind if kind in HASH_FORMS:
            return f"lower(trim({value}))"
        case kind if kind in MASKED_FORMS:
            return f"replace(upper(trim({value})), '＊', '*')"
        case "address" | "openid" | "opaque":
            return f"trim({value})"
        case unknown:
            raise ValueError(f"{unknown!r} is no kind of identifier; known are {', '.join(KINDS)}.")


def well_formed_sql(kind: str, value: str) -> str | None:
    """SQL that is true where a canonical identifier is well formed, NULL where there is none, else false.

    DOMAIN.md 6.2 rules 19, 20, 23, 25, 28. No Luhn test: some legacy cards fail it.
    """
    if kind in HASH_FORMS:
        return f"regexp_full_match({value}, '[0-9a-f]{{{DIGITS[HASH_FORMS[kind]]}}}')"
    if kind in MASKED_FORMS:
        return f"regexp_full_match({value}, '{MASKED_FORMS[kind]}')"
    match kind:
        case "cert_no":
            agrees = f"({_check_place_sql(value)}) is not distinct from (strpos('{CERT_NO_CHECK}', {value}[18]) - 1)"
            return (
                f"(regexp_full_match({value}, '[1-9][0-9]{{16}}[0-9X]')::utinyint & ({agrees})::utinyint"
                f" & ({birth_date_sql(value)} is not null)::utinyint) = 1"
            )
        case "mobile":
            return f"regexp_full_match({value}, '1[3-9][0-9]{{9}}')"
        case "person_name":
            return f"not regexp_matches({value}, '[0-9*＊]')"
        case "bank_card":
            return f"regexp_full_match({value}, '[0-9]{{12,19}}')"
        case "email":
            return f"regexp_full_match({value}, '[^@\\s*]+@[^@\\s*]+\\.[a-z]{{2,}}')"
        case "device_id":
            return f"regexp_full_match({value}, '[0-9a-z:_-]{{8,64}}')"
        case "openid":
            return f"regexp_full_match({value}, '[0-9A-Za-z_-]{{16,64}}')"
        case _:
            return None


def masked_sql(kind: str, value: str) -> str | None:
    """SQL of the display mask (DOMAIN.md 4.4) of a canonical identifier; what is malformed becomes all stars."""
    stars = f"repeat('*', length({value}))"
    match kind:
        case "cert_no":
            return (
                f"case when regexp_full_match({value}, '[0-9]{{14}}([0-9]{{3}})?[0-9X]') then"
                f" substr({value}, 1, 6) || repeat('*', length({value}) - 10) || right({value}, 4) else {stars} end"
            )
        case "mobile":
            return (
                f"case when regexp_full_match({value}, '[0-9]{{11}}')"
                f" then substr({value}, 1, 3) || '****' || substr({value}, 8, 4) else {stars} end"
            )
        case "bank_card":
            return (
                f"case when regexp_full_match({value}, '[0-9]{{12,19}}')"
                f" then repeat('*', length({value}) - 4) || right({value}, 4) else {stars} end"
            )
        case "person_name":
            return _masked_name_sql(value)
        case "email":
            return (
                f"case when strpos({value}, '@') > 1 then substr({value}, 1, 1) || '***' ||"
                f" substr({value}, strpos({value}, '@')) else {stars} end"
            )
        case "device_id":
            return (
                f"case when length({value}) > 7 then repeat('*', length({value}) - 4) || right({value}, 4)"
                f" else {stars} end"
            )
        case "address":
            place = "^([^省市区县]{2,7}(省|自治区))?([^省市区县]{1,9}?(市|自治州|地区|盟))?"
            return f"regexp_extract({value}, '{place}') || '***'"
        case _:
            return None


def masked_form_sql(kind: str, value: str) -> str | None:
    """SQL of the masked form that partners send and that is tokenised for matching.

    Of a number it shows 6 and 4 digits, of a phone 3 and 4.
    """
    if kind == "bank_card":
        return f"substr({value}, 1, 6) || repeat('*', length({value}) - 10) || right({value}, 4)"
    return masked_sql(kind, value) if f"{kind}_masked" in MASKED_FORMS else None


def birth_date_sql(value: str) -> str:
    """SQL of the date of birth in a canonical identity number; NULL where it is no date."""
    return f"cast(try_strptime(substr({value}, 7, 8), '%Y%m%d') as date)"


def check_digit_sql(value: str) -> str:
    """SQL of the GB 11643 check character (ISO 7064 MOD 11-2) of the first 17 digits."""
    return f"substr('{CERT_NO_CHECK}', cast({_check_place_sql(value)} as integer) + 1, 1)"


def _check_place_sql(value: str) -> str:
    """SQL of the weighted sum of 17 digits modulo 11, from two integers of nine and eight digits.

    A digit is `q(k) - 10 q(k+1)` of the quotients `q(k) = number // 10^k`, and -10 is 1 modulo 11.
    """
    halves = ((1, CERT_NO_WEIGHTS[:9]), (10, CERT_NO_WEIGHTS[9:]))
    terms = []
    for first, weights in halves:
        number = f"try_cast(substr({value}, {first}, {len(weights)}) as integer)::bigint"
        shifted = [0, *reversed(weights)]
        for place, (lower, weight) in enumerate(pairwise(shifted)):
            factor = (weight + lower) % 11
            if factor:
                terms.append(f"{number} // {10**place} * {factor}")
    return f"({' + '.join(terms)}) % 11"


def _masked_name_sql(value: str) -> str:
    compound = ", ".join(f"'{surname}'" for surname in list_compound_surnames())
    kept = f"(case when substr({value}, 1, 2) in ({compound}) and length({value}) > 2 then 2 else 1 end)"
    return (
        f"case when length({value}) < 2 then '*' when ascii({value}) < 128 and contains({value}, ' ')"
        f" then split_part({value}, ' ', 1) || ' *'"
        f" else substr({value}, 1, {kept}) || repeat('*', length({value}) - {kept}) end"
    )
