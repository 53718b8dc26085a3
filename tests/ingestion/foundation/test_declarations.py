"""Declarations report every problem of every file at once, each with its key and the nearest right name."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, ValidationError, model_validator

from ingestion.foundation import list_files
from ingestion.foundation.declarations import Closed, Problem, explain_errors, load_declarations


class Sum(Closed):
    expectation: Literal["sum"]
    column: str
    minimum: float | None = None


class Count(Closed):
    expectation: Literal["count"]
    distinct: bool = False


class Check(Closed):
    name: str
    severity: Literal["fail", "warn"] = "fail"
    arguments: Annotated[Sum | Count, Field(discriminator="expectation")]


class Layout(Closed):
    bucket_by: str
    sort_by: tuple[str, ...] = ()


class Table(Closed):
    table: str = Field(pattern=r"^\w+$")
    layout: Layout | None = None
    checks: tuple[Check, ...] = Field(default=(), min_length=1)
    folders: dict[str, Layout] = {}
    address: int | None = None
    rows: int = Field(default=1, ge=1, description="a whole number from 1")

    @model_validator(mode="after")
    def _is_named_well(self) -> Table:
        if self.table == "table":
            raise ValueError("the table is named table; call it after its rows")
        return self


SUM = {"expectation": "sum", "column": "amount"}
PROBLEMS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "misspelt key": (
        {"table": "a", "layuot": {}},
        ["f.yml: layuot: is not a key that exists here; write layout."],
    ),
    "nothing near": (
        {"table": "a", "zzz": 1},
        [
            "f.yml: zzz: is not a key that exists here; remove it; known are table, layout, checks, folders, "
            "address, rows."
        ],
    ),
    "misspelt key below": (
        {"table": "a", "layout": {"bucket_by": "x", "sorted_by": []}},
        ["f.yml: layout.sorted_by: is not a key that exists here; write sort_by."],
    ),
    "misspelt key of a list entry": (
        {"table": "a", "checks": [{"name": "n", "arguments": SUM, "severty": "warn"}]},
        ["f.yml: checks[n].severty: is not a key that exists here; write severity."],
    ),
    "misspelt key behind a tag": (
        {"table": "a", "checks": [{"name": "n", "arguments": {**SUM, "minium": 3}}]},
        ["f.yml: checks[n].arguments.minium: is not a key that exists here; write minimum."],
    ),
    "key of another tag": (
        {"table": "a", "checks": [{"name": "n", "arguments": {**SUM, "distinct": True}}]},
        [
            "f.yml: checks[n].arguments.distinct: is not a key that exists here; remove it; known are expectation, "
            "column, minimum."
        ],
    ),
    "misspelt key of a named part": (
        {"table": "a", "folders": {"x": {"bucket_by": "a", "sort_bye": []}}},
        ["f.yml: folders.x.sort_bye: is not a key that exists here; write sort_by."],
    ),
    "misspelt tag": (
        {"table": "a", "checks": [{"name": "n", "arguments": {"expectation": "cuont"}}]},
        ["f.yml: checks[n].arguments: names cuont, which does not exist here; write count."],
    ),
    "misspelt choice": (
        {"table": "a", "checks": [{"name": "n", "arguments": SUM, "severity": "fial"}]},
        ["f.yml: checks[n].severity: is 'fial'; write fail."],
    ),
    "no choice": (
        {"table": "a", "checks": [{"name": "n", "arguments": SUM, "severity": 7}]},
        ["f.yml: checks[n].severity: is 7; write fail or warn."],
    ),
    "missing": ({"layout": {}}, ["f.yml: layout.bucket_by: is missing; add it.", "f.yml: table: is missing; add it."]),
    "missing behind a tag": (
        {"table": "a", "checks": [{"name": "n", "arguments": {"expectation": "sum"}}]},
        ["f.yml: checks[n].arguments.column: is missing; add it."],
    ),
    "of the whole": (
        {"table": "table"},
        ["f.yml: (file): the table is named table; call it after its rows."],
    ),
    "pattern": (
        {"table": "a-b"},
        [r"f.yml: table: is 'a-b'; string should match pattern '^\w+$'."],
    ),
    "described": ({"table": "a", "rows": 0}, ["f.yml: rows: is 0; write a whole number from 1."]),
    "address": (
        {"table": "a", "address": "postgresql://me:secret@host/db"},
        ["f.yml: address: does not fit; it should be a valid integer, unable to parse string as an integer."],
    ),
    "long": (
        {"table": "a", "address": "x" * 80},
        ["f.yml: address: does not fit; it should be a valid integer, unable to parse string as an integer."],
    ),
}


@pytest.mark.parametrize("case", PROBLEMS)
def test_a_problem_names_its_key_and_what_would_be_right(case: str) -> None:
    content, reported = PROBLEMS[case]
    with pytest.raises(ValidationError) as caught:
        Table.model_validate(content)
    assert [str(problem) for problem in sorted(explain_errors(caught.value, "f.yml", content, Table))] == reported


def test_a_part_of_a_file_is_explained_below_its_key() -> None:
    with pytest.raises(ValidationError) as caught:
        Layout.model_validate({"bucket": "x"})
    assert explain_errors(caught.value, "f.yml", {"bucket": "x"}, Layout, "a.b")[-1] == Problem(
        "f.yml", "a.b.bucket", "is not a key that exists here", "write bucket_by"
    )


def test_every_problem_of_every_file_is_reported_and_the_others_are_read(tmp_path: Path) -> None:
    texts = {
        "right.yml": "table: right\n",
        "twice.yml": "table: a\ntable: b\n",
        "list.yml": "- a\n",
        "deep/wrong.yml": "tabel: a\n",
        "bytes.yml": "",
    }
    for name, text in texts.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (tmp_path / "bytes.yml").write_bytes("表: 甲".encode("gb18030"))
    declared, problems = load_declarations(list_files(tmp_path, "**/*.yml"), Table)
    assert declared == {"right.yml": Table(table="right")}
    reported = [str(problem) for problem in sorted(problems)]
    assert reported[0].startswith("bytes.yml: (file): is not readable YAML ('utf-8' codec")
    assert reported[1:4] == [
        "deep/wrong.yml: tabel: is not a key that exists here; write table.",
        "deep/wrong.yml: table: is missing; add it.",
        "list.yml: (file): is not a mapping; start it with `table:`.",
    ]
    assert reported[4].startswith("twice.yml: (file): is not readable YAML (key `table` is given twice")
    assert len(reported) == 5
