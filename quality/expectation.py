"""The closed vocabulary of checks: each is one Great Expectations class, with its arguments typed.

Quantile, KL-divergence and type expectations are absent on purpose: on DuckDB they crash the run or do not
know the types (MEASURED.md B1). Such a rule is written as `unexpected_rows`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from ingestion.foundation import BUSINESS_TIMEZONE
from ingestion.foundation.sql import quote_name, quote_text
from quality.layout import Column

PLACEHOLDERS = ("table", "batch_date", "day_end", "last_published_rows", "least_rows", "least_current_rows")
Scalar = bool | int | float | str


MEANING = 1  # raise it when the same arguments are judged otherwise than before: verdicts of the old meaning end


@dataclass(frozen=True)
class Scope:
    """What the placeholders of a check stand for in one audit of one table."""

    table: str
    batch_date: date
    last_published_rows: int = 0
    least_rows: int = 0
    least_current_rows: int = 0

    @property
    def day_end(self) -> datetime:
        """First instant after the business date, Asia/Shanghai: an event at or after it is a future event."""
        return datetime.combine(self.batch_date + timedelta(days=1), time(), BUSINESS_TIMEZONE)

    def render(self, text: str) -> str:
        """Replace every placeholder."""
        values = {
            "table": f"main.{quote_name(self.table)}",
            "batch_date": self.batch_date.isoformat(),
            "day_end": self.day_end.isoformat(sep=" "),
            "last_published_rows": str(self.last_published_rows),
            "least_rows": str(self.least_rows),
            "least_current_rows": str(self.least_current_rows),
        }
        for name, value in values.items():
            text = text.replace("{" + name + "}", value)
        return text

    def resolve_bound(self, value: Scalar | None) -> Scalar | None:
        """Resolve a bound; a row count is a number, a date stays text."""
        match value:
            case "{last_published_rows}":
                return self.last_published_rows
            case "{least_rows}":
                return self.least_rows
        return self.render(value) if isinstance(value, str) else value


def _check_placeholders(text: str) -> str:
    for found in re.findall(r"\{([^{}]*)\}|[{}]", text):
        if found not in PLACEHOLDERS:
            known = ", ".join("{" + name + "}" for name in PLACEHOLDERS)
            raise ValueError(f"has the placeholder {{{found}}}; only {known} exist")
    return text


class Arguments(BaseModel):
    """Arguments of one expectation."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    expectation: str

    @property
    def gx_class(self) -> str:
        return "".join(word.capitalize() for word in self.expectation.split("_"))

    def resolve(self, scope: Scope) -> dict[str, Any]:
        """Arguments of the Great Expectations class, placeholders replaced."""
        return {
            name: scope.resolve_bound(value) if name in ("min_value", "max_value") else value
            for name, value in self.model_dump(exclude={"expectation"}).items()
            if value is not None
        }

    def list_columns(self) -> tuple[str, ...]:
        """Columns that a failing row is shown with, beside the key."""
        return ()

    def failing_rows_sql(self, scope: Scope) -> str | None:
        """SQL of the rows that break the check; None where only the whole table can break it."""
        condition = self.failing_condition_sql(scope)
        return None if condition is None else f"select * from {scope.render('{table}')} where {condition}"

    def failing_condition_sql(self, _scope: Scope) -> str | None:
        return None


class ColumnArguments(Arguments):
    """Arguments of a check on the values of one column; `mostly` is the share of rows that must pass."""

    column: Column
    mostly: float | None = Field(default=None, gt=0, le=1)

    def list_columns(self) -> tuple[str, ...]:
        return (self.column,)


class ValuesNotNull(ColumnArguments):
    expectation: Literal["expect_column_values_to_not_be_null"] = "expect_column_values_to_not_be_null"

    def failing_condition_sql(self, _scope: Scope) -> str:
        return f"{quote_name(self.column)} is null"


class ValuesNull(ColumnArguments):
    expectation: Literal["expect_column_values_to_be_null"] = "expect_column_values_to_be_null"

    def failing_condition_sql(self, _scope: Scope) -> str:
        return f"{quote_name(self.column)} is not null"


class ValuesUnique(ColumnArguments):
    expectation: Literal["expect_column_values_to_be_unique"] = "expect_column_values_to_be_unique"

    def failing_rows_sql(self, scope: Scope) -> str:
        return _repeated(scope, (self.column,))


