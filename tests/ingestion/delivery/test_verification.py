"""Deliveries that are split, empty, late, damaged, encrypted or signed: what is found, and what is said of the rest."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import warnings
import zipfile
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import pyzipper
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ingestion.contract import Contract, Dataset
from ingestion.contract.profiles import Column, ColumnProfile, DeliveryProfile, SourceProfile
from ingestion.delivery import (
    Delivery,
    DeliveryIncomplete,
    DeliveryRefused,
    compare_totals,
    find_deliveries,
    verify_delivery,
)
from ingestion.delivery.gaps import list_missing_dates, list_unknown_files
from ingestion.delivery.verification import ControlTotals
from ingestion.foundation import Settings
from ingestion.foundation.ledger import deliveries, open_ledger
from ingestion.readers import FileUnreadable
from ingestion.readers.parts import locate_part_lines
from ingestion.readers.plain import make_plain_file

DAY = date(2026, 3, 4)
DATA = b"loan_no,amount\nL1,1.50\nL2,2.25\n"
FILES = "{yyyymmdd}/LOAN_{yyyymmdd}.csv"
SPLIT = {"files": "{yyyymmdd}/LOAN_{yyyymmdd}_{part}.csv", "parts": "{yyyymmdd}/LOAN_{yyyymmdd}.lst"}
RESEND = {"resend": "{yyyymmdd}/LOAN_{yyyymmdd}_{nn}.csv"}
EMPTY_MARKER = {"ready": {"marker": "{stem}.ok"}}
NAMED_MARKER = {"ready": {"marker": "{stem}.ok", "content": "file_name"}}
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC_KEY = base64.b64encode(KEY.public_key().public_bytes_raw()).decode()
SIGNED = {"signature": {"algorithm": "ed25519", "file": "{name}.sig", "public_key": PUBLIC_KEY}}
TAIL = "; wait for the party, or ask it to deliver, and run again."


def control(layout: str = "line", separator: str = "|", fields: dict[str, str] | None = None) -> dict[str, Any]:
    fields = fields or {
        "file": "file_name",
        "bytes": "bytes",
        "rows": "rows",
        "date": "business_date",
        "amt": "sum:amount",
    }
    return {
        "ready": {
            "marker": "{stem}.ctl",
            "content": "control",
            "control": {"layout": layout, "separator": separator, "fields": fields},
        }
    }


def checksum(algorithm: str) -> dict[str, Any]:
    return {"checksum": {"algorithm": algorithm, "file": "{name}.sum"}}


def zipped(**words: str) -> dict[str, Any]:
    return {"files": "{yyyymmdd}/LOAN_{yyyymmdd}.zip", "archive": {"member": "放款_{yyyymmdd}.csv"} | words}


def make_contract(**words: Any) -> Contract:
    profile = {"reader": "delimited", "files": FILES, "mode": "append", "volume": {"maximum": 1000}} | words
    names = {"loan_no": ("VARCHAR", True), "amount": ("DECIMAL(18,2)", False)}
    columns = tuple(
        Column(
            name=name, physical_name=name, type=kind, required=is_key, key_position=1 if is_key else None,
            accepted=(), pattern=None, minimum=None, maximum=None, classification=None, description="",
            profile=ColumnProfile(thousands=name == "amount"),
        )
        for name, (kind, is_key) in names.items()
    )  # fmt: skip
    dataset = Dataset(
        source="bank", name="loans", description="", delivery=DeliveryProfile.model_validate(profile), columns=columns
    )
    source = SourceProfile.model_validate({"cron": "0 7 * * *", "available_at": "07:00", "go_live": "2026-03-02"})
    return Contract(
        source="bank", version="1.0.0", owner="funding", description="", profile=source, datasets=(dataset,)
    )


def drop(settings: Settings, files: dict[str, bytes], day: date = DAY) -> Path:
    folder = settings.landing / "bank" / f"{day:%Y%m%d}"
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
        os.utime(folder / name, (1_772_600_000, 1_772_600_000))
    return folder


def find(contract: Contract, settings: Settings, day: date = DAY) -> list[Delivery]:
    ledger = open_ledger(settings)
    try:
        return find_deliveries(contract, contract.datasets[0], day, settings, ledger)
    finally:
        ledger.dispose()


def record(settings: Settings, delivery: Delivery, state: str) -> None:
    ledger = open_ledger(settings)
    with ledger.begin() as connection:
        connection.execute(
            sa.insert(deliveries).values(
                delivery_id=delivery.delivery_id, source="bank", dataset="loans", batch_date=delivery.batch_date,
                sequence=delivery.sequence, version=1, content_hash=delivery.content_hash, contract_version="1.0.0",
                state=state, received_at=delivery.received_at.isoformat(), file_name=delivery.path.name,
                file_size=delivery.size, file_mtime_ns=delivery.mtime_ns, rows_in=0, rows_landed=0, rows_quarantined=0,
            )
        )  # fmt: skip
    ledger.dispose()


FOUND: list[tuple[str, dict[str, Any], dict[str, bytes], list[tuple[int, str, int, bool]]]] = [
    ("a file alone", {}, {"LOAN_20260304.csv": DATA}, [(1, "LOAN_20260304.csv", 0, False)]),
    (
        "a re-send after the first file",
        RESEND,
        {"LOAN_20260304.csv": DATA, "LOAN_20260304_02.csv": DATA},
        [(1, "LOAN_20260304.csv", 0, False), (2, "LOAN_20260304_02.csv", 0, False)],
    ),
    (
        "a re-send is counted from 02",
        RESEND,
        {"LOAN_20260304.csv": DATA, "LOAN_20260304_01.csv": DATA, "LOAN_20260304_00.csv": DATA},
        [(1, "LOAN_20260304.csv", 0, False)],
    ),
    (
        "all parts of the list",
        SPLIT,
        {"LOAN_20260304.lst": b"\xef\xbb\xbfLOAN_20260304_002.csv\r\nLOAN_20260304_001.csv\r\n\r\n"}
        | {f"LOAN_20260304_00{number}.csv": DATA for number in (1, 2)},
        [(1, "LOAN_20260304.lst", 2, False)],
    ),
    (
        "parts counted from 0",
        SPLIT,
        {"LOAN_20260304.lst": b"LOAN_20260304_0.csv\nLOAN_20260304_1.csv\n"}
        | {f"LOAN_20260304_{number}.csv": DATA for number in (0, 1)},
        [(1, "LOAN_20260304.lst", 2, False)],
    ),
    ("no file where that is legal", {"no_data": ["absent"]} | NAMED_MARKER, {}, []),
    (
        "a marker alone where that is legal",
        {"no_data": ["marker_only"]} | EMPTY_MARKER,
        {"LOAN_20260304.ok": b""},
        [(1, "LOAN_20260304.ok", 0, True)],
    ),
    (
        "a blank marker that should bear a name, alone",
        {"no_data": ["marker_only"]} | NAMED_MARKER,
        {"LOAN_20260304.ok": b"\n"},
        [(1, "LOAN_20260304.ok", 0, True)],
    ),
    (
        "a marker with its file says nothing of no rows",
        {"no_data": ["marker_only"]} | EMPTY_MARKER,
        {"LOAN_20260304.ok": b"", "LOAN_20260304.csv": DATA},
        [(1, "LOAN_20260304.csv", 0, False)],
    ),
    (
        "a marker that all datasets share says nothing of one",
        {"no_data": ["absent"], "ready": {"marker": "_SUCCESS"}},
        {"_SUCCESS": b""},
        [],
    ),
    ("a marker in GB18030", {"files": "{yyyymmdd}/放款.csv", "encoding": "gb18030"} | NAMED_MARKER,
     {"放款.csv": DATA, "放款.ok": "放款.csv".encode("gb18030")}, [(1, "放款.csv", 0, False)]),
]  # fmt: skip


@pytest.mark.parametrize(("words", "files", "expected"), [case[1:] for case in FOUND], ids=[case[0] for case in FOUND])
def test_complete_deliveries_are_found(
    settings: Settings,
    words: dict[str, Any],
    files: dict[str, bytes],
    expected: list[tuple[int, str, int, bool]],
) -> None:
    drop(settings, files)
    found = find(make_contract(**words), settings)
    assert [(entry.sequence, entry.path.name, len(entry.parts), entry.is_empty) for entry in found] == expected
    assert all(entry.size == sum(len(files[path.name]) for path in (entry.path, *entry.parts)) for entry in found)


PARTS = {f"LOAN_20260304_00{number}.csv": DATA for number in (1, 2, 3)}
LISTED = b"LOAN_20260304_001.csv\nLOAN_20260304_002.csv\nLOAN_20260304_003.csv\n"
NEAR = "; {} lies there: rename it, or correct `files` in the contract"
UNFINISHED: list[tuple[str, dict[str, Any], dict[str, bytes], str]] = [
    ("nothing", {}, {}, "no file 20260304/LOAN_20260304.csv"),
    ("an impossible date", {}, {"LOAN_20260230.csv": DATA}, "no file 20260304/LOAN_20260304.csv"),
    ("another case", {}, {"loan_20260304.CSV": DATA},
     "no file 20260304/LOAN_20260304.csv" + NEAR.format("loan_20260304.CSV")),
    ("a copy", {}, {"LOAN_20260304 (1).csv": DATA},
     "no file 20260304/LOAN_20260304.csv" + NEAR.format("LOAN_20260304 (1).csv")),
    ("still being sent", {}, {"LOAN_20260304.csv.tmp": DATA},
     "no file 20260304/LOAN_20260304.csv" + NEAR.format("LOAN_20260304.csv.tmp")),
    ("full-width digits", {}, {"LOAN_２０２６０３０４.csv": DATA},
     "no file 20260304/LOAN_20260304.csv" + NEAR.format("LOAN_２０２６０３０４.csv")),
    ("no marker", EMPTY_MARKER, {"LOAN_20260304.csv": DATA},
     "LOAN_20260304.csv has no ready marker LOAN_20260304.ok"),
    ("no marker where no file is legal", {"no_data": ["absent"]} | EMPTY_MARKER, {"LOAN_20260304.csv": DATA},
     "LOAN_20260304.csv has no ready marker LOAN_20260304.ok"),
    ("a marker of another name", NAMED_MARKER, {"LOAN_20260304.csv": DATA, "LOAN_20260304.ok": b"LOAN_20260303.csv"},
     "LOAN_20260304.ok does not name LOAN_20260304.csv"),
    ("a marker without the name", NAMED_MARKER, {"LOAN_20260304.csv": DATA, "LOAN_20260304.ok": b" \n"},
     "LOAN_20260304.ok is empty"),
    ("an empty control file", control(), {"LOAN_20260304.csv": DATA, "LOAN_20260304.ctl": b""},
     "LOAN_20260304.ctl is empty"),
    ("a marker alone where that is not legal", {"no_data": ["absent"]} | EMPTY_MARKER, {"LOAN_20260304.ok": b""},
     "LOAN_20260304.ok is there without LOAN_20260304.csv"),
    ("no checksum yet", checksum("md5"), {"LOAN_20260304.csv": DATA}, "LOAN_20260304.csv.sum is not there"),
    ("no signature yet", SIGNED, {"LOAN_20260304.csv": DATA}, "LOAN_20260304.csv.sig is not there"),
    ("a re-send skipped", RESEND, {"LOAN_20260304.csv": DATA, "LOAN_20260304_03.csv": DATA},
     "LOAN_20260304_03.csv has to wait for LOAN_20260304_02.csv, which is not there"),
    ("a re-send of nothing", RESEND, {"LOAN_20260304_02.csv": DATA},
     "LOAN_20260304_02.csv has to wait for LOAN_20260304.csv, which is not there"),
    ("parts without a list", SPLIT, PARTS, "3 parts are there without their list LOAN_20260304.lst"),
    ("a list of nothing", SPLIT, PARTS | {"LOAN_20260304.lst": b"\n"}, "LOAN_20260304.lst names no part"),
    ("a part missing", SPLIT, {"LOAN_20260304.lst": LISTED, "LOAN_20260304_001.csv": DATA},
     "LOAN_20260304_002.csv is named by LOAN_20260304.lst, but not there"),
    ("a part not listed", SPLIT, PARTS | {"LOAN_20260304.lst": LISTED[:44]},
     "LOAN_20260304_003.csv is there, but LOAN_20260304.lst does not name it"),
    ("a part listed twice", SPLIT, PARTS | {"LOAN_20260304.lst": LISTED + LISTED},
     "LOAN_20260304.lst names a part twice"),
    ("a gap between parts", SPLIT, {"LOAN_20260304.lst": LISTED[:22] + LISTED[44:], "LOAN_20260304_001.csv": DATA,
     "LOAN_20260304_003.csv": DATA}, "LOAN_20260304.lst names 2 parts up to number 3, but none has number 2"),
    ("a path in the list", SPLIT, PARTS | {"LOAN_20260304.lst": LISTED + b"../../keys/platform.key\n"},
     "entry 4 of LOAN_20260304.lst is not the name of a part"),
    ("a part without its checksum", SPLIT | checksum("md5"), PARTS | {"LOAN_20260304.lst": LISTED},
     "LOAN_20260304_001.csv.sum is not there"),
    ("a huge list", SPLIT, PARTS | {"LOAN_20260304.lst": LISTED * 20_000},
     "LOAN_20260304.lst is larger than 1,048,576 bytes"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "files", "message"), [case[1:] for case in UNFINISHED], ids=[case[0] for case in UNFINISHED]
)
def test_incomplete_deliveries_are_reported(
    settings: Settings, words: dict[str, Any], files: dict[str, bytes], message: str
) -> None:
    drop(settings, files)
    with pytest.raises(DeliveryIncomplete) as caught:
        find(make_contract(**words), settings)
    assert str(caught.value) == f"bank.loans of 2026-03-04: {message}{TAIL}"


def test_a_folder_in_place_of_a_file_is_reported(settings: Settings) -> None:
    (drop(settings, {}) / "LOAN_20260304.csv").mkdir()
    with pytest.raises(DeliveryIncomplete) as caught:
        find(make_contract(), settings)
    assert str(caught.value) == f"bank.loans of 2026-03-04: LOAN_20260304.csv is not a file{TAIL}"


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("grow", "LOAN_20260304.csv is still being written"),
        ("vanish", "LOAN_20260304.csv is not there any more"),
        ("forbid", "LOAN_20260304.csv may not be read by this account"),
        ("break", "LOAN_20260304.csv cannot be read (Input/output error)"),
    ],
)
def test_a_file_that_moves_or_is_closed_is_reported_and_others_are_found(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, fault: str, message: str
) -> None:
    drop(settings, {"LOAN_20260303.csv": DATA}, date(2026, 3, 3))
    path = drop(settings, {"LOAN_20260304.csv": DATA}) / "LOAN_20260304.csv"
    digest = hashlib.file_digest

    def spoil(handle: Any, algorithm: Any) -> Any:
        if Path(handle.name) != path:
            return digest(handle, algorithm)
        match fault:
            case "grow":
                path.write_bytes(DATA + DATA)
            case "vanish":
                path.unlink()
            case "forbid":
                raise PermissionError(13, "Permission denied", str(path))
            case _:
                raise OSError(5, "Input/output error")
        return digest(handle, algorithm)

    monkeypatch.setattr(hashlib, "file_digest", spoil)
    with pytest.raises(DeliveryIncomplete) as caught:
        find(make_contract(), settings)
    assert str(caught.value) == f"bank.loans of 2026-03-04: {message}{TAIL}"
    assert [entry.batch_date for entry in caught.value.complete] == [date(2026, 3, 3)]


def test_a_refused_delivery_is_looked_at_again_when_its_checksum_is_corrected(settings: Settings) -> None:
    contract = make_contract(**checksum("md5"))
    folder = drop(settings, {"LOAN_20260304.csv": DATA, "LOAN_20260304.csv.sum": b"0" * 32})
    (refused,) = find(contract, settings)
    record(settings, refused, "refused")
    assert find(contract, settings) == [refused], "running again must not pass for a success"
    (folder / "LOAN_20260304.csv.sum").write_text(hashlib.md5(DATA).hexdigest())
    (again,) = find(contract, settings)
    assert verify_delivery(again, settings) == ControlTotals()
    record(settings, again, "landed")
    (folder / "LOAN_20260304.csv.sum").write_bytes(b"0" * 32)
    assert find(contract, settings) == []


def test_a_marker_left_behind_does_not_empty_a_date(settings: Settings) -> None:
    contract = make_contract(no_data=["marker_only"], **EMPTY_MARKER)
    folder = drop(settings, {"LOAN_20260304.csv": DATA, "LOAN_20260304.ok": b""})
    record(settings, find(contract, settings)[0], "landed")
    (folder / "LOAN_20260304.csv").unlink()
    assert find(contract, settings) == []


def test_missing_dates_are_those_neither_landed_nor_there(settings: Settings) -> None:
    contract = make_contract()
    ledger = open_ledger(settings)

    def missing(contract: Contract) -> list[int]:
        found = list_missing_dates(contract, contract.datasets[0], date(2026, 3, 7), settings, ledger)
        return [day.day for day in found]

    assert missing(contract) == [2, 3, 4, 5, 6]
    drop(settings, {"LOAN_20260304.csv": DATA})
    drop(settings, {"LOAN_20260306.csv": DATA}, date(2026, 3, 6))
    record(settings, find(contract, settings)[0], "landed")
    assert missing(contract) == [2, 3, 5]
    assert missing(make_contract(**EMPTY_MARKER)) == [2, 3, 5, 6]
    later = contract.profile.model_copy(update={"go_live": date(2026, 4, 1)})
    assert missing(contract.model_copy(update={"profile": later})) == [5]
    monthly = contract.profile.model_copy(update={"cron": "0 7 1 * *"})
    assert missing(contract.model_copy(update={"profile": monthly})) == []
    assert missing(make_contract(no_data=["absent"])) == []
    assert missing(make_contract(files="loans.csv", mode="snapshot")) == []
    ledger.dispose()


def test_unknown_files_are_those_no_pattern_names(settings: Settings) -> None:
    named = ["LOAN_20260304.csv", "LOAN_20260304.ctl", "LOAN_20260304_02.csv", "LOAN_20260304_02.ctl"]
    named += ["LOAN_20260304.csv.sum", "LOAN_20260304_02.csv.sig", ".LOAN_20260304.csv.filepart"]
    unknown = ["LOAN_20260303.csv", "LOAN_20260304 (1).csv", "LOAN_20260304_2.csv", "放款.csv"]
    drop(settings, dict.fromkeys(named + unknown, b""))
    contract = make_contract(**RESEND, **control(), **checksum("md5"), **SIGNED)
    assert [path.name for path in list_unknown_files(contract, DAY, settings)] == unknown
    assert list_unknown_files(contract, date(2026, 3, 5), settings) == []
    flat = make_contract(files="LOAN_{yyyymmdd}.csv")
    (settings.landing / "bank" / "LOAN_20260230.csv").write_bytes(DATA)
    (settings.landing / "bank" / "LOAN_20260228.csv").write_bytes(DATA)
    assert [path.name for path in list_unknown_files(flat, DAY, settings)] == ["LOAN_20260230.csv"]


def digest(algorithm: str, content: bytes = DATA) -> bytes:
    return hashlib.new(algorithm, content).hexdigest().encode()


ALL = ControlTotals(2, {"amount": Decimal("3.75")})
LINE = b"LOAN_20260304.csv|%d|2|20260304|3.75\n" % len(DATA)
KEYS = control("keys", "=", {"记录数": "rows", "金额": "sum:amount"})
AGREED: list[tuple[str, dict[str, Any], dict[str, bytes], ControlTotals]] = [
    ("nothing to check", {}, {}, ControlTotals()),
    ("md5", checksum("md5"), {"LOAN_20260304.csv.sum": digest("md5")}, ControlTotals()),
    ("sha256, upper case", checksum("sha256"), {"LOAN_20260304.csv.sum": digest("sha256").upper() + b"\n"},
     ControlTotals()),
    ("sm3 and the name", checksum("sm3"), {"LOAN_20260304.csv.sum": digest("sm3") + b"  LOAN_20260304.csv\r\n"},
     ControlTotals()),
    ("a binary-mode name", checksum("md5"), {"LOAN_20260304.csv.sum": digest("md5") + b" *LOAN_20260304.csv"},
     ControlTotals()),
    ("a signature as it is", SIGNED, {"LOAN_20260304.csv.sig": KEY.sign(DATA)}, ControlTotals()),
    ("a signature in wrapped base64", SIGNED, {"LOAN_20260304.csv.sig": base64.encodebytes(KEY.sign(DATA))},
     ControlTotals()),
    ("a control line", control(), {"LOAN_20260304.ctl": LINE}, ALL),
    ("grouped digits where the column has them", control(fields={"amt": "sum:amount"}),
     {"LOAN_20260304.ctl": b"-1,234,567.80"}, ControlTotals(None, {"amount": Decimal("-1234567.80")})),
    ("labels in GB18030", KEYS | {"encoding": "gb18030"},
     {"LOAN_20260304.ctl": "金额 = 3.75\r\n记录数=2\r\n".encode("gb18030")}, ALL),
]  # fmt: skip


@pytest.mark.parametrize(("words", "beside", "stated"), [case[1:] for case in AGREED], ids=[case[0] for case in AGREED])
def test_what_agrees_is_accepted(
    settings: Settings, words: dict[str, Any], beside: dict[str, bytes], stated: ControlTotals
) -> None:
    drop(settings, {"LOAN_20260304.csv": DATA} | beside)
    (delivery,) = find(make_contract(**words), settings)
    assert verify_delivery(delivery, settings) == stated


def line(text: str) -> tuple[dict[str, Any], dict[str, bytes]]:
    return control(), {"LOAN_20260304.ctl": text.encode()}


def lines(text: str) -> tuple[dict[str, Any], dict[str, bytes]]:
    return KEYS, {"LOAN_20260304.ctl": text.encode()}


def summed(algorithm: str, content: bytes) -> tuple[dict[str, Any], dict[str, bytes]]:
    return checksum(algorithm), {"LOAN_20260304.csv.sum": content}


def signed(content: bytes) -> tuple[dict[str, Any], dict[str, bytes]]:
    return SIGNED, {"LOAN_20260304.csv.sig": content}


REFUSED: list[tuple[str, tuple[dict[str, Any], dict[str, bytes]], str]] = [
    ("md5 differs", summed("md5", b"0" * 32),
     f"LOAN_20260304.csv has md5 {digest('md5').decode()}, but LOAN_20260304.csv.sum says {'0' * 32}"),
    ("sm3 differs", summed("sm3", b"A" * 64),
     f"LOAN_20260304.csv has sm3 {digest('sm3').decode()}, but LOAN_20260304.csv.sum says {'a' * 64}"),
    ("too few digits", summed("sha256", digest("md5")),
     "LOAN_20260304.csv.sum is not one line of 64 hexadecimal digits (sha256) and the name"),
    ("two digests", summed("md5", digest("md5") + b"\n" + digest("md5")),
     "LOAN_20260304.csv.sum is not one line of 32 hexadecimal digits (md5) and the name"),
    ("no digest", summed("md5", b""),
     "LOAN_20260304.csv.sum is not one line of 32 hexadecimal digits (md5) and the name"),
    ("digest of another file", summed("md5", digest("md5") + b"  LOAN_20260303.csv"),
     "LOAN_20260304.csv.sum is of another file than LOAN_20260304.csv"),
    ("signature of other bytes", signed(KEY.sign(DATA + b"\n")),
     "LOAN_20260304.csv.sig is not the signature of LOAN_20260304.csv by the contract's ed25519 key"),
    ("signature of another key", signed(base64.b64encode(Ed25519PrivateKey.from_private_bytes(b"\1" * 32).sign(DATA))),
     "LOAN_20260304.csv.sig is not the signature of LOAN_20260304.csv by the contract's ed25519 key"),
    ("no signature in it", signed(b"-----BEGIN PGP SIGNATURE-----"),
     "LOAN_20260304.csv.sig is not 64 bytes, as they are or in base64"),
    ("control of another file", line("LOAN_20260303.csv|31|2|20260304|3.75"),
     "LOAN_20260304.ctl states another file than LOAN_20260304.csv"),
    ("another size", line("LOAN_20260304.csv|30|2|20260304|3.75"),
     "LOAN_20260304.ctl states bytes 30, but 31 bytes are there"),
    ("another date", line("LOAN_20260304.csv|31|2|2026-03-04|3.75"),
     "LOAN_20260304.ctl states another date than 20260304"),
    ("a count that is none", line("LOAN_20260304.csv|31|two|20260304|3.75"),
     "LOAN_20260304.ctl states a rows that is not a whole number"),
    ("a negative count", line("LOAN_20260304.csv|31|-2|20260304|3.75"),
     "LOAN_20260304.ctl states a rows that is not a whole number"),
    ("a count without end", line(f"LOAN_20260304.csv|31|{'9' * 5000}|20260304|3.75"),
     "LOAN_20260304.ctl states a rows that is not a whole number"),
    ("a sum that is none", line("LOAN_20260304.csv|31|2|20260304|NaN"),
     "LOAN_20260304.ctl states a amt that is not an amount"),
    ("a sum in exponents", line("LOAN_20260304.csv|31|2|20260304|1e9"),
     "LOAN_20260304.ctl states a amt that is not an amount"),
    ("too few values", line("LOAN_20260304.csv|31|2"),
     "LOAN_20260304.ctl has 3 values, but the contract wants 5: file, bytes, rows, date, amt"),
    ("two lines", line("LOAN_20260304.csv|31|2|20260304|3.75\nLOAN_20260304.csv|31|2|20260304|3.75\n"),
     "LOAN_20260304.ctl has 2 lines, but the contract wants one"),
    ("a label missing", lines("记录数=2\n"), "LOAN_20260304.ctl does not state 金额"),
    ("a label again", lines("记录数=2\n金额=3.75\n记录数=2\n"), "LOAN_20260304.ctl states 记录数 again in line 3"),
    ("a label unknown", lines("记录数=2\n13812345678=1\n"),
     "LOAN_20260304.ctl has a label in line 2 that the contract does not know"),
    ("no label", lines("\n13812345678\n"), "LOAN_20260304.ctl has no '=' between label and value in line 2"),
]  # fmt: skip


@pytest.mark.parametrize(("beside", "message"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_what_contradicts_is_refused(
    settings: Settings, beside: tuple[dict[str, Any], dict[str, bytes]], message: str
) -> None:
    words, files = beside
    drop(settings, {"LOAN_20260304.csv": DATA} | files)
    (delivery,) = find(make_contract(**words), settings)
    with pytest.raises(DeliveryRefused) as caught:
        verify_delivery(delivery, settings)
    assert str(caught.value) == message


def test_an_empty_file_can_be_signed(settings: Settings) -> None:
    drop(settings, {"LOAN_20260304.csv": b"", "LOAN_20260304.csv.sig": KEY.sign(b"")})
    (delivery,) = find(make_contract(**SIGNED), settings)
    assert verify_delivery(delivery, settings) == ControlTotals()


def test_a_digest_that_the_interpreter_lacks_is_reported(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str, **_: Any) -> Any:
        raise ValueError(f"unsupported hash type {name}")

    drop(settings, {"LOAN_20260304.csv": DATA, "LOAN_20260304.csv.sum": b"0" * 64})
    (delivery,) = find(make_contract(**checksum("sm3")), settings)
    monkeypatch.setattr(hashlib, "new", refuse)
    with pytest.raises(DeliveryRefused) as caught:
        verify_delivery(delivery, settings)
    assert str(caught.value) == ("LOAN_20260304.csv.sum cannot be checked, because this Python's OpenSSL has no sm3")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"LOAN_20260304.csv|0|0|20260304|0.00", None),
        (b"LOAN_20260304.csv|0|5|20260304|0.00", "LOAN_20260304.ctl states rows, but came without LOAN_20260304.csv"),
        (b"LOAN_20260304.csv|9|0|20260304|0.00", "LOAN_20260304.ctl states bytes 9, but 0 bytes are there"),
    ],
)
def test_a_control_file_alone_may_state_zeros_only(settings: Settings, content: bytes, message: str | None) -> None:
    drop(settings, {"LOAN_20260304.ctl": content})
    (delivery,) = find(make_contract(no_data=["marker_only"], **control()), settings)
    assert delivery.is_empty
    if message is None:
        assert verify_delivery(delivery, settings) == ControlTotals(0, {"amount": Decimal(0)})
        return
    with pytest.raises(DeliveryRefused) as caught:
        verify_delivery(delivery, settings)
    assert str(caught.value) == message


def test_parts_are_verified_each_and_the_control_file_counts_all(settings: Settings) -> None:
    words = SPLIT | control() | checksum("md5")
    sums = {f"{name}.sum": digest("md5") for name in PARTS}
    stated = b"LOAN_20260304.lst|%d|6|20260304|11.25" % (3 * len(DATA))
    folder = drop(settings, PARTS | sums | {"LOAN_20260304.lst": LISTED, "LOAN_20260304.ctl": stated})
    (delivery,) = find(make_contract(**words), settings)
    assert verify_delivery(delivery, settings) == ControlTotals(6, {"amount": Decimal("11.25")})
    (folder / "LOAN_20260304_003.csv.sum").write_bytes(b"0" * 32)
    with pytest.raises(DeliveryRefused) as caught:
        verify_delivery(delivery, settings)
    assert str(caught.value) == (
        f"LOAN_20260304_003.csv has md5 {digest('md5').decode()}, but LOAN_20260304_003.csv.sum says {'0' * 32}"
    )


def test_a_file_that_changes_under_verification_is_reported(settings: Settings) -> None:
    folder = drop(settings, {"LOAN_20260304.csv": DATA})
    (delivery,) = find(make_contract(), settings)
    (folder / "LOAN_20260304.csv").write_bytes(DATA + b"L3,1.00\n")
    with pytest.raises(DeliveryIncomplete) as caught:
        verify_delivery(delivery, settings)
    assert str(caught.value) == f"bank.loans of 2026-03-04: LOAN_20260304.csv changed since it was found{TAIL}"


def test_a_checksum_that_vanishes_under_verification_is_reported(settings: Settings) -> None:
    folder = drop(settings, {"LOAN_20260304.csv": DATA, "LOAN_20260304.csv.sum": digest("md5")})
    (delivery,) = find(make_contract(**checksum("md5")), settings)
    (folder / "LOAN_20260304.csv.sum").unlink()
    with pytest.raises(DeliveryIncomplete) as caught:
        verify_delivery(delivery, settings)
    assert str(caught.value) == (f"bank.loans of 2026-03-04: LOAN_20260304.csv.sum is not there any more{TAIL}")


def test_differences_from_stated_totals_are_a_table() -> None:
    compare_totals(ALL, 2, {"amount": Decimal("3.750")})
    compare_totals(ControlTotals(), 2, {"amount": Decimal("3.75")})
    with pytest.raises(DeliveryRefused) as caught:
        compare_totals(
            ControlTotals(100, {"amount": Decimal("12345.60"), "fee": Decimal(0)}), 99, {"amount": Decimal("12000")}
        )
    assert str(caught.value) == (
        "does not hold what its control file states:\n"
        "  total            stated  found  difference\n"
        "  rows                100     99          -1\n"
        "  sum of amount  12345.60  12000     -345.60\n"
        "2 of 3 control totals differ"
    )


def pack(name: str | bytes = "放款_20260304.csv", content: bytes = DATA, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """An archive whose member's name is in GBK, as a Chinese Windows writes it."""
    raw = name.encode("gbk") if isinstance(name, str) else name
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as container:
        container.writestr("x" * len(raw), content)
    return buffer.getvalue().replace(b"x" * len(raw), raw)


