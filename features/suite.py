"""The feature gate's suites, generated from the declared views: nobody writes a second time what a view says.

Set files name `make_view_suites` or `make_training_suites` (`suites: features.suite:make_view_suites`), which are
called whenever today's suites are asked for. The suites depend on declarations and the business date only; what a
population is, they read from the table `asked`, which is audited beside the feature tables.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Literal

from pydantic import Field, ValidationError

from features.clock import find_scoring_instant
from features.consent import RECIPIENT
from features.registry import load_views
from features.store import SCORING_PURPOSE, SCORING_TABLE, select_views
from features.view import Feature, View
from ingestion.foundation import Settings
from ingestion.foundation.declarations import Closed, Problem
from quality.check import Check
from quality.expectation import ColumnsMatchSet, RowCountBetween, UnexpectedRows, ValuesBetween, ValuesNotNull
from quality.layout import Layout
from quality.sets import GatedSet, SetsInvalid
from quality.suite import Share, Suite

CONSENT_SOURCE = "consents"
ASKED = "asked"
FRAME = "frame"
TRAINING = "features.suite:make_training_suites"
LINEAGE = "feature_versions"
EXCLUSIONS = "exclusions"


class TrainingSet(Closed):
    """The arguments of a set of training rows: for which purpose, and from which views (all that serve it)."""

    purpose: str = "MODEL_DEV"
    views: tuple[str, ...] | None = Field(default=None, min_length=1)
    may_lose: Share | Literal["all"] = 0.5


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


def _suites(
    of: GatedSet, wide: str, views: Sequence[View], purpose: str, settings: Settings, as_of: datetime | None
) -> list[Suite]:
    """One suite for the wide table, one for each view, and those of lineage and exclusions."""
    gate, owner = of.gates[0], of.owner
    declared = [feature.name for view in load_views(settings.views).views for feature in view.features]
    return [
        _suite_of(
            wide, views, purpose, gate, as_of, _whole_population(), _undeclared(wide, views, purpose, declared), owner
        ),
        *(
            _suite_of(
                view.view,
                [view],
                purpose,
                gate,
                as_of,
                _same_rows(wide, view.entity),
                _exactly(view, purpose),
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
        checks.append(
            Check(
                name="is_as_of_one_instant",
                arguments=UnexpectedRows(
                    query=f"select * from {{table}} where as_of <> timestamptz '{as_of.isoformat(sep=' ')}'"
                ),
                severity="fail",
                because="a row as of a later instant would have seen the future of the others",
                rule="F90",
            )
        )
    if any(view.legal_basis == "consent" for view in views):
        checks.append(
            Check(
                name="holds_nobody_without_consent",
                arguments=UnexpectedRows(query=_without_consent(purpose)),
                severity="fail",
                because="no consent for this purpose, valid and known at the time, means no use",
                rule="C76",
            )
        )
    for view in views:
        for feature in view.list_features(purpose):
            checks += _value_checks(feature)
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


def _whole_population() -> Check:
    """Everybody who was asked for has a row or is counted as an exclusion."""
    return Check(
        name="holds_the_whole_population",
        arguments=UnexpectedRows(
            query=f"""
