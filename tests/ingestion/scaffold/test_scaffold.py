"""Drafts from sample files: the simulated parties' own contracts found again, crafted dialects, and real files."""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import zipfile
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
import xlsxwriter

from ingestion.commands import main
from ingestion.contract import Contract, Dataset, load_registry
from ingestion.contract.reading import read_contract
from ingestion.foundation import PROJECT, Settings, load_settings
from ingestion.foundation.declarations import read_yaml
from ingestion.landing import land_source
from ingestion.scaffold import Hints, SampleUnusable, draft_contract
from ingestion.scaffold.naming import form_lake_name, form_unique_names
from ingestion.scaffold.sampling import PIECE, find_encoding
from ingestion.simulation import GO_LIVE, build_world, deliver
from ingestion.simulation.identities import complete_cert_numbers, draw_cert_numbers, draw_mobiles, draw_names
from ingestion.simulation.streams import open_stream
from ingestion.simulation.world import World

SHIPPED = PROJECT / "ingestion" / "contracts"
DAY = f"{GO_LIVE:%Y%m%d}"
FILES = {
    ("dept_risk", "applications"): "applications.parquet",
    ("dept_risk", "decisions"): "decisions.parquet",
    ("dept_compliance", "consents"): f"consents_{DAY}.csv",
    ("bank_a", "loans"): f"LOAN_{DAY}.txt",
    ("bank_a", "balances"): f"BAL_{DAY}.txt",
    ("bank_a", "compensations"): f"COMP_{DAY}.txt",
    ("traffic_e", "leads"): f"leads_{DAY}.jsonl",
}
# What one sample cannot show: a pure ASCII file has no encoding of its own, nobody knows of later re-sends, a sample
# without a reversal has a shorter key, and a whole first name is not a time of record.
TOLERATED = {
    ("bank_a", "loans", "resend"),
    ("bank_a", "loans", "key"),
    ("bank_a", "balances", "encoding"),
    ("bank_a", "compensations", "encoding"),
}
SIZE = 300


@pytest.fixture(scope="module")
def world() -> World:
    return build_world(SIZE, 7)


