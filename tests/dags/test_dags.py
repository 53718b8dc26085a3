"""The dag files: what they make, how they are wired, how light they parse."""

import json
import subprocess
import sys
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import cast
from zoneinfo import ZoneInfo

import pendulum
import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import AssetAll, CronPartitionTimetable, IdentityMapper, PartitionedAssetTimetable
from airflow.sdk.definitions.deadline import DeadlineAlert
from airflow.serialization.encoders import coerce_to_core_timetable
from airflow.timetables.base import TimeRestriction

from ingestion.contract import SourceCard, read_cards
from ingestion.foundation import list_files, load_settings
from ingestion.foundation.declarations import read_yaml

REPOSITORY = Path(__file__).resolve().parents[2]
FOLDER = REPOSITORY / "dags"
SOURCES = [card.source for card in read_cards()]
SETTINGS = load_settings({})
SHANGHAI = ZoneInfo("Asia/Shanghai")
HEAVY = ["duckdb", "polars", "great_expectations", "dbt", "pandas", "pyarrow"]


@pytest.fixture(scope="module")
def bag() -> DagBag:
    return DagBag(FOLDER)


def test_bag_holds_exactly_the_expected_dags(bag: DagBag) -> None:
    assert SOURCES
    assert bag.import_errors == {}
    assert set(bag.dags) == {*(f"ingest_{source}" for source in SOURCES), "warehouse", "features", "scoring"}


def test_files_are_short_and_discoverable() -> None:
    files = sorted(path for path in FOLDER.glob("*.py") if path.name != "__init__.py")
    assert len(files) == 9
    for file in files:
        text = file.read_text(encoding="utf-8")
        assert len(text.splitlines()) <= 80, file.name
        assert "airflow" in text.lower() and "dag" in text.lower(), file.name


def test_parsing_imports_nothing_heavy() -> None:
    parse = (
        "import json, sys; from airflow.dag_processing.dagbag import DagBag;"
        f"bag = DagBag({str(FOLDER)!r});"
        f"print(json.dumps([len(bag.dags), [name for name in {HEAVY!r} if name in sys.modules]]))"
    )
    done = subprocess.run([sys.executable, "-c", parse], capture_output=True, text=True, check=True, cwd=REPOSITORY)
    assert json.loads(done.stdout.splitlines()[-1]) == [len(SOURCES) + 3, []]


@pytest.mark.parametrize(("source", "cron"), [(card.source, card.cron) for card in read_cards()])
def test_ingest_key_is_the_day_before_its_run_in_shanghai(bag: DagBag, source: str, cron: str) -> None:
    dag = bag.dags[f"ingest_{source}"]
    assert isinstance(dag.timetable, CronPartitionTimetable)
    hour = int(cron.split()[1])
    since = TimeRestriction(pendulum.datetime(2026, 3, 3, tz="Asia/Shanghai"), None, catchup=True)
    run = coerce_to_core_timetable(dag.timetable).next_dagrun_info_v2(last_dagrun_info=None, restriction=since)
    assert run is not None
    assert run.partition_key == "2026-03-02"
    assert run.run_after.astimezone(SHANGHAI).replace(minute=0) == datetime(2026, 3, 3, hour, tzinfo=SHANGHAI)
    assert outlets(dag) == {"land": [f"lake/{source}"]}
    assert (dag.catchup, dag.max_active_runs) == (False, 1)


@pytest.mark.parametrize(
    ("dag_id", "inlets", "sent"),
    [
        (
            "warehouse",
            [f"lake/{source}" for source in SOURCES],
            {"build_core": [], "gate_core": [], "build_metrics": [], "gate_and_publish": ["published/warehouse"]},
        ),
        ("features", ["published/warehouse"], {"build_features": ["published/features"]}),
        ("scoring", ["published/features"], {"score": ["published/scores"]}),
    ],
)
def test_downstream_runs_once_per_key_of_all_its_assets(
    bag: DagBag, dag_id: str, inlets: list[str], sent: dict[str, list[str]]
) -> None:
    dag = bag.dags[dag_id]
    assert isinstance(dag.timetable, PartitionedAssetTimetable)
    assert isinstance(dag.timetable.default_partition_mapper, IdentityMapper)
    assert len(inlets) == 1 or isinstance(dag.timetable.asset_condition, AssetAll)
    condition = coerce_to_core_timetable(dag.timetable).asset_condition
    assert {key.name for key, _ in condition.iter_assets()} == set(inlets)
    assert outlets(dag) == sent
    assert (dag.catchup, dag.max_active_runs) == (False, 1)


