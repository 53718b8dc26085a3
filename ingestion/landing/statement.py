"""The statement (解析语句): a dataset's pass from delivered text to rows of the lake, as SQL text.

The pass is one SELECT whose filter hands every broken row's number and rules to the function `note`, so that good rows
stream into the lake's format and nothing is held.
"""

from __future__ import annotations

from collections.abc import Sequence

from ingestion.contract import Contract, Dataset
from ingestion.delivery import Delivery
from ingestion.foundation.sql import quote_name, quote_text
from ingestion.lake import derive_lake_schema
from ingestion.landing.identifier_sets import IdentifierSets, texts_sql
from ingestion.landing.typing_rules import (
    SEARCHING_RULES,
    RowRule,
    bare_sql,
    cast_sql,
    delivered_sql,
    derive_row_rules,
    value_sql,
)

RULES_A_WORD = 60


def list_rules(dataset: Dataset, may_hold_replacements: bool) -> list[RowRule]:
    """All row rules of a dataset, in the order of the bits by which `note` learns which are broken."""
    rules = list(derive_row_rules(dataset, may_hold_replacements))
    if dataset.delivery.trailing_separator:
        rules.append(RowRule("", "too many columns", "_end is not null"))
    return rules


def count_words(rules: Sequence[RowRule]) -> int:
    """How many words of 60 bits `note` is given for each row."""
    return -(-len(rules) // RULES_A_WORD)


def pass_sql(
    contract: Contract,
    delivery: Delivery,
    sets: IdentifierSets,
    relation: str,
    line_number: str | None,
    has_quotes: bool,
    summed: Sequence[str],
) -> str:
    """SQL of the good rows of a delivery as the lake keeps them, in file order.

    `note` is called with each broken row: its ordinal, the words of its broken rules, and the values of the `summed`
    columns. `line_number` is SQL of the line of a row from `_ordinal`; None where the relation numbers its rows itself,
    in `_row`. `has_quotes` says that the relation marks rows whose quote was never closed, as `_is_open`.
    """
    searches = {place: f"_found_{place}" for place, rule in enumerate(sets.rules) if rule.rule in SEARCHING_RULES}
    searched = ["*", *(f"{sets.rules[place].violated} as {name}" for place, name in searches.items())]
    violated = [searches.get(place, rule.violated) for place, rule in enumerate(sets.rules)]
    words = [violated[start : start + RULES_A_WORD] for start in range(0, len(violated), RULES_A_WORD)]
    totals = [f"cast({quote_name(f'v_{name}')} as decimal(38,9))" for name in summed]
    noted = ["_ordinal", *map(mask_sql, words), *totals]
    note = ", ".join(f"'{place}': {sql}" for place, sql in enumerate(noted))
    any_broken = " or ".join(f"({is_broken})" for is_broken in violated) or "false"
    ordinal = "_row" if line_number is None else "row_number() over ()"
    return f"""
        with {levels_sql(delivery.dataset, sets, relation, ordinal, has_quotes)}
        select {columns_sql(delivery.dataset, sets)}, {lineage_sql(contract, delivery, line_number or "_ordinal")}
        from (select {", ".join(searched)} from valued)
        where case when {any_broken} then note({{{note}}}) else true end
    """


def levels_sql(dataset: Dataset, sets: IdentifierSets, relation: str, ordinal: str, has_quotes: bool) -> str:
    """Common table expressions: delivered rows, their bare texts `r_`, canonical casts `c_`, values `v_`."""
    is_json = dataset.delivery.reader == "json_lines"
    plain = [column for column in dataset.columns if not column.profile.protect]
    texts = [f"{delivered_sql(column, is_json)} as {quote_name(f'r_{column.name}')}" for column in plain]
    bared = [
        f"{bare} as {name}"
        for column in plain
        if (bare := bare_sql(column, name := quote_name(f"r_{column.name}"))) != name
    ]
    casts = [
        f"{cast} as {quote_name(f'c_{column.name}')}"
        for column in plain
        if (cast := cast_sql(dataset, column)) is not None
    ]
    values = [f"{value_sql(dataset, column)} as {quote_name(f'v_{column.name}')}" for column in plain]
    only_closed = " where not _is_open" if has_quotes else ""
    kept = ["_ordinal"]
    kept += ["_end"] if dataset.delivery.trailing_separator else []
    kept += ["_is_json"] if is_json else []
    names = [*kept, *(quote_name(f"r_{column.name}") for column in plain)]
    return f"""
        numbered as (select *, {ordinal} as _ordinal from ({relation})),
        delivered as (select {", ".join([*kept, *texts, *texts_sql(dataset)])} from numbered{only_closed}),
        bare as (select *{f" replace ({', '.join(bared)})" if bared else ""} from delivered),
        identified as ({sets.joined_sql("bare", names)}),
        cast_once as (select *{"".join(f", {cast}" for cast in casts)} from identified),
        valued as (select *{"".join(f", {value}" for value in values)} from cast_once)
    """


def columns_sql(dataset: Dataset, sets: IdentifierSets) -> str:
    """The columns of the lake but for the lineage, in its order: typed values, and what replaces identifiers."""
    plain = {
        column.name: quote_name(f"v_{column.name}")
        for column in dataset.columns
        if not (column.profile.protect or column.profile.drop)
    }
    found = plain | sets.outputs
    return ", ".join(f"{found[name]} as {quote_name(name)}" for name in derive_lake_schema(dataset) if name in found)


def lineage_sql(contract: Contract, delivery: Delivery, line_number: str) -> str:
    """The lineage columns: which delivery, which line of it, its date and sequence, and when the row could be known."""
    return (
        f"'{delivery.delivery_id}' as _delivery_id, cast({line_number} as bigint) as _line_number,"
        f" date '{delivery.batch_date}' as _batch_date, {delivery.sequence}::integer as _sequence,"
        f" {known_at_sql(contract, delivery)} as _known_at"
    )


def known_at_sql(contract: Contract, delivery: Delivery) -> str:
    """Receipt; for rows recorded before go-live, the moment a daily delivery would have brought them.

    What replaces an earlier delivery is known since its own receipt, whenever its rows were recorded.
    """
    received = f"timestamptz {quote_text(delivery.received_at.isoformat())}"
    column = delivery.dataset.delivery.recorded_at
    if column is None or delivery.replaces is not None:
        return received
    day = f"cast({quote_name(f'v_{column}')} as date)"
    usual = f"cast({day} + 1 + time '{contract.profile.available_at}' as timestamptz)"
    return f"case when {day} < date '{contract.profile.go_live}' then least({received}, {usual}) else {received} end"


def mask_sql(violated: Sequence[str]) -> str:
    """One word with a bit for each condition that is true; none for what is NULL."""
    return " | ".join(
        f"case when {is_broken} then {1 << index}::bigint else 0::bigint end"
        for index, is_broken in enumerate(violated)
    )
