"""Mutated files end as landed, quarantined or refused, with counts that add up; never in a traceback.

`FUZZ_CASES` sets how many mutants are tried: 300 by default, 10,000 by `make fuzz`.
"""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from ingestion.delivery import DeliveryIncomplete, DeliveryRefused
from tests.ingestion.broken import DAY, column, make_party

CASES = int(os.environ.get("FUZZ_CASES", "300"))
CERT = "11010519491231002X"
VALUES = [(str(n), CERT, "张三丰", f"{n}.50", "20260302", "RP" if n % 2 else "OD", "备注 倈|億") for n in range(1, 9)]
WIDTHS = (6, 18, 12, 10, 8, 2, 20)


@dataclass(frozen=True)
class Dialect:
    """How the eight rows are written down, and what the contract says of that."""

    delivery: dict[str, object]
    compose: Callable[[], bytes]
    per_column: Callable[[int, str], dict[str, object]] = lambda place, name: {}


def _delimited(separator: str, end: str, encoding: str, head: str = "", quote: str = "", tail: str = "") -> bytes:
    rows = [separator.join(f"{quote}{value}{quote}" for value in row) + tail for row in VALUES]
    return (head + end.join(rows) + end).encode(encoding)


def _json() -> bytes:
    row = '{{"a":"{}","b":"{}","c":"{}","d":"{}","e":"{}","f":"{}","g":{{"h":"{}"}}}}\n'
    return "".join(row.format(*values) for values in VALUES).encode()


def _fixed() -> bytes:
    lines = [
        b"".join(value.encode("gb18030").ljust(width) for value, width in zip(row, WIDTHS, strict=True))
        for row in VALUES
    ]
    return b"\n".join(lines) + b"\n"


def _element(values: tuple[str, ...]) -> str:
    cells = "".join(f"<{name}>{value}</{name}>" for name, value in zip(NAMES[1:], values[1:], strict=True))
    return f'<Row id="{values[0]}">{cells}</Row>'


def _xml() -> bytes:
    return f"<Doc>{''.join(map(_element, VALUES))}</Doc>".encode()


NAMES = ("id", "cert", "name", "amount", "day", "code", "note")
HEAD = ",".join(f'"{name}"' for name in NAMES) + "\r\n"
DIALECTS = {
    "quoted": Dialect({"quote": '"', "header": "names"}, lambda: _delimited(",", "\r\n", "utf-8", HEAD, '"')),
    "counted": Dialect(
        {"separator": "|+|", "header": "count", "encoding": "gb18030"},
        lambda: _delimited("|+|", "\n", "gb18030", "dataRowCount|+|8\n"),
    ),
    "trailing": Dialect(
        {"separator": "\x01", "header": "none", "trailing_separator": True},
        lambda: _delimited("\x01", "\n", "utf-8", tail="\x01"),
    ),
    "json": Dialect(
        {"reader": "json_lines"},
        _json,
        lambda place, name: {"path": "$.g.h" if name == "note" else f"$.{'abcdefg'[place]}"},
    ),
    "fixed": Dialect(
        {"reader": "fixed_width", "encoding": "gb18030"}, _fixed, lambda place, name: {"width": WIDTHS[place]}
    ),
    "titled": Dialect(
        {
            "separator": ";",
            "header": "none",
            "preamble": 1,
            "skip": ["小计.*"],
            "encoding": "gb18030",
            "trailer": {"begins": "共"},
            "totals": {"rows": "^共([0-9]+)笔"},
        },
        lambda: "明细\n".encode("gb18030") + _delimited(";", "\n", "gb18030") + "小计\n共8笔\n导出\n".encode("gb18030"),
    ),
    "escaped": Dialect(
        {"quote": '"', "escape": "\\", "header": "names", "encoding": "utf-16"},
        lambda: _delimited(",", "\r\n", "utf-16", HEAD, '"'),
    ),
    "returns": Dialect(
        {"separator": "|+|", "header": "none", "line_end": "cr", "archive": {"format": "gzip"}},
        lambda: gzip.compress(_delimited("|+|", "\r", "utf-8"), mtime=0),
    ),
    "array": Dialect(
        {"reader": "json_lines", "records": "$.data.rows"},
        lambda: b'{"code":0,"data":{"rows":[' + b",\n".join(_json().splitlines()) + b'],"total":8}}',
        lambda place, name: {"path": "$.g.h" if name == "note" else f"$.{'abcdefg'[place]}"},
    ),
    "xml": Dialect(
        {"reader": "xml", "records": "Doc/Row"},
        _xml,
        lambda place, name: {"path": "@id" if name == "id" else name},
    ),
    "unbroken": Dialect(
        {"reader": "fixed_width", "header": "none", "encoding": "gb18030", "line_end": "none"},
        lambda: _fixed().replace(b"\n", b""),
        lambda place, name: {"width": WIDTHS[place]},
    ),
    "trimmed": Dialect(
        {"reader": "fixed_width", "header": "none", "encoding": "gb18030", "trimmed": True},
        lambda: b"".join(line.rstrip() + b"\n" for line in _fixed().splitlines()),
        lambda place, name: {"width": WIDTHS[place]},
    ),
}
NO_PLAIN_LINES = ("quoted", "titled", "escaped", "returns", "array", "xml", "unbroken")
JUNK = [
    b"", b"\x00", b"\r", b"\n", b"\r\n", b'"', b'""', b"|", b"|+|", b",", b"\x01", b"\x1e", b"\x1f", b"\xff\xfe",
    b"\xef\xbb\xbf", b"\xef\xbf\xbd", b"\x81", b"\xe5\xbc", "𠮷".encode(), b"NULL", b"1e999", b"-1", b"2026-02-30",
    b"99991231", b"{", b"}", b"\\", b"nan", b" " * 40, b"9" * 60, b"'; drop table typed; --",
]  # fmt: skip
MUTATION = st.tuples(
    st.sampled_from(["insert", "replace", "delete", "cut", "repeat_line", "drop_line", "swap_fields", "append"]),
    st.floats(0, 1, exclude_max=True),
    st.sampled_from(JUNK) | st.binary(max_size=6),
)


