"""The closed, typed declaration of a feature view.

One file under `features/views/` is one view: the features of one entity computed from one published table of
versioned facts. The declaration is all there is: the engine, the gate, the scoring table and the model card
read the same object. A definition's hash is its version: two values are comparable exactly when it is equal.
"""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from features.feature import Column, Feature, Span, Text
from features.purpose import Purpose
from ingestion.foundation.declarations import Closed

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
