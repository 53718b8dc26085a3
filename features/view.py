"""The closed, typed declaration of a feature view.

One file under `features/views/` is one view: the features of one entity computed from one published table of
versioned facts. The declaration is all there is: the engine, the gate, the scoring table and the model card
read the same object. A definition's hash is its version: two values are comparable exactly when it is equal.
"""

from __future__ import annotations

import hashlib
import json
import re
from datetime import timedelta
from typing import Annotated, Literal, Self, get_args

import sqlglot
import sqlglot.errors
from pydantic import Field, StringConstraints, model_validator
from sqlglot import expressions as exp

from ingestion.foundation.declarations import Closed

Purpose = Literal[
    "UNDERWRITE",
    "FRAUD",
    "LIMIT_MGMT",
    "SERVICING",
    "COLLECTION",
    "MARKETING",
    "MODEL_DEV",
    "REPORT_AGG",
    "REGULATORY",
    "BUREAU_REPORT",
    "BUREAU_QUERY",
    "PARTNER_SETTLEMENT",
    "JOINT_RISK",
    "DSR",
]
"""Purpose codes of DOMAIN 4.2; a consumer names exactly one."""

PURPOSES: tuple[str, ...] = get_args(Purpose)

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

PROHIBITED_COLUMNS = frozenset(
    {
        "gender",
        "sex",
        "ethnicity",
        "religion",
        "marital_status",
        "health",
        "name",
        "name_masked",
        "surname",
        "address",
        "region",
        "location",
        "address_book",
        "message_text",
    }
)
"""Columns that no feature may read (DOMAIN 5, prohibited as model inputs)."""

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]*(_[a-z0-9]+)*$")]
FeatureName = Annotated[str, StringConstraints(pattern=r"^_?[a-z][a-z0-9]*(_[a-z0-9]+)*$")]
Column = Annotated[str, StringConstraints(pattern=r"^_?[a-z][a-z0-9_]*$")]
Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]
Span = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]*[dh]$")]
Window = Annotated[str, StringConstraints(pattern=r"^(all|[1-9][0-9]*[dh])$")]
Type = Annotated[
    str,
    StringConstraints(pattern=r"^(decimal\([0-9]{1,2},[0-9]{1,2}\)|bigint|double|date|timestamptz|varchar)$"),
]

_ROW_WISE = (
    exp.And,
    exp.Or,
    exp.Not,
    exp.Paren,
    exp.EQ,
    exp.NEQ,
    exp.GT,
    exp.GTE,
    exp.LT,
    exp.LTE,
    exp.In,
    exp.Is,
    exp.Between,
    exp.Null,
    exp.Boolean,
    exp.Literal,
    exp.Column,
    exp.Identifier,
    exp.Add,
    exp.Sub,
    exp.Mul,
    exp.Div,
    exp.Neg,
    exp.Abs,
    exp.Nullif,
    exp.Coalesce,
    exp.Case,
    exp.If,
    exp.Extract,
    exp.Var,
    exp.Like,
)


def parse_span(text: str) -> timedelta | None:
    """Length of a window or staleness bound; a day is 24 hours; None for `all`."""
    if text == "all":
        return None
    number = int(text[:-1])
    return timedelta(days=number) if text.endswith("d") else timedelta(hours=number)


def find_columns(sql: str) -> tuple[str, ...]:
    """Columns that a row-wise SQL expression reads, sorted.

    Raises: ValueError when the text is not SQL, or not row-wise: an aggregate, window or subquery would see
    other rows of the bucket, and so depend on the layout.
    """
    try:
        tree = sqlglot.parse_one(sql, dialect="duckdb")
    except sqlglot.errors.SqlglotError as error:
        detail = str(error).splitlines()[0]
        raise ValueError(f"`{sql}` is not an SQL expression ({detail})") from None
    foreign = sorted({type(node).__name__ for node in tree.walk() if not isinstance(node, _ROW_WISE)})
    if foreign:
        raise ValueError(
            f"`{sql}` uses {', '.join(foreign)}; allowed are comparisons, and/or/not, in, between, is null, "
            "like, arithmetic, abs, nullif, coalesce, case and extract over columns"
        )
    return tuple(sorted({column.name for column in tree.find_all(exp.Column)}))


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
    window: Window | None = None
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
            return [*extra, *_sql_problems(self.expression)]
        problems = _sql_problems(self.filter) if self.filter is not None else []
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


