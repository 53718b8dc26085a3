"""The feature gate's suites, generated from the declared views: nobody writes a second time what a view
says.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from features.consent import RECIPIENT
from features.view import Feature, View
from quality.expectation import ColumnsMatchSet, RowCountBetween, UnexpectedRows, ValuesBetween, ValuesNotNull
from quality.layout import Layout
from quality.suite import Check, Suite

GATE = "features"
CONSENT_SOURCE = "consents"


def suite_of(
    table: str,
    views: Sequence[View],
    purpose: str | None,
    rows: int,
    columns: Sequence[str],
    as_of: datetime | None = None,
    gate: str = GATE,
) -> Suite:
    """Checks of one feature table: a row for each (entity, as_of), exactly the columns that were declared for
    the purpose, every row of the population, values within their declared bounds, nobody without consent.

    `rows` is the population; `columns` are all the table may hold; `as_of` is given when all rows share it.
    """
    entity = views[0].entity
    checks = [
        Check(
            name="holds_the_whole_population",
            arguments=RowCountBetween(min_value=rows, max_value=rows),
            severity="fail",
            because="a customer missing from scoring is treated as nobody decided it",
            rule="F96",
        ),
        Check(
            name="holds_exactly_the_permitted_columns",
            arguments=ColumnsMatchSet(column_set=tuple(columns), exact_match=True),
            severity="fail",
            because="a column that is prohibited, or that nobody declared, may not reach scoring",
            rule="F91",
        ),
    ]
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
    if purpose is not None and any(view.legal_basis == "consent" for view in views):
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
        for feature in view.shown(purpose):
            checks += _value_checks(feature)
    return Suite(
        table=table,
        gate=gate,
        owner=views[0].owner if len(views) == 1 else "risk",
        version=max(view.version for view in views),
        description=f"Generated from the feature views {', '.join(view.view for view in views)}.",
        term="特征表",
        key=(entity, "as_of"),
        layout=layout_of(entity),
        checks=tuple(checks),
    )


def layout_of(entity: str) -> Layout:
    """Feature tables are bucketed by their entity and sorted by entity and time, like what they are made
    from.
    """
    return Layout(bucket_by=entity, sort_by=(entity, "as_of"))


def lineage_suite(rows: int, gate: str = GATE) -> Suite:
    """Checks of the table that says of each view which source version it was computed from."""
    return Suite(
        table="feature_versions",
        gate=gate,
        owner="risk",
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


def exclusion_suite(rows: int, gate: str = GATE) -> Suite:
    """Checks of the table that counts, by reason, who was left out of the population."""
    return Suite(
        table="exclusions",
        gate=gate,
        owner="risk",
        version=1,
        description="Rows left out of the population of this feature set, counted by reason.",
        term="剔除原因统计",
        key=("purpose", "reason"),
        layout=Layout(sort_by=("purpose", "reason")),
        checks=(
            Check(
                name="counts_are_complete",
                arguments=RowCountBetween(min_value=rows, max_value=rows),
                severity="fail",
                because="an exclusion that is not counted is a silent filter",
                rule="C76",
            ),
        ),
    )


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
    """Rows of {table} with no standing grant: written apart from features.consent, so that each checks the
    other.
    """
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
