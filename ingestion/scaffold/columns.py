"""One column at a time: its type, its formats, its spellings of "no value", its codes and its unit."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import duckdb
import polars as pl

from ingestion.landing.typing_rules import exact_sql
from ingestion.scaffold.naming import form_unique_names
from ingestion.scaffold.sensitivity import HUMAN, Sensitivity, is_surname_first, judge_sensitivity
from ingestion.scaffold.table import Table
from ingestion.scaffold.trials import trial_column

SPELLINGS = ("NULL", "null", "Null", "\\N", "-", "--", "N/A", "n/a", "NA", "#N/A", "NaN", "nan", "None", "(null)", "?")
ZERO_DATES = ("00000000", "0000-00-00", "0", "00000000000000", "0000-00-00 00:00:00", "0000/00/00")
LAST_DATES = ("99991231", "9999-12-31", "9999/12/31", "99991231235959", "9999-12-31 23:59:59", "9999-12-31 00:00:00")
OPEN_ENDED = re.compile(r"valid|expir|end|until|maturity|(^|_)to$|有效|到期|失效|截止|终止")
DAYS = ("%Y-%m-%d", "%Y%m%d", "%Y/%m/%d", "%Y.%m.%d", "%Y年%m月%d日", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%y%m%d")
MOMENTS = (
    "%Y-%m-%d %H:%M:%S", "%Y%m%d%H%M%S", "%Y-%m-%dT%H:%M:%S", "%Y/%m/%d %H:%M:%S", "%Y%m%d %H:%M:%S",
    "%Y-%m-%d %H:%M:%S.%g", "%Y-%m-%d %H:%M:%S.%f", "%Y-%m-%dT%H:%M:%S.%g", "%Y-%m-%dT%H:%M:%S.%f",
    "%Y-%m-%d %H:%M", "%Y/%m/%d %H:%M", "%Y%m%d%H%M", "%y%m%d %H:%M:%S",
)  # fmt: skip
STANDARD = {"DATE": "%Y-%m-%d", "TIMESTAMPTZ": "%Y-%m-%d %H:%M:%S"}


def _words(english: str, chinese: str) -> re.Pattern[str]:
    """English words as whole parts of a lower snake name, Chinese ones anywhere."""
    return re.compile(rf"(^|[_ ])({english})(s?)($|[_ ])|{chinese}")


CODE = _words(r"\w*(code|type|status|kind|flag|method|grade|level)|cd", "状态|类型|代码|标志|等级")
COUNT = _words("count|cnt|term|num|qty|day|month|year|age|seq|version|score|quantity|quant", "期|数|天|次|年龄|评分")
NUMBER_OF = _words("no|id|number|serial", "号|编码")
MONEY = _words(
    r"\w*(amount|amt|balance|principal)|interest|penalty|fee|income|salary|limit|price|cost|fen|yuan",
    "金额|本金|利息|罚息|余额|额度|收入|费|款",
)
RATE = _words("rate|ratio|percent|pct|apr|irr", "利率|费率|比例")
UNITS = re.compile(r"fen|yuan|分|元|percent|pct|%|‰|‱|万分|千分|百分")
CODE_VALUE = re.compile(r"[\w./ #+%()&'-]{1,24}")
LOW_SENTINELS = (-1, *(-(10**power - 1) for power in range(1, 10)))
HIGH_SENTINELS = tuple(10**power - 1 for power in range(3, 16))
FEW, MANY_ROWS, MOST_CODES = 5, 50, 12


@dataclass
class ColumnDraft:
    """A drafted column, with what a person must confirm about it."""

    name: str
    physical: str
    type: str = "VARCHAR"
    required: bool = False
    distinct: int = 0
    key_position: int | None = None
    description: str = ""
    formats: list[str] = field(default_factory=list)
    thousands: bool = False
    missing: list[str] = field(default_factory=list)
    codes: list[str] = field(default_factory=list)
    sensitivity: Sensitivity | None = None
    width: int | None = None
    path: str | None = None
    checks: list[str] = field(default_factory=list)

    @property
    def protect(self) -> str | None:
        """Kind of identifier, or None."""
        return self.sensitivity.protect if self.sensitivity else None

    @property
    def is_refused(self) -> bool:
        """True for C3 data, which no delivery may hold."""
        return self.sensitivity is not None and self.sensitivity.is_refused

    @property
    def is_number(self) -> bool:
        """True for a type one can add up."""
        return self.type.startswith(("DECIMAL", "BIGINT", "INTEGER", "DOUBLE"))


def draft_columns(table: Table) -> list[ColumnDraft]:
    """Draft every column, and put what several columns spell "no value" with into the delivery."""
    names = form_unique_names(table.names)
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'Asia/Shanghai'")
        drafts = [_draft(table, number, name, connection) for number, name in enumerate(names)]
    spelled = [spelling for draft in drafts for spelling in draft.missing if spelling in SPELLINGS]
    common = sorted({spelling for spelling in spelled if spelled.count(spelling) > 1})
    if common:
        table.delivery["missing"] = ["", *common]
        for draft in drafts:
            draft.missing = [spelling for spelling in draft.missing if spelling not in common]
        reported = ", ".join(f"{spelling!r} in {spelled.count(spelling)} columns" for spelling in common)
        table.doubt("missing", f"{reported}; a code anywhere?")
    return drafts


def _draft(table: Table, number: int, name: str, connection: duckdb.DuckDBPyConnection) -> ColumnDraft:
    physical = table.names[number]
    draft = ColumnDraft(name, physical or name)
    if physical and name.startswith("column_"):
        draft.checks.append("no English name is known for it; give one")
    if table.widths:
        draft.width = table.widths[number]
    if table.paths:
        draft.path = table.paths[number]
    draft.description = physical if physical and not physical.isascii() else ""
    counted = (
        table.frame.select(value=f"c{number + 1}").group_by("value").agg(n=pl.len()).sort("n", "value", descending=True)
    )
    text = pl.col("value").str.strip_chars()
    present = counted.filter(text.is_not_null() & (text != "") & ~text.is_in(SPELLINGS))
    draft.missing = sorted(
        set(counted.filter(text.is_in(SPELLINGS)).select(text)["value"].to_list()), key=SPELLINGS.index
    )
    draft.required = int(present["n"].sum()) == table.frame.height
    draft.distinct = present.height
    if present.is_empty():
        draft.checks.append(f"no value in {table.frame.height} rows; kept as text")
        draft.sensitivity = judge_sensitivity(name, draft.physical, present, connection)
        return _refuse(draft)
    draft.sensitivity = judge_sensitivity(name, draft.physical, present, connection)
    if draft.sensitivity:
        return _refuse(draft)
    _type(draft, present, table, connection)
    _find_codes(draft, present, table.frame.height)
    _ask_unit(draft, present)
    if draft.missing:
        total = counted.filter(~text.is_in(draft.missing) | text.is_null())["n"].sum()
        draft.checks.append(
            f"{', '.join(map(repr, draft.missing))} in {table.frame.height - int(total)} rows taken for no value"
        )
    return draft


def _refuse(draft: ColumnDraft) -> ColumnDraft:
    """Write down what is sensitive about a column; a spelling of no value stays one."""
    sensitivity = draft.sensitivity
    if sensitivity is None:
        return draft
    if sensitivity.is_refused:
        draft.required = False
        draft.checks.append(
            f"{sensitivity.evidence}: ask the party to leave it out, then delete it here; dropped until then"
        )
    else:
        draft.checks.append(f"{sensitivity.kind}: {sensitivity.evidence}")
    return draft


def _type(draft: ColumnDraft, present: pl.DataFrame, table: Table, connection: duckdb.DuckDBPyConnection) -> None:
    """Choose the narrowest type that reads the values exactly, by the expressions that land them."""
    values = present.select(v=pl.col("value").str.strip_chars(), n="n")
    connection.register("present", values)
    try:
        called = f"{draft.name} {draft.physical.lower()}"
        if _type_moment(draft, values, called, connection):
            return
        for reading in (_type_boolean, _type_number):
            if reading(draft, values, called, connection):
                return
    finally:
        connection.unregister("present")


def _reads(
    connection: duckdb.DuckDBPyConnection, kind: str, profiles: list[dict[str, Any]], where: str = "true"
) -> list[int]:
    """For each profile of a column, the rows that it reads exactly."""
    readings = [exact_sql(trial_column("v", kind, **profile), "v") for profile in profiles]
    counted = ", ".join(f"coalesce(sum(n) filter ({reading} is not null), 0)" for reading in readings)
    found = connection.execute(f"select {counted} from present where {where}").fetchall()
    return [int(number) for number in found[0]]


def _good_enough(read: int, total: int) -> bool:
    return read == total if total < 200 else read >= 0.99 * total


def _type_moment(draft: ColumnDraft, values: pl.DataFrame, called: str, connection: duckdb.DuckDBPyConnection) -> bool:
    sentinels = [text for text in (*ZERO_DATES, *LAST_DATES) if text in set(values["v"].to_list())]
    real = values.filter(~pl.col("v").is_in(sentinels))
    total = int(real["n"].sum())
    dated = real.filter(pl.col("v").str.contains(r"^\d[\d./:T 年月日-]{5,25}日?$"))
    if not total or int(dated["n"].sum()) < 0.95 * total:
        return False
    listed = ", ".join(f"'{text}'" for text in sentinels) or "''"
    plausible = (
        "case when regexp_full_match(v, '[0-9]{8}|[0-9]{12}|[0-9]{14}') then substr(v, 1, 4) between '1900' and '2100'"
        " when regexp_full_match(v, '[0-9]{6}') then not contains(v, '000')"
        " when regexp_full_match(v, '[0-9]{13}') then v between '0946684800000' and '4102444800000'"
        " when regexp_full_match(v, '[0-9]*') then false else true end"
    )
    where = f"v not in ({listed}) and {plausible}"
    is_epoch = bool(real["v"].str.len_chars().eq(13).all()) and bool(real["v"].str.contains(r"^\d+$").all())
    moments = ("epoch_ms",) if is_epoch else MOMENTS
    for kind, layouts in (("DATE", DAYS), ("TIMESTAMPTZ", moments)):
        counts = _reads(connection, kind, [{"format": layout} for layout in layouts], where)
        read = dict(zip(layouts, counts, strict=True))

        def count(formats: list[str], kind: str = kind) -> int:
            return _reads(connection, kind, [{"format": formats}], where)[0]

        chosen = _cover(read, total, count)
        if not chosen or ("%y%m%d" in chosen and real.height < FEW and not re.search("date|日", called)):
            continue
        _set_moment(draft, kind, chosen, read, total, values, sentinels, called)
        return True
    return False


def _cover(read: dict[str, int], total: int, count: Callable[[list[str]], int]) -> list[str]:
    """The fewest formats, the widest first, that together read all values; none if they do not."""
    best = max(read, key=lambda layout: read[layout])
    chosen = [best]
    if _good_enough(read[best], total):
        return chosen
    for layout in sorted(read, key=lambda layout: -read[layout]):
        if layout not in chosen and read[layout] and count([*chosen, layout]) > count(chosen):
            chosen.append(layout)
        if _good_enough(count(chosen), total):
            return chosen
    return []


def _set_moment(
    draft: ColumnDraft,
    kind: str,
    chosen: list[str],
    read: dict[str, int],
    total: int,
    values: pl.DataFrame,
    sentinels: list[str],
    called: str,
) -> None:
    draft.type = kind
    draft.formats = [] if chosen == [STANDARD[kind]] else chosen
    whole = [layout for layout in chosen if layout.endswith("%H:%M:%S")]
    if (
        kind == "TIMESTAMPTZ"
        and whole == chosen
        and values.filter(~pl.col("v").is_in(sentinels))["v"].str.ends_with("00:00:00").all()
    ):
        draft.type, draft.formats = "DATE", chosen
        draft.checks.append("every time of day is 00:00:00, so a date")
    rivals = [layout for layout in read if layout not in chosen and read[layout] >= read[chosen[0]]]
    if rivals:
        draft.checks.append(f"{', '.join(rivals)} reads as many values as {chosen[0]}; two readings are equally good")
    if len(chosen) > 1:
        draft.checks.append("; ".join(f"{layout} reads {read[layout]} of {total}" for layout in chosen))
    if len(chosen) == 1 and read[chosen[0]] < total:
        draft.checks.append(f"{total - read[chosen[0]]} of {total} values are no {kind} and would be quarantined")
    if draft.type == "TIMESTAMPTZ" and "epoch_ms" not in chosen:
        draft.checks.append("on which clock? read as Asia/Shanghai")
    for sentinel in sentinels:
        count = int(values.filter(pl.col("v") == sentinel)["n"].sum())
        if sentinel in LAST_DATES and OPEN_ENDED.search(called):
            draft.checks.append(
                f"{sentinel} in {count} rows kept as a date: open-ended; put it under missing if it means unknown"
            )
        else:
            draft.missing.append(sentinel)
            draft.required = False


def _type_boolean(
    draft: ColumnDraft, values: pl.DataFrame, called: str, _connection: duckdb.DuckDBPyConnection
) -> bool:
    found = set(values["v"].str.to_lowercase().to_list())
    words = found <= {"true", "false"}
    if words or (found <= {"0", "1"} and re.search(r"(^|_)(is|has)_", draft.name)):
        draft.type = "BOOLEAN"
        if len(found) == 1:
            draft.checks.append("only one of the two values occurs")
        return True
    return False


def _type_number(draft: ColumnDraft, values: pl.DataFrame, called: str, connection: duckdb.DuckDBPyConnection) -> bool:
    total = int(values["n"].sum())
    plain, grouped = _reads(connection, "DECIMAL(38,10)", [{}, {"thousands": True}])
    draft.thousands = grouped > plain
    if not _good_enough(max(plain, grouped), total):
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
    read = _reads(connection, "DOUBLE", [{}])[0]
    if not _good_enough(read, total) or MONEY.search(called) or RATE.search(called):
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
            f"{_several(digits.height, 'distinct number')}: a code; equally good as a number, if one can add them up"
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


def _find_codes(draft: ColumnDraft, present: pl.DataFrame, rows: int) -> None:
    """List a closed set of codes, unless they could be people."""
    values = sorted({value.strip() for value in present["value"].to_list()})
    if draft.type != "VARCHAR" or len(values) > MOST_CODES or rows < MANY_ROWS or len(values) * 4 > present["n"].sum():
        return
    human = sum(is_surname_first(value) for value in values) * 2 > len(values)
    if HUMAN.search(f"{draft.name} {draft.physical}") or human:
        draft.checks.append(f"{len(values)} distinct values in {rows} rows, not listed: they could be people's names")
    elif all(CODE_VALUE.fullmatch(value) and not re.search(r"\d{6,}|@", value) for value in values):
        draft.codes = values
        draft.checks.append(
            f"{_several(len(values), 'distinct value')} in {int(present['n'].sum())}; all of them, meaning what?"
        )


def _several(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' if number > 1 else ''}"


def _ask_unit(draft: ColumnDraft, present: pl.DataFrame) -> None:
    """Put the unit of an amount or a rate as a question into the description."""
    called = f"{draft.name} {draft.physical.lower()}"
    if not draft.is_number:
        return
    head = draft.description or draft.physical
    said = bool(UNITS.search(called))
    if RATE.search(called):
        draft.description = f"{head}; in {_rate_unit(present)}?"
        draft.checks.append("fraction, percent, per mille or per ten thousand, and a year, month or day?")
    elif MONEY.search(called) or re.search("元|yuan", called):
        unit = "分" if draft.type == "BIGINT" else "元"
        if said:
            unit = "万元" if "万元" in called else "分" if re.search(r"fen|分", called) else "元"
        draft.description = f"{head}; in {unit}?"
        draft.checks.append(
            f"unit {unit} by its name"
            if said
            else f"unit {unit} only because its numbers {'are whole' if unit == '分' else 'have decimals'}"
        )
    elif not (draft.name.startswith("column_") or len(draft.name) <= 3):
        return
    elif draft.type in ("DECIMAL(18,2)", "BIGINT"):
        unit = "分" if draft.type == "BIGINT" else "元"
        draft.description = f"{draft.description}; an amount, in {unit}?".lstrip("; ")
        draft.checks.append(f"nothing but its numbers says that it could be an amount in {unit}")
    elif draft.type == "DECIMAL(9,4)":
        draft.description = f"{draft.description}; a rate, in {_rate_unit(present)}?".lstrip("; ")
        draft.checks.append("nothing but its decimals says that it could be a rate")


def _rate_unit(present: pl.DataFrame) -> str:
    numbers = present["value"].str.strip_chars().cast(pl.Float64, strict=False).drop_nulls().abs()
    middle = numbers.median() if len(numbers) else 0.0
    middle = middle if isinstance(middle, float) else 0.0
    return "a fraction of 1" if middle <= 1 else "percent" if middle <= 60 else "per mille or per ten thousand"
