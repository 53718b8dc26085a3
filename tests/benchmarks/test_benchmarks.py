"""The benchmarks run, at a size that shows nothing, and refuse to compare sides that computed different things."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.benchmarks import ingestion_speed, slice_vs_handwritten
from tests.benchmarks.days import BUILDING, COMPARISONS, LANDING, WHOLE, Comparison, Step, compare_days, list_steps
from tests.benchmarks.ingestion_speed import CountsDiffer
from tests.benchmarks.measuring import Cost
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


def test_dates_that_are_compared_are_measured_and_those_between_are_run() -> None:
    assert list_steps(COMPARISONS["day_vs_stock"]) == [Step(WHOLE, 1, 1, True), Step(WHOLE, 2, 2, True)]
    assert list_steps(Comparison(3, 9, 100)) == [
        Step(WHOLE, 1, 2), Step(WHOLE, 3, 3, True), Step(WHOLE, 4, 8), Step(WHOLE, 9, 9, True),
    ]  # fmt: skip
    sparse = list_steps(COMPARISONS["day365_vs_day10"])
    assert sparse == [
        Step(LANDING, 1, 9), Step(BUILDING, 9, 9), Step(LANDING, 10, 10), Step(BUILDING, 10, 10, True),
        Step(LANDING, 11, 364), Step(BUILDING, 364, 364), Step(LANDING, 365, 365), Step(BUILDING, 365, 365, True),
    ]  # fmt: skip
    landed = [day for step in sparse if step.stages == LANDING for day in range(step.first, step.last + 1)]
    assert landed == list(range(1, 366))


def test_a_late_date_is_reported_over_an_early_one_stage_by_stage() -> None:
    early = {"warehouse": Cost(2.0, 4.0, 300.0), "gates_and_publication": Cost(5.0, 6.0, 500.0)}
    late = {"warehouse": Cost(2.0, 5.0, 310.0), "gates_and_publication": Cost(5.0, 6.5, 490.0)}
    record = compare_days("days", Comparison(10, 365, 2000, BUILDING, skips=True), early, late).to_json()
    assert set(record) == KEYS
    assert (record["ours"], record["other"], record["ratio"]) == (11.5, 10.0, 1.15)
    assert (record["peak_rss_mb"], record["other_peak_rss_mb"]) == (490.0, 500.0)
    stages = record["detail"]["stages"]
    assert {name: cost["cpu_ratio"] for name, cost in stages["day 365"].items()} == {
        "warehouse": 1.25, "gates_and_publication": 1.083, "total": 1.15,
    }  # fmt: skip
    assert "day 10 total" in render_stages(record)


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
    assert "There is no benchmark slize; choose of day30_vs_day5, " in capsys.readouterr().err
