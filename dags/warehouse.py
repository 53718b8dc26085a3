"""The Airflow dag `warehouse`: build, audit and publish a business date once every source of it has landed.

It is built by layers, and a gate stands between two of them: on what the gate `core` refuses nothing is built.
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
    def build_core() -> str:
        from dags.accounts import account_for_build
        from quality.warehouse import build

        def work(batch_date: date) -> Account:
            build(batch_date, layers=["staging", "identity", "core"])
            return account_for_build(batch_date, "staging, identity and core")

        return perform(work, is_last=False)

    @task
    def gate_core() -> str:
        from dags.accounts import account_for_gate
        from quality.publication import audit_gate

        def work(batch_date: date) -> Account:
            return account_for_gate("core", audit_gate("core", batch_date, as_of=today()))

        return perform(work, is_last=False)

    @task
    def build_metrics() -> str:
        from dags.accounts import account_for_build
        from quality.warehouse import build

        def work(batch_date: date) -> Account:
            build(batch_date, layers=["metrics"])
            return account_for_build(batch_date, "metrics")

        return perform(work, is_last=False)

    @task(outlets=[PUBLISHED])
    def gate_and_publish() -> str:
        from dags.accounts import account_for_publication
        from quality.publication import audit_and_publish

        def work(batch_date: date) -> Account:
            return account_for_publication(audit_and_publish("warehouse", batch_date, as_of=today()))

        return perform(work, sends=PUBLISHED)

    build_core() >> gate_core() >> build_metrics() >> gate_and_publish()
