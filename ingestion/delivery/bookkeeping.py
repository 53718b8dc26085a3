"""What the ledger remembers of deliveries (交付台账): recording, superseding, and the dates that they reopen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from ingestion.contract import Contract
from ingestion.contract.definitions import derive_definition, record_definition
from ingestion.delivery.identity import Delivery
from ingestion.foundation import Settings
from ingestion.foundation.events import Event, report_event
from ingestion.foundation.ledger import deliveries, use_ledger


def record_delivery(
    delivery: Delivery,
    contract: Contract,
    ledger: sa.Engine,
    state: str,
    reason: str | None,
    counted: tuple[int, int, int],
    token_key: str | None = None,
    completes: str | None = None,
) -> None:
    """Write the delivery to the ledger and supersede the older versions of its date, in one transaction.

    The contract that it was read by, or refused under, is kept with it.
    A file that comes after a re-send with a higher number is late: it is superseded the moment it arrives. What
    `completes` another delivery (the replay of its quarantined rows) stands beside it.
    """
    same_date = sa.and_(
        deliveries.c.source == delivery.dataset.source,
        deliveries.c.dataset == delivery.dataset.name,
        deliveries.c.batch_date == delivery.batch_date,
    )
    received = delivery.received_at.isoformat()
    definition = derive_definition(contract, delivery.dataset)
    with ledger.begin() as connection:
        version = connection.execute(sa.select(sa.func.count()).where(same_date)).scalar_one() + 1
        current = sa.and_(same_date, deliveries.c.state == "landed", deliveries.c.superseded_at.is_(None))
        newer = sa.select(deliveries.c.sequence).where(current, deliveries.c.sequence > delivery.sequence)
        is_late = state == "landed" and connection.execute(newer).first() is not None
        if state == "landed" and not is_late and not completes:
            connection.execute(sa.update(deliveries).where(current).values(superseded_at=received))
        retried = sa.and_(deliveries.c.delivery_id == delivery.delivery_id, deliveries.c.state == "refused")
        connection.execute(sa.delete(deliveries).where(retried))
        connection.execute(
            sa.insert(deliveries).values(
                delivery_id=delivery.delivery_id,
                source=delivery.dataset.source,
                dataset=delivery.dataset.name,
                batch_date=delivery.batch_date,
                sequence=delivery.sequence,
                version=version,
                content_hash=delivery.content_hash,
                contract_version=delivery.contract_version,
                contract_hash=record_definition(definition, delivery.delivery_id, connection),
                token_key=token_key,
                state=state,
                reason=reason,
                received_at=received,
                superseded_at=received if is_late else None,
                file_name=delivery.path.name,
                file_size=delivery.size,
                file_mtime_ns=delivery.mtime_ns,
                file_ctime_ns=delivery.ctime_ns,
                rows_in=counted[0],
                rows_landed=counted[1],
                rows_quarantined=counted[2],
            )
        )
    _report("delivery_landed" if state == "landed" else "delivery_refused", delivery, *counted)


def list_superseded(delivery: Delivery, ledger: sa.Engine) -> list[str]:
    """The deliveries that are current for its date, and will not be once it is recorded."""
    table = deliveries.c
    query = sa.select(table.delivery_id, table.sequence).where(
        table.source == delivery.dataset.source,
        table.dataset == delivery.dataset.name,
        table.batch_date == delivery.batch_date,
        table.state == "landed",
        table.superseded_at.is_(None),
    )
    with ledger.connect() as connection:
        current = connection.execute(query.order_by(table.version)).all()
    is_late = any(row.sequence > delivery.sequence for row in current)
    return [] if is_late else [row.delivery_id for row in current]


def count_occurrence(delivery: Delivery, ledger: sa.Engine) -> tuple[Delivery, sa.Row[Any] | None]:
    """The delivery, counted again where its bytes return after others had replaced them, and what is held of it."""
    table = deliveries.c
    replacing = sa.select(table.file_mtime_ns).where(
        table.source == delivery.dataset.source,
        table.dataset == delivery.dataset.name,
        table.batch_date == delivery.batch_date,
        table.sequence == delivery.sequence,
        table.state == "landed",
        table.superseded_at.is_(None),
    )
    with ledger.connect() as connection:
        while True:
            query = sa.select(deliveries).where(table.delivery_id == delivery.delivery_id)
            held = connection.execute(query).one_or_none()
            if held is None or held.state != "landed" or held.superseded_at is None:
                return delivery, held
            current: Sequence[int] = connection.execute(replacing).scalars().all()
            if not current or delivery.mtime_ns <= max(current):
                return delivery, held
            delivery = replace(delivery, occurrence=delivery.occurrence + 1)


def remember_file(delivery: Delivery, ledger: sa.Engine) -> None:
    """The same bytes under a new modification time: note it, so that the file is not hashed again."""
    with ledger.begin() as connection:
        connection.execute(
            sa.update(deliveries)
            .where(deliveries.c.delivery_id == delivery.delivery_id)
            .values(file_mtime_ns=delivery.mtime_ns, file_ctime_ns=delivery.ctime_ns)
        )
    _report("delivery_unchanged", delivery)


def remember_change(delivery: Delivery, ledger: sa.Engine) -> None:
    """The same bytes were put in their place again: note when, so that the file is not hashed again."""
    with ledger.begin() as connection:
        connection.execute(
            sa.update(deliveries)
            .where(deliveries.c.delivery_id == delivery.delivery_id)
            .values(file_ctime_ns=delivery.ctime_ns)
        )


def find_receipt(delivery: Delivery, ledger: sa.Engine) -> Delivery:
    """The delivery with the receipt of what was landed for its date before, which it cannot have come before."""
    table = deliveries.c
    query = sa.select(sa.func.max(table.received_at)).where(
        table.source == delivery.dataset.source,
        table.dataset == delivery.dataset.name,
        table.batch_date == delivery.batch_date,
        table.state == "landed",
        table.delivery_id != delivery.delivery_id,
    )
    with ledger.connect() as connection:
        last = connection.execute(query).scalar()
    return delivery if last is None else replace(delivery, replaces=datetime.fromisoformat(last))


def _report(
    event: Event, delivery: Delivery, rows: int | None = None, landed: int | None = None, held: int | None = None
) -> None:
    report_event(
        event,
        batch_date=delivery.batch_date,
        source=delivery.dataset.source,
        dataset=delivery.dataset.name,
        sequence=delivery.sequence,
        rows_in=rows,
        rows_landed=landed,
        rows_quarantined=held,
    )


def list_dates_to_build(batch_date: date, settings: Settings) -> dict[date, bool]:
    """The business dates that daily tables hold, each with whether something unpublished was delivered for it later.

    They are `batch_date`, every earlier date with a landed delivery, and the month-ends from the tenant's
    `month_ends_since` on, which the stock load covers; dates of the stock load count as the date it came with.
    """
    query = (
        sa.select(deliveries.c.batch_date, sa.func.count(deliveries.c.published_in), sa.func.count())
        .where(deliveries.c.state == "landed", deliveries.c.batch_date <= batch_date)
        .group_by(deliveries.c.batch_date)
    )
    with use_ledger(settings) as connection:
        landed: dict[date, bool] = {row[0]: row[1] < row[2] for row in connection.execute(query)}
    month_ends = _list_month_ends(settings.month_ends_since, batch_date)
    days = sorted({batch_date, *landed, *month_ends})
    return {day: landed.get(day, False) and day < batch_date for day in days}


def _list_month_ends(first: date | None, last: date) -> Iterator[date]:
    """The month-ends from one date to another, both included; none without a first."""
    if first is not None:
        for day in (first + timedelta(days=offset) for offset in range((last - first).days + 1)):
            if (day + timedelta(days=1)).day == 1:
                yield day


def mark_published(delivery_ids: Sequence[str], version: str, settings: Settings) -> None:
    """Note in which published version these deliveries were first visible."""
    if not delivery_ids:
        return
    with use_ledger(settings) as connection:
        connection.execute(
            sa.update(deliveries)
            .where(deliveries.c.published_in.is_(None), deliveries.c.delivery_id == sa.bindparam("built"))
            .values(published_in=version),
            [{"built": delivery_id} for delivery_id in delivery_ids],
        )
