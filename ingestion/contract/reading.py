"""Reads a contract file: Open Data Contract Standard 3.2, resolved with one closed profile beside it.

A file is first checked by the standard's own strict JSON schema, then by the models of `profiles`, then for what only
makes sense across keys. All problems of a file are reported together, each with key and remedy.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import open_data_contract_standard
import yaml
from jsonschema_rs import Draft201909Validator

from ingestion.contract.checking import LAKE_TYPE, check_contract
from ingestion.contract.profiles import (
    Column,
    ColumnProfile,
    Contract,
    ContractInvalid,
    Dataset,
    DeliveryProfile,
    SourceProfile,
)
from ingestion.foundation.declarations import WHOLE_FILE, Problem, explain_syntax, parse_yaml, validate_declaration

ENFORCED_OPTIONS = {"pattern", "minimum", "maximum"}


@cache
def _load_standard() -> Draft201909Validator:
    return Draft201909Validator(files(open_data_contract_standard).joinpath("schema.json").read_text(encoding="utf-8"))


def read_contract(path: Path) -> Contract:
    """Read one contract file.

    Raises:
        ContractInvalid: with every problem of the file.
    """
    return _read_cached(path.name, path.read_bytes())


@cache
def _read_cached(file: str, content: bytes) -> Contract:
    """Parse and check a contract; cached by content, because checking costs more than landing a small file."""
    try:
        document = parse_yaml(content)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ContractInvalid([explain_syntax(error, file)]) from None
    # YAML reads 2026-03-02 as a date; the standard's schema speaks of strings.
    document = json.loads(json.dumps(document, default=str))
    problems = [
        Problem(file, _dotted(error.instance_path), _first_line(error.message), "see the ODCS 3.2 schema")
        for error in _load_standard().iter_errors(document)
    ]
    if problems:
        raise ContractInvalid(problems)
    collector = _Collector(file)
    contract = _resolve(document, Path(file).stem, collector)
    if contract is not None:
        collector.problems.extend(check_contract(contract, file))
    if collector.problems or contract is None:
        raise ContractInvalid(collector.problems)
    return contract


class _Collector:
    """Gathers validation errors under their key, so that all are reported at once."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []

    def add(self, key: str, problem: str, remedy: str) -> None:
        self.problems.append(Problem(self.file, key, problem, remedy))

    def parse(self, model: Any, value: Any, key: str) -> Any:
        declared, found = validate_declaration(model, value, self.file, key, hints=False)
        self.problems += found
        return declared


def _resolve(document: dict[str, Any], stem: str, collector: _Collector) -> Contract | None:
    if document["id"] != stem:
        collector.add("id", f"{document['id']!r} is not the file's stem {stem!r}", "one noun, one spelling")
    profile = collector.parse(SourceProfile, _profile(document, "source", "", collector), "customProperties.source")
    owner = (document.get("team") or {}).get("name")
    if not owner:
        collector.add("team.name", "no owner", "name the team that answers for this source")
    datasets = [
        _resolve_dataset(entry, document["id"], profile, f"schema[{index}]", collector)
        for index, entry in enumerate(document.get("schema") or [])
    ]
    if not datasets:
        collector.add("schema", "no dataset", "declare at least one")
    if profile is None or not owner or None in datasets:
        return None
    return Contract(
        source=document["id"],
        version=document["version"],
        owner=owner,
        description=(document.get("description") or {}).get("purpose", ""),
        profile=profile,
        datasets=tuple(dataset for dataset in datasets if dataset),
    )


def _resolve_dataset(
    entry: dict[str, Any], source: str, profile: SourceProfile | None, key: str, collector: _Collector
) -> Dataset | None:
    name = entry.get("name", "")
    delivery = collector.parse(
        DeliveryProfile, _profile(entry, "delivery", key, collector), f"{key}.customProperties.delivery"
    )
    clock = profile.timezone if profile else "Asia/Shanghai"
    columns = [
        _resolve_column(column, clock, f"{key}.properties[{index}]", collector)
        for index, column in enumerate(entry.get("properties") or [])
    ]
    if not columns:
        collector.add(f"{key}.properties", "no column", "declare every column of the file, in its order")
    if delivery is None or None in columns:
        return None
    return Dataset(
        source=source,
        name=name,
        description=entry.get("description", ""),
        delivery=delivery,
        columns=tuple(column for column in columns if column),
    )


def _resolve_column(entry: dict[str, Any], clock: str, key: str, collector: _Collector) -> Column | None:
    declared = _profile(entry, "column", key, collector, required=False)
    profile = collector.parse(ColumnProfile, declared, f"{key}.customProperties.column")
    if profile is None:
        return None
    options = entry.get("logicalTypeOptions") or {}
    for ignored in sorted(set(options) - ENFORCED_OPTIONS):
        collector.add(f"{key}.logicalTypeOptions.{ignored}", "is not enforced here", "use pattern, minimum or maximum")
    if not entry.get("physicalType") and entry.get("logicalType", "string") != "string":
        collector.add(f"{key}.physicalType", "missing", f"one of {LAKE_TYPE.pattern}")
    return Column(
        name=entry.get("name", ""),
        physical_name=entry.get("physicalName") or entry.get("name", ""),
        type=(entry.get("physicalType") or "VARCHAR").upper(),
        required=bool(entry.get("required")),
        key_position=(entry.get("primaryKeyPosition") or 1) if entry.get("primaryKey") else None,
        accepted=tuple(str(value["value"]) for value in entry.get("enum") or []),
        pattern=options.get("pattern"),
        minimum=_render_value(options.get("minimum")),
        maximum=_render_value(options.get("maximum")),
        classification=entry.get("classification"),
        description=entry.get("description", ""),
        profile=profile,
        timezone=profile.timezone or clock,
    )


def _profile(entry: dict[str, Any], name: str, key: str, collector: _Collector, required: bool = True) -> Any:
    declared = {item["property"]: item.get("value") for item in entry.get("customProperties") or []}
    place = f"{key}.customProperties" if key else "customProperties"
    for unknown in sorted(set(declared) - {name}):
        collector.add(f"{place}.{unknown}", "not in the profile", f"the only property here is {name!r}")
    if len(entry.get("customProperties") or []) > len(declared):
        collector.add(place, "a property is given twice", "merge them into one")
    if required and name not in declared:
        collector.add(place, f"{name!r} is missing", f"declare the {name!r} profile")
    value = declared.get(name)
    return {} if value is None else value


def _dotted(path: Any) -> str:
    return ".".join(str(part) for part in path) or WHOLE_FILE


def _first_line(message: str) -> str:
    return message.splitlines()[0][:200]


def _render_value(value: Any) -> str | None:
    return None if value is None else str(value)
