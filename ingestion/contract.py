"""The data contract (数据契约): Open Data Contract Standard 3.2 plus one closed profile for what it has no word for.

A contract file is first checked by the standard's own strict JSON schema, then by the models below, then for what
only makes sense across keys. All problems of a file are reported together, each with key and remedy.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, time
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import open_data_contract_standard
import yaml
from jsonschema_rs import Draft201909Validator
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ingestion.sensitive import forbidden_names
from ingestion.strict_yaml import parse_yaml

Reader = Literal["delimited", "fixed_width", "json_lines", "parquet", "excel", "database"]
NoData = Literal["absent", "marker_only", "empty_file", "header_only"]
Digest = Literal["md5", "sha256", "sm3"]
Identifier = Literal[
    "cert_no", "cert_no_masked", "cert_no_md5", "cert_no_sha256", "cert_no_sm3",
    "mobile", "mobile_masked", "mobile_md5", "mobile_sha256", "mobile_sm3",
    "bank_card", "bank_card_masked", "bank_card_md5", "bank_card_sha256", "bank_card_sm3",
    "person_name", "device_id", "email", "address", "openid", "opaque",
]  # fmt: skip

LAKE_TYPE = re.compile(r"VARCHAR|BOOLEAN|INTEGER|BIGINT|DOUBLE|DATE|TIMESTAMPTZ|DECIMAL\(\d{1,2},\d{1,2}\)")
NAME = re.compile(r"[a-z][a-z0-9_]*")
STAND_INS = ("token", "sha256_token", "masked", "birth_date")
ENFORCED_OPTIONS = {"pattern", "minimum", "maximum"}


@dataclass(frozen=True, order=True)
class Problem:
    """One thing wrong with one key of one declaration, and what would be right."""

    file: str
    key: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.file}: {self.key}: {self.problem}; {self.remedy}"


class ContractInvalid(Exception):
    """One or more contracts cannot be used; `problems` holds all of them."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = sorted(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SourceProfile(_Closed):
    """Contract-level profile `source`: when a party delivers and since when the platform has been receiving."""

    cron: str = Field(pattern=r"^\S+( \S+){4}$", description="schedule of the ingest DAG, Asia/Shanghai")
    available_at: time = Field(description="time of the following day by which a business date is complete")
    go_live: date = Field(description="first business date delivered daily; older rows come as one stock load")
    connection: str | None = Field(None, description="SQLAlchemy URL of a database source; {landing} is its folder")


class Control(_Closed):
    """Control file (控制文件): what the sender says the data file holds, checked before and after it is read.

    Meanings: `file_name`, `bytes`, `rows`, `business_date` (yyyymmdd), or `sum:<column>` of all rows in the column's
    own unit.
    """

    layout: Literal["line", "keys"] = Field("line", description="values of one line, or one `label=value` a line")
    separator: str = Field("|", min_length=1, max_length=4, description="between two values, or label and value")
    fields: dict[str, str] = Field(description="label to meaning; for `line` in the order of the values")


class Ready(_Closed):
    """Ready marker (就绪标志): the data file counts as delivered only when this exists and agrees."""

    marker: str = Field(description="file name; {name} and {stem} are those of the data file")
    content: Literal["empty", "file_name", "control"] = Field("empty", description="anything, the name, or counts")
    control: Control | None = Field(None, description="layout of a marker whose content is `control`")


class Checksum(_Closed):
    """Digest of the data file (校验和) in a file beside it: `<hex>` or `<hex>  <name>`."""

    algorithm: Digest = Field(description="how it was computed")
    file: str = Field(description="file name; {name} and {stem} are those of the data file")


class Signature(_Closed):
    """Signature of the data file (签名) in a file beside it, in base64 or as it is."""

    algorithm: Literal["ed25519"] = Field(description="how it was made")
    file: str = Field(description="file name; {name} and {stem} are those of the data file")
    public_key: str = Field(description="the sender's public key, 32 bytes in base64")


