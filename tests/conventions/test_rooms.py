"""Rooms of ingestion: faces that are used, imports through them, and functions that are named after what they do."""

from __future__ import annotations

import ast
import json
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

from ingestion.foundation import PROJECT

ROOMS = (
    "foundation",
    "identifiers",
    "contract",
    "delivery",
    "readers",
    "protection",
    "vault",
    "lake",
    "landing",
    "scaffold",
)
FLAT_PACKAGES = ("quality", "features")  # packages without rooms, whose functions are named by the same grammar
WIDEST_FACE = 8
LATER = ("quality", "features", "dags", "notebooks")
# What a public function of a room does: its first word, unless the name ends in `_sql` (a text of SQL is a value).
VERBS = frozenset(
    re.findall(
        r"\w+",
        """
    add begin build check choose claim classify commit compare compile count decrypt delimit deposit derive describe
    digest draft drop estimate expect explain extract fill find form forget gather hide hold join judge keep land lay
    list listen load locate lock make mark match name number open parse place quote read
    readmit record redact refuse register remember render replace replay report require reveal rotate run scan seal
    show suggest survey take transcode trial type unlock unpack unseal use validate verify weigh write
    apply bisect combine convert cut decode encode evaluate expand fit label measure save score select split train warn
    attach audit bind connect decide demand draw expose fingerprint freeze hash imply move override point publish renew
    link resolve sort sync withdraw
        """,
    )
)
ASKING = frozenset({"are", "has", "is", "may"})  # a question that is answered by yes or no
DECLARING = frozenset({"argument"})  # reads as a declaration where it is called, as a field of a class does
ENTRIES = frozenset({"main"})  # what a program begins with
# Names that the README gives to risk modellers for what they get.
DOCUMENTED = frozenset({"scoring_frame", "training_frame"})
METHODS = frozenset({"close", "doubt", "error", "fetch", "finish", "insert", "unwrap"})


def room_modules(room: str) -> list[Path]:
    """Modules of a room of ingestion, or of a package that has no rooms."""
    folder = PROJECT / room if room in FLAT_PACKAGES else PROJECT / "ingestion" / room
    return sorted(folder.rglob("*.py"))


@cache
def imports(path: Path) -> list[tuple[str, str]]:
    """Module and name of every `from … import …` of a file; of a notebook, of all its cells."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
        lines = "".join("".join(cell["source"]) + "\n" for cell in cells).splitlines()
        text = "\n".join(line for line in lines if not line.lstrip().startswith(("%", "!")))
    return [
        (node.module, alias.name)
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    ]


def files_of(*folders: str) -> Iterator[Path]:
    for folder in folders:
        yield from sorted(path for kind in ("*.py", "*.ipynb") for path in (PROJECT / folder).rglob(kind))


def public_functions(room: str) -> Iterator[tuple[str, str, bool]]:
    """Place, name and whether it is a method, of all that acts; a property or validator is a value of its class."""
    for path in room_modules(room):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        classes = [node for node in tree.body if isinstance(node, ast.ClassDef) and not node.name.startswith("_")]
        for holder in (tree, *classes):
            for node in holder.body:
                if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                    marks = {ast.unparse(mark) for mark in node.decorator_list}
                    is_value = marks & {"property", "cached_property", "classmethod"}
                    if not is_value and not {"upgrade", "bind_processor"} & {node.name}:
                        yield f"{path.relative_to(PROJECT)}:{node.lineno}", node.name, holder is not tree


@pytest.mark.parametrize("room", ROOMS)
def test_a_face_is_small_and_each_of_its_names_is_used_outside(room: str) -> None:
    """The command line is outside as well: what a room's own `commands.py` takes from the face, people use."""
    face = set(import_module(f"ingestion.{room}").__all__)
    inside = {path for path in room_modules(room) if path.name != "commands.py"}
    outside = [path for path in files_of("ingestion", *LATER) if path not in inside]
    used = {name for path in outside for module, name in imports(path) if module == f"ingestion.{room}"}
    assert 0 < len(face) <= WIDEST_FACE
    assert face - used == set(), "take off the face what nobody asks for"
    assert used - face - {path.stem for path in room_modules(room)} == set()


