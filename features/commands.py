"""`python -m features`: check the views, build and describe features, train and score."""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import TextIO

import polars as pl

from features.consent import UnknownPurpose, count_reasons
from features.point_in_time import SpineInvalid
from features.publish import FeatureBuildRefused, build_feature_table, build_features
from features.purpose import MODEL_PURPOSE
from features.registry import UnknownView, ViewsInvalid, load_views
from features.scorecard import ModelMissing, ScorecardNotTrainable, score, train
from features.store import (
    AcceptedByOverride,
    PurposeRefused,
    ScoringFrameMissing,
    list_exclusions,
    scoring_frame,
    training_frame,
)
from features.values import SourceInvalid
from features.wording import describe_formula, describe_metrics, describe_population, describe_reasons
from ingestion.foundation import BUSINESS_TIMEZONE, Settings, list_files
from ingestion.foundation.command_line import BUSINESS_DATE, NO, WRONG, Command, ExitCodes, argument, run_program
from ingestion.foundation.owners import Named, find_unknown_owners
from ingestion.foundation.tenant import FILE_KINDS
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
    if not list_files(settings.views, "*.yml"):
        print(f"No feature view is declared; the first one goes into {_find_views_folder(settings)}/<view>.yml.")
        return
    views = load_views(settings.views).views
    named = (Named(f"{view.view}.yml", "owner", view.owner) for view in views)
    if problems := find_unknown_owners(named, settings.seeds):
        raise ViewsInvalid(problems)
    for view in views:
        print(f"{view.view}  {view.feature_version}  {len(view.list_features())} features")


def _build(given: argparse.Namespace, settings: Settings) -> None:
    publication = build_features(given.date, settings, _today())
    print(describe_population(publication, settings), file=sys.stderr)
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
        print(f"    = {describe_formula(feature)}; nothing seen: {nothing}")
        if feature.prohibited_for:
            print(f"    not for {', '.join(feature.prohibited_for)}")


def _train(given: argparse.Namespace, settings: Settings) -> None:
    model = train(given.date, settings)
    print(f"Trained {model['model_version']} on the loans that had matured at {given.date}.")
    for line in describe_metrics(model):
        print(line)


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
        purpose = given.purpose or MODEL_PURPOSE
        frame = _make_training_frame(_read_spine(given.spine), given.views or None, purpose, settings)
    if given.out is None:
        print(frame)
    else:
        frame.write_parquet(given.out)
        print(f"Wrote {frame.height} rows to {given.out}.")


def _make_training_frame(
    spine: pl.DataFrame, views: Sequence[str] | None, purpose: str, settings: Settings
) -> pl.DataFrame:
    """A training frame; whom consent leaves out is counted on standard error."""
    frame = training_frame(spine, views, purpose, settings)
    if frame.height < spine.height:
        counted = count_reasons(list_exclusions(spine, purpose, settings)["reason"], purpose)
        permitted = f"{frame.height:,} of {spine.height:,} rows permitted"
        print(f"consent for {purpose}: {permitted}; excluded: {describe_reasons(counted)}", file=sys.stderr)
    return frame


def _find_views_folder(settings: Settings) -> Path:
    """Where the first view of a tenant, or of the product, is declared."""
    return FILE_KINDS["views"].product if settings.tenant is None else settings.tenant / "views"


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
            argument("--purpose", help=f"purpose of the training frame (default: {MODEL_PURPOSE})"),
            argument("--publish", metavar="SET", help="publish the training frame as this declared set, gated"),
            argument("--out", type=Path, help="where to write it; printed when left out"),
        ),
        _exit_codes,
    ),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; what was accepted by an override is said on standard error."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", AcceptedByOverride)
        warnings.showwarning = _show_warning
        return run_program("python -m features", "Feature views, training sets and scores.", COMMANDS, arguments)


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """What is addressed to users is a sentence; any other warning says where it comes from."""
    is_sentence = issubclass(category, AcceptedByOverride)
    text = f"{message}\n" if is_sentence else warnings.formatwarning(message, category, filename, lineno, line)
    (file or sys.stderr).write(text)
