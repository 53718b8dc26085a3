"""One Airflow dag per contract: land what a source delivered for one business date."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, Asset, CronPartitionTimetable, task

from dags.defaults import ARGUMENTS, CLOCK_ENDS, batch_date_of, late_after
from ingestion.contract import list_sources

DATE_KEY = "%Y-%m-%d"


def ingest_dag(source: str, cron: str) -> DAG:
    """The dag `ingest_<source>`: a run a business date, started by `cron` (Shanghai) on the day after it."""
    with DAG(
        dag_id=f"ingest_{source}",
        schedule=CronPartitionTimetable(
            cron, timezone="Asia/Shanghai", run_offset=-1, run_immediately=timedelta(0), key_format=DATE_KEY
        ),
        catchup=False,
        max_active_runs=1,
        end_date=CLOCK_ENDS,
        default_args=ARGUMENTS,
        deadline=late_after(timedelta(hours=2)),
        tags=["ingest"],
    ) as dag:

        @task(outlets=[Asset(f"lake/{source}")])
        def land(partition_key: str | None = None) -> str:
            from ingestion.landing import land_source

            return str(land_source(source, batch_date_of(partition_key)))

        land()
    return dag


for _source, _cron in list_sources():
    globals()[f"ingest_{_source}"] = ingest_dag(_source, _cron)
