"""One list of owners: contracts, suites, sets and views name nobody else, and a tenant adds its own rows to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from features.commands import main as features
from ingestion.commands import main as ingestion
from ingestion.contract import load_registry
from ingestion.contract.owners import find_unowned
from ingestion.foundation import load_settings
from ingestion.foundation.owners import HEADING, Named, find_unknown_owners, read_owners
from quality.commands import main as quality
from quality.sets import load_sets
from quality.suite import load_suites

CONTRACT, SUITE = "contracts/bank_a.yml", "suites/core/fct_loans.yml"
SET, VIEW = "sets/warehouse.yml", "views/exposure.yml"
PLACES: dict[str, tuple[Callable[[Sequence[str]], int], str, str]] = {
    CONTRACT: (ingestion, "team: {name: funding}", "bank_a.yml: team.name:"),
    SUITE: (quality, "owner: loan_core", "core/fct_loans.yml: owner:"),
    SET: (quality, "owner: data_platform", "warehouse.yml: owner:"),
    VIEW: (features, "owner: finance", "exposure.yml: owner:"),
}


def lay_over(folder: Path, files: dict[str, str], monkeypatch: pytest.MonkeyPatch, **words: list[str]) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8")
    (folder / "tenant.toml").write_text("".join(f"{key} = {names}\n" for key, names in words.items()))
    monkeypatch.setenv("PLATFORM_TENANT", str(folder))
    monkeypatch.setenv("PLATFORM_HOME", str(folder.parent / f"{folder.name}_home"))


def shipped(place: str) -> str:
    kind, _, name = place.partition("/")
    product = getattr(load_settings({}), kind).list_product()
    return str(product[name].read_text(encoding="utf-8"))


@pytest.mark.parametrize("place", PLACES)
def test_an_owner_that_is_not_in_the_list_is_named_with_the_nearest_one(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    main, written, where = PLACES[place]
    owner = written.rstrip("}").rpartition(" ")[2]
    assert written in shipped(place)
    wrong = shipped(place).replace(written, written.replace(owner, f"{owner[:-1]}z"), 1)
    lay_over(tmp_path / "tenant", {place: wrong}, monkeypatch, replaces=[place])
    assert main(["check"]) == 2
    remedy = f"write {owner}, or add it to seeds/ref_owners.csv."
    assert capsys.readouterr().err == f"{where} is {owner[:-1]}z, which is no owner; {remedy}\n"
    row = f"{HEADING}\n{owner[:-1]}z,department,某部门,A department of the tenant\n"
    files = {place: wrong, "seeds/ref_owners.csv": row}
    lay_over(tmp_path / "extended", files, monkeypatch, replaces=[place], extends=["seeds/ref_owners.csv"])
    assert main(["check"]) == 0


def test_the_product_and_its_list_agree_in_both_directions() -> None:
    settings = load_settings({})
    owners, problems = read_owners(settings.seeds)
    assert not problems
    named = {contract.owner for contract in load_registry(settings).contracts.values()}
    named |= {suite.owner for suite in load_suites(settings.suites)}
    named |= {declared.owner for declared in load_sets(settings).values()}
    assert named == {owner.owner for owner in owners.values() if owner.kind != "draft"}
    assert all(owner.name_zh and owner.name_en for owner in owners.values())
    assert not find_unowned(load_registry(settings), settings.seeds)


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ("owner,name\nrisk,Risk\n", f"ref_owners.csv begins with owner,name; begin it with {HEADING}."),
        (f"{HEADING}\nrisk,department,风险,Risk\nrisk,department,风险,Risk\n", "risk: is given more than once"),
        (f"{HEADING}\nrisk,department,风险\n", f"risk: has not the columns {HEADING}"),
        (f"{HEADING}\nrisk,department,风险,Risk, and more\n", f"risk: has not the columns {HEADING}"),
    ],
)
def test_a_list_that_cannot_be_read_is_said(rows: str, problem: str, tmp_path: Path) -> None:
    (tmp_path / "ref_owners.csv").write_text(rows, encoding="utf-8")
    (found,) = find_unknown_owners([], tmp_path)
    assert problem in str(found)


def test_a_tenant_without_a_list_is_held_to_none(tmp_path: Path) -> None:
    assert find_unknown_owners([Named("one.yml", "owner", "anybody")], tmp_path) == []
