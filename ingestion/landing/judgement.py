"""The judgement of a whole delivery (整批判定): named checks with what was observed and what is allowed, as a value.

What one row breaks is a row rule. Here is decided whether the delivery as a whole is what its contract and its sender
say: rows conserved and announced, volume, share of broken rows, business date, control totals. To refuse a delivery is
the caller's decision from that value.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Literal

import duckdb
import polars as pl

from ingestion.delivery import Delivery, DeliveryRefused, compare_totals
from ingestion.delivery.verification import ControlTotals
from ingestion.foundation.sql import quote_name, quote_text
from ingestion.landing.rounding import find_rounded_numbers
from ingestion.readers import FileUnreadable, LayoutChanged, Lines, Reading
from ingestion.readers.parts import locate_part_lines

Severity = Literal["fail", "warn"]


@dataclass(frozen=True)
class DeliveryCheck:
    """One check of a delivery: `sentence` says what is wrong where it is not held, `failing_rows` how many rows say so.

    `failing_rows` is None where only the delivery as a whole can fail.
    """

    name: str
    is_held: bool
    observed: str
    limit: str
    sentence: str = ""
    failing_rows: int | None = None
    severity: Severity = "fail"


@dataclass(frozen=True)
class Judgement:
    """All checks of one delivery that apply to it, in the order in which a sender would want to hear of them."""

    checks: tuple[DeliveryCheck, ...] = ()
    accepted: frozenset[str] = frozenset()

    @property
    def refusal(self) -> str | None:
        """What is wrong with the delivery, from its first failing check that nobody `accepted`; None if it may land."""
        failing = (check for check in self.checks if not check.is_held and check.severity == "fail")
        return next((check.sentence for check in failing if check.name not in self.accepted), None)


@dataclass(frozen=True)
class Counts:
    """Rows delivered, written and kept out, `announced` by the file itself where it does so."""

    rows_in: int
    rows_landed: int
    rows_kept_out: int
    announced: int | None = None


@dataclass(frozen=True)
class Replaced:
    """The most rows that a delivery of the date held; `is_accepted` where a person accepts that most are lost."""

    rows: int = 0
    is_accepted: bool = False

    @property
    def least(self) -> int:
        """The rows that a delivery must bring so that it does not lose most of them."""
        return (self.rows + 1) // 2

    @property
    def limit(self) -> str:
        return f"{self.least} or more of {self.rows}"


def judge_unread(error: DeliveryRefused | FileUnreadable | LayoutChanged) -> Judgement:
    """Judge a delivery that could not be read to its end, by the error that ended it."""
    match error:
        case LayoutChanged():
            found = "layout"
        case FileUnreadable():
            found = "dialect"
        case DeliveryRefused():
            found = "verification"
    sentence = str(error)
    return Judgement((DeliveryCheck(found, False, sentence.partition("\n")[0].rstrip(":"), "as contracted", sentence),))


def judge_delivery(
    connection: duckdb.DuckDBPyConnection,
    delivery: Delivery,
    reading: Reading,
    part: Path,
    counts: Counts,
    kept_out: pl.DataFrame,
    forbidden: pl.DataFrame,
    stated: ControlTotals,
    sums: dict[str, Decimal],
    replaced: Replaced,
) -> Judgement:
    """Judge a delivery whose good rows are written to `part` and whose other rows are `kept_out`, by line.

    `forbidden` are the values that look like authentication data, `stated` and `sums` the control totals as the sender
    gave them and as they were found; `replaced` is what it would replace.
    """
    checks = [_check_forbidden(delivery, forbidden), _check_announced(counts), _check_conserved(counts)]
    if counts.rows_in == 0 and reading.lines is not None:
        checks.append(_check_empty_form(delivery, reading.lines))
    checks += [_check_volume(delivery, counts.rows_in), _check_share(delivery, kept_out, counts.rows_in)]
    if counts.rows_in and not counts.rows_landed:
        checks.append(_check_some_landed(delivery, counts, kept_out))
    checks += _check_business_date(connection, delivery, part)
    checks += _check_rounded(connection, delivery, part)
    checks += check_totals(stated, counts.rows_in, sums)
    return judge_loss(checks, counts.rows_landed, replaced)


def judge_loss(checks: Iterable[DeliveryCheck], rows_landed: int, replaced: Replaced) -> Judgement:
    """The judgement of a delivery by its checks and, where it replaces another one, by the rows that it would lose."""
    if not replaced.rows:
        return Judgement(tuple(checks))
    sentence = (
        f"brings {rows_landed} rows where up to {replaced.rows} of its date were landed before; if the party confirms"
        " that the others are void, accept it with `python -m quality override` and land it again"
    )
    kept = _state("keeps_its_rows", rows_landed >= replaced.least, f"{rows_landed} rows", replaced.limit, sentence)
    return Judgement((*checks, kept), frozenset({kept.name} if replaced.is_accepted else ()))


def check_totals(stated: ControlTotals, rows: int, sums: dict[str, Decimal]) -> Iterator[DeliveryCheck]:
    """The control totals, where the sender states any."""
    announced = {"rows": stated.rows} if stated.rows is not None else {}
    if not announced and not stated.sums:
        return
    try:
        compare_totals(stated, rows, sums)
    except DeliveryRefused as difference:
        sentence = str(difference)
    else:
        sentence = ""
    limit = {**announced, **{f"sum of {name}": f"{total:f}" for name, total in stated.sums.items()}}
    found = {
        **dict.fromkeys(announced, rows),
        **{f"sum of {name}": f"{sums.get(name, Decimal(0)):f}" for name in stated.sums},
    }
    yield DeliveryCheck("control_totals", not sentence, _list_pairs(found), _list_pairs(limit), sentence)


def _state(name: str, is_held: bool, observed: str, limit: str, sentence: str) -> DeliveryCheck:
    """A check whose sentence is said only where it is not held."""
    return DeliveryCheck(name, is_held, observed, limit, "" if is_held else sentence)


def _list_pairs(pairs: dict[str, object]) -> str:
    return ", ".join(f"{name} {value}" for name, value in pairs.items())


def _check_forbidden(delivery: Delivery, forbidden: pl.DataFrame) -> DeliveryCheck:
    sentence = ""
    if forbidden.height:
        line, column, rule = forbidden.select("line_number", "column", "rule").row(0)
        sentence = f"{_locate(delivery, line)}, column {column} holds {rule}, {forbidden.height} values in all"
    return DeliveryCheck(
        "authentication_data", not sentence, f"{forbidden.height} values", "none", sentence, forbidden.height
    )


def _check_announced(counts: Counts) -> DeliveryCheck:
    announced = counts.rows_in if counts.announced is None else counts.announced
    return _state(
        "announced_rows",
        announced == counts.rows_in,
        str(counts.rows_in),
        "not announced" if counts.announced is None else str(announced),
        f"line 1 announces {announced} rows, the file has {counts.rows_in}",
    )


def _check_conserved(counts: Counts) -> DeliveryCheck:
    accounted = f"{counts.rows_landed} + {counts.rows_kept_out}"
    return _state(
        "rows_conserved",
        counts.rows_in == counts.rows_landed + counts.rows_kept_out,
        accounted,
        str(counts.rows_in),
        f"{counts.rows_in} rows came in, {accounted} were accounted for",
    )


def _check_empty_form(delivery: Delivery, lines: Lines) -> DeliveryCheck:
    """A file without rows is legal only in the form that the contract names; without heading both are one."""
    contracted = delivery.dataset.delivery
    form = "empty_file" if lines.delivered.stat().st_size == 0 else "header_only"
    has_heading = contracted.reader == "delimited" and contracted.header != "none"
    forms = {form} if has_heading else {"empty_file", "header_only"}
    legal = ", ".join(contracted.no_data) or "none"
    sentence = f"holds no row ({form}), the contract's ways to say so are: {legal}"
    return _state("empty_form", bool(forms & set(contracted.no_data)), form, legal, sentence)


def _check_volume(delivery: Delivery, rows_in: int) -> DeliveryCheck:
    volume = delivery.dataset.delivery.volume
    envelope = f"{volume.minimum}..{volume.maximum}"
    sentence = f"has {rows_in} rows, outside the contract's volume {envelope}"
    return _state("volume", volume.minimum <= rows_in <= volume.maximum, str(rows_in), envelope, sentence)


def _check_share(delivery: Delivery, kept_out: pl.DataFrame, rows_in: int) -> DeliveryCheck:
    """The share of rows that break a rule; a single one is never too many."""
    share = delivery.dataset.delivery.max_quarantine_share
    observed = f"{kept_out.height} of {rows_in} rows"
    if kept_out.height <= max(share * rows_in, 1):
        return DeliveryCheck("quarantine_share", True, observed, f"{share:.2%}", failing_rows=kept_out.height)
    worst = kept_out.group_by("column", "rule").len()
    column, rule, count = worst.sort("len", "column", "rule", descending=[True, False, False]).row(0)
    sentence = (
        f"{observed} break a rule, more than the contract's {share:.2%} (most: column {column or '(line)'},"
        f" rule {rule}, {count} rows, first at {_locate(delivery, kept_out.item(0, 'line_number'))})"
    )
    return DeliveryCheck("quarantine_share", False, observed, f"{share:.2%}", sentence, kept_out.height)


def _check_some_landed(delivery: Delivery, counts: Counts, kept_out: pl.DataFrame) -> DeliveryCheck:
    """One broken row is never too many, unless it is all there is: then the file is not what was agreed."""
    is_held = delivery.dataset.delivery.max_quarantine_share == 1
    sentence = ""
    if not is_held:
        line, column, rule = kept_out.row(0)
        sentence = (
            f"has no row that can be read: all {counts.rows_in} break a rule (first at {_locate(delivery, line)}:"
            f" column {column or '(line)'}, rule {rule})"
        )
    return DeliveryCheck("some_landed", is_held, f"{counts.rows_landed} rows", "1 or more", sentence)


def _check_business_date(
    connection: duckdb.DuckDBPyConnection, delivery: Delivery, part: Path
) -> Iterator[DeliveryCheck]:
    """The business date in a column, where the contract names one, against that of the delivery."""
    column = delivery.dataset.delivery.business_date
    if column is None:
        return
    other = f"cast({quote_name(column)} as date) <> date '{delivery.batch_date}'"
    rows = f"read_parquet({quote_text(part)})"
    count, first = connection.execute(f"select count(*), min(_line_number) from {rows} where {other}").fetchall()[0]
    sentence = ""
    if count:
        sentence = (
            f"{count} rows say another business date in column {column} than the file's name (first at"
            f" {_locate(delivery, first)})"
        )
    yield DeliveryCheck(
        "business_date", not count, f"{count} rows of other dates", str(delivery.batch_date), sentence, count
    )


def _check_rounded(connection: duckdb.DuckDBPyConnection, delivery: Delivery, part: Path) -> Iterator[DeliveryCheck]:
    """Long numbers that a spreadsheet has rounded, which would make different persons one."""
    found = find_rounded_numbers(connection, delivery.dataset, f"read_parquet({quote_text(part)})")
    if found is not None:
        observed = f"{found.rounded} of {found.numbers} in column {found.column}"
        sentence = (
            "has numbers that the sender's spreadsheet has rounded:"
            f" of {found.numbers} numbers of more than 15 digits in column {found.column}, {found.rounded} end in zeros"
            " from the 16th digit on; ask for a file with them as text (or, if they are right, declare round_numbers)"
        )
        yield DeliveryCheck("unrounded_numbers", False, observed, "as chance has it", sentence)


def _locate(delivery: Delivery, line: int) -> str:
    """A line as its sender finds it: of a split delivery the one in its part."""
    if not delivery.parts:
        return f"line {line}"
    part, number = locate_part_lines(delivery).locate(pl.Series([line])).row(0)
    return f"line {number} of {part}"