def pack_marked(times: int = 1) -> bytes:
    """An archive whose member's name is marked as UTF-8."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as container, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        for _ in range(times):
            container.writestr("放款_20260304.csv", DATA)
    return buffer.getvalue()


def encrypt(password: bytes, content: bytes = DATA) -> bytes:
    buffer = io.BytesIO()
    with pyzipper.AESZipFile(buffer, "w", pyzipper.ZIP_DEFLATED, encryption=pyzipper.WZ_AES) as container:
        container.setpassword(password)
        container.writestr("放款_20260304.csv", content)
    return buffer.getvalue()


def declare(archive: bytes, size: int) -> bytes:
    """Let the archive's directory declare another unpacked size."""
    place = archive.index(b"PK\1\2") + 24
    return archive[:place] + size.to_bytes(4, "little") + archive[place + 4 :]


def spoil(archive: bytes) -> bytes:
    """Change the last byte of the packed data's authentication code."""
    place = archive.index(b"PK\1\2") - 1
    return archive[:place] + bytes([archive[place] ^ 1]) + archive[place + 1 :]


def encrypt_traditionally(password: bytes, content: bytes = DATA) -> bytes:
    """PKWARE's traditional encryption of a stored member, which Python reads but does not write."""
    keys = [0x12345678, 0x23456789, 0x34567890]
    table = [zlib_crc(byte) for byte in range(256)]

    def step(byte: int) -> None:
        keys[0] = table[(keys[0] ^ byte) & 255] ^ (keys[0] >> 8)
        keys[1] = ((keys[1] + (keys[0] & 255)) * 134775813 + 1) & 0xFFFFFFFF
        keys[2] = table[(keys[2] ^ (keys[1] >> 24)) & 255] ^ (keys[2] >> 8)

    plain = pack(content=content, method=zipfile.ZIP_STORED)
    (info,) = zipfile.ZipFile(io.BytesIO(plain)).infolist()
    for byte in password:
        step(byte)
    sealed = bytearray()
    for byte in bytes(11) + bytes([info.CRC >> 24]) + content:
        mixed = (keys[2] | 2) & 0xFFFF
        sealed.append(byte ^ ((mixed * (mixed ^ 1)) >> 8) & 255)
        step(byte)
    archive = bytearray(plain.replace(content, bytes(sealed), 1))
    central = archive.index(b"PK\1\2")
    for flags, size in ((6, 18), (central + 8, central + 20)):
        archive[flags] |= 1
        archive[size : size + 4] = len(sealed).to_bytes(4, "little")
    end = archive.index(b"PK\5\6")
    archive[end + 16 : end + 20] = central.to_bytes(4, "little")
    return bytes(archive)


