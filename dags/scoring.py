"""The Airflow dag `scoring`: score every eligible customer on the published features of a business date."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, Asset, IdentityMapper, PartitionedAssetTimetable, task

from dags.defaults import ARGUMENTS, batch_date_of, late_after

with DAG(
    dag_id="scoring",
    schedule=PartitionedAssetTimetable(assets=Asset("published/features"), default_partition_mapper=IdentityMapper()),
    catchup=False,
    max_active_runs=1,
    default_args=ARGUMENTS,
    deadline=late_after(timedelta(hours=1)),
    tags=["scoring"],
):

    @task
    def score(partition_key: str | None = None) -> str:
        from features.scorecard import score

        return str(score(batch_date_of(partition_key)))

    score()