class ColumnsUnique(Arguments):
    """Rows are unique over several columns together."""

    expectation: Literal["expect_compound_columns_to_be_unique"] = "expect_compound_columns_to_be_unique"
    column_list: tuple[Column, ...] = Field(min_length=2)

    def resolve(self, _scope: Scope) -> dict[str, Any]:
        return {"column_list": list(self.column_list), "ignore_row_if": "never"}

    def list_columns(self) -> tuple[str, ...]:
        return self.column_list

    def failing_rows_sql(self, scope: Scope) -> str:
        return _repeated(scope, self.column_list)


class ValuesInSet(ColumnArguments):
    expectation: Literal["expect_column_values_to_be_in_set"] = "expect_column_values_to_be_in_set"
    value_set: tuple[Scalar, ...] = Field(min_length=1)

    def failing_condition_sql(self, _scope: Scope) -> str:
        return f"{quote_name(self.column)} not in ({_literals(self.value_set)})"


class ValuesNotInSet(ColumnArguments):
    expectation: Literal["expect_column_values_to_not_be_in_set"] = "expect_column_values_to_not_be_in_set"
    value_set: tuple[Scalar, ...] = Field(min_length=1)

    def failing_condition_sql(self, _scope: Scope) -> str:
        return f"{quote_name(self.column)} in ({_literals(self.value_set)})"


class ValuesMatchRegex(ColumnArguments):
    """The pattern is searched anywhere in the value: anchor it with `^` and `$`."""

    expectation: Literal["expect_column_values_to_match_regex"] = "expect_column_values_to_match_regex"
    regex: str = Field(min_length=1)

    def failing_condition_sql(self, _scope: Scope) -> str:
        return f"not regexp_matches({quote_name(self.column)}, {quote_text(self.regex)})"


class _Bounds(BaseModel):
    min_value: Scalar | None = None
    max_value: Scalar | None = None
    strict_min: bool | None = None
    strict_max: bool | None = None

    @model_validator(mode="before")
    @classmethod
    def _write_dates_as_text(cls, data: Any) -> Any:
        if isinstance(data, dict):
            return {k: v.isoformat() if isinstance(v, date) else v for k, v in data.items()}
        return data

    @model_validator(mode="after")
    def _require_a_bound(self) -> _Bounds:
        if self.min_value is None and self.max_value is None:
            raise ValueError("has no bound; give min_value, max_value or both")
        return self

    @field_validator("min_value", "max_value")
    @classmethod
    def _know_placeholders(cls, value: Scalar | None) -> Scalar | None:
        return _check_placeholders(value) if isinstance(value, str) else value


class ValuesBetween(ColumnArguments, _Bounds):
    """Bounds are inclusive unless `strict_min`/`strict_max`; NULL passes."""

    expectation: Literal["expect_column_values_to_be_between"] = "expect_column_values_to_be_between"

    def failing_condition_sql(self, _scope: Scope) -> str:
        column = quote_name(self.column)
        low, high = _scope.resolve_bound(self.min_value), _scope.resolve_bound(self.max_value)
        terms = []
        if low is not None:
            terms.append(f"{column} {'<=' if self.strict_min else '<'} {_literal(low)}")
        if high is not None:
            terms.append(f"{column} {'>=' if self.strict_max else '>'} {_literal(high)}")
        return " or ".join(terms)


class LengthsEqual(ColumnArguments):
    expectation: Literal["expect_column_value_lengths_to_equal"] = "expect_column_value_lengths_to_equal"
    value: int = Field(ge=0)

    def failing_condition_sql(self, _scope: Scope) -> str:
        return f"length({quote_name(self.column)}) <> {self.value}"


class PairGreater(Arguments):
    """`column_A` is greater than `column_B` (or equal); rows where either is NULL are left out."""

    expectation: Literal["expect_column_pair_values_a_to_be_greater_than_b"] = (
        "expect_column_pair_values_a_to_be_greater_than_b"
    )
    column_A: Column  # noqa: N815 (Great Expectations' own name)
    column_B: Column  # noqa: N815
    or_equal: bool = False

    @property
    def gx_class(self) -> str:
        return "ExpectColumnPairValuesAToBeGreaterThanB"

    def resolve(self, scope: Scope) -> dict[str, Any]:
        return super().resolve(scope) | {"ignore_row_if": "either_value_is_missing"}

    def list_columns(self) -> tuple[str, ...]:
        return (self.column_A, self.column_B)

    def failing_condition_sql(self, _scope: Scope) -> str:
        return f"not ({quote_name(self.column_A)} {'>=' if self.or_equal else '>'} {quote_name(self.column_B)})"


