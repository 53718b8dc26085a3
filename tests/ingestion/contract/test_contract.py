"""Contracts: every problem of every file reported at once, with key and remedy, before anything runs."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from open_data_contract_standard.model import OpenDataContractStandard

from ingestion.commands import main
from ingestion.contract import ContractInvalid, load_registry, read_cards
from ingestion.contract.reading import read_contract
from ingestion.foundation import PROJECT, load_settings
from ingestion.foundation.declarations import Problem
from ingestion.lake import render_sources
from tests.ingestion.broken import Party, column, contract, dataset

SHIPPED = sorted((PROJECT / "ingestion" / "contracts").glob("*.yml"))
KEY = column("id", key=True)

BROKEN = """
apiVersion: v3.2.0
kind: DataContract
id: another
version: 1.0.0
status: active
team: {description: nobody}
customProperties:
  - property: source
    value: {cron: daily, available_at: noon, go_live: "2026-02-30", color: red}
  - {property: sla, value: 1}
schema:
  - name: rows
    customProperties:
      - property: delivery
        value: {reader: csv, mode: all, header: yes please, separator: "", max_quarantine_share: 2,
          volume: {minimum: -1}}
    properties:
      - {name: id, logicalType: string, logicalTypeOptions: {maxLength: 3}}
      - {name: amount, logicalType: number}
      - name: phone
        logicalType: string
        customProperties: [{property: column, value: {protect: phone, hide: true}}]
  - name: bare
    customProperties: []