def zlib_crc(byte: int) -> int:
    for _ in range(8):
        byte = (byte >> 1) ^ (0xEDB88320 if byte & 1 else 0)
    return byte


def unpack(settings: Settings, tmp_path: Path, words: dict[str, Any], archive: bytes) -> bytes:
    drop(settings, {"LOAN_20260304.zip": archive})
    (delivery,) = find(make_contract(**words), settings)
    return make_plain_file(delivery, settings, tmp_path).read_bytes()


UNPACKED: list[tuple[str, dict[str, Any], bytes]] = [
    ("a name in GBK", zipped(), pack()),
    ("a name marked as UTF-8", zipped(), pack_marked()),
    ("a name in unmarked UTF-8", zipped(names="utf-8"), pack("放款_20260304.csv".encode())),
    ("lzma", zipped(), pack(method=zipfile.ZIP_LZMA)),
    ("bzip2", zipped(), pack(method=zipfile.ZIP_BZIP2)),
    ("a plain archive in place of an encrypted one", zipped(password="{secret}"), pack()),
    ("a daily password, AES", zipped(password="{secret}-{yyyymmdd}"), encrypt(b"s3cr{et}-20260304")),
    ("a daily password, traditional", zipped(password="{secret}-{yyyymmdd}"),
     encrypt_traditionally(b"s3cr{et}-20260304")),
]  # fmt: skip


