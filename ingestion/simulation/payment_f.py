"""Payment channel F's dialect: a CSV with Chinese names in GB18030, in an archive whose password changes daily.

Fees that it waives after the settlement come as corrections in a file of their own, on dates that have any; that of
`LATE_DATE` comes late and out of order, with `LATE_WITH`, when a later one is there already.
"""

from __future__ import annotations

import hashlib
import os
from datetime import date, timedelta
from pathlib import Path

import polars as pl

from ingestion.simulation.dropping import (
    Drop,
    Spoiler,
    drop_file,
    drop_marker,
    during,
    join_lines,
    leave_intact,
    yuan_text,
)
from ingestion.simulation.horizon import GO_LIVE
from ingestion.simulation.packing import pack
from ingestion.simulation.world import World

SOURCE = "payment_f"
ENCODING = "gb18030"
SECRET = "Sim-F7q2wK9d"
NONE = "-"
STATUS = {"OK": "成功", "RV": "冲正"}
WAIVED_OF = 5
LATE_DATE = GO_LIVE + timedelta(days=1)
LATE_WITH = LATE_DATE + timedelta(days=2)
CORRECTED = "渠道流水号|更正版本|更正后手续费(分)|更正日期|更正原因"
HEADINGS = {
    "settled_date": "清算日期",
    "channel_txn_no": "渠道流水号",
    "original_txn_no": "原渠道流水号",
    "repay_no": "商户订单号",
    "loan_no": "借据号",
    "traded_at": "交易时间",
    "payer_name": "付款人姓名",
    "bank_card": "付款卡号",
    "amount": "交易金额(元)",
    "fee_fen": "手续费(分)",
    "fee_rate": "费率(万分之)",
    "status": "交易状态",
}


def deliver(world: World, landing: Path, batch_date: date, since: date | None, spoil: Spoiler = leave_intact) -> None:
    """Write the transactions that are settled on a business date, those of the day before."""
    rows = (
        world.channel_payments.filter(during("settled_date", batch_date, since))
        .sort("channel_txn_no")
        .select(
            pl.col("settled_date").dt.strftime("%Y-%m-%d"),
            "channel_txn_no",
            pl.col("original_txn_no").fill_null(NONE),
            "repay_no",
            "loan_no",
            pl.col("traded_at").dt.strftime("%Y-%m-%d %H:%M:%S"),
            "payer_name",
            "bank_card",
            grouped_yuan_text("amount_fen"),
            pl.col("fee_fen").cast(pl.String),
            yuan_text("fee_rate_per_million").alias("fee_rate"),
            pl.col("status_code").replace_strict(STATUS).alias("status"),
        )
    )
    drop = Drop(SOURCE, "settlements", batch_date, f"SETTLE_{batch_date:%Y%m%d}.zip", heading=1)
    heading = ",".join(f'"{name}"' for name in HEADINGS.values()) + "\r\n"
    text = heading + join_lines(spoil(drop, rows, _compose)["line"], "\r\n")
    member = f"结算明细_{batch_date:%Y%m%d}.csv"
    content = pack(member, text.encode(ENCODING), drop.arrival, password_of(batch_date))
    arrived = drop_file(drop, landing, content)
    digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
    drop_marker(drop.path(landing).with_name(f"{drop.name}.md5"), arrived, f"{digest}  {drop.name}\n")
    if since is not None and batch_date != LATE_DATE:
        correct_fees(world, landing, batch_date, night_of=batch_date)


def correct_fees(world: World, landing: Path, batch_date: date, night_of: date) -> None:
    """Write the fees of one in `WAIVED_OF` transactions settled the day before as waived; without any, no file."""
    number = pl.col("channel_txn_no").str.tail(4).cast(pl.Int64)
    settled = (pl.col("settled_date") == batch_date - timedelta(days=1)) & (number % WAIVED_OF == 0)
    waived = world.channel_payments.filter(settled).sort("channel_txn_no")
    if waived.is_empty():
        return
    lines = waived.select(pl.concat_str("channel_txn_no", pl.lit(f"|2|0|{batch_date:%Y%m%d}|手续费减免"))).to_series()
    drop = Drop(SOURCE, "fee_corrections", batch_date, f"FEEADJ_{batch_date:%Y%m%d}.txt", heading=1)
    drop_file(drop, landing, f"{CORRECTED}\n{join_lines(lines)}".encode(ENCODING), night_of)


def password_of(batch_date: date) -> str:
    """Password of a business date's archive."""
    return f"{SECRET}{batch_date:%Y%m%d}"


def hand_over_secret(home: Path) -> None:
    """Write the secret into `<home>/keys/payment_f.secret` (mode 0600), unless a file is there."""
    path = home / "keys" / f"{SOURCE}.secret"
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w") as handle:
        handle.write(SECRET + "\n")


def grouped_yuan_text(column: str) -> pl.Expr:
    """Fen as text in yuan with two decimals and commas between thousands, up to a thousand million."""
    fen = pl.col(column)
    whole = fen.abs() // 100
    millions, thousands, units = whole // 1_000_000, whole // 1_000 % 1_000, whole % 1_000
    grouped = (
        pl.when(millions > 0)
        .then(pl.format("{},{},{}", millions, _padded(thousands, 3), _padded(units, 3)))
        .when(thousands > 0)
        .then(pl.format("{},{}", thousands, _padded(units, 3)))
        .otherwise(units.cast(pl.String))
    )
    sign = pl.when(fen < 0).then(pl.lit("-")).otherwise(pl.lit(""))
    return pl.concat_str(sign, grouped, pl.lit("."), _padded(fen.abs() % 100, 2)).alias(column.removesuffix("_fen"))


def _padded(number: pl.Expr, width: int) -> pl.Expr:
    return number.cast(pl.String).str.zfill(width)


def _compose(rows: pl.DataFrame) -> pl.DataFrame:
    cells = [pl.concat_str(pl.lit('"'), name, pl.lit('"')) for name in HEADINGS]
    return rows.select(line=pl.concat_str(cells, separator=","))
