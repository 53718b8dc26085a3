"""`python -m features`: check the views, build and describe features, train and score."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

import polars as pl

from features.consent import UnknownPurpose
from features.point_in_time import SpineInvalid
from features.publish import FeatureBuildRefused, build_feature_table, build_features
from features.registry import UnknownView, ViewsInvalid, load_views
from features.scorecard import ModelMissing, ScorecardNotTrainable, score, train
from features.store import PurposeRefused, ScoringFrameMissing, scoring_frame, training_frame
from features.values import SourceInvalid
from features.view import Feature
from ingestion.foundation import Settings, load_settings
from ingestion.foundation.command_line import run_command
from quality.publication import PublicationRefused
from quality.published import NothingPublished
from quality.sets import SetsInvalid, SetUnknown
from quality.suite import SuitesInvalid

USER_ERRORS = (
    FeatureBuildRefused,
    ModelMissing,
    NothingPublished,
    PublicationRefused,
    PurposeRefused,
    ScorecardNotTrainable,
    ScoringFrameMissing,
    SetsInvalid,
    SetUnknown,
    SourceInvalid,
    SpineInvalid,
    SuitesInvalid,
    UnknownPurpose,
    UnknownView,
    ViewsInvalid,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; a user's error is told in one sentence on standard error, with exit code 1."""
    parser = argparse.ArgumentParser(prog="python -m features", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    _add(commands, "check", _check, "check every feature view and list all problems")
    _dated(_add(commands, "build", _build, "build, audit and publish the features of a date"))
    describe = _add(commands, "describe", _describe, "tell what a view's features mean")
    describe.add_argument("view")
    _dated(_add(commands, "train", _train, "train the scorecard on loans matured at a date"))
    _dated(_add(commands, "score", _score, "score the published features of a date"))
    frame = _add(commands, "frame", _frame, "write a scoring or training frame to a Parquet file")
    frame.add_argument("--date", type=date.fromisoformat, help="the scoring frame of this business date")
    frame.add_argument("--spine", type=Path, help="Parquet with the entity and as_of, for a training frame")
    frame.add_argument("--views", nargs="*", help="views of the training frame (default: all for the purpose)")
    frame.add_argument("--purpose", help="purpose of the training frame (default: MODEL_DEV)")
    frame.add_argument("--publish", metavar="SET", help="publish the training frame as this declared set, gated")
    frame.add_argument("--out", type=Path)
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    logging.getLogger("features").setLevel(logging.INFO)
    command: Callable[[argparse.Namespace, Settings], None] = given.run

    def run() -> int:
        command(given, load_settings())
        return 0

    return run_command(run, dict.fromkeys(USER_ERRORS, 1))


def _add(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    run: Callable[[argparse.Namespace, Settings], None],
    text: str,
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=text, description=text)
    parser.set_defaults(run=run)
    return parser


def _dated(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--date", type=date.fromisoformat, required=True, help="business date, YYYY-MM-DD")


def _check(given: argparse.Namespace, settings: Settings) -> None:
    del given
    for view in load_views(settings.views).views:
        print(f"{view.view}  {view.feature_version}  {len(view.shown())} features")


def _build(given: argparse.Namespace, settings: Settings) -> None:
    publication = build_features(given.date, settings)
    print(f"Published {publication.set_name} {publication.version}.")


def _describe(given: argparse.Namespace, settings: Settings) -> None:
    view = load_views(settings.views).get(given.view)
    print(f"{view.view} (version {view.version}, {view.feature_version}), owned by {view.owner}")
    print(view.description)
    print(f"{view.entity} from {view.source}, by {view.event_time}, known at {view.known_at}")
    print(f"for {', '.join(view.purposes) or view.legal_basis}\n")
    for feature in view.shown():
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
    report = score(given.date, settings)
    excluded = ", ".join(f"{rows} {reason}" for reason, rows in report.excluded.items()) or "nobody"
    print(f"Scored {report.customers} customers with {report.model_version}; excluded: {excluded}.")
    print(report.path)


def _frame(given: argparse.Namespace, settings: Settings) -> None:
    if (given.date is None) == (given.spine is None):
        raise SpineInvalid("Give either --date for the scoring frame or --spine for a training frame.")
    if given.spine is not None and given.publish:
        if given.views or given.purpose:
            raise SpineInvalid(f"Set {given.publish} declares its views and purpose; leave out --views and --purpose.")
        publication = build_feature_table(_read_spine(given.spine), given.publish, settings)
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


def _read_spine(path: Path) -> pl.DataFrame:
    if not path.exists():
        raise SpineInvalid(f"There is no file {path}; give a Parquet file with the entity and as_of.")
    try:
        return pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError):
        raise SpineInvalid(f"{path} is not a Parquet file; give one with the entity and as_of.") from None


if __name__ == "__main__":
    sys.exit(main())
