"""Spellings (写法): what a party writes around and instead of a value, as SQL that gives the plain text of it.

Each expression is for the columns whose contract asks for it; the others never see it.
"""

from __future__ import annotations

import re

from ingestion.contract.profiles import Column, NumberForm
from ingestion.foundation.sql import quote_text

BLANKS = " \t\r\n\v\f\u00a0\u2002\u2003\u2009\u200b\u200c\u200d\u2060\u3000\ufeff"
FULL_WIDTH = str.maketrans({chr(code): chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)})
WIDE = "０１２３４５６７８９．，＋－（）％"
PLAIN = (("0", "="), (">", "{"), ("一", "鿿"))  # what a text with nothing around it begins with
PLAIN_ENDS = ((0x22, 0x7E), (0x4E00, 0x9FFE))
ROUNDED = r"[+-]?[0-9]([.][0-9]+[Ee][+]?|[Ee][+])[0-9]{1,3}"


def stripped_sql(text: str) -> str:
    """SQL of a text without what surrounds it: blanks of every kind, a leading quotation mark, `="…"`."""
    inside = f"trim({text}, {quote_text(BLANKS)})"
    return f"trim(regexp_replace({inside}, '^=\"(.*)\"$|^''', '\\1'), {quote_text(BLANKS)})"


def surroundings_sql(text: str) -> str:
    """SQL of `stripped_sql` that costs a few comparisons where nothing surrounds the text."""
    begins = " or ".join(f"({text} >= '{low}' and {text} < '{high}')" for low, high in PLAIN)
    last = f"ascii(right({text}, 1))"
    ends = " or ".join(f"{last} between {low} and {high}" for low, high in PLAIN_ENDS)
    return f"case when ({begins}) and ({ends}) then {text} else {stripped_sql(text)} end"


def looked_up_sql(column: Column, text: str) -> str:
    """SQL of the text that the contract's lookups read instead; each is compared without what surrounds it."""
    if not column.profile.lookups:
        return text
    bare = stripped_sql(text)
    cases = " ".join(
        f"when {bare} in ({', '.join(map(quote_text, lookup.match))})"
        f" then {'null' if lookup.value is None else quote_text(lookup.value)}"
        for lookup in column.profile.lookups
    )
    return f"case {cases} else {text} end"


def number_text_sql(form: NumberForm, text: str) -> str:
    """SQL of a number in plain digits (or with an exponent, for a unit), from the party's way to write it."""
    if form.full_width:
        text = f"translate({text}, {quote_text(WIDE)}, {quote_text(WIDE.translate(FULL_WIDTH))})"
    if "brackets" in form.negative:
        text = f"regexp_replace({text}, '^[(（]\\s*([^-+].*)[)）]$', '-\\1')"
    if form.marks:
        marks = _any_of(form.marks)
        before, after = rf"^([+-]?)\s*(?:{marks})\s*", rf"\s*(?:{marks})$"
        text = f"regexp_replace({text}, {quote_text(before)}, '\\1')"
        text = f"regexp_replace({text}, {quote_text(after)}, '')"
    if "trailing_minus" in form.negative:
        text = f"regexp_replace({text}, '^([0-9.,]+)\\s*-$', '-\\1')"
    if form.decimal == ",":
        text = f"translate({text}, ',.', '.,')"
    for unit, power in form.units.items():
        counted = rf"([0-9.])\s*{re.escape(unit)}$"
        text = f"regexp_replace({text}, {quote_text(counted)}, '\\1e{power}')"
    return text


def _any_of(texts: list[str]) -> str:
    return "|".join(map(re.escape, sorted(texts, key=len, reverse=True)))


def boolean_sql(words: dict[str, bool], text: str) -> str:
    """SQL of a truth value by the words of the contract; NULL for any other."""
    listed = {
        truth: ", ".join(quote_text(word) for word, meant in words.items() if meant is truth) for truth in (True, False)
    }
    cases = " ".join(f"when {text} in ({found}) then {str(truth).lower()}" for truth, found in listed.items() if found)
    return f"case {cases} end"


def rounded_sql(text: str) -> str:
    """SQL that is true where a text is a number as a spreadsheet shows it, `4.40103E+17`: its last digits are gone."""
    begins = f"{text} >= '+' and {text} < ':'"
    is_suspect = f"strlen({text}) between 5 and 30 and (contains({text}, 'E') or contains({text}, 'e+'))"
    return f"({begins} and {is_suspect} and regexp_full_match({text}, '{ROUNDED}'))"