class Archive(_Closed):
    """Zip archive (压缩包) around the data file; `files` then names the archive."""

    member: str = Field(description="name of the data file inside, with {yyyymmdd}")
    names: Literal["gbk", "utf-8"] = Field("gbk", description="character set of names that are not marked as UTF-8")
    password: str | None = Field(
        None, description="with {yyyymmdd} for one that changes daily and {secret}, kept in <home>/keys/<source>.secret"
    )


class Drift(_Closed):
    """What a changed layout (结构漂移) may do without refusing the file."""

    added: Literal["refuse", "ignore"] = Field("refuse", description="a column that the contract does not know")
    missing: Literal["refuse", "null"] = Field("refuse", description="an optional column that is not delivered")
    reordered: Literal["refuse", "accept"] = Field("refuse", description="known columns in another order")


class Volume(_Closed):
    """Volume envelope of one delivery, in rows; outside it the delivery is refused."""

    minimum: int = Field(0, ge=0, description="fewest rows of a delivery")
    maximum: int = Field(ge=0, description="most rows of a delivery")


class DeliveryProfile(_Closed):
    """Dataset-level profile `delivery`: how one dataset arrives, and what is tolerated."""

    reader: Reader = Field(description="how the file is opened")
    files: str | None = Field(
        None, description="path pattern below the source's folder with {yyyymmdd}; {part} in parts"
    )
    resend: str | None = Field(None, description="pattern of a corrected re-send, with {nn}, counted from 02")
    query: str | None = Field(None, description="SQL of a database source; :since (exclusive) and :until (inclusive)")
    ready: Ready | None = Field(None, description="ready marker beside the data file; none: the file alone counts")
    parts: str | None = Field(
        None, description="pattern of the list file of a delivery split into parts, a name a line"
    )
    archive: Archive | None = Field(None, description="zip archive around the data file")
    checksum: Checksum | None = Field(None, description="digest beside the data file")
    signature: Signature | None = Field(None, description="signature beside the data file")
    mode: Literal["snapshot", "append", "upsert", "correction"] = Field(
        description="what a delivery holds: all rows, new ones, new or changed ones, or replacements of earlier ones"
    )
    no_data: list[NoData] = Field(
        ["header_only"],
        description="legal ways to say that a date has no rows; without a heading the last two are one",
    )
    drift: Drift = Field(
        default_factory=lambda: Drift.model_validate({}), description="changes of layout that are tolerated"
    )
    business_date: str | None = Field(None, description="column that must hold the business date of the file's name")
    encoding: Literal["utf-8", "gb18030", "cp1252"] = Field("utf-8", description="character set of a text file")
    separator: str = Field(",", min_length=1, max_length=4, description="between two columns of a delimited file")
    quote: str = Field("", max_length=1, description="encloses a value, doubled inside it; empty: no quoting")
    trailing_separator: bool = Field(False, description="every line ends with a separator")
    preamble: int = Field(0, ge=0, description="lines above the header that say nothing about the rows")
    header: Literal["none", "names", "count"] = Field(
        "names", description="line 1: a row, the names, `dataRowCount` and n"
    )
    sheet: str | None = Field(None, description="sheet of a workbook; none: its only one")
    missing: list[str] = Field(default_factory=lambda: [""], description="spellings of no value, in any column")
    recorded_at: str | None = Field(None, description="column that holds when the source itself recorded the row")
    conforms_to: str | None = Field(None, description="canonical entity that the staging model yields")
    max_quarantine_share: float = Field(0.001, ge=0, le=1, description="broken rows tolerated (one always is)")
    volume: Volume = Field(description="rows that one delivery may have")


