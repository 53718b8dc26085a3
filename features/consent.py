"""Which rows of a spine may be processed for a purpose, by the customers' own consent (DOMAIN 4.2).

A row is permitted when, as known at its `as_of`, the customer granted consent for exactly this purpose to the
platform, has not withdrawn it since, and it is valid on that business day. A withdrawal at or before `as_of`
ends every earlier grant; at the same instant the withdrawal wins. Exclusions are counted by reason.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from features.point_in_time import SpineInvalid
from features.purpose import PURPOSES
from features.tables import CONSENTS
from features.values import ZONE, SourceInvalid, convert_to_business_zone

RECIPIENT = "PLATFORM"
REASONS = ("never_granted", "withdrawn", "expired")
_EVENTS = ("granted", "withdrawn")
_ROW = "__row"
_MOMENT = "__moment"
_DAY = "__day"


class UnknownPurpose(ValueError):
    """A consumer named no purpose of DOMAIN 4.2."""


@dataclass(frozen=True)
class Permitted:
    """The permitted rows in their order, and how many others were excluded: a row for each reason."""

    spine: pl.DataFrame
    exclusions: pl.DataFrame

    @property
    def excluded(self) -> int:
        return int(self.exclusions["rows"].sum())


def split_by_consent(
    spine: pl.DataFrame, purpose: str, consents: pl.LazyFrame, moment: pl.Expr | None = None
) -> Permitted:
    """Split the spine (`customer_id`, `as_of`, more) by consent for `purpose`; `consents` is fct_consents_history.

    `moment` is when the processing takes place, the row's `as_of` by default. Withdrawals and validity are
    judged at that instant and as known at it.

    Raises: UnknownPurpose; SpineInvalid for a naive `as_of`; SourceInvalid for an unknown consent event.
    """
    judged = judge(spine, purpose, consents, moment)
    return Permitted(spine.filter(judged.is_null()), count_reasons(judged, purpose))


def count_reasons(judged: pl.Series, purpose: str) -> pl.DataFrame:
    """Rows excluded, by reason: columns purpose, reason, rows; sorted by reason."""
    counts = judged.drop_nulls().value_counts(name="rows").sort("reason")
    return counts.select(
        pl.lit(purpose).alias("purpose"), pl.col("reason").cast(pl.String), pl.col("rows").cast(pl.Int64)
    )


def judge(spine: pl.DataFrame, purpose: str, consents: pl.LazyFrame, moment: pl.Expr | None = None) -> pl.Series:
    """For each row of the spine the reason of its exclusion, or null when it is permitted.

    Raises: as `split_by_consent`.
    """
    _check_question(spine, purpose)
    asked = _place_rows(spine, pl.col("as_of") if moment is None else moment)
    seen = _find_visible(asked, _read_events(consents, purpose))
    ended = seen.filter(pl.col("event") == "withdrawn").group_by(_ROW).agg(pl.col("occurred_at").max().alias("ended"))
    standing = (
        seen.filter(pl.col("event") == "granted")
        .join(ended, on=_ROW, how="left")
        .filter(pl.col("ended").is_null() | (pl.col("occurred_at") > pl.col("ended")))
        .group_by(_ROW)
        .agg(pl.len().alias("grants"), pl.col("valid_to").max())
    )
    reason = (
        pl.when(pl.col("valid_to") >= pl.col(_DAY))
        .then(None)
        .when(pl.col("grants").is_not_null())
        .then(pl.lit("expired"))
        .when(pl.col("ended").is_not_null())
        .then(pl.lit("withdrawn"))
        .otherwise(pl.lit("never_granted"))
    )
    judged = asked.join(standing, on=_ROW, how="left").join(ended, on=_ROW, how="left")
    # Sorted after collecting: Polars 2.1 drops a lazy sort by int_range, though the joins have reordered
    # the rows.
    return judged.select(_ROW, reason.alias("reason")).collect().sort(_ROW)["reason"]


def _check_question(spine: pl.DataFrame, purpose: str) -> None:
    if purpose not in PURPOSES:
        raise UnknownPurpose(f"There is no purpose {purpose}; use one of: {', '.join(PURPOSES)}.")
    for column in ("customer_id", "as_of"):
        if column not in spine.columns:
            raise SpineInvalid(f"The spine has no column {column}, which consent needs; add it.")
    kind = spine.schema["as_of"]
    if not isinstance(kind, pl.Datetime) or kind.time_zone is None:
        raise SpineInvalid(
            f'Spine column as_of has no time zone; state it, for example with .dt.replace_time_zone("{ZONE}").'
        )


def _place_rows(spine: pl.DataFrame, moment: pl.Expr) -> pl.LazyFrame:
    """Customer, instant and business day of each row of the spine, numbered in its order."""
    return (
        spine.lazy()
        .select(
            pl.int_range(pl.len()).alias(_ROW),
            pl.col("customer_id").cast(pl.String),
            moment.dt.convert_time_zone(ZONE).dt.cast_time_unit("us").alias(_MOMENT),
        )
        .with_columns(pl.col(_MOMENT).dt.date().alias(_DAY))
    )


def _read_events(consents: pl.LazyFrame, purpose: str) -> pl.DataFrame:
    """What was granted to the platform for the purpose, and withdrawn."""
    ours = (
        convert_to_business_zone(consents, CONSENTS)
        .filter((pl.col("purpose") == purpose) & (pl.col("recipient") == RECIPIENT))
        .select("customer_id", "event", "occurred_at", "valid_to", "_known_at", "_superseded_at")
        .collect()
    )
    unknown = sorted(set(ours["event"].unique().to_list()).difference(_EVENTS), key=str)
    if unknown:
        raise SourceInvalid(f"{CONSENTS} has the event {unknown[0]}; map it to granted or withdrawn in the model.")
    return ours


def _find_visible(asked: pl.LazyFrame, events: pl.DataFrame) -> pl.LazyFrame:
    """The events of each row's customer that had happened, and were known and not superseded, at its instant."""
    return (
        asked.join(events.lazy(), on="customer_id", how="inner")
        .filter(
            (pl.col("occurred_at") <= pl.col(_MOMENT))
            & (pl.col("_known_at") <= pl.col(_MOMENT))
            & (pl.col("_superseded_at").is_null() | (pl.col(_MOMENT) < pl.col("_superseded_at")))
        )
        .select(_ROW, "event", "occurred_at", "valid_to")
        .collect()
        .lazy()
    )
