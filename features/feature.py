"""The closed, typed declaration of one feature: an aggregate over a window, or an expression over other features."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from features.expression import find_columns, find_sql_problems
from features.purpose import Purpose
from ingestion.foundation.declarations import Closed

Aggregate = Literal[
    "count",
    "count_distinct",
    "sum",
    "mean",
    "std",
    "max",
    "min",
    "last",
    "first",
    "days_since_last",
    "days_since_first",
    "min_gap_hours",
]

WITHOUT_COLUMN = frozenset({"days_since_last", "days_since_first", "min_gap_hours"})
FIXED_TYPES = {
    "count": "bigint",
    "count_distinct": "bigint",
    "days_since_last": "bigint",
    "days_since_first": "bigint",
    "min_gap_hours": "double",
    "std": "double",
}

FeatureName = Annotated[str, StringConstraints(pattern=r"^_?[a-z][a-z0-9]*(_[a-z0-9]+)*$")]
Column = Annotated[str, StringConstraints(pattern=r"^_?[a-z][a-z0-9_]*$")]
Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]
Span = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]*[dh]$")]
WindowSpan = Annotated[str, StringConstraints(pattern=r"^(all|[1-9][0-9]*[dh])$")]
Type = Annotated[
    str,
    StringConstraints(pattern=r"^(decimal\([0-9]{1,2},[0-9]{1,2}\)|bigint|double|date|timestamptz|varchar)$"),
]


def parse_span(text: str) -> timedelta | None:
    """Length of a window or staleness bound; a day is 24 hours; None for `all`."""
    if text == "all":
        return None
    number = int(text[:-1])
    return timedelta(days=number) if text.endswith("d") else timedelta(hours=number)


class Feature(Closed):
    """One feature: an aggregate of the view's source, or an expression over features declared before it.

    A name with a leading underscore is a private step: computed, never shown. Null values of `column` are not
    events for the feature, as in SQL aggregates. `last: n` keeps the newest n of the events in the window.
    """

    name: FeatureName
    title: Text
    description: Text
    type: Type
    aggregate: Aggregate | None = None
    column: Column | None = None
    window: WindowSpan | None = None
    filter: Text | None = None
    last: Annotated[int, Field(ge=1)] | None = None
    expression: Text | None = None
    when_empty: Literal[0] | None = None
    minimum: float | None = None
    maximum: float | None = None
    prohibited_for: tuple[Purpose, ...] = ()
    source_code: Annotated[int, Field(ge=1, le=116)] | None = None

    @property
    def is_private(self) -> bool:
        return self.name.startswith("_")

    @property
    def reads(self) -> tuple[str, ...]:
        """Source columns of an aggregate, or feature names of an expression."""
        if self.expression is not None:
            return find_columns(self.expression)
        filtered = find_columns(self.filter) if self.filter is not None else ()
        return tuple(sorted({*filtered, *([self.column] if self.column else [])}))

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        problems = [*self._shape_problems(), *self._type_problems(), *self._name_problems()]
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _shape_problems(self) -> list[str]:
        if (self.aggregate is None) == (self.expression is None):
            return ["give exactly one of `aggregate` and `expression`"]
        if self.expression is not None:
            given = [k for k in ("column", "window", "filter", "last") if getattr(self, k) is not None]
            extra = [f"an expression takes no {', '.join(f'`{key}`' for key in given)}"] if given else []
            return [*extra, *find_sql_problems(self.expression)]
        problems = find_sql_problems(self.filter) if self.filter is not None else []
        if self.window is None:
            problems.append("give a `window`, such as 90d, or `all`")
        if self.aggregate in WITHOUT_COLUMN and self.column is not None:
            problems.append(f"`{self.aggregate}` reads the view's event time; remove `column`")
        if self.aggregate not in WITHOUT_COLUMN and self.aggregate != "count" and self.column is None:
            problems.append(f"`{self.aggregate}` needs a `column`")
        if self.last is not None and self.aggregate in {
            "last",
            "first",
            "days_since_last",
            "days_since_first",
        }:
            problems.append(f"`last` has no meaning for `{self.aggregate}`; remove it")
        return problems

    def _type_problems(self) -> list[str]:
        problems = []
        wanted = FIXED_TYPES.get(self.aggregate or "")
        if wanted is not None and self.type != wanted:
            problems.append(f"`{self.aggregate}` has type {wanted}, not {self.type}")
        if self.type in {"date", "timestamptz", "varchar"} and self.when_empty is not None:
            problems.append(f"`when_empty: 0` has no meaning for type {self.type}; use null")
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            problems.append("`minimum` is above `maximum`")
        if self.type.startswith("decimal"):
            precision, scale = parse_decimal_type(self.type)
            if not 1 <= precision <= 38 or scale > precision or scale > 18:
                problems.append(f"{self.type} is no decimal type; use for example decimal(18,2)")
        return problems

    def _name_problems(self) -> list[str]:
        suffix = re.search(r"_([1-9][0-9]*d)$", self.name)
        if suffix and self.window is not None and suffix.group(1) != self.window:
            return [f"the name says {suffix.group(1)} and the window {self.window}; make them equal"]
        return []


def parse_decimal_type(type_name: str) -> tuple[int, int]:
    """Precision and scale of a `decimal(p,s)` type name."""
    precision, scale = type_name.removeprefix("decimal(").removesuffix(")").split(",")
    return int(precision), int(scale)
