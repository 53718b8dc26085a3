from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

import features
from features.registry import UnknownView, ViewsInvalid, load_views
from features.view import View

SHIPPED = Path(features.__file__).parent / "views"


def write(folder: Path, *views: dict[str, Any], stem: str | None = None) -> Path:
    for view in views:
        (folder / f"{stem or view['view']}.yml").write_text(yaml.safe_dump(view, sort_keys=False, allow_unicode=True))
    return folder


def problems(folder: Path) -> list[str]:
    with pytest.raises(ViewsInvalid) as caught:
        load_views(folder)
    return [str(problem) for problem in caught.value.problems]


def test_the_shipped_views_are_valid_and_carry_their_catalogue_numbers() -> None:
    views = load_views(SHIPPED).views
    assert [view.view for view in views] == [
        "application_velocity",
        "compensation",
        "decision_history",
        "exposure",
        "repayment_behaviour",
    ]
    numbers = [f.source_code for view in views for f in view.features if f.source_code is not None]
    assert sorted(numbers) == sorted(set(numbers))


def test_every_problem_of_every_file_is_reported_at_once(tmp_path: Path, world: Any) -> None:
    one = world.declare([world.feature("n_7d", "count", "double", window="30d", colour="red")], view="one")
    two = world.declare([world.feature("x", "sum", "bigint")], view="two", purposes=["SPYING"])
    three = world.declare([world.feature("y", "max", "bigint", column="gender")], view="three")
    write(tmp_path, one, two, three)
    (tmp_path / "four.yml").write_text("view: four\nview: four\n")
    (tmp_path / "five.yml").write_text("- a list\n")
    reported = problems(tmp_path)
    for wanted in (
        "one.yml: features[n_7d].colour: is not a key that exists here; remove it; known are name, title,",
        "two.yml: purposes: is 'SPYING'; write UNDERWRITE, FRAUD, ",
        "two.yml: features[x]: `sum` needs a `column`",
        "three.yml: (file): feature y reads gender, which no feature may use",
        "four.yml: (file): is not readable YAML (key `view` is given twice",
        "five.yml: (file): is not a mapping; start it with `view:`.",
    ):
        assert any(line.startswith(wanted) for line in reported), (wanted, reported)


@pytest.mark.parametrize(
    ("feature", "wanted"),
    [
        ({"aggregate": "count", "type": "double"}, "`count` has type bigint"),
        ({"aggregate": "count", "name": "n_7d", "window": "30d"}, "the name says 7d and the window 30d"),
        ({"aggregate": "days_since_last", "column": "score"}, "remove `column`"),
        ({"aggregate": "count", "window": None}, "give a `window`"),
        ({"aggregate": "count", "filter": "sum(score) > 1"}, "uses Sum"),
        ({"aggregate": "count", "filter": "row_number() over () = 1"}, "uses"),
        ({"aggregate": "count", "filter": "score > "}, "is not an SQL expression"),
        ({"aggregate": None, "window": None}, "exactly one of"),
        ({"aggregate": None, "expression": "m / 2"}, "takes no `window`"),
        ({"aggregate": None, "window": None, "expression": "m / 2"}, "reads m, not declared above it"),
        (
            {"aggregate": "last", "column": "kind", "type": "varchar", "when_empty": 0},
            "no meaning for type varchar",
        ),
        ({"aggregate": "sum", "column": "a", "type": "decimal(2,4)"}, "no decimal type"),
        ({"aggregate": "count", "minimum": 3, "maximum": 1}, "`minimum` is above"),
        ({"aggregate": "last", "column": "score", "last": 6}, "`last` has no meaning"),
        ({"aggregate": "count", "window": "3 weeks"}, "match pattern"),
    ],
)
def test_a_feature_that_makes_no_sense_is_refused(
    tmp_path: Path, world: Any, feature: dict[str, Any], wanted: str
) -> None:
    declared = {**world.feature("x", "count", "bigint"), **feature}
    reported = problems(write(tmp_path, world.declare([declared])))
    assert any(wanted in line for line in reported), reported


def test_a_name_or_a_definition_used_twice_is_refused(tmp_path: Path, world: Any) -> None:
    count = world.feature("n", "count", "bigint", window="7d")
    one = world.declare([count], view="one")
    two = world.declare([{**count, "name": "m"}, world.feature("n", "count", "bigint")], view="two")
    reported = problems(write(tmp_path, one, two))
    assert reported == [
        "two.yml: features[m]: is the same definition as one.n; keep one of them.",
        "two.yml: features[n]: has the name of one.n; rename one of them.",
    ]


def test_a_file_is_named_after_its_view_and_a_folder_is_not_empty(tmp_path: Path, world: Any) -> None:
    view = world.declare([world.feature("n", "count", "bigint")])
    assert "no feature view" in problems(tmp_path)[0]
    assert "unlike the file name" in problems(write(tmp_path, view, stem="other"))[0]


def test_an_unknown_view_names_the_known(tmp_path: Path, world: Any) -> None:
    registry = load_views(write(tmp_path, world.declare([world.feature("n", "count", "bigint")])))
    with pytest.raises(UnknownView) as caught:
        registry.select(["nothing"])
    assert str(caught.value) == "There is no feature view nothing; declared are: tested."


def test_the_version_changes_with_the_definition_alone(world: Any) -> None:
    private = world.feature("_p", "count", "bigint")
    ratio = {"name": "r", "title": "t", "description": "d", "type": "double", "expression": "_p / 2"}
    base = world.declare([private, ratio])
    version = View.model_validate(base).feature_version
    prose = world.declare([private, {**ratio, "description": "other", "maximum": 3}], owner="else", version=2)
    assert View.model_validate(prose).feature_version == version
    for changed in (
        world.declare([{**private, "window": "7d"}, ratio]),
        world.declare([private, {**ratio, "expression": "_p / 3"}]),
        world.declare([private, {**ratio, "name": "s"}]),
        world.declare([private, ratio], known_at="_seen_at"),
        world.declare([private, ratio], superseded_at=None),
    ):
        assert View.model_validate(changed).feature_version != version
