"""What the file of a set of training rows declares: for which purpose, from which views, how much may be lost."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, ValidationError

from ingestion.foundation.declarations import Closed, Problem
from quality.sets import GatedSet, SetsInvalid
from quality.suite import Share

TRAINING = "features.suite:make_training_suites"


class TrainingSet(Closed):
    """The arguments of a set of training rows: for which purpose, and from which views (all that serve it)."""

    purpose: str = "MODEL_DEV"
    views: tuple[str, ...] | None = Field(default=None, min_length=1)
    may_lose: Share | Literal["all"] = 0.5


def read_training_set(declared: GatedSet) -> TrainingSet:
    """What a set of training rows declares.

    Raises:
        SetsInvalid: its suites are of another kind, or its arguments are wrong.
    """
    file = f"{declared.set}.yml"
    if declared.suites != TRAINING:
        problem = f"is {declared.suites}, so it takes no rows of its own"
        raise SetsInvalid([Problem(file, "suites", problem, f"write {TRAINING} in a set of training rows")])
    try:
        return TrainingSet.model_validate(declared.arguments)
    except ValidationError as error:
        known = ", ".join(TrainingSet.model_fields)
        raise SetsInvalid(
            [
                Problem(
                    file,
                    ".".join(["arguments", *map(str, item["loc"])]),
                    str(item["msg"]).lower(),
                    f"the arguments are {known}",
                )
                for item in error.errors(include_url=False)
            ]
        ) from None
