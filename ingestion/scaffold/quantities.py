"""Numbers (数值): amounts, counts and rates, digits that are codes, and numbers that stand for none."""

from __future__ import annotations

import duckdb
import polars as pl

from ingestion.scaffold.column_draft import ColumnDraft, describe_number
from ingestion.scaffold.readings import count_read, is_good_enough
from ingestion.scaffold.vocabulary import CODE, COUNT, FEW, MANY_ROWS, MONEY, NUMBER_OF, RATE

LOW_SENTINELS = (-1, *(-(10**power - 1) for power in range(1, 10)))
HIGH_SENTINELS = tuple(10**power - 1 for power in range(3, 16))


def type_number(draft: ColumnDraft, values: pl.DataFrame, called: str, connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether a column holds numbers or digits that are a code; then its type is drafted, as in `type_moment`."""
    total = int(values["n"].sum())
    plain, grouped = count_read(connection, "DECIMAL(38,10)", [{}, {"thousands": True}])
    draft.thousands = grouped > plain
    if not is_good_enough(max(plain, grouped), total):
        draft.thousands = False
        return _type_double(draft, total, called, connection)
    if draft.thousands:
        draft.checks.append(f"digits are grouped by commas in {grouped - plain} of {total} values")
    digits = values.filter(pl.col("v").str.contains(r"^[+-]?[\d,]+([.]\d*)?$"))
    bare = digits["v"].str.replace_all(",", "").str.strip_chars_start("+-")
    if bare.str.contains(r"^0\d").any():
        draft.checks.append("digits with leading zeros, so a code and not a number")
        draft.thousands = False
        return True
    scale = int(bare.str.extract(r"[.](\d*)$").fill_null("").str.len_chars().max() or 0)  # type: ignore[arg-type]
    whole = int(bare.str.extract(r"^(\d+)").str.len_chars().max() or 1)  # type: ignore[arg-type]
    if max(plain, grouped) < total:
        draft.checks.append(f"{total - max(plain, grouped)} of {total} values are no number and would be quarantined")
    if scale == 0:
        if _is_text_of_digits(draft, digits, whole, called, total):
            return True
        narrow = whole <= 4 and not MONEY.search(called)
        draft.type = "INTEGER" if narrow else "BIGINT"
    elif scale <= 2:
        draft.type = f"DECIMAL({38 if whole > 16 else 18},2)"
    elif scale <= 4 and whole <= 5:
        draft.type = "DECIMAL(9,4)"
    else:
        draft.type = f"DECIMAL({38 if whole + scale > 18 else 18},{scale})"
        draft.checks.append(f"up to {scale} decimals; how many are meant?")
    _find_sentinels(draft, digits)
    return True


def _type_double(draft: ColumnDraft, total: int, called: str, connection: duckdb.DuckDBPyConnection) -> bool:
    read = count_read(connection, "DOUBLE", [{}])[0]
    if not is_good_enough(read, total) or MONEY.search(called) or RATE.search(called):
        comma = _reads_comma(connection)
        if comma >= 0.95 * total:
            draft.checks.append("numbers with a decimal comma, which no type reads; kept as text")
        return False
    draft.type = "DOUBLE"
    draft.checks.append("an approximate number (exponents or many decimals); money and rates must never be this type")
    return True


def _reads_comma(connection: duckdb.DuckDBPyConnection) -> int:
    found = connection.execute(
        "select coalesce(sum(n) filter (regexp_full_match(v, '[+-]?[0-9.]+,[0-9]{1,4}')), 0) from present"
    ).fetchall()
    return int(found[0][0])


def _is_text_of_digits(draft: ColumnDraft, digits: pl.DataFrame, whole: int, called: str, total: int) -> bool:
    """Whether digits are a code or a number of something, which stay text."""
    if COUNT.search(called) or MONEY.search(called):
        return False
    if whole >= 16:
        draft.checks.append("too many digits for a quantity, so the number of something")
        return True
    if NUMBER_OF.search(draft.name) or NUMBER_OF.search(draft.physical):
        draft.checks.append("digits only; kept as text because its name says the number of something")
        return True
    few = digits.height <= FEW and whole == 1 and total >= MANY_ROWS
    if CODE.search(called) or few:
        draft.checks.append(
            f"{describe_number(digits.height, 'distinct number')}: a code; equally good as a number, if one can add"
            " them up"
        )
        return True
    return False


def _find_sentinels(draft: ColumnDraft, digits: pl.DataFrame) -> None:
    """Values that stand apart: one negative among none, or all nines far above the rest."""
    numbers = digits.select(
        x=pl.col("v").str.replace_all(",", "").cast(pl.Decimal(38, 8), strict=False), text="v", n="n"
    ).drop_nulls()
    for value in (*LOW_SENTINELS, *HIGH_SENTINELS):
        here = numbers.filter(pl.col("x") == value)
        rest = numbers.filter(pl.col("x") != value)
        if here.is_empty() or rest.height < FEW:
            continue
        low, high = rest["x"].min(), rest["x"].max()
        apart = low >= 0 if value < 0 else int(here["n"].sum()) > 1 and high * 10 < value  # type: ignore[operator]
        if apart:
            found = set(here["text"].to_list())
            if draft.type.startswith("DECIMAL"):
                found |= {str(value), f"{value}.{'0' * int(draft.type.rstrip(')').split(',')[1])}"}
            draft.missing += sorted(found, key=len)
            draft.required = False
