"""The Airflow dag `warehouse`: build, audit and publish a business date once every source of it has landed.

A refused publication fails the run, so no asset event is sent, nothing downstream starts, and readers keep
the last good version. The next date has its own run and is not held back.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, Asset, AssetAll, IdentityMapper, PartitionedAssetTimetable, task

from dags.defaults import ARGUMENTS, batch_date_of, late_after
from ingestion.contract import list_sources

LAKE = [Asset(f"lake/{source}") for source, _ in list_sources()]

with DAG(
    dag_id="warehouse",
    schedule=PartitionedAssetTimetable(assets=AssetAll(*LAKE), default_partition_mapper=IdentityMapper()),
    catchup=False,
    max_active_runs=1,
    default_args={**ARGUMENTS, "pool": "warehouse_write"},
    deadline=late_after(timedelta(hours=2)),
    tags=["warehouse"],
):

    @task
    def build(partition_key: str | None = None) -> None:
        from quality.warehouse import build

        build(batch_date_of(partition_key))

    @task(outlets=[Asset("published/warehouse")])
    def gate_and_publish(partition_key: str | None = None) -> str:
        from quality.publication import audit_and_publish

        return str(audit_and_publish("warehouse", batch_date_of(partition_key)))

    build() >> gate_and_publish()
