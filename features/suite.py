"""The feature gate's suites, generated from the declared views: nobody writes a second time what a view says.

Set files name `make_view_suites` or `make_training_suites` (`suites: features.suite:make_view_suites`), which are
called whenever today's suites are asked for. The suites depend on declarations and the business date only; what a
population is, they read from the table `asked`, which is audited beside the feature tables.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from features.checks import (
    make_column_checks,
    make_consent_check,
    make_instant_check,
    make_population_check,
    make_same_rows_check,
    make_value_checks,
    make_view_column_checks,
    uncounted_sql,
)
from features.clock import find_scoring_instant
from features.purpose import SCORING_PURPOSE
from features.registry import load_views
from features.store import select_views
from features.tables import EXCLUSIONS, FRAME, LINEAGE, SCORING_TABLE
from features.training_set import read_training_set
from features.view import View
from ingestion.foundation import Settings
from quality.check import Check
from quality.expectation import RowCountBetween, UnexpectedRows
from quality.layout import Layout
from quality.sets import GatedSet
from quality.suite import Suite


def make_view_suites(declared: GatedSet, batch_date: date, settings: Settings) -> list[Suite]:
    """Suites of the features of every eligible customer at a business date: what scoring is served."""
    views = select_views(settings, None, SCORING_PURPOSE)
    as_of = find_scoring_instant(batch_date)
    return _suites(declared, SCORING_TABLE, views, SCORING_PURPOSE, settings, as_of)


def make_training_suites(declared: GatedSet, batch_date: date, settings: Settings) -> list[Suite]:
    """Suites of the features of any rows of (entity, `as_of`), for the purpose and views that the set declares."""
    del batch_date
    training = read_training_set(declared)
    views = select_views(settings, training.views, training.purpose)
    suites = _suites(declared, FRAME, views, training.purpose, settings, None)
    return [
        suite if suite.may_lose == "all" else suite.model_copy(update={"may_lose": training.may_lose})
        for suite in suites
    ]


def _suites(
    of: GatedSet, wide: str, views: Sequence[View], purpose: str, settings: Settings, as_of: datetime | None
) -> list[Suite]:
    """One suite for the wide table, one for each view, and those of lineage and exclusions."""
    gate, owner = of.gates[0], of.owner
    declared = [feature.name for view in load_views(settings.views).views for feature in view.features]
    return [
        _suite_of(
            wide,
            views,
            purpose,
            gate,
            as_of,
            make_population_check(),
            make_column_checks(wide, views, purpose, declared),
            owner,
        ),
        *(
            _suite_of(
                view.view,
                [view],
                purpose,
                gate,
                as_of,
                make_same_rows_check(wide, view.entity),
                make_view_column_checks(view, purpose),
                view.owner,
            )
            for view in views
        ),
        make_lineage_suite(len(views), gate, owner),
        make_exclusion_suite(gate, wide, owner),
    ]


def _suite_of(
    table: str,
    views: Sequence[View],
    purpose: str,
    gate: str,
    as_of: datetime | None,
    population: Check,
    columns: Sequence[Check],
    owner: str,
) -> Suite:
    """Checks of one feature table, of its rows, its columns, its values and the consent of who is in it.

    A row for each (entity, as_of), exactly the columns that were declared for the purpose, every row of the
    population, values within their declared bounds, nobody without consent. `as_of` is given when all rows share it.
    """
    entity = views[0].entity
    checks = [population, *columns]
    if as_of is not None:
        checks.append(make_instant_check(as_of))
    if any(view.legal_basis == "consent" for view in views):
        checks.append(make_consent_check(purpose))
    for view in views:
        for feature in view.list_features(purpose):
            checks += make_value_checks(feature)
    return Suite(
        table=table,
        gate=gate,
        owner=owner,
        version=max(view.version for view in views),
        description=f"Generated from the feature views {', '.join(view.view for view in views)}.",
        term="特征表",
        key=(entity, "as_of"),
        layout=make_layout(entity),
        checks=tuple(checks),
    )


def make_layout(entity: str) -> Layout:
    """Feature tables are bucketed by their entity and sorted by entity and time, like what they are made from."""
    return Layout(bucket_by=entity, sort_by=(entity, "as_of"))


def make_lineage_suite(rows: int, gate: str, owner: str) -> Suite:
    """Checks of the table that says of each view which source version it was computed from."""
    return Suite(
        table=LINEAGE,
        gate=gate,
        owner=owner,
        version=1,
        description="A row for each view: its definition, source version and newest source row.",
        term="特征版本",
        key=("view",),
        layout=Layout(sort_by=("view",)),
        checks=(
            Check(
                name="has_a_row_for_each_view",
                arguments=RowCountBetween(min_value=rows, max_value=rows),
                severity="fail",
                because="a feature table without its definition cannot be reproduced",
                rule="F91",
            ),
            Check(
                name="sources_are_fresh",
                arguments=UnexpectedRows(
                    query="select * from {table} where newest_known_at is null or stale_before > newest_known_at"
                ),
                severity="warn",
                because="a source that stopped arriving makes old values look current",
                rule="F94",
            ),
        ),
    )


def make_exclusion_suite(gate: str, wide: str, owner: str) -> Suite:
    """Checks of the table that counts, by reason, who was left out of the population."""
    return Suite(
        table=EXCLUSIONS,
        gate=gate,
        owner=owner,
        version=1,
        description="Rows left out of the population of this feature set, counted by reason.",
        term="剔除原因统计",
        key=("purpose", "reason"),
        layout=Layout(sort_by=("purpose", "reason")),
        may_lose="all",
        checks=(
            Check(
                name="counts_are_complete",
                arguments=UnexpectedRows(query=uncounted_sql(wide)),
                severity="fail",
                because="an exclusion that is not counted is a silent filter",
                rule="C76",
            ),
        ),
    )