class RowCountBetween(Arguments, _Bounds):
    expectation: Literal["expect_table_row_count_to_be_between"] = "expect_table_row_count_to_be_between"


class ColumnsMatchSet(Arguments):
    """The table has these columns; with `exact_match`, no others."""

    expectation: Literal["expect_table_columns_to_match_set"] = "expect_table_columns_to_match_set"
    column_set: tuple[Column, ...] = Field(min_length=1)
    exact_match: bool = False

    def resolve(self, scope: Scope) -> dict[str, Any]:
        return super().resolve(scope) | {"column_set": list(self.column_set)}


class _AggregateBetween(Arguments, _Bounds):
    column: Column


class SumBetween(_AggregateBetween):
    expectation: Literal["expect_column_sum_to_be_between"] = "expect_column_sum_to_be_between"


class MeanBetween(_AggregateBetween):
    expectation: Literal["expect_column_mean_to_be_between"] = "expect_column_mean_to_be_between"


class MaxBetween(_AggregateBetween):
    expectation: Literal["expect_column_max_to_be_between"] = "expect_column_max_to_be_between"


class MinBetween(_AggregateBetween):
    expectation: Literal["expect_column_min_to_be_between"] = "expect_column_min_to_be_between"


class UnexpectedRows(Arguments):
    """A query over `{table}` (and any other table of the file) that returns the rows which break the rule."""

    expectation: Literal["unexpected_rows"] = "unexpected_rows"
    query: str

    @field_validator("query")
    @classmethod
    def _name_the_table(cls, query: str) -> str:
        if "{table}" not in query:
            raise ValueError("does not name {table}; select from {table} so that the check follows the table")
        return _check_placeholders(query).strip().rstrip(";")

    @property
    def gx_class(self) -> str:
        return "UnexpectedRowsExpectation"

    def resolve(self, scope: Scope) -> dict[str, Any]:
        # {batch} becomes `(select …) AS subselect`, which admits no alias of the author's own; in a comment
        # it only satisfies the class, and the query reads the table itself.
        return {"unexpected_rows_query": f"/* {{batch}} */ {scope.render(self.query)}"}

    def failing_rows_sql(self, scope: Scope) -> str:
        return scope.render(self.query)


AnyArguments = Annotated[
    ValuesNotNull
    | ValuesNull
    | ValuesUnique
    | ColumnsUnique
    | ValuesInSet
    | ValuesNotInSet
    | ValuesMatchRegex
    | ValuesBetween
    | LengthsEqual
    | PairGreater
    | RowCountBetween
    | ColumnsMatchSet
    | SumBetween
    | MeanBetween
    | MaxBetween
    | MinBetween
    | UnexpectedRows,
    Field(discriminator="expectation"),
]

VOCABULARY: tuple[type[Arguments], ...] = (
    ValuesNotNull,
    ValuesNull,
    ValuesUnique,
    ColumnsUnique,
    ValuesInSet,
    ValuesNotInSet,
    ValuesMatchRegex,
    ValuesBetween,
    LengthsEqual,
    PairGreater,
    RowCountBetween,
    ColumnsMatchSet,
    SumBetween,
    MeanBetween,
    MaxBetween,
    MinBetween,
    UnexpectedRows,
)
NAMES: tuple[str, ...] = tuple(str(kind.model_fields["expectation"].default) for kind in VOCABULARY)


def find_canonical_name(name: str) -> str:
    """Snake-case name of an expectation given in snake case or as its Great Expectations class."""
    classes = {
        kind.model_construct(expectation=label).gx_class: label for kind, label in zip(VOCABULARY, NAMES, strict=True)
    }
    return classes.get(name, name)


def _repeated(scope: Scope, columns: tuple[str, ...]) -> str:
    listed = ", ".join(quote_name(column) for column in columns)
    present = " and ".join(f"{quote_name(column)} is not null" for column in columns) if len(columns) == 1 else "true"
    return f"select * from {scope.render('{table}')} where {present} qualify count(*) over (partition by {listed}) > 1"


def _literal(value: Scalar) -> str:
    return quote_text(value) if isinstance(value, str) else str(value)


def _literals(values: tuple[Scalar, ...]) -> str:
    return ", ".join(_literal(value) for value in values)
