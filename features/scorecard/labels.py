"""Which past loans turned bad (好坏标签): what the scorecard learns from."""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl

from features.clock import find_scoring_instant
from features.store import open_set
from features.values import ZONE, convert_to_business_zone
from ingestion.foundation import Settings

PERFORMANCE_DAYS, BAD_DPD = 90, 30
LABEL = f"dpd_ever_before_compensation >= {BAD_DPD} within {PERFORMANCE_DAYS} days of funding"


def label_loans(cutoff: date, settings: Settings) -> pl.DataFrame:
    """A row for each matured loan: customer_id, as_of (= applied_at), loan_id, label; by as_of, then loan.

    Matured: 90 days after funding have passed at `find_scoring_instant(cutoff)`. Applications are as known then.
    """
    warehouse = open_set("warehouse", settings, cutoff)
    moment = pl.lit(find_scoring_instant(cutoff)).dt.convert_time_zone(ZONE)
    applications = (
        convert_to_business_zone(warehouse.scan("fct_applications_history"), "fct_applications_history")
        .filter(pl.col("_known_at") <= moment)
        .filter(pl.col("_superseded_at").is_null() | (moment < pl.col("_superseded_at")))
        .select("application_id", "applied_at")
    )
    end = (pl.col("funded_at").dt.date() + timedelta(days=PERFORMANCE_DAYS)).alias("end")
    loans = (
        convert_to_business_zone(warehouse.scan("fct_loans"), "fct_loans")
        .filter(~pl.col("is_reversed").fill_null(False))
        .filter(pl.col("funded_at") + timedelta(days=PERFORMANCE_DAYS) <= moment)
        .select("loan_id", "application_id", "customer_id", end)
        .join(applications, on="application_id", how="inner")
    )
    reached = pl.col("due_date") + timedelta(days=BAD_DPD)
    cleared = pl.col("cleared_date_before_compensation")
    bad = (
        warehouse.scan("fct_instalments")
        .select("loan_id", "due_date", "cleared_date_before_compensation")
        .join(loans.select("loan_id", "end"), on="loan_id", how="inner")
        .filter((reached <= pl.col("end")) & (cleared.is_null() | (cleared >= reached)))
        .select("loan_id", pl.lit(1, dtype=pl.Int64).alias("label"))
        .unique()
    )
    labelled = loans.join(bad, on="loan_id", how="left").select(
        "customer_id", pl.col("applied_at").alias("as_of"), "loan_id", pl.col("label").fill_null(0)
    )
    return labelled.collect().sort("as_of", "loan_id")