"""
EVERY_PROBLEM = {
    "customProperties.sla": "not in the profile",
    "customProperties.source.available_at": "is 'noon'",
    "customProperties.source.color": "is not a key that exists here",
    "customProperties.source.cron": "is 'daily'",
    "customProperties.source.go_live": "is '2026-02-30'",
    "id": "'another' is not the file's stem 'party'",
    "schema[0].customProperties.delivery.header": "is 'yes please'",
    "schema[0].customProperties.delivery.max_quarantine_share": "is 2",
    "schema[0].customProperties.delivery.mode": "is 'all'",
    "schema[0].customProperties.delivery.reader": "is 'csv'",
    "schema[0].customProperties.delivery.separator": "is ''",
    "schema[0].customProperties.delivery.volume.maximum": "is missing",
    "schema[0].customProperties.delivery.volume.minimum": "is -1",
    "schema[0].properties[0].logicalTypeOptions.maxLength": "is not enforced here",
    "schema[0].properties[1].physicalType": "missing",
    "schema[0].properties[2].customProperties.column.hide": "is not a key that exists here",
    "schema[0].properties[2].customProperties.column.protect": "is 'phone'",
    "schema[1].customProperties": "'delivery' is missing",
    "schema[1].customProperties.delivery.mode": "is missing",
    "schema[1].customProperties.delivery.reader": "is missing",
    "schema[1].customProperties.delivery.volume": "is missing",
    "schema[1].properties": "no column",
    "team.name": "no owner",
}


def problems(document: dict[str, Any] | str, folder: Path, stem: str = "party") -> list[Problem]:
    path = folder / f"{stem}.yml"
    text = document if isinstance(document, str) else yaml.safe_dump(document, allow_unicode=True)
    path.write_text(text, encoding="utf-8")
    try:
        read_contract(path)
    except ContractInvalid as error:
        return error.problems
    return []


def test_all_problems_of_a_contract_are_reported_at_once(tmp_path: Path) -> None:
    found = problems(BROKEN, tmp_path)
    assert [problem.key for problem in found] == list(EVERY_PROBLEM)
    for problem in found:
        assert problem.problem.startswith(EVERY_PROBLEM[problem.key])
        assert problem.file == "party.yml" and problem.remedy
        assert str(problem) == f"party.yml: {problem.key}: {problem.problem}; {problem.remedy}."


def test_unknown_keys_and_wrong_types_of_the_standard_are_reported_together(tmp_path: Path) -> None:
    document = contract("party", dataset(KEY)) | {"dialect": "x", "status": 5}
    reported = {(problem.key, problem.problem.split(" (")[0]) for problem in problems(document, tmp_path)}
    assert reported >= {("(file)", "Additional properties are not allowed"), ("status", '5 is not of type "string"')}


@pytest.mark.parametrize("text", ["a: [1", "", "[]", "just text"])
def test_a_file_that_is_no_contract_is_one_problem(tmp_path: Path, text: str) -> None:
    (problem,) = problems(text, tmp_path)
    assert (problem.file, problem.key) == ("party.yml", "(file)")


def test_a_key_given_twice_is_reported_with_its_line(tmp_path: Path) -> None:
    text = yaml.safe_dump(rows(), sort_keys=False)
    (problem,) = problems(text + "version: 2.0.0\n", tmp_path)
    assert "key `version` is given twice" in problem.problem
    assert f"line {text.count(chr(10)) + 1}," in problem.problem


def test_a_file_that_is_no_utf8_is_one_problem(tmp_path: Path) -> None:
    (tmp_path / "party.yml").write_bytes("name: 甲".encode("gb18030"))
    with pytest.raises(ContractInvalid, match=r"^party\.yml: \(file\): is not readable YAML .*; correct the syntax\.$"):
        read_contract(tmp_path / "party.yml")


SQL = "select id from t where d > :since and d <= :until"


def rows(*columns: dict[str, Any], **delivery: Any) -> dict[str, Any]:
    return contract("party", dataset(KEY, *columns, **delivery))


def edited(edit: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    document = rows()
    edit(document)
    return document


CUSTOM = rows()["schema"][0]["customProperties"]
CROSS = {
    "dataset twice": (contract("party", dataset(KEY), dataset(KEY)), ("schema.rows", "declared twice")),
    "dataset name": (contract("party", dataset(KEY, name="Rows")), ("schema.Rows", "not a lower snake name")),
    "column twice": (
        rows(column("a"), column("a", physicalName="b")),
        ("schema.rows.properties", "a column name occurs twice"),
    ),
    "file column twice": (
        rows(column("a", physicalName="id")),
        ("schema.rows.properties", "a physicalName occurs twice"),
    ),
    "no key": (contract("party", dataset(column("a"))), ("schema.rows.properties", "no primaryKey")),
    "dropped key": (
        contract("party", dataset(column("id", key=True, drop=True))),
        ("schema.rows.id", "a key column that is dropped"),
    ),
    "optional key": (
        contract("party", dataset(KEY | {"required": False})),
        ("schema.rows.id", "a key column that may be missing"),
    ),
    "query of files": (
        rows(query=SQL, files="{yyyymmdd}/x"),
        ("schema.rows.delivery", "wants `query` for a database, `files` otherwise"),
    ),
    "files of a database": (
        contract("party", dataset(KEY, reader="database"), connection="sqlite://"),
        ("schema.rows.delivery", "wants `query` for a database, `files` otherwise"),
    ),
    "no connection": (rows(reader="database", query=SQL), ("customProperties.source.connection", "missing")),
    "look-back of files": (
        rows(look_back_days=1),
        ("schema.rows.delivery.look_back_days", "wants a `query` whose window :until closes"),
    ),
    "look-back of an open window": (
        contract(
            "party",
            dataset(KEY, reader="database", query="select id from t where at > :since", look_back_days=1),
            connection="sqlite://",
        ),
        ("schema.rows.delivery.look_back_days", "wants a `query` whose window :until closes"),
    ),
    "connection": (
        contract("party", dataset(KEY), connection="sqlite:///{home}/x"),
        ("customProperties.source.connection", "{home} is unknown"),
    ),
    "files without date": (rows(files="rows.csv"), ("schema.rows.delivery.files", "no {yyyymmdd}")),
    "files": (rows(files="{yyyymmdd}/{day}.csv"), ("schema.rows.delivery.files", "{day} is unknown")),
    "resend without number": (rows(resend="{yyyymmdd}/again.csv"), ("schema.rows.delivery.resend", "no {nn}")),
    "resend": (rows(resend="{yyyymmdd}/{nn}{n}.csv"), ("schema.rows.delivery.resend", "{n} is unknown")),
    "marker": (rows(ready={"marker": "{file}.ok"}), ("schema.rows.delivery.ready.marker", "{file} is unknown")),
    "volume": (rows(volume={"minimum": 2, "maximum": 1}), ("schema.rows.delivery.volume", "minimum exceeds maximum")),
    "quote": (rows(separator='"', quote='"'), ("schema.rows.delivery.quote", "is the separator too")),
    "recorded_at of no column": (
        rows(recorded_at="at"),
        ("schema.rows.delivery.recorded_at", "not a kept DATE or TIMESTAMPTZ column"),
    ),
    "recorded_at of text": (
        rows(recorded_at="id"),
        ("schema.rows.delivery.recorded_at", "not a kept DATE or TIMESTAMPTZ column"),
    ),
    "recorded_at that is dropped": (
        rows(column("at", "DATE", drop=True), recorded_at="at"),
        ("schema.rows.delivery.recorded_at", "not a kept DATE or TIMESTAMPTZ column"),
    ),
    "column name": (rows(column("_x")), ("schema.rows._x", "not a lower snake name")),
    "type": (rows(column("x", "FLOAT")), ("schema.rows.x.physicalType", "'FLOAT' is unknown")),
    "width of a type": (
        rows(column("x", "DECIMAL(50,2)")),
        ("schema.rows.x.physicalType", "'DECIMAL(50,2)' cannot be used"),
    ),
    "identifier that is no text": (
        rows(column("x", "BIGINT", protect="mobile")),
        ("schema.rows.x.column.protect", "an identifier that is not text"),
    ),
    "identifier and its substitute": (
        rows(column("x", protect="opaque"), column("x_token")),
        ("schema.rows.x.column.protect", "x_token is a lake column of x_token too"),
    ),
    "identifier and its mask": (
        rows(column("x", protect="mobile"), column("x_masked")),
        ("schema.rows.x.column.protect", "x_masked is a lake column of x_masked too"),
    ),
    "identifier without class": (
        rows(column("x", protect="opaque") | {"classification": ""}),
        ("schema.rows.x.classification", "an identifier without class"),
    ),
    "C3": (rows(column("x", classification="C3")), ("schema.rows.x.classification", "C3 data is refused at the door")),
    "identifier by name": (
        rows(column("mobile", physicalName="手机号")),
        ("schema.rows.mobile", "is named like an identifier of a person and not protected"),
    ),
    "identifier by a number's name": (
        rows(column("phone_no", "BIGINT")),
        ("schema.rows.phone_no", "is named like an identifier of a person and not protected"),
    ),
    "identifier by pattern": (
        rows(column("x", logicalTypeOptions={"pattern": "1[3-9][0-9]{9}"})),
        ("schema.rows.x.logicalTypeOptions.pattern", "is that of an identifier, which nothing protects"),
    ),
    "waiver beside protection": (
        rows(column("x", protect="opaque", clear="it is known")),
        ("schema.rows.x.column", "`clear` or `identifiers` beside `protect` or `drop`"),
    ),
    "search in a number": (
        rows(column("x", "BIGINT", identifiers="mask")),
        ("schema.rows.x.column.identifiers", "wants a text without `clear` and enum"),
    ),
    "masked key": (
        contract("party", dataset(column("id", key=True, identifiers="mask"))),
        ("schema.rows.id.column.identifiers", "masks make different keys one"),
    ),
    "codes that are no text": (
        rows(column("x", "INTEGER", enum=["1"])),
        ("schema.rows.x.enum", "codes that are not text"),
    ),
    "format of text": (rows(column("x", format="%Y")), ("schema.rows.x.column.format", "has no meaning for VARCHAR")),
    "epoch of a date": (
        rows(column("x", "DATE", format="epoch_ms")),
        ("schema.rows.x.column.format", "has no meaning for DATE"),
    ),
    "format": (rows(column("x", "DATE", format="%Q")), ("schema.rows.x.column.format", "'%Q' cannot be used")),
    "pattern": (
        rows(column("x", logicalTypeOptions={"pattern": "("})),
        ("schema.rows.x.logicalTypeOptions.pattern", "'(' cannot be used"),
    ),
    "minimum": (
        rows(column("x", "INTEGER", logicalTypeOptions={"minimum": 3000000000})),
        ("schema.rows.x.logicalTypeOptions.minimum", "'3000000000' cannot be used"),
    ),
    "maximum": (
        rows(column("x", "INTEGER", logicalTypeOptions={"maximum": 3000000000})),
        ("schema.rows.x.logicalTypeOptions.maximum", "'3000000000' cannot be used"),
    ),
    "path in a table": (
        rows(column("x", path="$.x")),
        ("schema.rows.x.column.path", "belongs to json_lines, and only there"),
    ),
    "no path in JSON": (
        contract("party", dataset(KEY, reader="json_lines")),
        ("schema.rows.id.column.path", "belongs to json_lines, and only there"),
    ),
    "path": (
        contract("party", dataset(column("id", key=True, path="$["), reader="json_lines")),
        ("schema.rows.id.column.path", "'$[' cannot be used"),
    ),
    "property of a schema": (
        edited(lambda document: document["schema"][0]["customProperties"].append({"property": "x", "value": 1})),
        ("schema[0].customProperties.x", "not in the profile"),
    ),
    "profile twice": (
        edited(lambda document: document["schema"][0].update(customProperties=2 * CUSTOM)),
        ("schema[0].customProperties", "a property is given twice"),
    ),
    "two keys at one place": (
        rows(column("a", key=True)),
        ("schema.rows.properties", "a primaryKeyPosition occurs twice"),
    ),
    "no key, but rows that change": (
        rows(column("x"), key="none", mode="upsert"),
        ("schema.rows.delivery.key", "none is for mode: append without a primaryKey"),
    ),
    "a trailer that a row could be": (
        rows(column("x"), trailer={"lines": 1}),
        ("schema.rows.delivery.trailer", "a row could pass for it"),
    ),
    "skipped lines of a workbook": (
        rows(column("x"), reader="excel", skip=["x"]),
        ("schema.rows.delivery.skip", "belongs to delimited and fixed_width"),
    ),
    "pattern of skipped lines": (
        rows(column("x"), skip=["("]),
        ("schema.rows.delivery.skip[0]", "'(' cannot be used"),
    ),
    "total of nothing": (
        rows(column("x"), totals={"sum:x": "(.)"}),
        ("schema.rows.delivery.totals", "'sum:x' means nothing"),
    ),
    "total without a group": (
        rows(column("x"), totals={"rows": "x"}),
        ("schema.rows.delivery.totals.rows", "'x' cannot be used"),
    ),
    "member of a gzip file": (
        rows(column("x"), archive={"format": "gzip", "member": "x"}),
        ("schema.rows.delivery.archive.member", "belongs to zip and tar, and only there"),
    ),
    "password of a tar archive": (
        rows(column("x"), archive={"format": "tar", "member": "x", "password": "x"}),
        ("schema.rows.delivery.archive.password", "belongs to zip"),
    ),
    "line ends of a workbook": (
        rows(column("x"), reader="excel", line_end="cr"),
        ("schema.rows.delivery.line_end", "cr is for text, none for fixed_width"),
    ),
    "escape without a quote": (rows(column("x"), escape="\\"), ("schema.rows.delivery.escape", "belongs to a quote")),
    "records of a table": (
        rows(column("x"), records="$"),
        ("schema.rows.delivery.records", "belongs to json_lines and xml in one file"),
    ),
    "fill_down of text": (
        rows(column("x", fill_down=True)),
        ("schema.rows.x.column.fill_down", "belongs to excel, and only there"),
    ),
    "decimals of a whole number": (
        rows(column("x", "BIGINT", implied_decimals=2)),
        ("schema.rows.x.column.implied_decimals", "has no meaning for BIGINT"),
    ),
    "more decimals than the column has": (
        rows(column("x", "DECIMAL(18,2)", implied_decimals=3)),
        ("schema.rows.x.column.implied_decimals", "has no meaning for DECIMAL(18,2)"),
    ),
    "trimmed lines with separators": (
        rows(column("x"), trimmed=True),
        ("schema.rows.delivery.trimmed", "belongs to fixed_width, and only there"),
    ),
    "half a date": (
        rows(column("x"), files="{mm}/x.csv"),
        ("schema.rows.delivery.files", "{mm} is no whole date"),
    ),
    "day of a daily calendar": (
        rows(column("x"), calendar={"on": 3}),
        ("schema.rows.delivery.calendar.on", "has no meaning here"),
    ),
    "day of a week": (
        rows(column("x"), calendar={"every": "week", "on": 8}),
        ("schema.rows.delivery.calendar.on", "is no day of the week"),
    ),
    "no dataset": (edited(lambda document: document.update(schema=[])), ("schema", "no dataset")),
}


@pytest.mark.parametrize(("document", "reported"), CROSS.values(), ids=CROSS)
def test_one_wrong_thing_is_one_problem(tmp_path: Path, document: dict[str, Any], reported: tuple[str, str]) -> None:
    assert [(problem.key, problem.problem) for problem in problems(document, tmp_path)] == [reported]


def test_a_source_is_named_in_lower_snake_case(tmp_path: Path) -> None:
    (problem,) = problems(contract("Bank-A", dataset(KEY)), tmp_path, "Bank-A")
    assert (problem.key, problem.problem) == ("id", "not a lower snake name")


def test_the_smallest_contract_is_clean(tmp_path: Path) -> None:
    assert problems(rows(), tmp_path) == []


def test_problems_of_all_files_are_reported_together(party: Party) -> None:
    party.agree(contract("bank", dataset(column("a"))))
    party.agree(contract("court", dataset(KEY, name="Rows")))
    party.declare(KEY)
    with pytest.raises(ContractInvalid) as reported:
        load_registry(party.settings)
    assert [problem.file for problem in reported.value.problems] == ["bank.yml", "court.yml"]
    assert str(reported.value).count("\n") == 1


def test_a_folder_without_a_contract_is_a_problem(party: Party) -> None:
    with pytest.raises(ContractInvalid, match=r"holds no contract; add <source>\.yml"):
        load_registry(party.settings)


@pytest.mark.parametrize("path", SHIPPED, ids=[path.stem for path in SHIPPED])
def test_a_shipped_contract_is_one_that_others_can_load(path: Path) -> None:
    ours, theirs = read_contract(path), OpenDataContractStandard.from_file(str(path))
    assert theirs.id == path.stem and theirs.schema_ is not None
    assert [entry.name for entry in theirs.schema_] == [entry.name for entry in ours.datasets]
    for entry, own in zip(theirs.schema_, ours.datasets, strict=True):
        assert [column.name for column in entry.properties or []] == [column.name for column in own.columns]
        keyed = {column.primaryKeyPosition: column.name for column in entry.properties or [] if column.primaryKey}
        assert tuple(keyed[position] for position in sorted(keyed)) == own.key


def test_five_contracts_are_shipped_and_each_row_says_its_grain() -> None:
    registry = load_registry(load_settings({}))
    assert list(registry.contracts) == [path.stem for path in SHIPPED] and len(SHIPPED) >= 5
    assert all(entry.description.startswith("One row per ") for entry in registry.datasets)


@pytest.fixture
def tenant(party: Party, monkeypatch: pytest.MonkeyPatch) -> Party:
    """The party as the command line's tenant, with models of its own."""
    (party.tenant / "tenant.toml").write_text('without = ["contracts", "models"]\n')
    for name, value in party.environment.items():
        monkeypatch.setenv(name, value)
    return party


