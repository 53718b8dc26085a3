"""The Airflow dag `features`: build, audit and publish the feature tables of a published warehouse date.

One table a view, and the wide table that scoring reads, as of the end of the business date and by what was known then.
Only customers whose consent covers the purpose are in it.
"""

from __future__ import annotations

from datetime import date, timedelta

from airflow.sdk import Asset, task

from dags.defaults import stage_dag
from dags.recording import perform, today
from dags.words import describe_stage
from ingestion.foundation import list_files, load_settings
from ingestion.foundation.runs import Account

WAREHOUSE, PUBLISHED = (Asset(f"published/{name}", group="published") for name in ("warehouse", "features"))
WORDS = describe_stage("特征 Features", __doc__, list_files(load_settings().views, "*.yml").values(), "features")

with stage_dag("features", WAREHOUSE, timedelta(hours=1), WORDS):

    @task(outlets=[PUBLISHED])
    def build_features() -> str:
        from dags.accounts import account_for_publication
        from features.publish import build_features

        def work(batch_date: date) -> Account:
            return account_for_publication(build_features(batch_date, overrides_as_of=today()))

        return perform(work, sends=PUBLISHED)

    build_features()