def test_warehouse_takes_the_one_writer_slot_and_gates_after_building(bag: DagBag) -> None:
    dag = bag.dags["warehouse"]
    assert {task.pool for task in dag.tasks} == {"warehouse_write"}
    steps = ("build_core", "gate_core", "build_metrics", "gate_and_publish")
    for step, following in pairwise(steps):
        assert dag.get_task(step).downstream_task_ids == {following}


class Refused(Exception):
    """Stands for any error that is no passing fault."""


@pytest.mark.parametrize(
    ("error", "action"),
    [(Refused("x"), "fail"), (FileNotFoundError("x"), "fail"), (ConnectionResetError("x"), "retry")],
)
def test_only_passing_faults_are_retried(bag: DagBag, error: Exception, action: str) -> None:
    for dag in bag.dags.values():
        for task in dag.tasks:
            assert task.retries == 2
            assert task.retry_policy is not None
            assert task.retry_policy.evaluate(error, 1, 3).action.value == action


def test_every_dag_has_a_deadline_from_when_it_was_queued(bag: DagBag) -> None:
    for dag in bag.dags.values():
        (deadline,) = cast("list[DeadlineAlert]", dag.deadline)
        assert deadline.reference.reference_name == "DagRunQueuedAtDeadline"
        assert deadline.callback.path == "dags.lateness.record_lateness"


@pytest.mark.parametrize("card", read_cards(), ids=lambda card: card.source)
def test_a_source_says_who_delivers_what_and_who_owns_it(bag: DagBag, card: SourceCard) -> None:
    dag = bag.dags[f"ingest_{card.source}"]
    assert (dag.dag_display_name, dag.description, dag.owner) == (f"入湖 {card.name}", card.purpose, card.owner)
    assert dag.tags == {"ingest", card.source, card.domain, card.owner}
    assert card.datasets and card.owner and card.domain and card.purpose
    assert dag.doc_md is not None
    for name, text, where in card.datasets:
        assert f"| {name} | {text} | `{where}` |" in dag.doc_md


def test_a_stage_says_what_it_does_and_whose_declarations_it_serves(bag: DagBag) -> None:
    for dag_id, where in (("warehouse", SETTINGS.suites), ("features", SETTINGS.views), ("scoring", SETTINGS.views)):
        dag = bag.dags[dag_id]
        owners = {read_yaml(path)["owner"] for path in list_files(where, "**/*.yml").values()}
        assert len(owners) > 1
        assert dag.tags == {dag_id, *owners}
        assert dag.dag_display_name.lower().endswith(dag_id)
        assert dag.description and dag.description in (dag.doc_md or "")


def test_assets_are_grouped_by_where_they_lie(bag: DagBag) -> None:
    assets = [asset for dag in bag.dags.values() for task in dag.tasks for asset in task.outlets]
    assert len(assets) == len(SOURCES) + 3
    assert {(asset.name.partition("/")[0], asset.group) for asset in assets} == {  # type: ignore[union-attr]
        ("lake", "lake"),
        ("published", "published"),
    }


def test_a_contract_that_cannot_be_read_in_full_keeps_its_dag(tmp_path: Path) -> None:
    """The run says what is wrong; without a dag nobody would, and the warehouse would not wait."""
    text = list_files(SETTINGS.contracts)["bank_a.yml"].read_text(encoding="utf-8")
    (tmp_path / "bank_a.yml").write_text(text.replace("- property: delivery", "- propperty: delivery"), "utf-8")
    (tmp_path / "bank_b.yml").write_text("name: [", "utf-8")
    (card,) = read_cards(replace(SETTINGS, contracts=tmp_path))
    assert (card.source, card.cron, card.datasets) == ("bank_a", "0 7 * * *", ())


def outlets(dag: object) -> dict[str, list[str]]:
    return {task.task_id: [asset.name for asset in task.outlets] for task in dag.tasks}  # type: ignore[attr-defined]
