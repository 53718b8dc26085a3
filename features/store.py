"""What a risk modeller calls: training frames for any spine, and the gated scoring frame of a date."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from datetime import date
from typing import Literal

import polars as pl

from features.clock import find_scoring_instant
from features.consent import judge, split_by_consent
from features.point_in_time import evaluate
from features.purpose import PURPOSES
from features.registry import load_views
from features.source import EventSource, find_published_events
from features.tables import CONSENTS, FEATURE_SET, PUBLISHING, SCORING_TABLE
from features.values import ZONE, convert_to_business_zone
from features.view import View
from ingestion.foundation import Settings, load_settings
from quality.pointer import NothingPublished, read_pointer
from quality.publication_log import list_published_versions
from quality.published import Published, list_kept_versions, open_published

GATED = frozenset({"PASS", "PASS_WITH_WARNINGS", "OVERRIDDEN"})

ConsentAt = Literal["processing", "as_of"]


class PurposeRefused(PermissionError):
    """A view may not be used for the purpose that the consumer named."""


class ScoringFrameMissing(LookupError):
    """No gated scoring table of the date is published."""


class AcceptedByOverride(UserWarning):
    """A table that is read failed its gate, and somebody accepted it."""


def training_frame(
    spine: pl.DataFrame,
    views: Sequence[str] | None = None,
    purpose: str = "MODEL_DEV",
    settings: Settings | None = None,
    consent_at: ConsentAt = "processing",
) -> pl.DataFrame:
    """The permitted rows of a spine (entity, `as_of`, more) with the features of `views`, all allowed by default.

    Values are what was visible at each row's `as_of`. Consent is asked for when the processing takes place:
    at the newest published knowledge, or at `as_of` if that is later, so somebody who has withdrawn since is
    not trained on (DOMAIN 4.2, rules 4 and 9). `consent_at="as_of"` asks as it stood at each row, to replay
    past scoring. Order and columns of the permitted rows are kept; `list_exclusions` has the others.

    Raises: UnknownView, PurposeRefused, SpineInvalid, SourceInvalid, NothingPublished; each one sentence.
    """
    settings = settings or load_settings()
    chosen = select_views(settings, views, purpose)
    if any(view.legal_basis == "consent" for view in chosen):
        spine = split_by_consent(spine, purpose, *_consent_question(settings, consent_at)).spine
    return evaluate(spine, chosen, open_sources(settings), purpose)


def scoring_frame(batch_date: date, settings: Settings | None = None, version: str | None = None) -> pl.DataFrame:
    """The published, gated scoring table: a row for every eligible, consenting customer, sorted by customer.

    As of `find_scoring_instant(batch_date)`; the newest publication of that date unless `version` pins one.

    Raises: NothingPublished; ScoringFrameMissing when another date is published, or the table is not gated.
    """
    published = open_features(batch_date, settings or load_settings(), version)
    return convert_to_business_zone(published.scan(SCORING_TABLE), SCORING_TABLE).collect().sort("customer_id")


def open_features(batch_date: date, settings: Settings, version: str | None = None) -> Published:
    """The feature set of a date that was published last.

    Raises: NothingPublished; ScoringFrameMissing when none is of the date, or the gate failed it.
    """
    if version is None:
        kept = set(list_kept_versions(FEATURE_SET, settings))
        of_date = [
            one
            for one in list_published_versions(FEATURE_SET, settings)
            if one in kept and one.startswith(f"{batch_date.isoformat()}-")
        ]
        version = of_date[-1] if of_date else None
    published = open_set(FEATURE_SET, settings, batch_date, version)
    if published.batch_date != batch_date:
        raise ScoringFrameMissing(
            f"The published features are of {published.batch_date}, not {batch_date}; "
            f"run `python -m features build --date {batch_date}`."
        )
    status = str(published.manifest["tables"].get(SCORING_TABLE, {}).get("quality_status"))
    if status not in GATED:
        raise ScoringFrameMissing(
            f"The scoring table of {batch_date} is not gated ({status}); "
            f"run `python -m features build --date {batch_date}` again."
        )
    warn_of_overrides(published)
    return published


def warn_of_overrides(published: Published) -> None:
    """Warn whoever reads a set, once for each table of it that failed its gate and was accepted."""
    for table, accepted in published.overrides.items():
        sentence = f"{table} of the {published.set_name} was accepted by {accepted['by']}: {accepted['reason']}"
        warnings.warn(sentence, AcceptedByOverride, stacklevel=3)


def open_set(
    set_name: str, settings: Settings, batch_date: date | None = None, version: str | None = None
) -> Published:
    """The current version of a published set, or the named one.

    Raises: NothingPublished with the command that publishes it, for the business date where one is asked for.
    """
    if read_pointer(settings.published / set_name) is None:
        command = PUBLISHING.get(set_name, "python -m quality publish --set {set}").format(set=set_name)
        day = batch_date or "yyyy-mm-dd"
        raise NothingPublished(f"Nothing is published in set {set_name} yet; run `{command} --date {day}` first.")
    return open_published(set_name, settings, version)


def list_exclusions(
    spine: pl.DataFrame,
    purpose: str = "MODEL_DEV",
    settings: Settings | None = None,
    consent_at: ConsentAt = "processing",
) -> pl.DataFrame:
    """The rows of a spine that consent excludes from `training_frame`, with the column `reason` added."""
    question = _consent_question(settings or load_settings(), consent_at)
    return spine.with_columns(judge(spine, purpose, *question)).filter(pl.col("reason").is_not_null())


def select_views(settings: Settings, names: Sequence[str] | None, purpose: str) -> tuple[View, ...]:
    """The named views, or all that serve the purpose.

    Raises: PurposeRefused for a named view that does not serve it, or when none does.
    """
    registry = load_views(settings.views)
    if names is None:
        chosen = tuple(view for view in registry.views if may_serve(view, purpose))
        if not chosen:
            raise PurposeRefused(f"No feature view serves the purpose {purpose}; use one of: {', '.join(PURPOSES)}.")
        return chosen
    chosen = registry.select(names)
    for view in chosen:
        if not may_serve(view, purpose):
            allowed = ", ".join(view.purposes) or "none"
            raise PurposeRefused(
                f"Feature view {view.view} may not be used for {purpose}; its purposes are: {allowed}."
            )
    return chosen


def may_serve(view: View, purpose: str) -> bool:
    """A view on another legal basis than consent, without purposes, serves any; it must have a feature to show."""
    declared = purpose in view.purposes or (view.legal_basis != "consent" and not view.purposes)
    return declared and bool(view.list_features(purpose))


def open_sources(settings: Settings) -> Callable[[View], EventSource]:
    """Finds a view's events in the published set it names; each set's pointer is resolved once."""
    opened: dict[str, Published] = {}

    def find(view: View) -> EventSource:
        if view.source_set not in opened:
            opened[view.source_set] = open_set(view.source_set, settings)
        return find_published_events(opened[view.source_set], view)

    return find


def _consent_question(settings: Settings, consent_at: ConsentAt) -> tuple[pl.LazyFrame, pl.Expr | None]:
    published = open_set("warehouse", settings)
    moment = None
    if consent_at == "processing":
        newest = pl.lit(find_scoring_instant(published.batch_date)).dt.convert_time_zone(ZONE)
        moment = pl.max_horizontal(pl.col("as_of").dt.convert_time_zone(ZONE), newest)
    return published.scan(CONSENTS), moment
