"""Who lives in the simulated world: customers, prospects, and the latent risk that drives what they do."""

from __future__ import annotations

import numpy as np
import polars as pl

from ingestion.simulation import identities
from ingestion.simulation.horizon import FIRST_DATE, HORIZON_DAYS
from ingestion.simulation.streams import Clock, as_moments, draw_daytimes, open_stream

PROSPECTS_PER_CUSTOMER = 0.4
TRAFFIC_SHARE = 0.6
TESTER_SHARE = 0.002


def draw_persons(customers: int, seed: int) -> pl.DataFrame:
    """Draw `customers` customers and the prospects who only leave leads, one row per person.

    `latent_risk` is standard normal and never delivered; income decreases with it. `lateness_habit` is a person's
    own sloppiness beside it.
    """
    size = customers + round(customers * PROSPECTS_PER_CUSTOMER)
    traits = open_stream(seed, "persons", "traits")
    risk = traits.standard_normal(size)
    income = np.exp(9.0 - 0.36 * risk + 0.36 * traits.standard_normal(size))
    return pl.DataFrame(
        {
            "person_id": pl.Series(np.arange(1, size + 1)).cast(pl.String).str.zfill(8).str.replace("^", "PS"),
            "is_customer": np.arange(size) < customers,
            "is_tester": traits.random(size) < TESTER_SHARE,
            "comes_by_traffic": traits.random(size) < TRAFFIC_SHARE,
            "latent_risk": risk,
            "lateness_habit": traits.standard_normal(size),
            "monthly_income_amount_fen": np.clip(np.round(income, -2), 1_500, 200_000).astype(np.int64) * 100,
            "cert_no": identities.draw_cert_numbers(open_stream(seed, "persons", "cert_no"), size),
            "customer_name": identities.draw_names(open_stream(seed, "persons", "name"), size),
            "bank_card": identities.draw_bank_cards(open_stream(seed, "persons", "bank_card"), size),
            "mobile": identities.draw_mobiles(open_stream(seed, "persons", "mobile"), size),
        }
    )


def draw_leads(persons: pl.DataFrame, applications: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Draw one row per lead: before a person's first application, before some later ones, and by prospects.

    Channel `TE` is the traffic partner, `ORG` an organic visit that no partner delivers.
    """
    stream = open_stream(seed, "leads")
    origins = applications.filter(pl.col("has_lead")).select("person", "applied_at", "leads_by_traffic")
    before: Clock = origins["applied_at"].to_numpy() - stream.integers(900, 5 * 86_400, origins.height).astype(
        "timedelta64[s]"
    )
    prospects = np.flatnonzero(~persons["is_customer"].to_numpy())
    visitors = np.repeat(prospects, stream.integers(1, 3, prospects.size))
    days = stream.integers(HORIZON_DAYS, size=visitors.size).astype("timedelta64[D]")
    visits = np.datetime64(FIRST_DATE, "s") + days + draw_daytimes(stream, visitors.size)
    person = np.concatenate([origins["person"].to_numpy(), visitors])
    clicked = np.concatenate([before, visits]).astype("datetime64[ms]")
    size = person.size
    return (
        pl.DataFrame(
            {
                "person": person,
                "person_id": persons["person_id"].gather(person),
                "mobile": persons["mobile"].gather(person),
                "channel_code": pl.concat(
                    [
                        origins.select(
                            pl.when("leads_by_traffic").then(pl.lit("TE")).otherwise(pl.lit("ORG"))
                        ).to_series(),
                        pl.Series(["TE"], dtype=pl.String).gather(np.zeros(visitors.size, dtype=np.int64)),
                    ]
                ),
                "clicked_at": as_moments(clicked + stream.integers(1000, size=size).astype("timedelta64[ms]")),
                "campaign": pl.Series(
                    ["cash-feed-01", "cash-feed-02", "cash-video-07", "loan-search-03", "retarget-11"]
                ).gather(stream.integers(5, size=size)),
                "cost_fen": stream.integers(120, 2_600, size),
                "device_os": pl.Series(["android", "ios", "harmony"]).gather(
                    stream.choice(3, size=size, p=[0.6, 0.28, 0.12])
                ),
                "applied_at": pl.concat(
                    [
                        origins["applied_at"],
                        pl.Series([None], dtype=pl.Datetime("us")).gather(np.zeros(visitors.size, dtype=int)),
                    ]
                ),
            }
        )
        .sort("clicked_at", "person_id")
        .with_columns(
            pl.concat_str(
                pl.lit("TE"),
                pl.col("clicked_at").dt.strftime("%y%m%d"),
                pl.int_range(pl.len()).cast(pl.String).str.zfill(8),
            ).alias("lead_id")
        )
    )