def _sql_problems(sql: str) -> list[str]:
    try:
        find_columns(sql)
    except ValueError as error:
        return [str(error)]
    return []


class View(Closed):
    """Features of one entity from one published table of versioned facts.

    `source` is a published table with one row per version of an event. `event_time` and `known_at` are
    TIMESTAMPTZ, or DATE, which stands for the last instant of that business day. `superseded_at` is null for
    a source without restatements. `max_staleness` bounds the age, at scoring, of the newest row of the
    source. `legal_basis: consent` admits a customer only with a valid consent for the consumer's purpose.
    """

    view: Name
    stage: Literal["pre", "mid", "post"]
    version: Annotated[int, Field(ge=1)]
    owner: Text
    description: Text
    entity: Column
    source_set: Name = "warehouse"
    source: Name
    event_time: Column
    known_at: Column
    superseded_at: Column | None
    legal_basis: Literal["consent", "public_research", "contract"] = "consent"
    purposes: tuple[Purpose, ...]
    max_staleness: Span
    features: Annotated[tuple[Feature, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        problems = []
        if self.legal_basis == "consent" and not self.purposes:
            problems.append("`purposes` is empty; name them, or declare another `legal_basis`")
        declared: set[str] = set()
        for feature in self.features:
            if feature.name in declared:
                problems.append(f"feature {feature.name} is declared twice; rename one")
            prohibited = sorted(PROHIBITED_COLUMNS.intersection(feature.reads))
            if prohibited and feature.expression is None:
                problems.append(f"feature {feature.name} reads {', '.join(prohibited)}, which no feature may use")
            if feature.expression is not None:
                unknown = [name for name in feature.reads if name not in declared]
                if unknown:
                    problems.append(f"feature {feature.name} reads {', '.join(unknown)}, not declared above it")
            if feature.name in {self.entity, "as_of"}:
                problems.append(f"feature {feature.name} has the name of a spine column; rename it")
            declared.add(feature.name)
        if not any(not feature.is_private for feature in self.features):
            problems.append("every feature is private; name at least one without a leading underscore")
        if problems:
            raise ValueError("; ".join(problems))
        return self

    @property
    def source_columns(self) -> tuple[str, ...]:
        """Columns of the source that the view reads, clocks and entity included."""
        clocks = {self.entity, self.event_time, self.known_at}
        superseded = {self.superseded_at} if self.superseded_at else set()
        read = {c for f in self.features if f.expression is None for c in f.reads}
        return tuple(sorted(clocks | superseded | read))

    def list_features(self, purpose: str | None = None) -> tuple[Feature, ...]:
        """Public features, in declared order, that `purpose` may use; all public ones without a purpose."""
        return tuple(
            f for f in self.features if not f.is_private and (purpose is None or purpose not in f.prohibited_for)
        )

    def digest_definition(self, feature: Feature) -> str:
        """Hash of what decides a feature's value: source, clocks, aggregate; not its name or prose."""
        by_name = {f.name: f for f in self.features}
        spec: dict[str, object] = {
            "clock": [
                self.source_set,
                self.source,
                self.entity,
                self.event_time,
                self.known_at,
                self.superseded_at,
            ],
            "type": feature.type,
            "when_empty": feature.when_empty,
        }
        if feature.expression is not None:
            spec["expression"] = feature.expression
            spec["inputs"] = {name: self.digest_definition(by_name[name]) for name in feature.reads}
        else:
            keys = ("aggregate", "column", "window", "filter", "last")
            spec |= {key: getattr(feature, key) for key in keys}
        return _digest(spec)

    @property
    def feature_version(self) -> str:
        """Hash of every public feature's name and definition; unchanged by prose, owner, bounds or order."""
        return _digest({f.name: self.digest_definition(f) for f in self.list_features()})


def combine_versions(views: tuple[View, ...]) -> str:
    """The feature version of several views together, independent of their order."""
    return _digest({view.view: view.feature_version for view in views})


def _digest(content: object) -> str:
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
