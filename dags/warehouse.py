"""The Airflow dag `warehouse`: build, audit and publish a business date once every source of it has landed.

A refused publication fails the run, so no asset event is sent, nothing downstream starts, and readers keep
the last good version. The next date has its own run and is not held back.
"""

from __future__ import annotations

from datetime import date, timedelta

from airflow.sdk import Asset, AssetAll, task

from dags.defaults import stage_dag
from dags.recording import perform, today
from dags.words import describe_stage
from ingestion.contract import read_cards
from ingestion.foundation import list_files, load_settings
from ingestion.foundation.runs import Account

LAKE = [Asset(f"lake/{card.source}", group="lake") for card in read_cards()]
PUBLISHED = Asset("published/warehouse", group="published")
WORDS = describe_stage(
    "建仓与发布 Warehouse", __doc__, list_files(load_settings().suites, "*/*.yml").values(), "warehouse"
)

with stage_dag("warehouse", AssetAll(*LAKE), timedelta(hours=2), WORDS, pool="warehouse_write"):

    @task
    def build() -> str:
        from dags.accounts import account_for_build
        from quality.warehouse import build

        def work(batch_date: date) -> Account:
            build(batch_date)
            return account_for_build(batch_date)

        return perform(work, is_last=False)

    @task(outlets=[PUBLISHED])
    def gate_and_publish() -> str:
        from dags.accounts import account_for_publication
        from quality.publication import audit_and_publish

        def work(batch_date: date) -> Account:
            return account_for_publication(audit_and_publish("warehouse", batch_date, as_of=today()))

        return perform(work, sends=PUBLISHED)

    build() >> gate_and_publish()
