"""Bureau D's dialect: nested JSON lines in a zip archive, in which a person is only hashes of number and phone."""

from __future__ import annotations

import hashlib
from datetime import date
from pathlib import Path

import polars as pl

from ingestion.simulation.dropping import (
    BUSINESS_TIMEZONE,
    Drop,
    Spoiler,
    drop_file,
    drop_marker,
    during,
    join_lines,
    leave_intact,
)
from ingestion.simulation.packing import pack
from ingestion.simulation.world import World

SOURCE = "bureau_d"
NO_SCORE = "-1"
COUNTS = {
    "d7": "institutions_7d",
    "d30": "institutions_30d",
    "d90": "institutions_90d",
    "d180": "institutions_180d",
}
BY_TYPE = {"bank": "banks_180d", "consumer_finance": "consumer_finance_180d", "micro_loan": "micro_loan_180d"}


def deliver(world: World, landing: Path, batch_date: date, since: date | None, spoil: Spoiler = leave_intact) -> None:
    """Write the reports of a business date, cells text; -1 stands for a missing score."""
    reports = world.bureau_reports.filter(during("reported_at", batch_date, since)).sort("reported_at", "query_no")
    rows = reports.select(
        "query_no",
        "auth_no",
        hash_texts(reports["cert_no"], "sm3").alias("id_sm3"),
        hash_texts(reports["mobile"], "md5").alias("phone_md5"),
        pl.col("reported_at").dt.replace_time_zone(str(BUSINESS_TIMEZONE)).dt.epoch("ms").cast(pl.String),
        pl.col("score").cast(pl.String).fill_null(NO_SCORE),
        "balance_band_code",
        pl.col("overdue_count_24m", *COUNTS.values(), *BY_TYPE.values()).cast(pl.String),
    )
    drop = Drop(SOURCE, "reports", batch_date, f"BUREAU_{batch_date:%Y%m%d}.zip")
    lines = spoil(drop, rows, _compose)["line"]
    content = pack(f"征信报告_{batch_date:%Y%m%d}.jsonl", join_lines(lines).encode(), drop.arrival)
    arrived = drop_file(drop, landing, content)
    drop_marker(drop.path(landing).with_suffix(".fin"), arrived)


def hash_texts(texts: pl.Series, algorithm: str) -> pl.Series:
    """Digest, in hexadecimal, of each text: computed by OpenSSL, so that the platform's own digests meet others'."""
    digests = [hashlib.new(algorithm, text.encode(), usedforsecurity=False).hexdigest() for text in texts]
    return pl.Series(texts.name, digests, dtype=pl.String)


def _compose(rows: pl.DataFrame) -> pl.DataFrame:
    subject = _object({"id_sm3": _quoted("id_sm3"), "phone_md5": _quoted("phone_md5")})
    institutions = {name: pl.col(column) for name, column in COUNTS.items()}
    by_type = _object({name: pl.col(column) for name, column in BY_TYPE.items()})
    report = {
        "reported_at": pl.col("reported_at"),
        "score": pl.col("score"),
        "balance_band": _quoted("balance_band_code"),
        "overdue_count_24m": pl.col("overdue_count_24m"),
        "multi_institution": _object({**institutions, "by_type": by_type}),
    }
    query = {"query_no": _quoted("query_no"), "auth_no": _quoted("auth_no"), "purpose": pl.lit('"loan_approval"')}
    return rows.select(line=_object({**query, "subject": subject, "report": _object(report)}))


def _object(members: dict[str, pl.Expr]) -> pl.Expr:
    """JSON object of texts that are JSON already."""
    named = [pl.concat_str(pl.lit(f'"{name}":'), value) for name, value in members.items()]
    return pl.concat_str(pl.lit("{"), pl.concat_str(named, separator=","), pl.lit("}"))


def _quoted(column: str) -> pl.Expr:
    return pl.concat_str(pl.lit('"'), pl.col(column), pl.lit('"')).fill_null("null")
