"""Advertising (投放): clicks on advertisements at home, and what an overseas platform charged, day by day."""

from __future__ import annotations

import numpy as np
import polars as pl

from ingestion.simulation.horizon import FIRST_DATE, HORIZON_DAYS
from ingestion.simulation.numbering import number_in_order
from ingestion.simulation.streams import as_moments, draw_daytimes, open_stream

CLICKS_WITHOUT_LEAD = 0.4
ADVERTISEMENTS = {
    "cash-feed-01": ("DY", "急用钱？最快5分钟到账,年化利率7.2%起\n借款有风险，申请需谨慎", 1_200_000, 35),
    "cash-feed-02": ("DY", '"零手续费"极速审批,在线申请', 856_050, 35),
    "cash-video-07": ("KS", "小微商户周转,随借随还\n按日计息\n提前还款无违约金", 2_345_678, 42),
    "loan-search-03": ("BD", "正规持牌机构 安心借", 98_000, 28),
    "retarget-11": ("WX", '老客户专享:"提额"通道已开启', 560_000, 15),
}
OVERSEAS_CAMPAIGNS = {
    "MX-2201": "Café Señor – Préstamo Rápido",
    "BR-1107": "Crédito Já – São Paulo",
    "FR-0413": "Été à crédit « Noël »",
    "DE-3302": "Größer träumen – Kredit € 500",
    "PT-0905": "Empréstimo Fácil™ Açores",
}
PLATFORM_TIMEZONE = "America/Los_Angeles"


def draw_clicks(leads: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Draw one row per click: the one behind each lead, and others that came to nothing and left no phone."""
    stream = open_stream(seed, "clicks")
    size = int(leads.height * CLICKS_WITHOUT_LEAD)
    days = stream.integers(HORIZON_DAYS, size=size).astype("timedelta64[D]")
    idle = pl.DataFrame(
        {
            "clicked_at": as_moments(np.datetime64(FIRST_DATE, "s") + days + draw_daytimes(stream, size)),
            "campaign": pl.Series(list(ADVERTISEMENTS)).gather(stream.integers(len(ADVERTISEMENTS), size=size)),
            "cost_fen": stream.integers(120, 2_600, size),
        }
    )
    columns = ("lead_id", "mobile", "clicked_at", "campaign", "cost_fen")
    clicks = pl.concat([leads.select(columns), idle], how="diagonal").sort("clicked_at", "lead_id", nulls_last=True)
    advertisements = pl.DataFrame(
        [(name, *rest) for name, rest in ADVERTISEMENTS.items()],
        schema=["campaign", "platform_code", "ad_copy", "budget_amount_fen", "commission_per_ten_thousand"],
        orient="row",
    )
    return clicks.join(advertisements, on="campaign", how="left", maintain_order="left").with_columns(
        click_no=number_in_order("CK", "clicked_at")
    )


def draw_ad_costs(seed: int) -> pl.DataFrame:
    """Draw one row per overseas campaign and day of the platform; `closed_date` is when that day is over in Beijing."""
    stream = open_stream(seed, "ad_costs")
    codes = list(OVERSEAS_CAMPAIGNS)
    size = HORIZON_DAYS * len(codes)
    days = np.datetime64(FIRST_DATE, "D") + np.repeat(np.arange(HORIZON_DAYS), len(codes)).astype("timedelta64[D]")
    click_count = stream.poisson(85, size)
    return pl.DataFrame(
        {
            "report_date": pl.Series(days, dtype=pl.Date),
            "closed_date": pl.Series(days + np.timedelta64(1, "D"), dtype=pl.Date),
            "campaign_code": codes * HORIZON_DAYS,
            "campaign_name": list(OVERSEAS_CAMPAIGNS.values()) * HORIZON_DAYS,
            "impression_count": click_count * stream.integers(20, 60, size),
            "click_count": click_count,
            "cost_cents": click_count * stream.integers(30, 180, size),
        }
    )