@pytest.mark.parametrize(("words", "archive"), [case[1:] for case in UNPACKED], ids=[case[0] for case in UNPACKED])
def test_the_contracted_member_is_unpacked(
    settings: Settings, tmp_path: Path, words: dict[str, Any], archive: bytes
) -> None:
    (settings.home / "keys").mkdir()
    (settings.home / "keys" / "bank.secret").write_text("s3cr{et}\n")
    assert unpack(settings, tmp_path, words, archive) == DATA


def packed_size(archive: bytes) -> int:
    return zipfile.ZipFile(io.BytesIO(archive)).infolist()[0].compress_size


BOMB = pack(content=bytes(3_000_000))
WRONG = (
    "cannot be decrypted: the password is wrong or the archive is damaged; compare the secret with the party's,"
    " or ask for it again"
)
BROKEN = "is a damaged zip archive: its size, checksum or structure does not hold; ask for it again"
NOT_PACKED: list[tuple[str, dict[str, Any], bytes, str]] = [
    ("no archive", zipped(), DATA, "is not a whole zip archive; ask for it again"),
    ("nothing", zipped(), b"", "is not a whole zip archive; ask for it again"),
    ("the end cut off", zipped(), pack()[:-30], "is not a whole zip archive; ask for it again"),
    ("another member", zipped(), pack("张三_11010519491231002X.csv"),
     "holds no member 放款_20260304.csv among 1 (names read as gbk);"
     " ask for it, or correct archive.member or archive.names in the contract"),
    ("names in another character set", zipped(names="utf-8"), pack(),
     "holds no member 放款_20260304.csv among 1 (names read as utf-8);"
     " ask for it, or correct archive.member or archive.names in the contract"),
    ("the member twice", zipped(), pack_marked(2), "holds 2 members 放款_20260304.csv; ask which one counts"),
    ("a wrong checksum", zipped(), pack(method=zipfile.ZIP_STORED).replace(b"L2,2.25", b"L2,9.25"), BROKEN),
    ("a size of nothing", zipped(), declare(pack(), 0), BROKEN),
    ("a smaller size", zipped(), declare(pack(), len(DATA) - 1), BROKEN),
    ("a larger size", zipped(), declare(pack(), len(DATA) + 1), BROKEN),
    ("a smaller size, AES", zipped(password="{secret}"), declare(encrypt(b"s3cret"), 1), WRONG),
    ("an unknown method", zipped(), pack().replace(b"\x14\0\0\0\x08\0", b"\x14\0\0\0\x09\0"),
     "is packed or encrypted by a method that cannot be undone here (method 9); ask for deflate and AES"),
    ("encrypted, no password contracted", zipped(), encrypt(b"x"),
     "is encrypted, but the contract declares no password; declare archive.password, or ask for a plain archive"),
    ("wrong password, AES", zipped(password="{secret}{yyyymmdd}"), encrypt(b"other"), WRONG),
    ("wrong password, traditional", zipped(password="{secret}{yyyymmdd}"), encrypt_traditionally(b"other"), WRONG),
    ("damaged and encrypted", zipped(password="{secret}"), spoil(encrypt(b"s3cret")), WRONG),
    ("a bomb", zipped(), BOMB,
     f"holds a member 放款_20260304.csv of 3,000,000 bytes, more than the {200 * packed_size(BOMB):,} that"
     " an archive of its size may unpack to (200 times, at most 20,000,000,000); ask for a plain file"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "archive", "message"), [case[1:] for case in NOT_PACKED], ids=[case[0] for case in NOT_PACKED]
)
def test_archives_that_cannot_be_used_are_reported_without_the_password(
    settings: Settings, tmp_path: Path, words: dict[str, Any], archive: bytes, message: str
) -> None:
    (settings.home / "keys").mkdir()
    (settings.home / "keys" / "bank.secret").write_text("s3cret")
    with pytest.raises(FileUnreadable) as caught:
        unpack(settings, tmp_path, words, archive)
    assert str(caught.value) == message


