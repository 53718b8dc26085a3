"""A check (检核项): one rule on one table, how grave a breach is, and why anybody cares."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from ingestion.foundation.declarations import Closed
from ingestion.foundation.verdict import Severity
from quality.expectation import AnyArguments, find_canonical_name
from quality.rules import check_rule

Name = Annotated[str, Field(pattern=r"^\w+$", max_length=120)]


class Check(Closed):
    """One rule on one table: what must hold, how grave a breach is, and why anybody cares."""

    name: Name
    arguments: AnyArguments
    severity: Severity
    because: str = Field(min_length=10)
    rule: str

    @model_validator(mode="before")
    @classmethod
    def _name_the_arguments(cls, data: Any) -> Any:
        """A file names `expectation` beside `arguments`; the model holds them as one typed value."""
        if not isinstance(data, dict) or "expectation" not in data:
            return data
        rest = {key: value for key, value in data.items() if key != "expectation"}
        arguments = rest.get("arguments") or {}
        if isinstance(arguments, dict):
            rest["arguments"] = {**arguments, "expectation": find_canonical_name(str(data["expectation"]))}
        return rest

    @field_validator("rule")
    @classmethod
    def _know_the_rule(cls, rule: str) -> str:
        return check_rule(rule)
