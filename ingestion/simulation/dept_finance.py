"""The finance department's dialect: a workbook of vouchers (凭证) typed by hand, with no ready marker."""

from __future__ import annotations

import io
from datetime import date, datetime, timedelta
from pathlib import Path

import polars as pl

from ingestion.simulation.dropping import Drop, Spoiler, drop_file, during, leave_intact, yuan_text
from ingestion.simulation.horizon import GO_LIVE
from ingestion.simulation.plans import divide_half_up
from ingestion.simulation.world import World

SOURCE = "dept_finance"
SHEET = "凭证"
TAX_PERCENT = 6
ONE_DAY = timedelta(days=1)
CASH, LENT, COMPENSATED, INTEREST, FEE, PENALTY, TAX = "1002", "1303", "122103", "601101", "602101", "605101", "222101"
ACCOUNTS = {
    CASH: "银行存款",
    LENT: "贷款本金",
    COMPENSATED: "其他应收款-代偿款",
    INTEREST: "利息收入",
    FEE: "担保费收入",
    PENALTY: "罚息收入",
    TAX: "应交税费-应交增值税(销项税额)",
}
SUMMARIES = {"1": "发放贷款", "2": "收回贷款本息", "3": "代偿借款人欠款"}
CLERKS = ("王芳", "欧阳敏", "陈静")
HEADINGS = {
    "voucher_no": "凭证号",
    "line_no": "分录号",
    "posted_date": "记账日期",
    "account_code": "科目编码",
    "account_name": "科目名称",
    "summary": "摘要",
    "debit_amount": "借方金额",
    "credit_amount": "贷方金额",
    "tax_rate_percent": "税率(%)",
    "funder_code": "资金方",
    "clerk_name": "制单人",
}
NUMBERS = ("line_no", "debit_amount", "credit_amount", "tax_rate_percent")
TYPED_DATE = "%Y/%m/%d"


def deliver(world: World, landing: Path, batch_date: date, since: date | None, spoil: Spoiler = leave_intact) -> None:
    """Write the postings of a business date: what happened on the day before it, booked a day later."""
    drop = Drop(SOURCE, "postings", batch_date, f"财务凭证_{batch_date:%Y%m%d}.xlsx", heading=3)
    rows = spoil(drop, list_postings(world, batch_date, since), lambda frame: frame)
    drop_file(drop, landing, _encode(rows, batch_date))


def list_postings(world: World, batch_date: date, since: date | None) -> pl.DataFrame:
    """One row per voucher line, a voucher for each kind of event, funder and day; all cells text.

    Debit equals credit in every voucher. A date that is a typed cell reads yyyy/mm/dd here; others are typed in as
    text, with hyphens or without. Interest, fee and penalty are booked without their value-added tax.
    """
    before = None if since is None else since - ONE_DAY
    entries = _list_entries(world, batch_date - ONE_DAY, before)
    day = pl.col("event_date").dt.offset_by("1d")
    style = day.dt.ordinal_day() % 4
    clerk = day.dt.ordinal_day() % len(CLERKS)
    voucher = pl.concat_str(pl.lit("记-"), day.dt.strftime("%Y%m%d"), pl.lit("-"), "kind", pl.lit("-"), "funder_code")
    amount = yuan_text("amount_fen")
    return (
        entries.filter(pl.col("amount_fen") != 0)
        .sort("event_date", "kind", "funder_code", "is_credit", "account_code")
        .with_columns(voucher_no=voucher)
        .select(
            "voucher_no",
            pl.int_range(1, pl.len() + 1).over("voucher_no").cast(pl.String).alias("line_no"),
            pl.when(style == 0)
            .then(day.dt.strftime("%Y-%m-%d"))
            .when(style == 1)
            .then(day.dt.strftime("%Y%m%d"))
            .otherwise(day.dt.strftime(TYPED_DATE))
            .alias("posted_date"),
            "account_code",
            pl.col("account_code").replace_strict(ACCOUNTS, return_dtype=pl.String).alias("account_name"),
            pl.col("kind").replace_strict(SUMMARIES, return_dtype=pl.String).alias("summary"),
            pl.when(~pl.col("is_credit")).then(amount).alias("debit_amount"),
            pl.when("is_credit").then(amount).alias("credit_amount"),
            pl.when(pl.col("account_code").is_in([INTEREST, FEE, PENALTY]))
            .then(pl.lit(str(TAX_PERCENT)))
            .alias("tax_rate_percent"),
            "funder_code",
            pl.lit(pl.Series(CLERKS)).implode().list.get(clerk).alias("clerk_name"),
        )
    )


