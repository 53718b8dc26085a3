"""Sets (发布集): what is published together, and the gates that all of it has to pass, declared in files.

One file per set, `sets/<set>.yml`. The model is closed and typed; every error of every file is reported at
once. A gate guards one set. A table that a gate of the set audits and the set does not list (a
reconciliation) can refuse the set and is not written.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from ingestion.foundation import Settings, list_files
from ingestion.foundation.declarations import Closed, DeclarationsInvalid, Problem, find_nearest, load_declarations
from ingestion.foundation.owners import Named, find_unknown_owners
from ingestion.foundation.verdict import LANDING
from quality.check import Name
from quality.rules import find_wrong_rules, use_rules
from quality.suite import Suite, load_suites

DEFAULT = "warehouse"
ANY_DATE = date(2000, 1, 31)

MAKERS = ("features.suite:make_view_suites", "features.suite:make_training_suites")
SuiteMaker = Callable[["GatedSet", date, Settings], Sequence[Suite]]


class GatedSet(Closed):
    """Tables that are published together, the gates before them, and where their suites and rows come from.

    `suites` names one of MAKERS, a function `module:function` of (set, business date, settings) that makes suites from
    other declarations, such as feature views; it is called whenever today's suites are asked for, and all that it
    makes is published. `arguments` are the function's own. `rows` says whether the tables are those of the
    warehouse file or handed over by the stage that made them; that stage's `command`, with `{date}` where the
    business date goes, is named wherever the set has to be published first. `views` are in its DuckDB file, over tables
    that are published with them. `retired` names tables that earlier
    versions held or audited and later ones do not, on purpose.
    """

    set: Name
    term: str = Field(min_length=1, description="the Chinese term")
    owner: str = Field(min_length=1)
    description: str = Field(min_length=10)
    gates: tuple[Name, ...] = Field(min_length=1)
    tables: tuple[Name, ...] = ()
    views: tuple[Name, ...] = Field(default=(), description="views of the warehouse over tables of the set")
    suites: str | None = None
    arguments: dict[str, Any] = Field(default_factory=dict)
    rows: Literal["warehouse", "stage"] = "warehouse"
    command: str | None = Field(default=None, min_length=1, description="such as python -m x --date {date}")
    retired: tuple[Name, ...] = ()

    @field_validator("gates", "tables", "views", "retired")
    @classmethod
    def _name_each_once(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"names {', '.join(twice)} twice; name it once")
        return names

    @model_validator(mode="after")
    def _publish_something(self) -> GatedSet:
        if not self.tables and self.suites is None:
            raise ValueError("publishes nothing; list its tables, or name the function that makes its suites")
        if self.arguments and self.suites is None:
            raise ValueError("has arguments and no function that takes them; name it under suites")
        if self.command and self.rows == "warehouse":
            raise ValueError("has a command, and its rows are the warehouse's; `python -m quality publish` does it")
        both = sorted({*self.tables} & {*self.retired})
        if both:
            raise ValueError(f"publishes {', '.join(both)} and names it retired; keep one of the two")
        return self

    def explain_publishing(self, batch_date: date | None = None) -> str:
        """What to run so that the set is published; the form of a date where none is known."""
        day = batch_date.isoformat() if batch_date else "yyyy-mm-dd"
        if self.command:
            return f"run `{self.command.replace('{date}', day)}`"
        if self.rows == "stage":
            return "run the stage that makes its rows"
        which = "" if self.set == DEFAULT else f"--set {self.set} "
        return f"run `python -m quality publish {which}--date {day}`"


class SetsInvalid(DeclarationsInvalid):
    """One or more sets are wrong, in themselves or beside the suites."""


class SetUnknown(LookupError):
    """No set, or no gate, of that name is declared."""


def load_sets(settings: Settings) -> dict[str, GatedSet]:
    """Read every `<set>.yml` of the tenant, by name.

    Raises:
        SetsInvalid: any file is not YAML, does not fit the model, has another name, or shares a gate; or suites
            lie in the folder of a gate that no set names, where nobody would ask for their verdicts.
    """
    read, problems = load_declarations(list_files(settings.sets, "*.yml"), GatedSet)
    for file, one in read.items():
        if one.set != Path(file).stem:
            remedy = f"write {Path(file).stem} or rename the file"
            problems.append(Problem(file, "set", f"is {one.set}, another name than the file's", remedy))
    declared = {one.set: one for one in read.values()}
    if not read and not problems:
        problems.append(Problem(str(settings.sets), "*.yml", "holds no set", "add one file per set"))
    guarded: dict[str, str] = {}
    for one in declared.values():
        for gate in one.gates:
            if gate == LANDING:
                wrong = f"names {LANDING}, the gate of deliveries"
                problems.append(Problem(f"{one.set}.yml", "gates", wrong, "name a gate of tables"))
            elif gate in guarded:
                wrong = f"names {gate}, which guards {guarded[gate]}"
                problems.append(Problem(f"{one.set}.yml", "gates", wrong, "give each set gates of its own"))
            guarded[gate] = one.set
    orphans = _list_gates(settings) - {*guarded}
    if not problems:
        remedy = "name it under gates of a set"
        problems += [Problem(f"suites/{gate}", "(folder)", "is a gate of no set", remedy) for gate in orphans]
    if problems:
        raise SetsInvalid(problems)
    return declared


def load_set(name: str, settings: Settings) -> GatedSet:
    """The declaration of one set.

    Raises:
        SetUnknown: no set has the name.
        SetsInvalid: a set file is wrong.
    """
    declared = load_sets(settings)
    if name not in declared:
        raise SetUnknown(f"There is no set {name}; the sets are {', '.join(sorted(declared))}{_near(name, declared)}.")
    return declared[name]


def find_guarded_set(gate: str, settings: Settings) -> GatedSet:
    """The set that a gate guards.

    Raises:
        SetUnknown: no set has such a gate.
        SetsInvalid: a set file is wrong.
    """
    declared = {name: one for one in load_sets(settings).values() for name in one.gates}
    if gate not in declared:
        known = ", ".join([LANDING, *declared])
        raise SetUnknown(f"There is no gate {gate}; the gates are {known}{_near(gate, [LANDING, *declared])}.")
    return declared[gate]


def load_suites_in_force(declared: GatedSet, batch_date: date, settings: Settings) -> list[Suite]:
    """Today's suites of every gate of a set, sorted by table: those in files, and those its function makes.

    Raises:
        SetsInvalid: a gate has no suite, a listed table has none, or a table has two.
        SuitesInvalid: a suite file is wrong.
    """
    suites, problems = _collect(declared, batch_date, settings)
    if problems:
        raise SetsInvalid(problems)
    return suites


def list_published_tables(declared: GatedSet, suites: Sequence[Suite], settings: Settings) -> list[str]:
    """Tables that the set publishes: those it lists, and those of the suites that its function makes."""
    if declared.suites is None:
        return sorted(declared.tables)
    in_files = {suite.table for gate in declared.gates for suite in _suites_in_files(gate, settings)}
    return sorted({*declared.tables} | {suite.table for suite in suites if suite.table not in in_files})


def check_sets(settings: Settings) -> list[tuple[GatedSet, list[Suite]]]:
    """Every set with its suites, as of an arbitrary date.

    Raises:
        SetsInvalid: with all problems of all sets, every owner that is not in the list of owners, and what is wrong
            with the tenant's rules.
        SuitesInvalid: with all problems of all suite files.
    """
    declared = load_sets(settings)
    suites = load_suites(settings.suites, seeds=settings.seeds)
    collected = {name: _collect(one, ANY_DATE, settings) for name, one in declared.items()}
    problems = [problem for _, found in collected.values() for problem in found]
    named = [Named(f"{one.set}.yml", "owner", one.owner) for one in declared.values()]
    named += [Named(f"{suite.gate}/{suite.table}.yml", "owner", suite.owner) for suite in suites]
    problems += [*find_unknown_owners(named, settings.seeds), *find_wrong_rules(settings.seeds)]
    if problems:
        raise SetsInvalid(problems)
    return [(declared[name], suites) for name, (suites, _) in collected.items()]


def _collect(declared: GatedSet, batch_date: date, settings: Settings) -> tuple[list[Suite], list[Problem]]:
    file = f"{declared.set}.yml"
    made, problems = _make_suites(declared, batch_date, settings)
    suites = [*(suite for gate in declared.gates for suite in _suites_in_files(gate, settings)), *made]
    for gate in declared.gates:
        if not any(suite.gate == gate for suite in suites) and not problems:
            remedy = f"add suites/{gate}/<table>.yml, or leave the gate out"
            problems.append(Problem(file, "gates", f"names {gate}, which holds no suite", remedy))
    known = [suite.table for suite in suites]
    for table in declared.tables:
        if table not in known:
            remedy = f"add suites/{declared.gates[0]}/{table}.yml{_near(table, known)}"
            problems.append(Problem(file, "tables", f"lists {table}, which no gate of the set audits", remedy))
    for table in sorted({table for table in known if known.count(table) > 1}):
        gates = ", ".join(suite.gate for suite in suites if suite.table == table)
        problems.append(Problem(file, "gates", f"audit {table} more than once ({gates})", "keep one suite"))
    for table in sorted({*declared.retired} & {*known}):
        problems.append(Problem(file, "retired", f"names {table}, which has a suite", "remove one of the two"))
    return sorted(suites, key=lambda suite: suite.table), problems


def _suites_in_files(gate: str, settings: Settings) -> list[Suite]:
    return load_suites(settings.suites, gate, settings.seeds) if gate in _list_gates(settings) else []


def _list_gates(settings: Settings) -> set[str]:
    """Gates that hold suites in files."""
    return {name.partition("/")[0] for name in list_files(settings.suites, "*/*.yml")}


def _make_suites(declared: GatedSet, batch_date: date, settings: Settings) -> tuple[list[Suite], list[Problem]]:
    """Call the function that a set names; it lies downstream of this package and is therefore found by name."""
    if declared.suites is None:
        return [], []
    file = f"{declared.set}.yml"
    if declared.suites not in MAKERS:
        near = find_nearest(declared.suites, MAKERS)
        remedy = f"write {near}" if near else f"write one of {', '.join(MAKERS)}"
        return [], [Problem(file, "suites", f"names {declared.suites}, which makes no suites", remedy)]
    module, _, function = declared.suites.partition(":")
    maker: SuiteMaker = getattr(importlib.import_module(module), function)
    try:
        with use_rules(settings.seeds):
            made = list(maker(declared, batch_date, settings))
    except SetsInvalid as error:
        return [], list(error.problems)
    except (DeclarationsInvalid, ValueError, TypeError, LookupError, PermissionError) as error:
        return [], [Problem(file, "suites", f"cannot be made: {error}", "correct what they are made from")]
    wrong = sorted({suite.gate for suite in made} - {*declared.gates})
    if wrong:
        problem = f"are made for {', '.join(wrong)}, no gate of the set"
        return [], [Problem(file, "suites", problem, "name the gate under gates")]
    return made, []


def _near(name: str, known: Sequence[str] | Mapping[str, Any]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"; the nearest is {near[0]}" if near else ""
