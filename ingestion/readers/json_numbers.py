"""Numbers of JSON as they are written: a parser that makes them doubles keeps 15 digits of them at most.

Before a line is parsed, each of its numbers that a double could change becomes a marked text; the marks are taken out
of what is found in the line.
"""

from __future__ import annotations

from ingestion.foundation.sql import quote_text

OPEN, CLOSE = "\x02", "\x03"
ESCAPED = {OPEN: r"\u0002", CLOSE: r"\u0003"}
TEXT = r'"(?:[^"\\]|\\.)*"'
NUMBER = r"-?[0-9]+(?:[.][0-9]+)?(?:[eE][-+]?[0-9]+)?"
IS_SUSPECT = "[0-9][.eE][-+0-9]|[0-9]{16}"


def marked_sql(line: str) -> str:
    """SQL of a line of JSON with every number as a marked text, if one of them may not survive a double."""
    opened, closed = ESCAPED.values()
    marked = f"regexp_replace({line}, '({TEXT})|({NUMBER})', '\\1\"\\{opened}\\2\\{closed}\"', 'g')"
    bare = f"replace({marked}, {quote_text(f'{chr(34)}{opened}{closed}{chr(34)}')}, '')"
    return f"case when regexp_matches({line}, '{IS_SUSPECT}') then {bare} else {line} end"


def written_sql(found: str, may_hold_members: bool) -> str:
    """SQL of a text that was found in such a line, without marks; it `may_hold_members` with numbers of their own."""
    if may_hold_members:
        found = f"replace(replace({found}, '\"{ESCAPED[OPEN]}', ''), '{ESCAPED[CLOSE]}\"', '')"
    return f"replace(replace({found}, chr({ord(OPEN)}), ''), chr({ord(CLOSE)}), '')"
