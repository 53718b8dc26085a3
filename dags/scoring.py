"""The Airflow dag `scoring`: score every eligible customer on the published features of a business date.

The scores are a set of their own, behind a gate of their own. A model is trained only when none of the features'
version was trained by the date.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import Asset, task

from dags.defaults import stage_dag
from dags.recording import perform, today
from dags.words import describe_stage
from ingestion.foundation import list_files, load_settings

FEATURES, PUBLISHED = (Asset(f"published/{name}", group="published") for name in ("features", "scores"))
WORDS = describe_stage("评分 Scoring", __doc__, list_files(load_settings().views, "*.yml").values(), "scoring")

with stage_dag("scoring", FEATURES, timedelta(hours=1), WORDS):

    @task(outlets=[PUBLISHED])
    def score() -> str:
        from dags.accounts import account_for_scores
        from features.scorecard import score

        return perform(lambda day: account_for_scores(score(day, overrides_as_of=today())), sends=PUBLISHED)

    score()
