"""The benchmarks run, at a size that shows nothing, and refuse to compare sides that computed different things."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.benchmarks import ingestion_speed, slice_vs_handwritten
from tests.benchmarks.ingestion_speed import CountsDiffer
from tests.benchmarks.run import main, render_stages, write_records
from tests.benchmarks.slice_vs_handwritten import BESIDES, STAGES, FiguresDiffer, compare

KEYS = {"name", "ours", "other", "ratio", "unit", "peak_rss_mb", "other_peak_rss_mb", "detail"}


@pytest.mark.slow
def test_the_slice_is_measured_beside_the_script_with_equal_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared = []

    def remember(found: dict[str, object], expected: dict[str, object]) -> None:
        compared.append(sorted(found))
        compare(found, expected)

    monkeypatch.setattr(slice_vs_handwritten, "compare", remember)
    (record,) = [measured.to_json() for measured in slice_vs_handwritten.run(tmp_path, customers=300, days=1)]

    assert len(compared) == 1
    assert {"bridge", "buckets", "customer_360", "delinquency", "features.risk_score_last"} <= set(compared[0])
    assert set(record) == KEYS
    assert record["name"] == "slice_vs_handwritten"
    assert record["ratio"] == round(record["ours"] / record["other"], 3)
    stages = record["detail"]["stages"]["stock_load"]
    assert set(stages) == {*STAGES, BESIDES, "total", "handwritten"}
    assert record["ours"] == pytest.approx(sum(stages[stage]["cpu_s"] for stage in STAGES), abs=0.01)
    assert all(f"stock_load {stage} " in render_stages(record) for stage in stages)


@pytest.mark.slow
def test_ingestion_is_measured_beside_bare_readers_that_keep_the_expected_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = []
    without_dlt = ["ingest_utf8_vs_bare", "ingest_gb18030_vs_bare", "ingest_excel_vs_fastexcel"]

    def remember(side: str, found: object, wanted: object) -> None:
        expected.append((side, str(wanted)))
        assert str(found) == str(wanted)

    monkeypatch.setattr(ingestion_speed, "_expect", remember)
    records = [record.to_json() for record in ingestion_speed.run(tmp_path, without_dlt, 600, 120)]

    assert [record["name"] for record in records] == without_dlt
    assert all(set(record) == KEYS for record in records)
    assert expected.count(("bare read_csv", "[590, 20]")) == 4
    assert {("landing csv", "[610, 580, 30]"), ("landing gb18030", "[610, 580, 30]")} < set(expected)
    assert ("landing xlsx", "[120, 118, 2]") in expected


def test_a_side_that_lost_rows_is_refused() -> None:
    with pytest.raises(CountsDiffer, match="landing csv: \\[610, 581, 29\\] rows"):
        ingestion_speed._expect("landing csv", [610, 581, 29], [610, 580, 30])


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ({"loans": [[10, "100.00"]]}, {"loans": [[10, "100.01"]]}),
        ({"loans": [[10, 100.0]]}, {"loans": [[10, 100.000001]]}),
        ({"loans": [[10, None]]}, {"loans": [[10, 0.0]]}),
        ({"loans": [[10]]}, {"loans": [[10], [11]]}),
        ({"loans": [[10]]}, {}),
        ({"loans": [["matched", 1]]}, {"loans": [["only_left", 1]]}),
    ],
)
def test_differing_figures_are_refused_by_name(found: dict[str, object], expected: dict[str, object]) -> None:
    with pytest.raises(FiguresDiffer, match="loans: ours"):
        compare(found, expected)


def test_equal_figures_may_be_written_differently() -> None:
    compare({"loans": [["1.50", 0.1 + 0.2, "C", None]]}, {"loans": [[1.5, 0.3, "C", None]]})


def test_records_replace_their_namesakes_and_keep_the_others(tmp_path: Path) -> None:
    path = tmp_path / "var" / "bench.json"
    write_records(path, [{"name": "b", "ratio": 1.0}, {"name": "a", "ratio": 2.0}])
    write_records(path, [{"name": "b", "ratio": 3.0}])
    assert json.loads(path.read_text()) == [{"name": "a", "ratio": 2.0}, {"name": "b", "ratio": 3.0}]


def test_an_unknown_benchmark_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["slize"]) == 1
    assert "There is no benchmark slize; choose of ingest_excel_vs_fastexcel, " in capsys.readouterr().err
