"""Customer service (客服): tickets of applicants, and the few complaints (投诉) that come of them."""

from __future__ import annotations

import numpy as np
import polars as pl

from ingestion.simulation.applications import END
from ingestion.simulation.numbering import number_in_order
from ingestion.simulation.streams import as_moments, open_stream

TICKETS_PER_APPLICATION = 0.15
COMPLAINT_SHARE = 0.025
CONTENTS = {
    "REPAY": "咨询还款方式及还款日",
    "FEE": "对担保费有疑问，要求说明收费明细",
    "PREPAY": "申请提前结清，询问违约金",
    "PRIVACY": "要求注销账户并删除个人信息",
    "COLLECT": "反映催收电话频繁",
}
COMPLAINTS = {
    "REPAY": "扣款失败导致逾期，要求更正征信记录",
    "FEE": "质疑综合费率过高，要求退还担保费",
    "PREPAY": "提前还款受阻，要求减免利息",
    "PRIVACY": "投诉个人信息被泄露给第三方",
    "COLLECT": "投诉催收人员联系其亲友，要求停止骚扰",
}


def draw_tickets(applications: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Draw one row per ticket and state: `N` when it is opened, `C` when it is closed, by `changed_at`."""
    stream = open_stream(seed, "tickets")
    chosen = np.flatnonzero(stream.random(applications.height) < TICKETS_PER_APPLICATION)
    people = applications.select("person_id", "cert_no", "customer_name", "mobile", "application_no", "applied_at")[
        chosen
    ]
    size = people.height
    wait = stream.integers(600, 60 * 86_400, size).astype("timedelta64[s]")
    day = (people["applied_at"].to_numpy().astype("datetime64[s]") + wait).astype("datetime64[D]")
    opened = day.astype("datetime64[s]") + stream.integers(8 * 3600, 21 * 3600, size).astype("timedelta64[s]")
    opened = np.maximum(opened, people["applied_at"].to_numpy().astype("datetime64[s]") + np.timedelta64(60, "s"))
    closed = opened + np.minimum(stream.exponential(20 * 3600, size) + 300, 12 * 86_400).astype("timedelta64[s]")
    codes = list(CONTENTS)
    tickets = (
        people.with_columns(
            opened_at=as_moments(opened),
            closed_at=as_moments(closed),
            category_code=pl.Series(codes).gather(stream.choice(len(codes), size=size, p=[0.4, 0.2, 0.2, 0.08, 0.12])),
            channel_code=pl.Series(["TEL", "APP", "WX"]).gather(stream.integers(3, size=size)),
            satisfaction_score=stream.integers(0, 6, size),
            demanded_amount_fen=stream.integers(5, 300, size) * 1_000,
            complains=pl.Series(stream.random(size) < COMPLAINT_SHARE),
        )
        .filter(pl.col("opened_at") <= pl.lit(END).cast(pl.Datetime("us")))
        .sort("opened_at", "application_no")
        .with_columns(ticket_no=number_in_order("TK", "opened_at"))
    )
    opened_state = tickets.with_columns(
        changed_at="opened_at", status_code=pl.lit("N"), closed_at=pl.lit(None, pl.Datetime("us")), satisfaction_score=0
    )
    closed_state = tickets.with_columns(changed_at="closed_at", status_code=pl.lit("C"))
    states = pl.concat([opened_state, closed_state], how="vertical_relaxed").sort("changed_at", "ticket_no")
    return states.with_columns(content=pl.col("category_code").replace_strict(CONTENTS, return_dtype=pl.String))


def list_complaints(tickets: pl.DataFrame) -> pl.DataFrame:
    """List one row per complaint: some tickets go on to the regulator or the department the day after."""
    origins = tickets.filter((pl.col("status_code") == "N") & pl.col("complains")).sort("opened_at", "ticket_no")
    is_fee = pl.col("category_code").is_in(["FEE", "PREPAY"])
    complaints = origins.with_columns(received_date=pl.col("opened_at").dt.date().dt.offset_by("1d"))
    return complaints.with_columns(
        complaint_no=number_in_order("CP", "received_date"),
        source_code=pl.when(pl.col("channel_code") == "TEL").then(pl.lit("12378")).otherwise(pl.lit("INNER")),
        demanded_amount_fen=pl.when(is_fee).then("demanded_amount_fen").otherwise(0),
        description=pl.col("category_code").replace_strict(COMPLAINTS, return_dtype=pl.String),
        reply_due_date=pl.col("received_date").dt.offset_by("15d"),
    )
