"""The Airflow dag `features`: build, audit and publish the feature tables of a published warehouse date."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, Asset, IdentityMapper, PartitionedAssetTimetable, task

from dags.defaults import ARGUMENTS, batch_date_of, late_after

with DAG(
    dag_id="features",
    schedule=PartitionedAssetTimetable(assets=Asset("published/warehouse"), default_partition_mapper=IdentityMapper()),
    catchup=False,
    max_active_runs=1,
    default_args=ARGUMENTS,
    deadline=late_after(timedelta(hours=1)),
    tags=["features"],
):

    @task(outlets=[Asset("published/features")])
    def build_features(partition_key: str | None = None) -> str:
        from features.publish import build_features

        return str(build_features(batch_date_of(partition_key)))

    build_features()
