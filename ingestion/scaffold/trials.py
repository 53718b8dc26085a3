"""Columns made up for a trial, so that a guess is tested with the very expressions that land a file."""

from __future__ import annotations

from typing import Any

from ingestion.contract.profiles import Column, ColumnProfile


def trial_column(name: str, kind: str = "VARCHAR", **profile: Any) -> Column:
    """A column of a type and a profile, without row rules."""
    return Column(
        name=name,
        physical_name=name,
        type=kind,
        required=False,
        key_position=None,
        accepted=(),
        pattern=None,
        minimum=None,
        maximum=None,
        classification=None,
        description="",
        profile=ColumnProfile.model_validate(profile),
    )
