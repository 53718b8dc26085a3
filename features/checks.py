"""Checks of a feature table that follow from the views it was made of: population, columns, values, consent."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from features.consent import RECIPIENT
from features.feature import Feature
from features.tables import ASKED, CONSENT_SOURCE, EXCLUSIONS
from features.view import View
from quality.check import Check
from quality.expectation import ColumnsMatchSet, UnexpectedRows, ValuesBetween, ValuesNotNull


def make_instant_check(as_of: datetime) -> Check:
    """Every row is as of this one instant."""
    return Check(
        name="is_as_of_one_instant",
        arguments=UnexpectedRows(
            query=f"select * from {{table}} where as_of <> timestamptz '{as_of.isoformat(sep=' ')}'"
        ),
        severity="fail",
        because="a row as of a later instant would have seen the future of the others",
        rule="F90",
    )


def make_consent_check(purpose: str) -> Check:
    """Nobody is in the table without a consent for the purpose, valid and known at the row's instant."""
    return Check(
        name="holds_nobody_without_consent",
        arguments=UnexpectedRows(query=_without_consent(purpose)),
        severity="fail",
        because="no consent for this purpose, valid and known at the time, means no use",
        rule="C76",
    )


def make_population_check() -> Check:
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


def make_same_rows_check(wide: str, entity: str) -> Check:
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


def make_column_checks(wide: str, views: Sequence[View], purpose: str, declared: Sequence[str]) -> list[Check]:
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


def make_view_column_checks(view: View, purpose: str) -> list[Check]:
    """The table of a view holds the features permitted for the purpose, and no other column."""
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


def make_value_checks(feature: Feature) -> list[Check]:
    """Values lie within the declared bounds, and are there where nothing seen counts as 0."""
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


def uncounted_sql(wide: str) -> str:
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