def test_a_missing_secret_is_reported_with_its_place(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(FileUnreadable) as caught:
        unpack(settings, tmp_path, zipped(password="{secret}"), encrypt(b"x"))
    assert str(caught.value) == (
        f"is encrypted, but {settings.home / 'keys' / 'bank.secret'} holds no secret;"
        " put the one agreed with the party there"
    )


def test_an_empty_file_in_place_of_an_archive_may_be_legal(settings: Settings, tmp_path: Path) -> None:
    assert unpack(settings, tmp_path, zipped() | {"no_data": ["empty_file"]}, b"") == b""


def split(settings: Settings, parts: list[bytes], **words: Any) -> Delivery:
    names = [f"LOAN_20260304_{number:03}.csv" for number in range(1, len(parts) + 1)]
    files = dict(zip(names, parts, strict=True)) | {"LOAN_20260304.lst": "\n".join(names).encode()}
    drop(settings, files)
    (delivery,) = find(make_contract(**SPLIT, **words), settings)
    return delivery


MARK = b"\xef\xbb\xbf"
JOINED: list[tuple[str, dict[str, Any], list[bytes], bytes]] = [
    ("names", {}, [MARK + b"h\r\na\r\n", MARK + b"h\r\nb", b"h\n", b"h\nc\n\nd"], MARK + b"h\r\na\r\nb\nc\n\nd\n"),
    ("no heading", {"header": "none"}, [b"a", MARK + b"b\n", b"", b"c"], b"a\nb\nc\n"),
    ("counts", {"header": "count", "separator": "|+|"},
     [b"dataRowCount|+|2\na\nb\n", b"dataRowCount|+|1\nc\n"], b"dataRowCount|+|3\na\nb\nc\n"),
    ("a preamble", {"preamble": 1}, [b"report\nh\na\n", b"page 2\nh\nb\n"], b"report\nh\na\nb\n"),
    ("JSON lines", {"reader": "json_lines"}, [b"{}\n{}", MARK + b"{}\n"], b"{}\n{}\n{}\n"),
    ("GB18030 with its mark", {"encoding": "gb18030", "header": "none"},
     [b"\x84\x31\x95\x33a\n", b"\x84\x31\x95\x33b\n"], b"\x84\x31\x95\x33a\nb\n"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "parts", "whole"), [case[1:] for case in JOINED], ids=[case[0] for case in JOINED])
def test_parts_are_put_together_and_their_lines_traced(
    settings: Settings, tmp_path: Path, words: dict[str, Any], parts: list[bytes], whole: bytes
) -> None:
    delivery = split(settings, parts, **words)
    assert make_plain_file(delivery, settings, tmp_path).read_bytes() == whole
    numbers = pl.Series(range(1, len(whole.splitlines()) + 1))
    located = locate_part_lines(delivery).locate(numbers).rows()
    originals = [(delivery.path.parent / part).read_bytes().splitlines()[place - 1] for part, place in located]
    # A part may begin with a mark, and line 1 may announce the rows of one part only.
    assert [line[-1:] for line in originals[1:]] == [line[-1:] for line in whole.splitlines()[1:]]
    assert located[0] == (delivery.parts[0].name, 1)


NOT_JOINED: list[tuple[str, dict[str, Any], list[bytes], str]] = [
    ("another heading", {}, [b"loan_no,amount\n", b"amount,loan_no\n"],
     "cannot be put together: part LOAN_20260304_002.csv has another heading than LOAN_20260304_001.csv"),
    ("an empty part", {}, [b"loan_no,amount\n", b""],
     "cannot be put together: part LOAN_20260304_002.csv has no heading"),
    ("no count", {"header": "count", "separator": "|"}, [b"dataRowCount|0\n", b"L1|1.00\n"],
     "cannot be put together: line 1 of part LOAN_20260304_002.csv is not dataRowCount and a number"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "parts", "message"), [case[1:] for case in NOT_JOINED], ids=[case[0] for case in NOT_JOINED]
)
def test_parts_that_do_not_fit_are_reported(
    settings: Settings, tmp_path: Path, words: dict[str, Any], parts: list[bytes], message: str
) -> None:
    with pytest.raises(FileUnreadable) as caught:
        make_plain_file(split(settings, parts, **words), settings, tmp_path)
    assert str(caught.value) == message


def test_a_plain_file_is_read_where_it_lies(settings: Settings, tmp_path: Path) -> None:
    drop(settings, {"LOAN_20260304.csv": DATA})
    (delivery,) = find(make_contract(), settings)
    assert make_plain_file(delivery, settings, tmp_path) == delivery.path
    assert locate_part_lines(delivery).locate(pl.Series([7])).rows() == [(delivery.path.name, 7)]
