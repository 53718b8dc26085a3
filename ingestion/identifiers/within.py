"""Identifiers inside texts (文本中的标识符): remarks, memos and nested JSON, as SQL for DuckDB.

Searched for is what has a form of its own: identity numbers with their check character, mobile numbers, bank cards that
pass Luhn's test and have a prefix of the networks, e-mail addresses, licence plates, and what a text itself calls a
name, a WeChat id or an IMEI. A number inside a longer word of letters and digits (a loan's number) is none.
"""

from __future__ import annotations

from ingestion.identifiers.kinds import well_formed_sql
from ingestion.identifiers.sensitive import luhn_sql

SHORTEST = 9  # bytes: a licence plate
BEFORE = r"(^|[^0-9A-Za-z_.]|(?i:tel|phone|mobile|wechat|weixin|wx|vx))"
MOBILE = r"(?:(?:\+?86|0086)[ -]?)?1[3-9][0-9][ -]?[0-9]{4}[ -]?[0-9]{4}\b"
PLATE = r"[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼][A-HJ-NP-Z][·. ]?[0-9A-HJ-NP-Z]{5,6}\b"
MAIL = r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}"
CALLED = r"(?:姓名|户名|微信号?|IMEI|imei|车牌号?)\"?[ ]?[:：][ ]?\"?"
FOLLOWING = r"[0-9A-Za-z_-]{6,}|[\x{3400}-\x{9fff}·•]{2,}"
CERT_NO = r"[1-9][0-9]{5}(?:19|20)[0-9]{2}[01][0-9][0-3][0-9]{4}[0-9Xx]\b"
CARD = r"(?:62[0-9]{14,17}|4[0-9]{15}|5[1-5][0-9]{14}|62[0-9]{2}(?:[ -][0-9]{4}){3}(?:[ -][0-9]{3})?)\b"
CERTAIN = (f"{BEFORE}(?:{MOBILE})", f"()(?:{PLATE})", f"()(?:{MAIL})", f"({CALLED})(?:{FOLLOWING})")
NUMBER = f"{BEFORE}({CERT_NO}|{CARD})"
ANY = "|".join((*CERTAIN, NUMBER))
STARS = "***********"


def holds_identifier_sql(text: str) -> str:
    """SQL that is true where a text holds an identifier in clear; never NULL. One search where it does not."""
    certain = " or ".join(f"regexp_matches({text}, '{pattern}')" for pattern in CERTAIN)
    return (
        f"case when {text} is null or strlen({text}) < {SHORTEST} then false"
        f" when regexp_matches({text}, '{ANY}') then {certain} or len({_numbers_sql(text)}) > 0 else false end"
    )


def masked_text_sql(text: str) -> str:
    """SQL of a text in which stars stand for every identifier that `holds_identifier_sql` finds."""
    masked = text
    for pattern in CERTAIN:
        masked = f"regexp_replace({masked}, '{pattern}', '\\1{STARS}', 'g')"
    numbers = f"list_prepend({masked}, {_numbers_sql(text)})"
    replaced = f"list_reduce({numbers}, lambda masked, number: replace(masked, number, '{STARS}'))"
    return f"case when {holds_identifier_sql(text)} then {replaced} else {text} end"


def _numbers_sql(text: str) -> str:
    """SQL of the identity numbers and cards in a text, as they are written there."""
    found = f"regexp_extract_all({text}, '{NUMBER}', 2)"
    digits = "replace(replace(number, ' ', ''), '-', '')"
    is_cert = f"coalesce({well_formed_sql('cert_no', 'upper(number)')}, false)"
    is_card = f"(regexp_full_match(number, '{CARD}') and {luhn_sql(digits)})"
    return f"list_filter({found}, lambda number: {is_cert} or {is_card})"