def mutate(content: bytes, kind: str, place: float, junk: bytes) -> bytes:
    """One change at byte, line or field level."""
    at = int(place * (len(content) + 1))
    lines = content.splitlines(keepends=True)
    line = int(place * len(lines)) if lines else 0
    match kind:
        case "insert":
            return content[:at] + junk + content[at:]
        case "replace":
            return content[:at] + junk + content[at + len(junk) :]
        case "delete":
            return content[:at] + content[at + 1 + len(junk) :]
        case "cut":
            return content[:at]
        case "repeat_line":
            return b"".join([*lines[: line + 1], *lines[line:]])
        case "drop_line":
            return b"".join([*lines[:line], *lines[line + 1 :]])
        case "swap_fields":
            parts = content.split(b",")
            here = int(place * len(parts))
            return b",".join([*parts[:here], *reversed(parts[here : here + 2]), *parts[here + 2 :]])
        case _:
            return content + junk


@settings(max_examples=CASES, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(dialect=st.sampled_from(sorted(DIALECTS)), mutations=st.lists(MUTATION, min_size=1, max_size=4))
def test_every_mutant_is_landed_quarantined_or_refused(dialect: str, mutations: list[tuple[str, float, bytes]]) -> None:
    chosen = DIALECTS[dialect]
    content = chosen.compose()
    for mutation in mutations:
        content = mutate(content, *mutation)
    kinds = {"id": "BIGINT", "amount": "DECIMAL(18,2)", "day": "DATE"}
    extra: dict[str, dict[str, object]] = {
        "cert": {"protect": "cert_no"}, "name": {"protect": "person_name"}, "day": {"format": "%Y%m%d"},
        "code": {"enum": ["RP", "OD"]},
    }  # fmt: skip
    with TemporaryDirectory() as folder:
        party = make_party(Path(folder))
        party.declare(
            *(
                column(
                    name,
                    kinds.get(name, "VARCHAR"),
                    key=name == "id",
                    **(extra.get(name, {}) | chosen.per_column(place, name)),
                )
                for place, name in enumerate(NAMES)
            ),
            **chosen.delivery,
        )
        party.deliver(content)
        try:
            party.land(DAY)
        except (DeliveryRefused, DeliveryIncomplete) as error:
            event("refused")
            assert str(error).startswith("party.rows of 2026-03-02")
            assert CERT not in str(error)
            assert party.rows("id") == []
        else:
            (row,) = party.ledger()
            event("quarantined" if row["rows_quarantined"] else "landed")
            if dialect not in NO_PLAIN_LINES:
                text = content.decode("gb18030" if dialect in ("fixed", "trimmed") else "utf-8", "replace")
                heading = 1 if dialect == "counted" else 0
                filled = [line for line in text.split("\n")[heading:] if line.strip("\r")]
                assert row["rows_in"] == len(filled)


def test_the_files_themselves_land_whole(tmp_path: Path) -> None:
    waived = {"cert": {"clear": "made up, and here as bytes"}}
    for name, chosen in DIALECTS.items():
        party = make_party(tmp_path / name)
        party.declare(
            *(
                column(field, key=field == "id", **(chosen.per_column(place, field) | waived.get(field, {})))
                for place, field in enumerate(NAMES)
            ),
            **chosen.delivery,
        )
        party.deliver(chosen.compose())
        party.land()
        assert [row[0] for row in party.rows("id")] == [str(n) for n in range(1, 9)], name
        assert {row[0] for row in party.rows("note")} == {"备注 倈|億"}, name