def _list_entries(world: World, until: date, since: date | None) -> pl.DataFrame:
    """Sums in fen by `event_date, kind, funder_code, account_code, is_credit`; reversals are negative debits."""
    funders = world.loans.unique("loan_no", keep="first", maintain_order=True).select("loan_no", "funder_code")
    sign = pl.when(pl.col("status_code") == "RV").then(-1).otherwise(1)
    lent = world.loans.filter(during("posted_at", until, since)).select(
        pl.lit("1").alias("kind"),
        "funder_code",
        pl.col("posted_at").dt.date().alias("event_date"),
        (pl.col("principal_amount_fen") * sign).alias("principal_fen"),
    )
    comps = world.compensations.unique(["loan_no", "term_no"], keep="first", maintain_order=True)
    received = (
        world.repayments.filter(during("posted_at", until, since))
        .join(comps.select("loan_no", "term_no", "compensated_date"), on=["loan_no", "term_no"], how="left")
        .join(funders, on="loan_no")
        .with_columns(
            is_recovery=pl.col("posted_at").dt.date() >= pl.col("compensated_date").fill_null(until + ONE_DAY)
        )
        .select(
            pl.lit("2").alias("kind"),
            "funder_code",
            pl.col("posted_at").dt.date().alias("event_date"),
            pl.when("is_recovery").then(0).otherwise("principal_amount_fen").alias("principal_fen"),
            pl.when("is_recovery").then("principal_amount_fen").otherwise(0).alias("recovered_fen"),
            pl.col("interest_amount_fen").alias("interest_fen"),
            pl.col("fee_amount_fen").alias("fee_fen"),
            pl.col("penalty_amount_fen").alias("penalty_fen"),
        )
    )
    compensated = (
        world.compensations.filter(during("compensated_date", until, since))
        .join(funders, on="loan_no")
        .select(
            pl.lit("3").alias("kind"),
            "funder_code",
            pl.col("compensated_date").alias("event_date"),
            pl.col("principal_amount_fen").alias("principal_fen"),
            pl.col("interest_amount_fen").alias("interest_fen"),
        )
    )
    voucher = ["kind", "funder_code", "event_date"]
    sums = (
        pl.concat([lent, received, compensated], how="diagonal")
        .group_by(voucher)
        .agg(pl.col("^.*_fen$").sum())
        .sort(voucher)
    )
    incomes = ("interest_fen", "fee_fen", "penalty_fen")
    taxes = [
        pl.Series(f"tax_on_{name}", divide_half_up(sums[name].to_numpy() * TAX_PERCENT, 100 + TAX_PERCENT))
        for name in incomes
    ]
    sums = sums.with_columns(taxes)
    total = pl.sum_horizontal("principal_fen", "recovered_fen", *incomes)
    lines = (
        (pl.col("kind") == "1", LENT, False, pl.col("principal_fen")),
        (pl.col("kind") == "1", CASH, True, pl.col("principal_fen")),
        (pl.col("kind") == "2", CASH, False, total),
        (pl.col("kind") == "3", COMPENSATED, False, total),
        (pl.col("kind") != "1", LENT, True, pl.col("principal_fen")),
        (pl.col("kind") == "2", COMPENSATED, True, pl.col("recovered_fen")),
        (pl.col("kind") != "1", INTEREST, True, pl.col("interest_fen") - pl.col("tax_on_interest_fen")),
        (pl.col("kind") == "2", FEE, True, pl.col("fee_fen") - pl.col("tax_on_fee_fen")),
        (pl.col("kind") == "2", PENALTY, True, pl.col("penalty_fen") - pl.col("tax_on_penalty_fen")),
        (pl.col("kind") != "1", TAX, True, pl.sum_horizontal(f"tax_on_{name}" for name in incomes)),
    )
    return pl.concat(
        sums.filter(kind).select(
            *voucher,
            pl.lit(account).alias("account_code"),
            pl.lit(is_credit).alias("is_credit"),
            amount.cast(pl.Int64).alias("amount_fen"),
        )
        for kind, account, is_credit, amount in lines
    )


def _encode(rows: pl.DataFrame, batch_date: date) -> bytes:
    """The same rows give the same bytes: the workbook says it was made on the first business date."""
    buffer = io.BytesIO()
    import xlsxwriter  # of the optional group `simulation`

    workbook = xlsxwriter.Workbook(buffer, {"in_memory": True, "default_date_format": "yyyy-mm-dd"})
    workbook.set_properties({"author": "财务部", "created": datetime(GO_LIVE.year, GO_LIVE.month, GO_LIVE.day)})
    sheet = workbook.add_worksheet(SHEET)
    sheet.write_string(0, 0, "甲集团财务凭证明细表")
    sheet.write_string(1, 0, f"制表日期：{batch_date:%Y-%m-%d}    单位：元")
    sheet.write_row(2, 0, list(HEADINGS.values()))
    for place, column in enumerate(HEADINGS):
        sheet.write_column(3, place, _cells(rows[column]))
    workbook.close()
    return buffer.getvalue()


def _cells(values: pl.Series) -> list[object]:
    """Cells as Excel is to hold them: typed dates and numbers where the text is one, text otherwise."""
    if values.name in NUMBERS:
        return _prefer(values.cast(pl.Float64, strict=False), values)
    if values.name == "posted_date":
        return _prefer(values.str.to_date(TYPED_DATE, strict=False), values)
    return values.to_list()


def _prefer(typed: pl.Series, texts: pl.Series) -> list[object]:
    return [text if value is None else value for value, text in zip(typed, texts, strict=True)]
