"""Sets are closed, typed, and report everything that is wrong at once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from importlib import import_module
from pathlib import Path

import pytest

from ingestion.foundation import PROJECT, Settings, load_settings
from quality import sets
from quality.sets import (
    GatedSet,
    SetsInvalid,
    SetUnknown,
    check_sets,
    find_guarded_set,
    list_published_tables,
    load_set,
    load_sets,
    load_suites_in_force,
)
from quality.suite import Suite

DAY = date(2026, 3, 2)
GOOD = "set: more\nterm: 词\nowner: risk\ndescription: Something more.\ngates: [more]\ntables: [fct_more]\n"


def weekly(declared: GatedSet, batch_date: date, settings: Settings) -> Sequence[Suite]:
    """Suites made from something else, as a set file may name them."""
    del settings
    made = {"table": "weekly", "gate": declared.gates[0], "owner": "risk", "version": batch_date.isocalendar().week}
    return [Suite(description="A week.", term="周", key=("week",), **made)]  # type: ignore[arg-type]


def fail(declared: GatedSet, batch_date: date, settings: Settings) -> Sequence[Suite]:
    raise LookupError(f"there is nothing to make suites of {declared.set} from")


def test_shipped_sets_cover_every_suite() -> None:
    checked = {declared.set: suites for declared, suites in check_sets(load_settings({}))}
    assert set(checked) == {"warehouse", "features", "scores"}
    assert {suite.table for suite in checked["features"]} >= {"scoring", "feature_versions", "exclusions"}
    assert {suite.table for suite in checked["warehouse"]} > {"customer_360", "rec_loans__funder"}
    warehouse = load_set("warehouse", load_settings({}))
    assert "rec_loans__funder" not in list_published_tables(warehouse, checked["warehouse"], load_settings({}))


def test_a_tenant_brings_its_own_sets(tmp_path: Path) -> None:
    tenant = PROJECT / "tests" / "acceptance" / "berka"
    for archive in ("asc", "en"):
        (tmp_path / "berka" / archive).mkdir(parents=True)
    settings = load_settings({"PLATFORM_TENANT": str(tenant), "PLATFORM_TEST_DATA": str(tmp_path)})
    assert {declared.set for declared, _ in check_sets(settings)} == {"warehouse", "loan_features"}


def test_all_errors_of_all_files_are_reported_at_once(settings: Settings) -> None:
    wrong = {
        "other.yml": GOOD,
        "typo.yml": GOOD.replace("set: more", "set: typo").replace("tables:", "tabels:"),
        "short.yml": GOOD.replace("set: more", "set: short").replace("owner: risk\n", ""),
        "twice.yml": GOOD.replace("set: more", "set: twice").replace("[fct_more]", "[a, b, a]"),
        "kind.yml": GOOD.replace("set: more", "set: kind") + "rows: somewhere\n",
        "torn.yml": "set: [",
        "list.yml": "- set\n",
        "shared.yml": GOOD.replace("set: more", "set: shared").replace("[more]", "[core]"),
        "door.yml": GOOD.replace("set: more", "set: door").replace("[more]", "[landing]"),
        "nothing.yml": GOOD.replace("set: more", "set: nothing").replace("tables: [fct_more]\n", ""),
    }
    for name, text in wrong.items():
        (settings.sets / name).write_text(text, encoding="utf-8")
    with pytest.raises(SetsInvalid) as caught:
        load_sets(settings)
    lines = str(caught.value).splitlines()
    expected = {
        "other.yml: set: is more": "write other or rename the file",
        "typo.yml: tabels: is not a key that exists here": "write tables",
        "short.yml: owner: is missing": "add it",
        "twice.yml: tables: names a twice": "name it once",
        "kind.yml: rows: is 'somewhere'": "write warehouse or stage",
        "torn.yml: (file): is not readable YAML": "correct the syntax",
        "list.yml: (file): is not a mapping": "start it with `set:`",
        "warehouse.yml: gates: names core, which guards shared": "give each set gates of its own",
        "door.yml: gates: names landing, the gate of deliveries": "name a gate of tables",
        "nothing.yml: (file): publishes nothing": "list its tables",
    }
    for start, contained in expected.items():
        assert any(line.startswith(start) and contained in line for line in lines), (start, lines)
    assert all(line.endswith(".") for line in lines)


def test_a_listed_table_without_a_suite_is_named_with_the_nearest(settings: Settings) -> None:
    path = settings.sets / "warehouse.yml"
    path.write_text(path.read_text(encoding="utf-8").replace("[fct_loans]", "[fct_loan]"), encoding="utf-8")
    with pytest.raises(SetsInvalid, match=r"lists fct_loan, which no gate .*; the nearest is fct_loans"):
        check_sets(settings)


def test_an_unknown_set_or_gate_is_one_sentence_with_the_known_ones(settings: Settings) -> None:
    with pytest.raises(SetUnknown, match="There is no set warehose; the sets are features, warehouse; the nearest is"):
        load_set("warehose", settings)
    with pytest.raises(SetUnknown, match="There is no gate nope; the gates are landing, features, core"):
        find_guarded_set("nope", settings)


OWN = ("tests.quality.test_sets:weekly", "tests.quality.test_sets:fail")


def test_suites_are_made_anew_whenever_they_are_asked_for(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sets, "MAKERS", OWN)
    text = GOOD.replace("tables: [fct_more]", "suites: tests.quality.test_sets:weekly") + "rows: stage\n"
    (settings.sets / "more.yml").write_text(text, encoding="utf-8")
    declared = load_set("more", settings)
    (now,), (later,) = (
        load_suites_in_force(declared, DAY, settings),
        load_suites_in_force(declared, date(2026, 3, 9), settings),
    )
    assert (now.table, list_published_tables(declared, [now], settings)) == ("weekly", ["weekly"])
    assert now.suite_version != later.suite_version


@pytest.mark.parametrize(
    ("named", "problem"),
    [
        ("nowhere.at_all:suites", "names nowhere.at_all:suites, which makes no suites; write one of features.suite:m"),
        ("quality.sets:load_sets", "names quality.sets:load_sets, which makes no suites; write one of features.suite:"),
        ("tests.quality.test_sets:weekly", "names tests.quality.test_sets:weekly, which makes no suites"),
        ("features.suite:make_view_suite", "which makes no suites; write features.suite:make_view_suites"),
        ("no function", "names no function, which makes no suites; write one of features.suite:make_view_suites, fea"),
    ],
)
def test_only_what_makes_suites_can_be_named(
    settings: Settings, named: str, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of the code is imported or called because a file of a tenant names it."""
    monkeypatch.setattr(sets.importlib, "import_module", lambda name: pytest.fail(f"{name} is imported"))
    text = GOOD.replace("tables: [fct_more]", f"suites: {named}")
    (settings.sets / "more.yml").write_text(text, encoding="utf-8")
    with pytest.raises(SetsInvalid, match=problem):
        check_sets(settings)


def test_what_cannot_be_made_is_a_problem_of_its_set(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sets, "MAKERS", OWN)
    text = GOOD.replace("tables: [fct_more]", "suites: tests.quality.test_sets:fail")
    (settings.sets / "more.yml").write_text(text, encoding="utf-8")
    with pytest.raises(SetsInvalid, match="cannot be made: there is nothing to make suites of more from"):
        check_sets(settings)


def test_whatever_is_said_to_make_suites_exists() -> None:
    for named in sets.MAKERS:
        module, _, function = named.partition(":")
        assert callable(getattr(import_module(module), function))
