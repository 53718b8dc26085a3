"""Numbers of JSON as they are written: a parser that makes them doubles keeps 15 digits of them at most.

Before a line is parsed that has a number which a double could change, each of its numbers becomes a marked text; the
marks are taken out of what is found in it.
"""

from __future__ import annotations

from ingestion.foundation.sql import quote_text

OPEN, CLOSE = "\x02", "\x03"
ESCAPED = {OPEN: r"\u0002", CLOSE: r"\u0003"}
TEXT = r'"(?:[^"\\]|\\.)*"'
NUMBER = r"-?[0-9]+(?:[.][0-9]+)?(?:[eE][-+]?[0-9]+)?"
UNSAFE = r"\s*-?(?:[0-9.]{17}|[0-9]+(?:[.][0-9]+)?[eE]|[0-9]+[.][0-9]*0\s*[,}\]])"


def marked_relation_sql(relation: str) -> str:
    """SQL of the lines of a relation: `line`, `_is_json`, and `_is_marked` where its numbers are marked texts.

    That is where one of them has more than 15 digits, an exponent, or zeros at its end that a double forgets.
    """
    opened, closed = ESCAPED.values()
    marked = f"regexp_replace(line, '({TEXT})|({NUMBER})', '\\1\"\\{opened}\\2\\{closed}\"', 'g')"
    bare = f"replace({marked}, {quote_text(f'{chr(34)}{opened}{closed}{chr(34)}')}, '')"
    anywhere, of_members = quote_text(rf"[:,\[]{UNSAFE}"), quote_text(f":{UNSAFE}")  # which is four times quicker
    is_unsafe = (
        f"case when contains(line, '[') then regexp_matches(line, {anywhere})"
        f" else regexp_matches(line, {of_members}) end"
    )
    return (
        f"select case when _is_marked then {bare} else line end as line, _is_json, _is_marked from (select *,"
        f" json_valid(line) as _is_json, {is_unsafe} as _is_marked from ({relation}))"
    )


def member_sql(path: str, may_hold_members: bool) -> str:
    """SQL of the text of a member of such a line; NULL in what is no JSON.

    It `may_hold_members` of its own, with numbers.
    """
    found = f"json_extract_string(line, {quote_text(path)})"
    written = found
    if may_hold_members:
        written = f"replace(replace({written}, '\"{ESCAPED[OPEN]}', ''), '{ESCAPED[CLOSE]}\"', '')"
    written = f"replace(replace({written}, chr({ord(OPEN)}), ''), chr({ord(CLOSE)}), '')"
    return f"case when not _is_json then null when _is_marked then {written} else {found} end"