def test_what_comes_after_ingestion_knows_its_faces_only() -> None:
    """The modules of `foundation` are faces of their own."""
    wrong = []
    for path in files_of(*LATER):
        for module, name in imports(path):
            room = module.removeprefix("ingestion.").split(".")[0]
            if not module.startswith("ingestion.") or room == "foundation":
                continue
            if module != f"ingestion.{room}" or name not in import_module(module).__all__:
                wrong.append(f"{path.relative_to(PROJECT)}: from {module} import {name}")
    assert not wrong


def test_nothing_private_is_imported() -> None:
    wrong = [
        f"{path.relative_to(PROJECT)}: from {module} import {name}"
        for path in files_of("ingestion", "tests", *LATER)
        for module, name in imports(path)
        if module.startswith(("ingestion", "quality", "features", "tests"))
        and any(part.startswith("_") and not part.startswith("__") for part in (*module.split("."), name))
    ]
    assert not wrong


def test_only_tests_know_the_simulated_parties() -> None:
    own = PROJECT / "ingestion" / "simulation"
    wrong = [
        f"{path.relative_to(PROJECT)}: from {module} import {name}"
        for path in files_of("ingestion", *LATER)
        for module, name in imports(path)
        if f"{module}.{name}".startswith("ingestion.simulation") and not path.is_relative_to(own)
    ]
    assert not wrong


def test_the_linter_protects_the_simulation_from_every_package_and_ignores_nothing() -> None:
    linter = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    (protected,) = (one for one in linter["contracts"] if one.get("protected_modules") == ["ingestion.simulation"])
    assert (protected["type"], protected["allowed_importers"]) == ("protected", [])
    assert protected.get("as_packages", True) is True
    packages = {path.parent.name for path in PROJECT.glob("*/*.py")} - {"tests"}
    assert set(linter["root_packages"]) == packages
    assert all((PROJECT / name / "__init__.py").exists() for name in packages), "else another clone's may be linted"
    assert not [one["name"] for one in linter["contracts"] if "ignore_imports" in one]


@pytest.mark.parametrize("room", ROOMS + FLAT_PACKAGES)
def test_functions_are_named_after_what_they_do(room: str) -> None:
    """The lists are closed: a new verb is added on purpose, a noun is not."""
    nouns = [
        f"{place} {name}"
        for place, name, is_method in public_functions(room)
        if not (name.endswith("_sql") or name in DECLARING | ENTRIES | DOCUMENTED)
        and name.split("_")[0] not in VERBS | ASKING | (METHODS if is_method else frozenset())
    ]
    assert not nouns


def test_no_verb_is_listed_in_vain() -> None:
    rooms = ROOMS + FLAT_PACKAGES
    found = {(name.split("_")[0], is_method) for room in rooms for _, name, is_method in public_functions(room)}
    assert {word for word, _ in found} >= VERBS
    assert {word for word, is_method in found if is_method} >= METHODS - VERBS


@pytest.mark.parametrize("readme", ["README.md", "README.zh-CN.md"])
def test_a_name_that_is_kept_for_its_readers_is_documented(readme: str) -> None:
    text = (PROJECT / readme).read_text(encoding="utf-8")
    assert {name for name in DOCUMENTED if f"features.{name}(" in text} == DOCUMENTED


@pytest.mark.parametrize("package", FLAT_PACKAGES)
def test_no_class_has_the_name_of_another_one(package: str) -> None:
    places: dict[str, list[str]] = {}
    for path in files_of("ingestion", "quality", "features", "dags"):
        if path.suffix == ".py":
            for node in ast.parse(path.read_text(encoding="utf-8")).body:
                if isinstance(node, ast.ClassDef):
                    places.setdefault(node.name, []).append(path.relative_to(PROJECT).as_posix())
    here = {name: found for name, found in places.items() if any(place.startswith(f"{package}/") for place in found)}
    assert {name: found for name, found in here.items() if len(found) > 1} == {}


def test_only_the_simulation_needs_its_own_dependencies() -> None:
    declared = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    own = {re.split(r"[<>=\[ ]", wanted)[0] for wanted in declared["optional-dependencies"]["simulation"]}
    shared = {re.split(r"[<>=\[ ]", wanted)[0] for wanted in declared["dependencies"]}
    importers = {
        path.relative_to(PROJECT).as_posix()
        for path in files_of("ingestion", *LATER)
        for name in own
        if path.suffix == ".py" and re.search(rf"^ *(import|from) {name}\b", path.read_text(encoding="utf-8"), re.M)
    }
    assert own and not own & shared
    assert importers and all(where.startswith("ingestion/simulation/") for where in importers)
