"""Features of the 354 real loans of `loan_test.csv`, each as of the midnight at which its loan date begins.

Run by `make berka-features`: lands both departments' archives, builds and gates the bank's warehouse, evaluates this
tenant's views for the loans, passes them through the feature gate, and writes `<PLATFORM_HOME>/berka/features.parquet`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import polars as pl

from features.publish import build_feature_table
from ingestion.delivery import DeliveryIncomplete, DeliveryRefused
from ingestion.foundation import BUSINESS_TIMEZONE, PROJECT, Settings, load_settings
from ingestion.landing import land_source
from quality.publication import Publication, PublicationRefused, audit_and_publish
from quality.published import open_published
from quality.warehouse import WarehouseBuildFailed, build

TENANT = Path(__file__).resolve().parent
ARCHIVE_DATE = date(1998, 12, 31)
FEATURE_SET = "loan_features"
SOURCES = ("dept_branch", "dept_credit")
USER_ERRORS = (DeliveryIncomplete, DeliveryRefused, PublicationRefused, WarehouseBuildFailed)


def find_data(environment: Mapping[str, str]) -> Path:
    """The folder of real data: PLATFORM_TEST_DATA, by default `../shared/data` beside the repository."""
    return Path(environment.get("PLATFORM_TEST_DATA") or PROJECT.parent / "shared" / "data").resolve()


def bank_settings(home: Path, data: Path, environment: Mapping[str, str] | None = None) -> Settings:
    """A platform of its own for the bank under `home`, so that it meets no other tenant's warehouse or ledger."""
    own = {"PLATFORM_HOME": str(home), "PLATFORM_TENANT": str(TENANT), "PLATFORM_TEST_DATA": str(data)}
    kept = ("PLATFORM_THREADS", "PLATFORM_MEMORY_LIMIT")
    return load_settings({name: value for name, value in (environment or {}).items() if name in kept} | own)


def publish_bank(settings: Settings) -> Publication:
    """Land, build, audit and publish the bank's warehouse. Idempotent."""
    for source in SOURCES:
        land_source(source, ARCHIVE_DATE, settings)
    build(ARCHIVE_DATE, settings)
    return audit_and_publish("warehouse", ARCHIVE_DATE, settings)


def loan_spine(settings: Settings) -> pl.DataFrame:
    """One row per test loan: its account, its instant, and the terms that came with the request; sorted by account.

    The terms are in the spine because the bank's own file of loans arrives a day later: no view could know them.
    """
    loans = open_published("warehouse", settings).scan("fct_account_loans").filter(pl.col("portfolio") == "test")
    return (
        loans.select(
            "account_id",
            "loan_id",
            pl.col("granted_date").cast(pl.Datetime("us")).dt.replace_time_zone(BUSINESS_TIMEZONE.key).alias("as_of"),
            pl.col("principal_amount").alias("loan_amount"),
            pl.col("term_count").alias("loan_term_count"),
            pl.col("instalment_amount").alias("loan_instalment_amount"),
        )
        .sort("account_id")
        .collect()
    )


def publish_features(spine: pl.DataFrame, settings: Settings, set_name: str = FEATURE_SET) -> pl.DataFrame:
    """Evaluate the views of the set for the spine, pass the gate, publish, and give back the published frame."""
    build_feature_table(spine, set_name, settings)
    return open_published(set_name, settings).scan("frame").collect()


def to_matrix(frame: pl.DataFrame) -> pl.DataFrame:
    """A row per loan, sorted by `loan_id`, with one number per feature: exact amounts become doubles for modelling."""
    columns = [name for name in frame.columns if name not in ("loan_id", "account_id", "as_of")]
    exact = [name for name in columns if frame.schema[name].is_decimal()]
    return (
        frame.select(pl.col("loan_id").cast(pl.Int64), *columns)
        .with_columns(pl.col(exact).cast(pl.Float64))
        .sort("loan_id")
    )


def main() -> int:
    """Build everything under the environment's PLATFORM_HOME and say where the features are."""
    data = find_data(os.environ)
    if not (data / "berka").is_dir():
        print(f"There is no folder {data / 'berka'}; name its parent in PLATFORM_TEST_DATA.", file=sys.stderr)
        return 1
    home = Path(os.environ.get("PLATFORM_HOME", "var")).resolve() / "berka"
    settings = bank_settings(home, data.resolve(), os.environ)
    try:
        publish_bank(settings)
        matrix = to_matrix(publish_features(loan_spine(settings), settings))
    except USER_ERRORS as error:
        print(error, file=sys.stderr)
        return 1
    target = home / "features.parquet"
    matrix.write_parquet(target)
    print(f"Wrote {matrix.width - 1} features of {matrix.height} loans to {target}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
