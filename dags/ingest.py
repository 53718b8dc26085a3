"""One Airflow dag per contract: land what a source delivered for one business date."""

from __future__ import annotations

from datetime import date, timedelta

from airflow.sdk import DAG, Asset, CronPartitionTimetable, task

from dags.defaults import ARGUMENTS, CLOCK_ENDS, late_after
from dags.recording import perform
from dags.words import describe_source
from ingestion.contract import SourceCard, read_cards
from ingestion.foundation import load_settings
from ingestion.foundation.runs import Account

DATE_KEY = "%Y-%m-%d"


def ingest_dag(card: SourceCard) -> DAG:
    """The dag `ingest_<source>`: a run a business date, started by its cron (Shanghai) on the day after it."""
    with DAG(
        dag_id=f"ingest_{card.source}",
        schedule=CronPartitionTimetable(
            card.cron, timezone="Asia/Shanghai", run_offset=-1, run_immediately=timedelta(0), key_format=DATE_KEY
        ),
        catchup=False,
        max_active_runs=1,
        end_date=CLOCK_ENDS,
        default_args={**ARGUMENTS, "owner": card.owner or ARGUMENTS["owner"]},
        deadline=late_after(timedelta(hours=2)),
        **describe_source(card),
    ) as dag:
        lake = Asset(f"lake/{card.source}", group="lake")

        @task(outlets=[lake])
        def land() -> str:
            return perform(lambda day: land_and_account(card.source, day), sends=lake)

        land()
    return dag


def land_and_account(source: str, batch_date: date) -> Account:
    """Land a source and say what came of it; a delivery that is refused has its page at once.

    Raises: as `land_source`.
    """
    from dags.accounts import account_for_landing
    from ingestion.delivery import DeliveryRefused
    from ingestion.landing import land_source
    from quality.landing import write_refusals

    settings = load_settings()
    try:
        return account_for_landing(land_source(source, batch_date, settings))
    except DeliveryRefused:
        write_refusals(settings)
        raise


for _card in read_cards():
    globals()[f"ingest_{_card.source}"] = ingest_dag(_card)