select asked_rows, rows_held, rows_excluded from (
    select (select count(*) from main.{ASKED}) as asked_rows, (select count(*) from {{table}}) as rows_held,
        (select coalesce(sum(rows), 0) from main.{EXCLUSIONS}) as rows_excluded
) as counted
where asked_rows <> rows_held + rows_excluded
""".strip()
        ),
        severity="fail",
        because="a customer missing from scoring is treated as nobody decided it",
        rule="F96",
    )


def _same_rows(wide: str, entity: str) -> Check:
    """The table of a view has the rows of the wide table, and no other."""
    keys = f"{entity}, as_of"
    return Check(
        name="holds_the_whole_population",
        arguments=UnexpectedRows(
            query=f"(select {keys} from main.{wide} except all select {keys} from {{table}})"
            f" union all (select {keys} from {{table}} except all select {keys} from main.{wide})"
        ),
        severity="fail",
        because="a customer missing from scoring is treated as nobody decided it",
        rule="F96",
    )


def _undeclared(wide: str, views: Sequence[View], purpose: str, declared: Sequence[str]) -> list[Check]:
    """The wide table holds the permitted features beside the columns that were asked with, and nothing else."""
    permitted = [feature.name for view in views for feature in view.list_features(purpose)]
    barred = sorted({*declared} - {*permitted})
    held = f"select column_name from information_schema.columns where table_schema = 'main' and table_name = '{wide}'"
    asked = f"select column_name from information_schema.columns where table_schema = 'main' and table_name = '{ASKED}'"
    listed = ", ".join(f"'{name}'" for name in permitted)
    undeclared = f"column_name not in ({listed}) and column_name not in ({asked})"
    never = f" or column_name in ({', '.join(repr(name) for name in barred)})" if barred else ""
    return [
        Check(
            name="holds_every_permitted_column",
            arguments=ColumnsMatchSet(column_set=(views[0].entity, "as_of", *permitted), exact_match=False),
            severity="fail",
            because="a feature that scoring was trained on and does not see is a wrong score",
            rule="F91",
        ),
        Check(
            name="holds_exactly_the_permitted_columns",
            arguments=UnexpectedRows(
                query=f"select column_name from ({held}) as held where ({undeclared}{never})"
                " and (select count(*) from {table}) >= 0"
            ),
            severity="fail",
            because="a column that is prohibited, or that nobody declared, may not reach scoring",
            rule="F91",
        ),
    ]


def _exactly(view: View, purpose: str) -> list[Check]:
    names = [feature.name for feature in view.list_features(purpose)]
    return [
        Check(
            name="holds_exactly_the_permitted_columns",
            arguments=ColumnsMatchSet(column_set=(view.entity, "as_of", *names), exact_match=True),
            severity="fail",
            because="a column that is prohibited, or that nobody declared, may not reach scoring",
            rule="F91",
        )
    ]


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
                arguments=UnexpectedRows(query=_uncounted(wide)),
                severity="fail",
                because="an exclusion that is not counted is a silent filter",
                rule="C76",
            ),
        ),
    )


def _uncounted(wide: str) -> str:
    """How many were asked for and neither have a row nor are counted; and a count of nobody."""
    return f"""
select 'asked and neither held nor counted' as reason, asked_rows - rows_held - rows_excluded as rows from (
    select (select count(*) from main.{ASKED}) as asked_rows, (select count(*) from main.{wide}) as rows_held,
        (select coalesce(sum(rows), 0) from {{table}}) as rows_excluded
) as counted
where asked_rows <> rows_held + rows_excluded
union all
select reason, rows from {{table}} where rows < 1
""".strip()


def _value_checks(feature: Feature) -> list[Check]:
    checks = []
    if feature.minimum is not None or feature.maximum is not None:
        checks.append(
            Check(
                name=f"{feature.name}_is_in_range",
                arguments=ValuesBetween(column=feature.name, min_value=feature.minimum, max_value=feature.maximum),
                severity="fail",
                because=f"{feature.title}: a value outside its declared bounds is a wrong value",
                rule="F91",
            )
        )
    if feature.when_empty == 0:
        checks.append(
            Check(
                name=f"{feature.name}_is_present",
                arguments=ValuesNotNull(column=feature.name),
                severity="fail",
                because=f"{feature.title}: declared 0 when there is no event, so never null",
                rule="F91",
            )
        )
    return checks


def _without_consent(purpose: str) -> str:
    """Rows of {table} with no standing grant: written apart from features.consent, so that each checks the other."""
    alike = "{0}.customer_id = t.customer_id and {0}.purpose = '" + purpose + "' and {0}.recipient = '" + RECIPIENT
    known = "{0}._known_at <= t.as_of and ({0}._superseded_at is null or t.as_of < {0}._superseded_at)"
    seen = f"{alike}' and {{0}}.occurred_at <= t.as_of and {known}"
    return f"""
select t.* from {{table}} t
where not exists (
    select 1 from main.{CONSENT_SOURCE} g
    where g.event = 'granted' and {seen.format("g")}
      and g.valid_to >= cast(timezone('Asia/Shanghai', t.as_of) as date)
      and not exists (
          select 1 from main.{CONSENT_SOURCE} w
          where w.event = 'withdrawn' and {seen.format("w")} and w.occurred_at >= g.occurred_at
      )
)""".strip()
