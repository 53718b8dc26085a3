"""A file in another character set than its contract's is refused by its name; one that is right never is."""

from __future__ import annotations

from typing import Any

import pytest

from tests.ingestion.broken import Party, column

TEXT = "1,正常,示例甲乙\n2,逾期,示例丙丁\n"
FORMS: dict[str, dict[str, Any]] = {
    "delimited": {"header": "none"},
    "fixed_width": {"reader": "fixed_width", "header": "none"},
    "json_lines": {"reader": "json_lines"},
}


def declare(party: Party, form: str, encoding: str) -> str:
    """Agree on a form, and give a text in it."""
    names = ("id", "status", "name")
    own = [{"width": width} for width in (1, 6, 12)] if form == "fixed_width" else [{}, {}, {}]
    if form == "json_lines":
        own = [{"path": f"$.{name}"} for name in names]
    columns = [column(name, key=name == "id", **how) for name, how in zip(names, own, strict=True)]
    party.declare(*columns, encoding=encoding, **FORMS[form])
    if form == "json_lines":
        return '{"id":"1","status":"正常","name":"示例甲乙"}\n{"id":"2","status":"逾期","name":"示例丙丁"}\n'
    return TEXT.replace(",", "") if form == "fixed_width" else TEXT


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("encoding", "written", "named"),
    [
        ("gb18030", "utf-8", "UTF-8"),
        ("cp1252", "utf-8", "UTF-8"),
        ("gb18030", "utf-16", "UTF-16"),
        ("utf-8", "utf-16", "UTF-16"),
        ("gb18030", "utf-16-be", "UTF-16"),
    ],
)
def test_another_character_set_is_refused_by_its_name(
    party: Party, form: str, encoding: str, written: str, named: str
) -> None:
    text = declare(party, form, encoding)
    if written == "utf-16-be":  # without a mark
        text = "".join(f"{place},name{place}\n" for place in range(9))
    party.deliver(text.encode(written))
    assert f"is {named}, and the contract says {encoding}" in party.refusal()


@pytest.mark.parametrize("form", FORMS)
def test_what_is_of_the_contracted_set_is_read(party: Party, form: str) -> None:
    text = declare(party, form, "gb18030")
    if form == "fixed_width":
        text = "1正常  示例甲乙    \n2逾期  示例丙丁    \n"
    party.deliver(text.encode("gb18030"))
    party.land()
    assert party.rows("id", "status", "name") == [("1", "正常", "示例甲乙"), ("2", "逾期", "示例丙丁")]


def test_a_few_characters_that_are_both_are_no_proof(party: Party) -> None:
    declare(party, "delimited", "gb18030")
    party.deliver("1,a,鍐".encode("gb18030") + "\n2,b,é\n".encode("gb18030"))
    party.land()
    assert len(party.rows()) == 2
