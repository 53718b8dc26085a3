"""`python -m features`: check the views, build and describe features, train and score."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path

import polars as pl

from features.consent import UnknownPurpose
from features.feature import Feature
from features.point_in_time import SpineInvalid
from features.publish import FeatureBuildRefused, build_feature_table, build_features
from features.registry import UnknownView, ViewsInvalid, load_views
from features.scorecard import ModelMissing, ScorecardNotTrainable, score, train
from features.store import PurposeRefused, ScoringFrameMissing, scoring_frame, training_frame
from features.values import SourceInvalid
from ingestion.foundation import BUSINESS_TIMEZONE, Settings
from ingestion.foundation.command_line import BUSINESS_DATE, NO, WRONG, Command, ExitCodes, argument, run_program
from ingestion.foundation.owners import Named, find_unknown_owners
from quality.publication import PublicationRefused
from quality.published import NothingPublished
from quality.sets import SetUnknown
from quality.suite import SuitesInvalid

REFUSALS = (
    FeatureBuildRefused,
    ModelMissing,
    PublicationRefused,
    PurposeRefused,
    ScorecardNotTrainable,
    ScoringFrameMissing,
    SourceInvalid,
)
WRONG_COMMANDS = (NothingPublished, SetUnknown, SpineInvalid, SuitesInvalid, UnknownPurpose, UnknownView)


def _exit_codes() -> ExitCodes:
    return {**dict.fromkeys(REFUSALS, NO), **dict.fromkeys(WRONG_COMMANDS, WRONG)}


def _check(given: argparse.Namespace, settings: Settings) -> None:
    del given
    views = load_views(settings.views).views
    named = (Named(f"{view.view}.yml", "owner", view.owner) for view in views)
    if problems := find_unknown_owners(named, settings.seeds):
        raise ViewsInvalid(problems)
    for view in views:
        print(f"{view.view}  {view.feature_version}  {len(view.list_features())} features")


def _build(given: argparse.Namespace, settings: Settings) -> None:
    publication = build_features(given.date, settings, _today())
    print(f"Published {publication.set_name} {publication.version}.")


def _describe(given: argparse.Namespace, settings: Settings) -> None:
    view = load_views(settings.views).find(given.view)
    print(f"{view.view} (version {view.version}, {view.feature_version}), owned by {view.owner}")
    print(view.description)
    print(f"{view.entity} from {view.source}, by {view.event_time}, known at {view.known_at}")
    print(f"for {', '.join(view.purposes) or view.legal_basis}\n")
    for feature in view.list_features():
        print(f"{feature.name}  {feature.type}  {feature.title}\n    {feature.description}")
        nothing = "null" if feature.when_empty is None else feature.when_empty
        print(f"    = {_formula(feature)}; nothing seen: {nothing}")
        if feature.prohibited_for:
            print(f"    not for {', '.join(feature.prohibited_for)}")


def _formula(feature: Feature) -> str:
    if feature.expression is not None:
        return feature.expression
    where = f" where {feature.filter}" if feature.filter else ""
    newest = f", newest {feature.last}" if feature.last else ""
    return f"{feature.aggregate}({feature.column or ''}){where}, window {feature.window}{newest}"


def _train(given: argparse.Namespace, settings: Settings) -> None:
    model = train(given.date, settings)
    metrics = model["metrics"]
    print(f"Trained {model['model_version']} on {metrics['training']['rows']} loans: {metrics}")


def _score(given: argparse.Namespace, settings: Settings) -> None:
    report = score(given.date, settings, _today())
    excluded = ", ".join(f"{rows} {reason}" for reason, rows in report.excluded.items()) or "nobody"
    print(f"Scored {report.customers} customers with {report.model_version}; excluded: {excluded}.")
    print(report.path)


def _frame(given: argparse.Namespace, settings: Settings) -> None:
    if (given.date is None) == (given.spine is None):
        raise SpineInvalid("Give either --date for the scoring frame or --spine for a training frame.")
    if given.spine is not None and given.publish:
        if given.views or given.purpose:
            raise SpineInvalid(f"Set {given.publish} declares its views and purpose; leave out --views and --purpose.")
        publication = build_feature_table(_read_spine(given.spine), given.publish, settings, _today())
        print(f"Published {publication.set_name} {publication.version}.")
        return
    if given.date is not None:
        frame = scoring_frame(given.date, settings)
    else:
        frame = training_frame(_read_spine(given.spine), given.views or None, given.purpose or "MODEL_DEV", settings)
    if given.out is None:
        print(frame)
    else:
        frame.write_parquet(given.out)
        print(f"Wrote {frame.height} rows to {given.out}.")


def _today() -> date:
    """The day on which overrides of the gate are judged."""
    return datetime.now(BUSINESS_TIMEZONE).date()


def _read_spine(path: Path) -> pl.DataFrame:
    if not path.exists():
        raise SpineInvalid(f"There is no file {path}; give a Parquet file with the entity and as_of.")
    try:
        return pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError):
        raise SpineInvalid(f"{path} is not a Parquet file; give one with the entity and as_of.") from None


_VIEWS = argument("--views", nargs="*", help="views of the training frame (default: all for the purpose)")
COMMANDS = (
    Command("check", "check every feature view and list all problems", _check, "check", (), _exit_codes),
    Command(
        "build",
        "build, audit and publish the features of a date",
        _build,
        "build --date 2026-03-06",
        (BUSINESS_DATE,),
        _exit_codes,
    ),
    Command(
        "describe",
        "say what a view's features mean",
        _describe,
        "describe exposure",
        (argument("view", help="name of the view"),),
        _exit_codes,
    ),
    Command(
        "train",
        "train the scorecard on loans matured at a date",
        _train,
        "train --date 2026-03-06",
        (BUSINESS_DATE,),
        _exit_codes,
    ),
    Command(
        "score",
        "score the published features of a date",
        _score,
        "score --date 2026-03-06",
        (BUSINESS_DATE,),
        _exit_codes,
    ),
    Command(
        "frame",
        "write a scoring or training frame to a Parquet file",
        _frame,
        "frame --date 2026-03-06 --out frame.parquet",
        (
            argument("--date", type=date.fromisoformat, help="the scoring frame of this business date, yyyy-mm-dd"),
            argument("--spine", type=Path, help="Parquet with the entity and as_of, for a training frame"),
            _VIEWS,
            argument("--purpose", help="purpose of the training frame (default: MODEL_DEV)"),
            argument("--publish", metavar="SET", help="publish the training frame as this declared set, gated"),
            argument("--out", type=Path, help="where to write it; printed when left out"),
        ),
        _exit_codes,
    ),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; the messages of the packages go to standard error."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    logging.getLogger("features").setLevel(logging.INFO)
    return run_program("python -m features", "Feature views, training sets and scores.", COMMANDS, arguments)
