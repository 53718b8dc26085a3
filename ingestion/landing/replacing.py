"""What a restated delivery replaces (补发替换): the rows that were landed for its date, of which most may not go."""

from __future__ import annotations

import sqlalchemy as sa

from ingestion.contract import Contract
from ingestion.delivery import Delivery
from ingestion.delivery.bookkeeping import list_superseded
from ingestion.foundation.ledger import deliveries
from ingestion.foundation.ledger.tables import replays, verdicts
from ingestion.foundation.overrides import read_last_overrides
from ingestion.foundation.verdict import KEEPS_ITS_ROWS, LANDING, Verdict
from ingestion.landing.judgement import Replaced
from ingestion.landing.verdicts import derive_suite_version


def find_replaced(delivery: Delivery, contract: Contract, ledger: sa.Engine) -> Replaced:
    """What stands for a delivery's date until it lands; nothing where it is the first one, or a late one.

    Every delivery of the date counts with the replay of its quarantined rows, so that a date is not emptied step by
    step. A loss that was accepted begins again: what came before is left out.
    """
    if not list_superseded(delivery, ledger):
        return Replaced()
    held = _list_landed(delivery, ledger)
    judged = _list_judged(delivery, ledger)
    accepted = {verdict.fingerprint for verdict in judged}
    rows = 0
    for identifier, landed in held:
        rows = landed if identifier in accepted else max(rows, landed)
    replaced = Replaced(rows)
    is_accepted = any(
        verdict.fingerprint == delivery.delivery_id
        and verdict.suite_version == derive_suite_version(contract)
        and all(failure.observed.endswith(replaced.limit) for failure in verdict.failing_checks)
        for verdict in judged
    )
    return Replaced(rows, is_accepted)


def _list_landed(delivery: Delivery, ledger: sa.Engine) -> list[tuple[str, int]]:
    """Every landed delivery of the date with its rows and those of its replays, in the order of arrival."""
    table = deliveries.c
    query = sa.select(table.delivery_id, table.rows_landed).where(
        table.source == delivery.dataset.source,
        table.dataset == delivery.dataset.name,
        table.batch_date == delivery.batch_date,
        table.state == "landed",
    )
    with ledger.connect() as connection:
        rows = {row.delivery_id: int(row.rows_landed) for row in connection.execute(query.order_by(table.version))}
        completed = connection.execute(sa.select(replays).where(replays.c.replay_id.in_(list(rows)))).all()
    for replay in completed:
        rows[replay.delivery_id] = rows.get(replay.delivery_id, 0) + rows.pop(replay.replay_id)
    return list(rows.items())


def _list_judged(delivery: Delivery, ledger: sa.Engine) -> list[Verdict]:
    """Verdicts on deliveries of the date that refuse nothing but their lost rows, which a person accepted."""
    query = sa.select(verdicts).where(
        verdicts.c.gate == LANDING,
        verdicts.c.table_name == f"{delivery.dataset.source}.{delivery.dataset.name}",
        verdicts.c.batch_date == delivery.batch_date,
    )
    with ledger.connect() as connection:
        found = [Verdict.from_row(row) for row in connection.execute(query)]
        words = read_last_overrides([verdict.verdict_id for verdict in found], connection)
    return [
        verdict
        for verdict in found
        if verdict.verdict_id in words
        and words[verdict.verdict_id].is_valid(delivery.batch_date)
        and {failure.check for failure in verdict.failing_checks} == {KEEPS_ITS_ROWS}
    ]