@pytest.fixture(scope="module")
def landing(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sampled") / "landing"
    deliver(world, folder, GO_LIVE, None)
    return folder


def draft(path: Path, into: Path, **names: str) -> Dataset:
    """The dataset of a draft, which is valid and belongs to a tenant that passes `check`."""
    drafted = draft_contract(path, load_settings({}), into=into, **names)
    contract: Contract = read_contract(drafted.contract)
    assert drafted.checks >= 5
    return contract.datasets[0]


def text_of(into: Path) -> str:
    return "".join(path.read_text(encoding="utf-8") for path in sorted(into.rglob("*.*")) if path.is_file())


def write(folder: Path, name: str, content: str | bytes, encoding: str = "utf-8") -> Path:
    path = folder / "new_bank" / "20260302" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
    return path


def people(rows: int = 60) -> pl.DataFrame:
    stream = open_stream(3, "scaffold")
    return pl.DataFrame(
        {
            "loan_no": [f"LN{number:06d}" for number in range(rows)],
            "cert_no": draw_cert_numbers(stream, rows),
            "name": draw_names(stream, rows),
            "mobile": draw_mobiles(stream, rows),
            "amount": [f"{1000 + 37 * number}.{number % 100:02d}" for number in range(rows)],
            "day": [f"{date(2026, 1, 1) + timedelta(days=number % 50):%Y%m%d}" for number in range(rows)],
            "state": ["逾期" if number % 3 else "正常" for number in range(rows)],
        }
    )


def separated(frame: pl.DataFrame, separator: str, end: str = "\n", trailing: bool = False, names: bool = True) -> str:
    lines = [separator.join(frame.columns)] if names else []
    lines += [separator.join(row) for row in frame.iter_rows()]
    return "".join(line + (separator if trailing else "") + end for line in lines)


@pytest.mark.parametrize(("source", "dataset"), FILES)
def test_a_shipped_contract_is_found_again(landing: Path, tmp_path: Path, source: str, dataset: str) -> None:
    shipped = read_contract(SHIPPED / f"{source}.yml").find_dataset(dataset)
    drafted = draft(landing / source / DAY / FILES[source, dataset], tmp_path, dataset=dataset)
    different = {
        name
        for name in ("reader", "files", "resend", "ready", "encoding", "separator", "quote", "trailing_separator",
                     "preamble", "header", "missing")
        if getattr(drafted.delivery, name) != getattr(shipped.delivery, name)
    }  # fmt: skip
    places = {column.name: place for place, column in enumerate(shipped.columns)}
    found = {column.name: place for place, column in enumerate(drafted.columns)}
    if [found[name] for name in drafted.key] != [places[name] for name in shipped.key]:
        different.add("key")
    assert {(source, dataset, name) for name in different} <= TOLERATED
    assert len(drafted.columns) == len(shipped.columns)
    for ours, theirs in zip(drafted.columns, shipped.columns, strict=True):
        assert (ours.type, ours.profile.protect, ours.profile.path, ours.classification) == (
            theirs.type, theirs.profile.protect, theirs.profile.path, theirs.classification,
        ), theirs.name  # fmt: skip
        assert ours.profile.missing == theirs.profile.missing, theirs.name
        standard = {"DATE": ("%Y-%m-%d",), "TIMESTAMPTZ": ("%Y-%m-%d %H:%M:%S",)}.get(theirs.type, ())
        assert (ours.profile.formats or standard) == (theirs.profile.formats or standard), theirs.name
        assert set(ours.accepted) <= set(theirs.accepted) or not theirs.accepted, theirs.name
        if shipped.delivery.header == "names" and shipped.delivery.reader == "delimited":
            assert ours.physical_name == theirs.physical_name


def test_no_identifier_of_the_sample_is_written(landing: Path, world: World, tmp_path: Path) -> None:
    for number, ((source, _), name) in enumerate(FILES.items()):
        draft_contract(landing / source / DAY / name, load_settings({}), into=tmp_path / str(number))
    written = text_of(tmp_path)
    persons = world.persons
    names = {name for name in persons["customer_name"].to_list() if len(name) > 2}
    assert not [name for name in names if name in written]
    assert not set(re.findall(r"\d{17}[\dX]", written)) & set(persons["cert_no"].to_list())
    assert not set(re.findall(r"\d{11}", written)) & set(persons["mobile"].to_list())
    assert not re.findall(r"[0-9a-f]{64}", written)


@pytest.mark.parametrize(("source", "dataset"), [key for key in FILES if key[0] != "bank_a"])
def test_a_draft_lands_its_sample(landing: Path, tmp_path: Path, source: str, dataset: str) -> None:
    drafted = draft(landing / source / DAY / FILES[source, dataset], tmp_path / "tenant")
    environment = {"PLATFORM_HOME": str(tmp_path / "home"), "PLATFORM_TENANT": str(tmp_path / "tenant")}
    settings: Settings = load_settings(environment)
    settings.landing.mkdir(parents=True)
    (settings.landing / source).symlink_to(landing / source)
    report = land_source(source, GO_LIVE, settings)
    assert [entry.rows_quarantined for entry in report.arrivals] == [0]
    assert report.arrivals[0].rows_landed * 10 <= drafted.delivery.volume.maximum


def test_the_command_writes_what_check_accepts(
    landing: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sample = landing / "dept_compliance" / DAY / f"consents_{DAY}.csv"
    into = tmp_path / "drafts"
    arguments = ["scaffold", str(sample), "--source", "dept_new", "--dataset", "events", "--into", str(into)]
    assert main(arguments) == 0
    assert "places say `check:`" in capsys.readouterr().out
    monkeypatch.setenv("PLATFORM_TENANT", str(into))
    assert main(["check"]) == 0
    model = (into / "models" / "staging" / "dept_new" / "stg_dept_new__events.sql").read_text(encoding="utf-8")
    assert model.startswith(
        "with\n\nsource as (\n\n    select * from {{ source('dept_new', 'events') }}\n\n)\n\nselect\n"
    )
    assert "    source.cert_no_token as anchor_token,\n" in model
    assert model.endswith("    source._sequence,\n    source._known_at\nfrom source\n")
    before = text_of(into)
    assert main(arguments) == 1
    assert "exists" in capsys.readouterr().err
    assert text_of(into) == before


def test_without_a_folder_the_draft_joins_the_tenant(
    landing: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = ("traffic_e", f"leads_{DAY}.jsonl"), ("dept_risk", "decisions.parquet")
    assert main(["scaffold", str(landing / first[0] / DAY / first[1]), "--into", str(tmp_path)]) == 0
    monkeypatch.setenv("PLATFORM_TENANT", str(tmp_path))
    assert main(["scaffold", str(landing / second[0] / DAY / second[1])]) == 0
    assert list(load_registry(load_settings()).contracts) == ["dept_risk", "traffic_e"]
    assert main(["check"]) == 0


@pytest.mark.parametrize(
    "follows", ["", "\n# The last word.\n", "\nsupport:  # whom to ask\n- {channel: post, url: x}\n"]
)
@pytest.mark.parametrize("margin", ["", "  ", "    "])
def test_a_second_dataset_is_added_to_the_contract_of_its_source(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], margin: str, follows: str
) -> None:
    into = tmp_path / "drafts"
    first = write(tmp_path, "loans_20260302.csv", separated(people(), ","))
    second = write(tmp_path, "fees_20260302.csv", separated(people().select("loan_no", "amount"), ";"))
    assert main(["scaffold", str(first), "--into", str(into)]) == 0
    contract = into / "contracts" / "new_bank.yml"
    head, _, entries = contract.read_text(encoding="utf-8").partition("schema:\n")
    entries = "".join(margin + line[2:] for line in entries.splitlines(keepends=True))
    before = f"# Agreed by telephone.\n{head}schema:  # two files a day\n{entries}{follows}"
    contract.write_text(before, encoding="utf-8")
    capsys.readouterr()
    assert main(["scaffold", str(second), "--into", str(into)]) == 0, capsys.readouterr().err
    assert f"{contract} (one dataset more)\n" in capsys.readouterr().out
    after = contract.read_text(encoding="utf-8")
    added = [line for line in after.splitlines() if line not in before.splitlines()]
    assert after.startswith(before.removesuffix(follows)) and after.endswith(follows.lstrip("\n"))
    assert f"{margin}- name: fees" in added and f"{margin}# check: the contract had other datasets" in added[0]
    assert [one.name for one in read_contract(contract).datasets] == ["loans", "fees"]
    assert (into / "models" / "staging" / "new_bank" / "stg_new_bank__fees.sql").exists()
    assert main(["scaffold", str(second), "--into", str(into)]) == 1
    assert "exists" in capsys.readouterr().err
    assert contract.read_text(encoding="utf-8") == after


def test_what_cannot_be_added_leaves_the_contract_as_it_was(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    into = tmp_path / "drafts"
    first = write(tmp_path, "loans_20260302.csv", separated(people(), ","))
    second = write(tmp_path, "fees_20260302.csv", separated(people().select("loan_no", "amount"), ";"))
    assert main(["scaffold", str(first), "--into", str(into)]) == 0
    contract = into / "contracts" / "new_bank.yml"
    sound = contract.read_text(encoding="utf-8")
    in_a_line = json.dumps(read_yaml(contract), ensure_ascii=False)
    for before in (in_a_line, sound.replace("kind: DataContract", "kind: Data"), "schema: [", "[]"):
        contract.write_text(before, encoding="utf-8")
        files = sorted(into.rglob("*"))
        assert main(["scaffold", str(second), "--into", str(into)]) != 0
        assert str(contract.name) in capsys.readouterr().err
        assert contract.read_text(encoding="utf-8") == before
        assert sorted(into.rglob("*")) == files


@pytest.mark.parametrize("separator", ["|+|", "||", "|", ",", ";", "\t", "\x01", "\x1b", "\x1e"])
@pytest.mark.parametrize("trailing", [False, True])
@pytest.mark.parametrize("names", [False, True])
def test_every_separator_is_found(tmp_path: Path, separator: str, trailing: bool, names: bool) -> None:
    text = separated(people(), separator, "\r\n" if trailing else "\n", trailing, names)
    drafted = draft(write(tmp_path, "LOAN_20260302.dat", text, "gb18030"), tmp_path / "out")
    delivery = drafted.delivery
    assert (delivery.separator, delivery.trailing_separator) == (separator, trailing)
    assert (delivery.header, delivery.encoding) == ("names" if names else "none", "gb18030")
    assert [column.type for column in drafted.columns] == [*["VARCHAR"] * 4, "DECIMAL(18,2)", "DATE", "VARCHAR"]
    assert [column.profile.protect for column in drafted.columns][1:4] == ["cert_no", "person_name", "mobile"]
    assert drafted.columns[6].accepted == ("正常", "逾期")
    assert drafted.source == "new_bank"
    assert drafted.name == "loan"
    assert delivery.files == "{yyyymmdd}/LOAN_{yyyymmdd}.dat"


def test_chinese_headings_become_lower_snake_names(tmp_path: Path) -> None:
    frame = people().rename(
        {"loan_no": "借据号", "cert_no": "身份证号", "name": "客户姓名", "mobile": "手机号", "amount": "放款金额（元）",
         "day": "放款日期", "state": "担保物"}
    )  # fmt: skip
    path = write(tmp_path, "放款明细_20260302.csv", "某银行放款明细\n\n" + separated(frame, ","), "gb18030")
    drafted = draft(path, tmp_path / "out")
    names = ["loan_no", "cert_no", "customer_name", "mobile", "disbursed_amount", "disbursed_date", "column_07"]
    assert [column.name for column in drafted.columns] == names
    assert [column.physical_name for column in drafted.columns] == frame.columns
    assert drafted.columns[6].description == "担保物"
    assert drafted.delivery.preamble == 2
    assert drafted.name == "disbursed_details"
    assert form_lake_name("loanNo") == form_lake_name("LOAN-NO") == "loan_no"
    assert form_unique_names(["a", "A", None]) == ["a", "a_2", "column_03"]


def test_fixed_width_in_gb18030(tmp_path: Path) -> None:
    lines = b""
    for loan, cert, name, mobile, amount, day, state in people().iter_rows():
        padded = name.encode("gb18030").ljust(20) + state.encode("gb18030") + amount.rjust(12).encode()
        lines += f"{loan:<10}{cert}".encode() + padded + f"{day}{mobile}".encode() + b"\r\n"
    drafted = draft(write(tmp_path, "LOAN_20260302.txt", lines), tmp_path / "out")
    assert (drafted.delivery.reader, drafted.delivery.encoding) == ("fixed_width", "gb18030")
    widths = [column.profile.width for column in drafted.columns]
    # Blanks that no value fills may belong to either neighbour.
    assert widths == [10, 18, 20, 9, 7, 8, 11]
    assert [column.profile.protect for column in drafted.columns[1:3]] == ["cert_no", "person_name"]
    assert drafted.columns[6].profile.protect == "mobile"
    assert [column.type for column in drafted.columns[4:6]] == ["DECIMAL(18,2)", "DATE"]
    assert "compare with the party's layout" in text_of(tmp_path / "out")


def test_a_workbook(tmp_path: Path) -> None:
    path = write(tmp_path, "日报_20260302.xlsx", b"")
    with xlsxwriter.Workbook(str(path)) as book:
        book.add_worksheet("说明").write(0, 0, "口径")
        sheet = book.add_worksheet("明细")
        sheet.write(0, 0, "催收日报")
        sheet.write_row(2, 0, ["借据号", "手机号", "金额", "日期", "状态"])
        day = book.add_format({"num_format": "yyyy-mm-dd"})
        for number, row in enumerate(people().iter_rows()):
            sheet.write_row(3 + number, 0, [row[0], row[3], float(row[4])])
            sheet.write_datetime(3 + number, 3, date(2026, 1, 1) + timedelta(days=number % 50), day)
            sheet.write(3 + number, 4, row[6])
    drafted = draft(path, tmp_path / "out")
    delivery = drafted.delivery
    assert (delivery.reader, delivery.sheet, delivery.preamble, delivery.header) == ("excel", "明细", 2, "names")
    assert [column.name for column in drafted.columns] == ["loan_no", "mobile", "amount", "date", "status_code"]
    assert [column.type for column in drafted.columns] == ["VARCHAR", "VARCHAR", "DECIMAL(18,2)", "DATE", "VARCHAR"]


def test_a_zip_with_a_gbk_name(tmp_path: Path) -> None:
    path = write(tmp_path, "LOAN_20260302.zip", b"")
    inner = "放款_20260302.csv"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(inner.encode("utf-8").hex(), separated(people(), "|").encode("gb18030"))
    stored = path.read_bytes()
    raw = inner.encode("gbk")
    placeholder = inner.encode("utf-8").hex().encode()
    path.write_bytes(stored.replace(placeholder, raw.ljust(len(placeholder), b"_")))
    drafted = draft(path, tmp_path / "out")
    assert drafted.delivery.archive is not None
    assert drafted.delivery.archive.names == "gbk"
    assert drafted.delivery.archive.member.startswith("放款_{yyyymmdd}.csv")
    assert (drafted.delivery.separator, drafted.delivery.encoding) == ("|", "gb18030")
    assert drafted.delivery.files == "{yyyymmdd}/LOAN_{yyyymmdd}.zip"


def test_parts_with_their_list(tmp_path: Path) -> None:
    names = [f"REPAY_20260302_{part:03d}.txt" for part in (1, 2)]
    paths = [write(tmp_path, name, separated(people(), "|", names=False)) for name in names]
    write(tmp_path, "REPAY_20260302.lst", "\n".join(names))
    delivery = draft(paths[0], tmp_path / "out").delivery
    assert delivery.files == "{yyyymmdd}/REPAY_{yyyymmdd}_{part}.txt"
    assert delivery.parts == "{yyyymmdd}/REPAY_{yyyymmdd}.lst"


def test_a_numbered_file_beside_the_first_is_a_resend(tmp_path: Path) -> None:
    write(tmp_path, "LOAN_20260302.txt", separated(people(), "|"))
    delivery = draft(write(tmp_path, "LOAN_20260302_02.txt", separated(people(), "|")), tmp_path / "out").delivery
    assert delivery.files == "{yyyymmdd}/LOAN_{yyyymmdd}.txt"
    assert delivery.resend == "{yyyymmdd}/LOAN_{yyyymmdd}_{nn}.txt"


@pytest.mark.parametrize("layout", ["line", "keys"])
def test_control_checksum_and_signature_beside_the_file(tmp_path: Path, layout: str) -> None:
    frame = people()
    path = write(tmp_path, "LOAN_20260302.txt", separated(frame, "|"))
    total = frame["amount"].cast(pl.Decimal(18, 2)).sum()
    if layout == "line":
        control = f"{path.name}|{path.stat().st_size}|{frame.height}|20260302|{total}"
    else:
        control = f"FILE={path.name}\nROWS={frame.height}\nDATE=2026-03-02\nAMT={total}\n"
    write(tmp_path, "LOAN_20260302.ctl", control)
    write(tmp_path, "LOAN_20260302.txt.sha256", hashlib.sha256(path.read_bytes()).hexdigest() + f"  {path.name}\n")
    write(tmp_path, "LOAN_20260302.txt.sig", "c2ln")
    delivery = draft(path, tmp_path / "out").delivery
    assert delivery.ready is not None
    assert delivery.ready.control is not None
    meanings = list(delivery.ready.control.fields.values())
    whole = ["file_name", "bytes", "rows", "business_date", "sum:amount"]
    assert meanings == (whole if layout == "line" else ["file_name", "rows", "business_date", "sum:amount"])
    assert delivery.ready.control.layout == layout
    assert delivery.checksum is not None
    assert (delivery.checksum.algorithm, delivery.checksum.file) == ("sha256", "{name}.sha256")
    written = text_of(tmp_path / "out")
    assert "checksum: agrees with the file" in written
    assert "ask for the public key" in written


def test_values_decide_types_and_missing(tmp_path: Path) -> None:
    rows = 80
    guessed = {
        "phone_md5": "mobile_md5", "masked_name": "opaque", "id_sm3": "cert_no_sm3", "user_id_md5": "opaque",
        "bank_card_sha256": "bank_card_sha256", "tel": "mobile_masked", "paid_by": "bank_card_masked",
        "home": "address",
    }  # fmt: skip
    columns = {
        "seq": [str(number) for number in range(rows)],
        "org_code": [f"{number % 20:04d}" for number in range(rows)],
        "fee": [f"{1_000_000 + number:,}.{number % 100:02d}" for number in range(rows)],
        "open_date": ["00000000" if number % 9 == 0 else f"202601{number % 28 + 1:02d}" for number in range(rows)],
        "valid_to": ["99991231" if number % 2 else "20270101" for number in range(rows)],
        "closed_date": ["99991231" if number % 2 else "20260101" for number in range(rows)],
        "score": ["-999" if number % 8 == 0 else str(500 + number) for number in range(rows)],
        "change": [str(number - 40) for number in range(rows)],
        "remark": ["NULL" if number % 2 else f"text {number}" for number in range(rows)],
        "memo": ["NULL" if number % 3 else f"memo {number}" for number in range(rows)],
        "daily_rate": [f"0.0001{number:02d}" for number in range(rows)],
        "moment": [str(1_767_225_600_000 + number * 1000) for number in range(rows)],
        "mixed": [f"2026{'-/'[number % 2]}01{'-/'[number % 2]}{number % 28 + 1:02d}" for number in range(rows)],
        "sms_otp": [f"x{number}" for number in range(rows)],
        "bank_card_no": [luhn(f"62220200{number:07d}") for number in range(rows)],
        "officer": ["张伟" if number % 2 else "王芳" for number in range(rows)],
        "email": [f"a{number}@example.com" for number in range(rows)],
        "phone_md5": [hashlib.md5(str(number).encode()).hexdigest() for number in range(rows)],
        "masked_name": ["张*" if number % 2 else "李**" for number in range(rows)],
        "id_sm3": [hashlib.sha256(str(number).encode()).hexdigest() for number in range(rows)],
        "user_id_md5": [hashlib.md5(str(number).encode()).hexdigest() for number in range(rows)],
        "bank_card_sha256": [hashlib.sha256(str(number).encode()).hexdigest() for number in range(rows)],
        "tel": [f"138****{number:04d}" for number in range(rows)],
        "paid_by": [f"622202{'*' * 9}{number:04d}" for number in range(rows)],
        "home": [f"浙江省杭州市西湖区文三路{number}号" for number in range(rows)],
    }  # fmt: skip
    path = write(tmp_path, "x_20260302.txt", separated(pl.DataFrame(columns), "|"))
    drafted = draft(path, tmp_path / "out")
    column = {entry.name: entry for entry in drafted.columns}
    types = {name: entry.type for name, entry in column.items()}
    assert types == dict.fromkeys(columns, "VARCHAR") | {
        "seq": "INTEGER", "fee": "DECIMAL(18,2)", "open_date": "DATE", "valid_to": "DATE", "closed_date": "DATE",
        "score": "INTEGER", "change": "INTEGER", "daily_rate": "DECIMAL(18,6)", "moment": "TIMESTAMPTZ",
        "mixed": "DATE",
    }  # fmt: skip
    assert column["fee"].profile.thousands
    assert column["open_date"].profile.missing == ["00000000"]
    assert column["valid_to"].profile.missing == []
    assert column["closed_date"].profile.missing == ["99991231"]
    assert column["score"].profile.missing == ["-999"]
    assert column["change"].profile.missing == []
    assert drafted.delivery.missing == ["", "NULL"]
    assert column["moment"].profile.formats == ("epoch_ms",)
    assert set(column["mixed"].profile.formats) == {"%Y-%m-%d", "%Y/%m/%d"}
    assert column["sms_otp"].profile.drop
    assert column["bank_card_no"].profile.protect == "bank_card"
    assert column["officer"].accepted == ()
    assert {name: column[name].profile.protect for name in ("email", *guessed)} == {"email": "email"} | guessed
    written = text_of(tmp_path / "out")
    assert "张" not in written
    assert "example.com" not in written
    model = (tmp_path / "out" / "models" / "staging" / "new_bank" / "stg_new_bank__x.sql").read_text(encoding="utf-8")
    assert "otp" not in model
    columns["loan_password"] = columns.pop("sms_otp")
    path = write(tmp_path, "y_20260302.txt", separated(pl.DataFrame(columns), "|"))
    with pytest.raises(SampleUnusable, match="authentication data .* loan_password; ask the party"):
        draft(path, tmp_path / "other")
    assert not list((tmp_path / "other").rglob("new_bank*"))


def luhn(leading: str) -> str:
    doubled = [int(digit) * (2 if place % 2 == 0 else 1) for place, digit in enumerate(reversed(leading))]
    return leading + str(-sum(number // 10 + number % 10 for number in doubled) % 10)


def test_personal_keys_and_values_of_json_are_not_written(tmp_path: Path) -> None:
    cert = complete_cert_numbers(pl.Series(["11010519900307123"]))[0]
    lines = "".join(
        f'{{"id": "{number}", "by_person": {{"{cert}": {number}}}, "user": {{"手机": "138{number:08d}"}},'
        ' "tags": [1, 2]}\n'
        for number in range(60)
    )
    drafted = draft(write(tmp_path, "events_20260302.jsonl", lines), tmp_path / "out")
    assert [column.profile.path for column in drafted.columns] == ["$.id", "$.by_person", '$.user."手机"', "$.tags"]
    assert drafted.columns[2].profile.protect == "mobile"
    assert cert not in text_of(tmp_path / "out")


def test_a_first_row_is_never_taken_for_names(tmp_path: Path) -> None:
    frame = people()
    drafted = draft(
        write(tmp_path, "x_20260302.csv", separated(frame.select("name", "state"), ",", names=False)), tmp_path / "out"
    )
    assert drafted.delivery.header == "none"
    assert not [name for name in frame["name"].to_list() if name in text_of(tmp_path / "out")]


def test_a_huge_file_is_read_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingestion.scaffold.sampling.PIECE", 4096)
    text = separated(people(3000), "|", names=False).encode("gb18030")
    path = write(tmp_path, "LOAN_20260302.txt", text)
    drafted = draft(path, tmp_path / "out")
    assert (drafted.delivery.encoding, drafted.delivery.header) == ("gb18030", "none")
    assert 20_000 <= drafted.delivery.volume.maximum <= 50_000
    assert "an estimated" in text_of(tmp_path / "out")
    assert PIECE == 1 << 20


def test_encodings() -> None:
    chinese = "姓名,城市\n张三,上海\n".encode()
    assert find_encoding(b"\xef\xbb\xbf" + chinese) == ("utf-8", None)
    assert find_encoding(chinese) == ("utf-8", None)
    assert find_encoding(chinese.decode().encode("gb18030")) == ("gb18030", None)
    western = find_encoding("café,Zürich,naïve\ndéjà vu,Málaga,señor\n".encode("cp1252"))
    assert western[0] == "cp1252"
    assert "utf-8 fails" in (western[1] or "")
    assert "pure ASCII" in (find_encoding(b"a,b\n")[1] or "")


def test_two_good_readings_are_reported(tmp_path: Path) -> None:
    days = "".join(f"{number},{number % 12 + 1:02d}/{number % 11 + 1:02d}/2026\n" for number in range(50))
    draft(write(tmp_path, "days_20260302.csv", "id,due\n" + days), tmp_path / "out")
    assert "%m/%d/%Y reads as many values as %d/%m/%Y; two readings are equally good" in text_of(tmp_path / "out")


@pytest.mark.parametrize(
    ("content", "reported"),
    [
        (b"", "is empty"),
        (b"\n\n", "white space"),
        (random.Random(1).randbytes(5000), "not text"),
        (b"a,b,c\n", "no row"),
        (b"dataRowCount|+|0\n", "no row"),
        (b"\x1f\x8b\x08\x00" + bytes(20), "gzip"),
        (b"\xff\xfea\x00,\x00", "UTF-16"),
        (b"<?xml version='1.0'?><a/>\n", "XML"),
        (b'[{"a": 1}]\n', "JSON array"),
        (b"PAR1nonsense", "cannot be read"),
        (b"PK\x03\x04nonsense", "cannot be read"),
        (b"\xd0\xcf\x11\xe0nonsense", "workbook"),
        (b"SQLite format 3\x00", "database"),
        (b"1,2\r3,4\r", "carriage returns"),
    ],
)
def test_what_cannot_be_drafted_is_reported_in_a_sentence(
    tmp_path: Path, content: bytes, reported: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, "x_20260302.bin", content)
    assert main(["scaffold", str(path), "--into", str(tmp_path / "out")]) == 1
    error = capsys.readouterr().err
    assert reported in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_folders_absent_files_and_names_are_reported(tmp_path: Path) -> None:
    settings = load_settings({})
    with pytest.raises(SampleUnusable, match="is not a file"):
        draft_contract(tmp_path, settings)
    with pytest.raises(SampleUnusable, match="does not exist"):
        draft_contract(tmp_path / "x.csv", settings)
    path = write(tmp_path, "x_20260302.csv", separated(people(), ","))
    with pytest.raises(SampleUnusable, match="lower snake"):
        draft_contract(path, settings, source="Bank-X")
    with pytest.raises(SampleUnusable, match="exists"):
        draft_contract(path, settings, source="bank_a", dataset="fees")


@pytest.mark.parametrize("seed", range(8))
def test_a_damaged_sample_gives_a_draft_or_a_sentence(landing: Path, tmp_path: Path, seed: int) -> None:
    random_ = random.Random(seed)
    for number, ((source, _), name) in enumerate(FILES.items()):
        content = bytearray((landing / source / DAY / name).read_bytes())
        content = content[: random_.randint(200, 6000)] if random_.random() < 0.6 else content
        for _ in range(random_.choice([1, 3, 30])):
            place = random_.randrange(len(content))
            content[place : place + random_.choice([0, 1, 80])] = random_.choice(
                [b'"', b"\n", b"|", b",", b"\r", b"\xff"]
            )
        try:
            draft(write(tmp_path / str(number), name, bytes(content)), tmp_path / str(number) / "out")
        except SampleUnusable as unusable:
            assert name in str(unusable)


REAL = Path(os.environ.get("PLATFORM_TEST_DATA", PROJECT.parent / "shared" / "data"))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("berka/asc/card.asc", {"separator": ";", "quote": '"', "header": "names"}),
        ("berka/asc/district.asc", {"separator": ";", "missing": ["", "?"]}),
        ("berka/asc/trans_first_3MiB.asc", {"separator": ";", "header": "names"}),
        ("pakdd2010/PAKDD2010_Modeling_Data.txt", {"separator": "\t", "header": "none"}),
        ("pakdd2010/PAKDD2010_VariablesList.XLS", {"reader": "excel", "header": "names"}),
        ("encoding/HomeCredit_columns_description.csv", {"encoding": "cp1252", "quote": '"'}),
    ],
)
def test_real_files_give_a_draft(tmp_path: Path, name: str, expected: dict[str, object]) -> None:
    path = REAL / name
    if not path.is_file():
        pytest.skip(f"no real data at {path}")
    drafted = draft(path, tmp_path / "out", source="real", dataset="rows")
    assert {key: getattr(drafted.delivery, key) for key in expected} == expected
    if name.endswith("card.asc"):
        assert [column.type for column in drafted.columns] == ["VARCHAR", "VARCHAR", "VARCHAR", "DATE"]
        assert drafted.key == ("card_id",)
    if "Modeling" in name:
        assert len(drafted.columns) == 54


def test_the_unit_that_a_heading_says_is_asked_about(tmp_path: Path) -> None:
    amounts = [f"{number % 30}.{number % 100:02d}" for number in range(80)]
    frame = people(80).with_columns(pl.Series("保额(万元)", amounts), pl.Series("手续费(分)", ["7"] * 80))
    drafted = draft(write(tmp_path, "x_20260302.txt", separated(frame, "|")), tmp_path / "out")
    assert [column.description for column in drafted.columns[-2:]] == ["保额(万元); in 万元?", "手续费(分); in 分?"]


def test_one_odd_cell_in_a_heading_is_asked_about_and_costs_no_names(tmp_path: Path) -> None:
    rows = "".join(f"HJ{number:04d},{number}.50,{number % 7},{number % 2}\n" for number in range(300))
    for number, (odd, heading) in enumerate(
        {"bad=1": "loan_no,amount,days,bad=1", "30": "loan_no,amount,days,30"}.items()
    ):
        path = write(tmp_path, f"loans{number}_20260302.csv", f"{heading}\n{rows}")
        drafted = draft(path, tmp_path / str(number))
        assert [column.physical_name for column in drafted.columns] == heading.split(",")
        assert f"{odd!r} in line 1 is spelled like no usual name" in text_of(tmp_path / str(number))


def test_a_heading_word_that_begins_like_a_surname_is_a_name(tmp_path: Path) -> None:
    rows = "".join(f"HJ{number:04d},2026-03-02 09:{number % 60:02d}:00,{number}.50\n" for number in range(100))
    drafted = draft(write(tmp_path, "paid_20260302.csv", f"交易号,付款时间,金额\n{rows}"), tmp_path / "out")
    assert [column.physical_name for column in drafted.columns] == ["交易号", "付款时间", "金额"]


def test_identifiers_inside_texts_are_masked_in_the_draft(tmp_path: Path) -> None:
    rows = "".join(f"HJ{number:04d},来电{13900000000 + 7919 * number}请回,{number}.50\n" for number in range(60))
    path = write(tmp_path, "calls_20260302.csv", f"借据号,备注,金额\n{rows}")
    drafted = draft(path, tmp_path / "out")
    assert [column.profile.identifiers for column in drafted.columns] == [None, "mask", None]
    assert "60 of 60 values hold identifiers of people inside the text" in text_of(tmp_path / "out")


def test_a_column_that_only_its_name_makes_an_identifier_is_protected(tmp_path: Path) -> None:
    rows = "".join(f"HJ{number:04d},10.{number}.0.1,{number}.50\n" for number in range(60))
    drafted = draft(write(tmp_path, "x_20260302.csv", f"loan_no,client_ip,amount\n{rows}"), tmp_path / "out")
    assert drafted.columns[1].profile.protect == "opaque"


def test_the_number_of_a_line_is_no_key_where_the_loan_has_one(tmp_path: Path) -> None:
    rows = "".join(f"{number},HJ{number:04d},{number}.50\n" for number in range(1, 100))
    drafted = draft(write(tmp_path, "x_20260302.csv", f"序号,借据号,金额\n{rows}"), tmp_path / "out")
    assert drafted.key == ("loan_no",)


def test_a_second_time_stamp_in_the_name_is_asked_about(tmp_path: Path) -> None:
    path = write(tmp_path, "LOAN_20260302_20260303083012.csv", separated(people(), ","))
    draft(path, tmp_path / "out")
    assert "check: files: 14 digits more in the name look like a time stamp" in text_of(tmp_path / "out")


def test_everyday_spellings_are_typed_or_asked_about(tmp_path: Path) -> None:
    rows = "".join(
        f"HJ{n:04d},2026年3月{n % 28 + 1}日,2026/3/{n % 28 + 1} 9:05,2026-03-02T09:05:{n % 60:02d}+08:00,"
        f'1772416{n:03d},{46000 + n},¥{n}.50,"({n},000.57)",{n}.50%\n'
        for n in range(300)
    )
    path = write(tmp_path, "x_20260302.csv", f"loan_no,d1,d2,d3,d4,还款日期,a1,a2,a3\n{rows}")
    drafted = draft(path, tmp_path / "out")
    assert [column.type for column in drafted.columns[1:3]] == ["DATE", "TIMESTAMPTZ"]
    assert [column.profile.formats for column in drafted.columns[1:3]] == [("%Y年%-m月%-d日",), ("%Y/%-m/%-d %-H:%M",)]
    written = text_of(tmp_path / "out")
    for asked in (
        "with an offset or zone", "seconds since 1970", "days since 1900", "sign of money", "in brackets", "percentages"
    ):  # fmt: skip
        assert f"300 of 300 values look like {asked}" in written or asked in written, asked


def test_a_longer_amount_is_not_cut_by_the_drafted_widths(tmp_path: Path) -> None:
    lines = "".join(f"HJ{n:04d}{'ab' * (n % 3 + 1):<10}{f'{n * 7 % 9000 + 1}.50':>14}\n" for n in range(300))
    drafted = draft(write(tmp_path, "x_20260302.txt", lines), tmp_path / "out")
    assert drafted.columns[-1].profile.width is not None and drafted.columns[-1].profile.width >= 14


def test_running_text_is_no_dataset(tmp_path: Path) -> None:
    prose = "The party sends one file a day. It holds loans.\nPlease call if a day is missing, thank you.\n" * 20
    with pytest.raises(SampleUnusable, match="running text"):
        draft_contract(write(tmp_path, "readme_20260302.txt", prose), load_settings({}), into=tmp_path / "out")


def test_totals_below_the_rows_are_asked_about(tmp_path: Path) -> None:
    rows = "".join(f"HJ{number:04d},{number}.50\n" for number in range(60))
    draft(write(tmp_path, "x_20260302.csv", f"loan_no,amount\n{rows}合计,1000.00\n"), tmp_path / "out")
    assert "lines at the end look like totals" in text_of(tmp_path / "out")


def test_hints_are_taken_and_not_guessed(tmp_path: Path) -> None:
    text = write(tmp_path, "x_20260302.csv", "a~b\n" + "".join(f"k{number}~名字\n" for number in range(40)), "gb18030")
    hints = Hints(header="names", encoding="gb18030", separator="~")
    draft_contract(text, load_settings({}), "hinted", "rows", tmp_path / "out", hints)
    drafted = read_contract(tmp_path / "out" / "contracts" / "hinted.yml").find_dataset("rows")
    assert (drafted.delivery.separator, drafted.delivery.encoding, drafted.delivery.header) == ("~", "gb18030", "names")
    book = tmp_path / "y_20260302.xlsx"
    with xlsxwriter.Workbook(str(book)) as workbook:
        for name, height in (("large", 90), ("small", 30)):
            sheet = workbook.add_worksheet(name)
            sheet.write_row(0, 0, ["loan_no", "amount"])
            for line in range(1, height):
                sheet.write_row(line, 0, [f"HJ{line:04d}", line])
    draft_contract(book, load_settings({}), "sheeted", "rows", tmp_path / "book", Hints(sheet="small"))
    assert read_contract(tmp_path / "book" / "contracts" / "sheeted.yml").find_dataset("rows").delivery.sheet == "small"
    with pytest.raises(SampleUnusable, match="has no sheet none with rows, but large, small"):
        draft_contract(book, load_settings({}), "sheeted", "more", tmp_path / "book", Hints(sheet="none"))


def test_the_staging_model_is_written_again_from_the_corrected_contract(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, "x_20260302.csv", separated(people(), ","))
    assert main(["scaffold", str(path), "--source", "again", "--dataset", "rows", "--into", str(tmp_path / "out")]) == 0
    monkeypatch.setenv("PLATFORM_TENANT", str(tmp_path / "out"))
    model = tmp_path / "out" / "models" / "staging" / "again" / "stg_again__rows.sql"
    contract, first = tmp_path / "out" / "contracts" / "again.yml", model.read_text(encoding="utf-8")
    assert main(["restage", "again", "rows"]) == 1, "what was changed by hand is not dropped in passing"
    assert main(["restage", "again", "rows", "--replace"]) == 0
    assert model.read_text(encoding="utf-8") == first
    named = read_contract(contract).find_dataset("rows").columns[-1].name
    contract.write_text(contract.read_text(encoding="utf-8").replace(f"name: {named}", "name: called_otherwise"))
    assert main(["restage", "again", "rows", "--replace"]) == 0
    assert "source.called_otherwise" in model.read_text(encoding="utf-8")
    capsys.readouterr()
    assert main(["check"]) == 0
    assert "contracts/again.yml: " in capsys.readouterr().out