def test_check_counts_what_is_declared(tenant: Party, capsys: pytest.CaptureFixture[str]) -> None:
    tenant.declare(KEY)
    assert main(["check"]) == 0
    assert capsys.readouterr().out == "1 contracts, 1 datasets: no problem found.\n"


def test_check_reports_problems_on_standard_error(tenant: Party, capsys: pytest.CaptureFixture[str]) -> None:
    tenant.declare(column("a"), column("_b"))
    assert main(["check"]) == 2
    reported = capsys.readouterr()
    assert (reported.out, reported.err) == (
        "",
        "party.yml: schema.rows._b: not a lower snake name; give the source's spelling in physicalName.\n"
        "party.yml: schema.rows.properties: no primaryKey; mark the business key.\n",
    )


def test_sources_describe_what_lands(party: Party, tmp_path: Path) -> None:
    party.declare(KEY, column("phone", protect="mobile"), column("secret", drop=True)).deliver("id,phone,secret\n1,,\n")
    party.land()
    document = yaml.safe_load(render_sources(load_registry(party.settings)))
    (table,) = document["sources"][0]["tables"]
    assert [entry["name"] for entry in table["columns"]] == [
        *("id", "phone_token", "phone_masked"),
        *("_delivery_id", "_line_number", "_batch_date", "_sequence", "_known_at"),
    ]
    assert len(party.rows(*(entry["name"] for entry in table["columns"]))) == 1
    assert all(entry["description"] for entry in table["columns"])


def test_schedules_are_read_without_the_rest_of_the_contract(party: Party) -> None:
    shutil.copy(SHIPPED[0], party.tenant / "contracts")
    party.declare(column("a"))
    (party.tenant / "contracts" / "torn.yml").write_text("a: [1")
    found = [(card.source, card.cron) for card in read_cards(party.settings)]
    assert found == [(SHIPPED[0].stem, "0 7 * * *"), ("party", "0 7 * * *")]
