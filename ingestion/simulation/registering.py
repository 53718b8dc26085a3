"""Users of the App: their registrations (注册) and logins (登录), with the devices they come from."""

from __future__ import annotations

import numpy as np
import polars as pl

from ingestion.simulation.numbering import number_in_order
from ingestion.simulation.streams import open_stream

REGISTERING_PROSPECTS = 0.4
LOGINS_PER_PAYMENT = 0.4
OTHER_DEVICE_SHARE = 0.07
FAILED_SHARE = 0.05
SYSTEMS = ("android", "ios", "harmony")
MODELS = {
    "android": ("HUAWEI P60", "Xiaomi 14", "OPPO Reno11"),
    "ios": ("iPhone 13", "iPhone 15", "iPhone SE"),
    "harmony": ("HUAWEI Mate 60 Pro", "HUAWEI nova 12", "华为畅享70"),
}
STORES = {"android": "应用宝", "ios": "App Store", "harmony": "华为应用市场"}
VERSIONS = ("5.1.0", "5.2.1", "5.2.3", "6.0.0")
CITIES = ("北京", "上海", "广州", "深圳", "成都", "武汉", "西安", "郑州", "长沙", "苏州", "佛山", "哈尔滨")
METHODS = ("SMS", "PWD", "FACE")


def draw_registrations(
    persons: pl.DataFrame, leads: pl.DataFrame, applications: pl.DataFrame, seed: int
) -> pl.DataFrame:
    """Draw one row per user: an applicant just before the first application, and some prospects after their click."""
    stream = open_stream(seed, "registrations")
    applicants = (
        applications.sort("applied_at")
        .unique("person_id", keep="first", maintain_order=True)
        .select("person_id", "channel_code", at="applied_at")
    )
    visitors = (
        leads.sort("clicked_at")
        .join(applicants, on="person_id", how="anti", maintain_order="left")
        .unique("person_id", keep="first", maintain_order=True)
        .select("person_id", "channel_code", at="clicked_at")
    )
    visitors = visitors.filter(_chosen(stream, visitors.height, REGISTERING_PROSPECTS))
    shift = np.concatenate([-stream.integers(841, 900, applicants.height), stream.integers(30, 600, visitors.height)])
    size = shift.size
    users = pl.concat([applicants, visitors]).with_columns(
        shift=pl.Series(shift),
        device_os=pl.Series(SYSTEMS).gather(stream.choice(len(SYSTEMS), size=size, p=[0.6, 0.28, 0.12])),
        model=pl.Series(stream.integers(3, size=size)),
        app_version=pl.Series(VERSIONS).gather(stream.integers(len(VERSIONS), size=size)),
        device_id=_draw_device_ids(stream, size),
        other_device_id=_draw_device_ids(stream, size),
    )
    models = [
        pl.when((pl.col("device_os") == system) & (pl.col("model") == place)).then(pl.lit(name))
        for system, names in MODELS.items()
        for place, name in enumerate(names)
    ]
    return (
        users.with_columns(registered_at=pl.col("at") + pl.duration(seconds="shift"))
        .sort("registered_at", "person_id")
        .join(persons.select("person_id", "mobile"), on="person_id", maintain_order="left")
        .select(
            number_in_order("U", "registered_at").alias("user_id"),
            "person_id",
            "mobile",
            "registered_at",
            "channel_code",
            "device_id",
            "other_device_id",
            "device_os",
            pl.coalesce(models).alias("device_model"),
            pl.col("device_os").replace_strict(STORES, return_dtype=pl.String).alias("app_store"),
            "app_version",
        )
    )


def draw_logins(
    users: pl.DataFrame, applications: pl.DataFrame, loans: pl.DataFrame, repayments: pl.DataFrame, seed: int
) -> pl.DataFrame:
    """Draw one row per login: before every application that was not taken offline, and before some payments."""
    stream = open_stream(seed, "logins")
    applied = applications.filter(pl.col("channel_code") != "OFF").select("person_id", at="applied_at")
    owners = loans.unique("loan_no", keep="first", maintain_order=True).select("loan_no", "person_id")
    paid = repayments.unique("repay_no", keep="first", maintain_order=True).select("loan_no", at="paid_at")
    paid = paid.filter(_chosen(stream, paid.height, LOGINS_PER_PAYMENT)).join(
        owners, on="loan_no", maintain_order="left"
    )
    visits = pl.concat([applied, paid.select("person_id", "at")]).join(users, on="person_id", maintain_order="left")
    size = visits.height
    return (
        visits.with_columns(
            seconds=pl.Series(stream.integers(20, 600, size)),
            is_other=pl.Series(stream.random(size) < OTHER_DEVICE_SHARE),
            is_failed=pl.Series(stream.random(size) < FAILED_SHARE),
            method_code=pl.Series(METHODS).gather(stream.integers(len(METHODS), size=size)),
            city=pl.Series(CITIES).gather(stream.integers(len(CITIES), size=size)),
            host=pl.Series(stream.integers(1, 255, size)),
            network=pl.Series(stream.integers(256, size=size)),
        )
        .with_columns(logged_in_at=pl.col("at") - pl.duration(seconds="seconds"))
        .sort("logged_in_at", "user_id")
        .select(
            number_in_order("LG", "logged_in_at").alias("login_no"),
            "user_id",
            "logged_in_at",
            pl.when("is_other").then("other_device_id").otherwise("device_id").alias("device_id"),
            "method_code",
            pl.when("is_failed").then(pl.lit("1")).otherwise(pl.lit("0")).alias("result_code"),
            pl.format("10.{}.{}.{}", pl.col("network") // 4, "network", "host").alias("ip_address"),
            pl.when(pl.col("host") > 12).then("city").alias("city"),
        )
    )


def _chosen(stream: np.random.Generator, size: int, share: float) -> pl.Series:
    return pl.Series(stream.random(size) < share)


def _draw_device_ids(stream: np.random.Generator, size: int) -> pl.Series:
    return pl.Series(np.char.mod("%016x", stream.integers(2**62, size=size)), dtype=pl.String)