class ColumnProfile(_Closed):
    """Column-level profile `column`: how a value is read and how it is protected."""

    format: str | list[str] | None = Field(None, description="strptime format, or epoch_ms; several are tried in turn")
    thousands: bool = Field(False, description="digits are grouped by commas")
    width: int | None = Field(None, ge=1, description="bytes in a fixed-width file, in the file's own encoding")
    aliases: list[str] = Field(default_factory=list, description="names under which the file may also call the column")
    path: str | None = Field(None, description="JSON path inside a JSON line")
    missing: list[str] = Field(default_factory=list, description="sentinels that mean: no value")
    protect: Identifier | None = Field(None, description="kind of identifier; a token and its like replace it")
    drop: bool = Field(False, description="checked like any column, but not kept in the lake")

    @property
    def formats(self) -> tuple[str, ...]:
        """Declared formats, in the order in which they are tried."""
        return (self.format,) if isinstance(self.format, str) else tuple(self.format or ())


class Column(_Closed):
    """One column of a dataset: its name in the lake, its name in the file, its type and its row rules."""

    name: str
    physical_name: str
    type: str
    required: bool
    key_position: int | None
    accepted: tuple[str, ...]
    pattern: str | None
    minimum: str | None
    maximum: str | None
    classification: str | None
    description: str
    profile: ColumnProfile


class Dataset(_Closed):
    """One dataset of a source, at the grain its description states."""

    source: str
    name: str
    description: str
    delivery: DeliveryProfile
    columns: tuple[Column, ...]

    @property
    def key(self) -> tuple[str, ...]:
        """Names of the business key's columns, in key order."""
        keyed = [(column.key_position, column.name) for column in self.columns if column.key_position]
        return tuple(name for _, name in sorted(keyed))


class Contract(_Closed):
    """One source: who delivers, when, and its datasets."""

    source: str
    version: str
    owner: str
    description: str
    profile: SourceProfile
    datasets: tuple[Dataset, ...]

    def dataset(self, name: str) -> Dataset:
        """The dataset called `name`; KeyError if the contract has none."""
        return {dataset.name: dataset for dataset in self.datasets}[name]


@cache
def _standard() -> Draft201909Validator:
    return Draft201909Validator(files(open_data_contract_standard).joinpath("schema.json").read_text(encoding="utf-8"))


def read_contract(path: Path) -> Contract:
    """Read one contract file.

    Raises:
        ContractInvalid: with every problem of the file.
    """
    return _understood(path.name, path.read_bytes())


@cache
def _understood(file: str, content: bytes) -> Contract:
    """A run asks for the same contract a few times, and to check it takes longer than to land a small delivery."""
    try:
        document = parse_yaml(content)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        summary = " ".join(str(error).split())
        raise ContractInvalid([Problem(file, "(file)", f"not readable YAML: {summary}", "mend it")]) from None
    # YAML reads 2026-03-02 as a date; the standard's schema speaks of strings.
    document = json.loads(json.dumps(document, default=str))
    problems = [
        Problem(file, _dotted(error.instance_path), _first_line(error.message), "see the ODCS 3.2 schema")
        for error in _standard().iter_errors(document)
    ]
    if problems:
        raise ContractInvalid(problems)
    collector = _Collector(file)
    contract = _resolve(document, Path(file).stem, collector)
    if contract is not None:
        collector.problems.extend(_check(contract, file))
    if collector.problems or contract is None:
        raise ContractInvalid(collector.problems)
    return contract


