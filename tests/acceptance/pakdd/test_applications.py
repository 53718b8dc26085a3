"""50,000 real credit applications through one contract: what was landed, what not and why, what counts as missing."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from ingestion.contract import load_registry
from tests.acceptance.conftest import read_quarantine

QUARANTINED = (12_785, 41_243, 48_924)
BLANK, NULL, ZERO = " ", "NULL", "0"
MAPPED = {
    "sex": {BLANK: 17},
    "marital_status": {ZERO: 202},
    "education_level": {ZERO: 50_000},
    "state_of_birth": {BLANK: 2_064},
    "city_of_birth": {BLANK: 2_064},
    "residencial_borough": {BLANK: 10},
    "residencial_phone_area_code": {BLANK: 8_212},
    "residence_type": {NULL: 1_349, ZERO: 760},
    "months_in_residence": {NULL: 3_777},
    "professional_state": {BLANK: 34_307},
    "professional_city": {NULL: 33_783, BLANK: 331},
    "professional_borough": {NULL: 33_783, BLANK: 930},
    "professional_phone_area_code": {BLANK: 36_532},
    "months_in_the_job": {ZERO: 49_924},
    "profession_code": {NULL: 7_756, ZERO: 3_540},
    "occupation_type": {NULL: 7_313, ZERO: 2_788},
    "mate_profession_code": {NULL: 28_884, ZERO: 13_632},
    "mate_education_level": {NULL: 32_338, ZERO: 15_995},
}


@pytest.fixture(scope="module")
def delivered(real_data: Path) -> list[list[bytes]]:
    """The file split by hand: lines by CRLF, cells by TAB."""
    content = (real_data / "pakdd2010" / "PAKDD2010_Modeling_Data.txt").read_bytes()
    return [line.split(b"\t") for line in content.removesuffix(b"\r\n").split(b"\r\n")]


@pytest.fixture(scope="module")
def landed(card_partner) -> pl.DataFrame:
    settings, _ = card_partner
    paths = list((settings.lake / "card_partner" / "applications").rglob("*.parquet"))
    return pl.concat([pl.read_parquet(path) for path in paths]).sort("_line_number")


@pytest.fixture(scope="module")
def columns(card_partner):
    return load_registry(card_partner[0]).contracts["card_partner"].find_dataset("applications").columns


def test_rows_in_are_rows_landed_and_quarantined(card_partner, landed, delivered):
    entry = card_partner[1].arrivals[0]
    assert (entry.rows_in, entry.rows_landed, entry.rows_quarantined) == (50_000, 49_997, 3)
    assert {len(cells) for cells in delivered} == {54}
    expected = [line for line in range(1, 50_001) if line not in QUARANTINED]
    assert landed["_line_number"].to_list() == expected
    assert landed["id_client"].cast(pl.Int64).to_list() == expected


def test_the_three_broken_rows_are_named(card_partner, delivered):
    found = read_quarantine(card_partner[0])
    assert found.select("line_number", "column", "rule").rows() == [
        (12_785, "RESIDENCIAL_BOROUGH", "invalid encoding"),
        (41_243, "RESIDENCIAL_BOROUGH", "invalid encoding"),
        (48_924, "residencial_zip_3", "pattern; professional_zip_3: pattern"),
    ]
    assert [number for number, cells in enumerate(delivered, 1) if b"\xac" in cells[15]] == [12_785, 41_243]
    assert [number for number, cells in enumerate(delivered, 1) if b"#DIV/0!" in cells] == [48_924]
    assert delivered[48_923][51:53] == [b"#DIV/0!", b"#DIV/0!"]


def test_missing_is_said_by_column(columns, landed, delivered):
    """Counts of every declared sentinel, from the raw bytes; the lake's gaps are these less the quarantined rows."""
    for place, column in enumerate(columns):
        sentinels = {b"", b" ", b"N/A", *(text.encode() for text in column.profile.missing)}
        cells = [cells[place] for cells in delivered]
        counted = {text.decode(): count for text, count in Counter(cells).items() if text in sentinels}
        assert counted == MAPPED.get(column.name, {}), column.name
        lost = sum(delivered[line - 1][place] in sentinels for line in QUARANTINED)
        assert landed[column.name].null_count() == sum(counted.values()) - lost, column.name


def test_every_other_cell_is_the_delivered_one(columns, landed, delivered):
    kept = [cells for line, cells in enumerate(delivered, 1) if line not in QUARANTINED]
    for place, column in enumerate(columns):
        sentinels = {b"", b" ", b"N/A", *(text.encode() for text in column.profile.missing)}
        read = {"VARCHAR": str, "INTEGER": int, "BOOLEAN": lambda text: text == "1"}.get(column.type, Decimal)
        texts = {cells[place] for cells in kept}
        values = {text: None if text in sentinels else read(text.decode("ascii")) for text in texts}
        assert landed[column.name].to_list() == [values[cells[place]] for cells in kept], column.name


def test_the_undocumented_category_is_accepted_by_name(columns, landed, delivered):
    column = next(column for column in columns if column.name == "application_submission_type")
    assert column.accepted == ("Web", "Carga", "0")
    assert sum(cells[3] == b"0" for cells in delivered) == 19_461
    assert landed[column.name].value_counts(sort=True).rows() == [("Web", 28_205), ("0", 19_459), ("Carga", 2_333)]


def test_names_are_those_of_the_dictionary(real_data, columns):
    reader = pytest.importorskip("fastexcel", reason="no reader of .XLS is installed; the names were taken once")
    workbook = reader.read_excel(real_data / "pakdd2010" / "PAKDD2010_VariablesList.XLS")
    titles = workbook.load_sheet(0, dtypes="string").to_polars()["Var_Title"].to_list()
    assert [title for title, count in Counter(titles).items() if count > 1] == ["EDUCATION_LEVEL"]
    assert titles[9] == titles[43] == "EDUCATION_LEVEL", "the applicant's and the mate's, by their descriptions"
    titles[43] = "MATE_EDUCATION_LEVEL"
    assert [column.physical_name for column in columns] == titles
