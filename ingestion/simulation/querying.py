"""Bureau queries (征信查询) that the risk department makes before it decides."""

from __future__ import annotations

import numpy as np
import polars as pl

from ingestion.simulation.streams import Clock, as_moments, open_stream

THIN_FILE_SHARE = 0.07
BANDS = ("B0", "B1", "B2", "B3", "B4", "B5")
BAND_EDGES = (0.18, 0.45, 0.68, 0.84, 0.95)


def draw_bureau_reports(
    persons: pl.DataFrame, applications: pl.DataFrame, consents: pl.DataFrame, seed: int
) -> pl.DataFrame:
    """Draw one row per query, seconds before a decision and under the applicant's consent to underwriting.

    Riskier persons ask more institutions. People without a record (白户) have no score; testers are not queried.
    """
    stream = open_stream(seed, "bureau_reports")
    asked = applications.filter(pl.col("is_decided") & ~pl.col("is_tester")).sort("decided_at", "application_no")
    size = asked.height
    person = asked["person"]
    risk = persons["latent_risk"].gather(person).to_numpy()
    earliest: Clock = asked["applied_at"].to_numpy().astype("datetime64[ms]")
    before: Clock = asked["decided_at"].to_numpy().astype("datetime64[ms]") - stream.integers(
        2_000, 40_000, size
    ).astype("timedelta64[ms]")
    queried = np.maximum(earliest, before)
    rate = np.exp(0.5 * risk - 0.6)
    weeks = [stream.poisson(rate * share) for share in (0.3, 0.7, 1.2, 1.5)]
    d7, d30, d90, d180 = np.cumsum(weeks, axis=0)
    banks = stream.binomial(d180, 0.35)
    consumer_finance = stream.binomial(d180 - banks, 0.55)
    indebtedness = 1 / (1 + np.exp(-(0.5 * risk + stream.normal(0.0, 1.0, size))))
    score = np.clip(np.round(620 - 55 * risk + stream.normal(0.0, 30.0, size)), 300, 850).astype(np.int64)
    has_score = stream.random(size) >= THIN_FILE_SHARE
    frame = pl.DataFrame(
        {
            "application_no": asked["application_no"],
            "person_id": persons["person_id"].gather(person),
            "cert_no": persons["cert_no"].gather(person),
            "mobile": persons["mobile"].gather(person),
            "institutions_7d": d7,
            "institutions_30d": d30,
            "institutions_90d": d90,
            "institutions_180d": d180,
            "banks_180d": banks,
            "consumer_finance_180d": consumer_finance,
            "micro_loan_180d": d180 - banks - consumer_finance,
            "balance_band_code": pl.Series(BANDS).gather(np.searchsorted(BAND_EDGES, indebtedness)),
            "overdue_count_24m": stream.poisson(np.exp(0.9 * risk - 1.8)),
            "score": pl.Series(score),
            "queried_at": as_moments(queried),
            "reported_at": as_moments(queried + stream.integers(180, 1_900, size).astype("timedelta64[ms]")),
            "has_score": has_score,
        }
    ).with_columns(score=pl.when("has_score").then("score"))
    underwriting = consents.filter((pl.col("purpose_code") == "UNDERWRITE") & (pl.col("event_code") == "G"))
    authorised = underwriting.select("person_id", pl.col("event_no").alias("auth_no"))
    return (
        frame.join(authorised.unique("person_id", keep="first", maintain_order=True), on="person_id", how="left")
        .sort("queried_at", "application_no")
        .with_columns(
            query_no=pl.concat_str(
                pl.lit("BQ"),
                pl.col("queried_at").dt.strftime("%y%m%d"),
                pl.int_range(1, pl.len() + 1).cast(pl.String).str.zfill(8),
            )
        )
    )