class _Collector:
    """Gathers validation errors under their key, so that all are told at once."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []

    def add(self, key: str, problem: str, remedy: str) -> None:
        self.problems.append(Problem(self.file, key, problem, remedy))

    def parse(self, model: Any, value: Any, key: str) -> Any:
        try:
            return model.model_validate(value)
        except ValidationError as error:
            for detail in error.errors():
                place = ".".join([key, *(str(part) for part in detail["loc"])])
                self.add(place, detail["msg"], f"give what {model.__name__} of ingestion/contract.py asks for")
            return None


def _resolve(document: dict[str, Any], stem: str, collector: _Collector) -> Contract | None:
    if document["id"] != stem:
        collector.add("id", f"{document['id']!r} is not the file's stem {stem!r}", "one noun, one spelling")
    profile = collector.parse(SourceProfile, _profile(document, "source", "", collector), "customProperties.source")
    owner = (document.get("team") or {}).get("name")
    if not owner:
        collector.add("team.name", "no owner", "name the team that answers for this source")
    datasets = [
        _resolve_dataset(entry, document["id"], f"schema[{index}]", collector)
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


def _resolve_dataset(entry: dict[str, Any], source: str, key: str, collector: _Collector) -> Dataset | None:
    name = entry.get("name", "")
    delivery = collector.parse(
        DeliveryProfile, _profile(entry, "delivery", key, collector), f"{key}.customProperties.delivery"
    )
    columns = [
        _resolve_column(column, f"{key}.properties[{index}]", collector)
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


def _resolve_column(entry: dict[str, Any], key: str, collector: _Collector) -> Column | None:
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
        minimum=_text(options.get("minimum")),
        maximum=_text(options.get("maximum")),
        classification=entry.get("classification"),
        description=entry.get("description", ""),
        profile=profile,
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


def _check(contract: Contract, file: str) -> Iterator[Problem]:
    """What only makes sense across keys."""
    connection = contract.profile.connection or ""
    yield from _check_placeholders(file, "customProperties.source.connection", connection, {"landing"})
    if not NAME.fullmatch(contract.source):
        yield Problem(file, "id", "not a lower snake name", "rename it")
    names = [dataset.name for dataset in contract.datasets]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield Problem(file, f"schema.{name}", "declared twice", "one entry a dataset")
    for dataset in contract.datasets:
        delivery, key = dataset.delivery, f"schema.{dataset.name}"
        columns = {column.name: column for column in dataset.columns}
        if not NAME.fullmatch(dataset.name):
            yield Problem(file, key, "not a lower snake name", "rename it")
        if len(columns) != len(dataset.columns):
            yield Problem(file, f"{key}.properties", "a column name occurs twice", "name each column once")
        if len({column.physical_name for column in dataset.columns}) != len(dataset.columns):
            yield Problem(file, f"{key}.properties", "a physicalName occurs twice", "name each column of the file once")
        if delivery.separator == delivery.quote:
            yield Problem(file, f"{key}.delivery.quote", "is the separator too", "correct it")
        if not dataset.key:
            yield Problem(file, f"{key}.properties", "no primaryKey", "mark the business key")
        if len({column.key_position for column in dataset.columns if column.key_position}) < len(dataset.key):
            yield Problem(file, f"{key}.properties", "a primaryKeyPosition occurs twice", "number the key columns")
        for name in dataset.key:
            if columns[name].profile.drop:
                yield Problem(file, f"{key}.{name}", "a key column that is dropped", "keep it, or choose another key")
            if not columns[name].required:
                yield Problem(file, f"{key}.{name}", "a key column that may be missing", "set required: true")
        is_query = delivery.reader == "database"
        if is_query != bool(delivery.query) or is_query == bool(delivery.files):
            yield Problem(file, f"{key}.delivery", "wants `query` for a database, `files` otherwise", "give one")
        if is_query and not contract.profile.connection:
            yield Problem(file, "customProperties.source.connection", "missing", "give the database's URL")
        if delivery.files and "{yyyymmdd}" not in delivery.files and delivery.mode != "snapshot":
            yield Problem(file, f"{key}.delivery.files", "no {yyyymmdd}", "the business date is part of the name")
        if delivery.resend and "{nn}" not in delivery.resend:
            yield Problem(file, f"{key}.delivery.resend", "no {nn}", "a re-send carries its number")
        if delivery.volume.minimum > delivery.volume.maximum:
            yield Problem(file, f"{key}.delivery.volume", "minimum exceeds maximum", "swap them")
        for place, pattern, allowed in _patterns(delivery):
            yield from _check_placeholders(file, f"{key}.delivery.{place}", pattern, allowed)
        yield from _check_delivery(dataset, f"{key}.delivery", file)
        if delivery.recorded_at is not None:
            stamp = columns.get(delivery.recorded_at)
            if stamp is None or stamp.type not in ("TIMESTAMPTZ", "DATE") or stamp.profile.drop:
                yield Problem(file, f"{key}.delivery.recorded_at", "not a kept DATE or TIMESTAMPTZ column", "name one")
        for column in dataset.columns:
            yield from _check_column(column, dataset, f"{key}.{column.name}", file)


def _check_column(column: Column, dataset: Dataset, key: str, file: str) -> Iterator[Problem]:
    if not NAME.fullmatch(column.name):
        yield Problem(file, key, "not a lower snake name", "give the source's spelling in physicalName")
    if not LAKE_TYPE.fullmatch(column.type):
        yield Problem(file, f"{key}.physicalType", f"{column.type!r} is unknown", f"one of {LAKE_TYPE.pattern}")
    if column.profile.protect and column.type != "VARCHAR":
        yield Problem(file, f"{key}.column.protect", "an identifier that is not text", "set VARCHAR")
    if column.accepted and column.type != "VARCHAR":
        yield Problem(file, f"{key}.enum", "codes that are not text", "set VARCHAR")
    clocks = ("TIMESTAMPTZ",) if "epoch_ms" in column.profile.formats else ("DATE", "TIMESTAMPTZ")
    if column.profile.formats and column.type not in clocks:
        yield Problem(file, f"{key}.column.format", f"has no meaning for {column.type}", "remove it")
    for place, value, sql in _trials(column):
        if value is not None and not _runs(sql, str(value)):
            yield Problem(file, f"{key}.{place}", f"{value!r} cannot be used", "correct it")
    if (dataset.delivery.reader == "json_lines") != bool(column.profile.path):
        yield Problem(file, f"{key}.column.path", "belongs to json_lines, and only there", "add or remove it")
    if (dataset.delivery.reader == "fixed_width") != bool(column.profile.width):
        yield Problem(file, f"{key}.column.width", "belongs to fixed_width, and only there", "add or remove it")
    if column.profile.thousands and not column.type.startswith(("DECIMAL", "BIGINT", "INTEGER")):
        yield Problem(file, f"{key}.column.thousands", f"has no meaning for {column.type}", "remove it")
    for other in dataset.columns:
        clash = _stand_ins(column) & (_stand_ins(other) | {other.name})
        if clash and len(other.name) > len(column.name):
            yield Problem(
                file, f"{key}.column.protect", f"{min(clash)} is a lake column of {other.name} too", "rename one"
            )
    if column.profile.protect and not column.classification:
        yield Problem(file, f"{key}.classification", "an identifier without class", "give C1, C2 or C3 (JR/T 0171)")
    if column.classification == "C3":
        yield Problem(file, f"{key}.classification", "C3 data is refused at the door", "remove it from the delivery")
    elif forbidden_names([column.physical_name]):
        yield Problem(file, key, "is named like authentication data (C3)", "remove it from the delivery")


def _patterns(delivery: DeliveryProfile) -> Iterator[tuple[str, str, set[str]]]:
    """Key, pattern and the placeholders that it may hold."""
    beside = {"name", "stem"}
    yield "files", delivery.files or "", {"yyyymmdd", "part"} if delivery.parts else {"yyyymmdd"}
    yield "resend", delivery.resend or "", {"yyyymmdd", "nn"}
    yield "parts", delivery.parts or "", {"yyyymmdd"}
    yield "ready.marker", delivery.ready.marker if delivery.ready else "", beside
    yield "checksum.file", delivery.checksum.file if delivery.checksum else "", beside
    yield "signature.file", delivery.signature.file if delivery.signature else "", beside
    if delivery.archive:
        yield "archive.member", delivery.archive.member, {"yyyymmdd"}
        yield "archive.password", delivery.archive.password or "", {"yyyymmdd", "secret"}


def _check_delivery(dataset: Dataset, key: str, file: str) -> Iterator[Problem]:
    """What the ways of delivering ask of each other."""
    delivery = dataset.delivery
    columns = {column.name: column for column in dataset.columns}
    is_text = delivery.reader in ("delimited", "fixed_width", "json_lines")
    if delivery.parts and (not is_text or "{part}" not in (delivery.files or "") or delivery.resend):
        yield Problem(file, f"{key}.parts", "wants a text file with {part} in `files` and no `resend`", "correct it")
    if delivery.sheet and delivery.reader != "excel":
        yield Problem(file, f"{key}.sheet", "belongs to excel, and only there", "remove it")
    if delivery.archive and (delivery.parts or delivery.reader == "database"):
        yield Problem(file, f"{key}.archive", "cannot be combined with parts or a database", "remove one")
    if (delivery.ready is not None and delivery.ready.content == "control") != bool(
        delivery.ready and delivery.ready.control
    ):
        yield Problem(file, f"{key}.ready.control", "belongs to content: control, and only there", "add or remove it")
    for meaning in delivery.ready.control.fields.values() if delivery.ready and delivery.ready.control else ():
        name = meaning.removeprefix("sum:")
        is_sum = meaning != name and name in columns and columns[name].type.startswith(("DECIMAL", "BIGINT", "INTEGER"))
        if not is_sum and meaning not in ("file_name", "bytes", "rows", "business_date"):
            yield Problem(file, f"{key}.ready.control.fields", f"{meaning!r} means nothing", "see class Control")
    if delivery.business_date is not None:
        stated = columns.get(delivery.business_date)
        if stated is None or stated.type not in ("DATE", "TIMESTAMPTZ"):
            yield Problem(file, f"{key}.business_date", "not a DATE or TIMESTAMPTZ column", "name one")
    if delivery.signature and len(_decoded(delivery.signature.public_key)) != 32:
        yield Problem(file, f"{key}.signature.public_key", "not 32 bytes in base64", "ask the sender for its key")


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return b""


def _stand_ins(column: Column) -> set[str]:
    """Lake columns that may stand in for an identifier."""
    return {f"{column.name}_{suffix}" for suffix in STAND_INS} if column.profile.protect else set()


def _check_placeholders(file: str, key: str, pattern: str, allowed: set[str]) -> Iterator[Problem]:
    for unknown in sorted(set(re.findall(r"{([^}]*)}", pattern)) - allowed):
        yield Problem(
            file, key, f"{{{unknown}}} is unknown", f"use {', '.join(f'{{{name}}}' for name in sorted(allowed))}"
        )


def _trials(column: Column) -> Iterator[tuple[str, str | None, str]]:
    """What DuckDB has to understand: key, declared text and the SQL that uses it, so that no run finds out first."""
    yield "logicalTypeOptions.pattern", column.pattern, "select regexp_full_match('', $1)"
    for layout in column.profile.formats:
        if layout != "epoch_ms":
            yield "column.format", layout, "select try_strptime('', $1), strftime(timestamp '2026-03-02', $1)"
    yield "column.path", column.profile.path, "select json_extract_string('{}', $1)"
    if LAKE_TYPE.fullmatch(column.type):
        yield "physicalType", column.type, f"select $1, null::{column.type}"
        yield "logicalTypeOptions.minimum", column.minimum, f"select cast($1 as {column.type})"
        yield "logicalTypeOptions.maximum", column.maximum, f"select cast($1 as {column.type})"


@cache
def _runs(sql: str, value: str) -> bool:
    import duckdb  # DAG files are parsed without it

    try:
        duckdb.cursor().execute(sql, [value]).fetchall()
    except duckdb.Error:
        return False
    return True


def _dotted(path: Any) -> str:
    return ".".join(str(part) for part in path) or "(file)"


def _first_line(message: str) -> str:
    return message.splitlines()[0][:200]


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
