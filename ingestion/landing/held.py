"""What is held (在隔离): the ledger's deliveries that still have quarantined rows."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from ingestion.foundation.ledger import deliveries
from ingestion.foundation.ledger.tables import replays


def list_held_sql(source: str | None = None) -> sa.Select[Any]:
    """Current deliveries with quarantined rows that were not replayed yet, by source, dataset and date."""
    query = (
        sa.select(deliveries)
        .outerjoin(replays, replays.c.delivery_id == deliveries.c.delivery_id)
        .where(
            deliveries.c.state == "landed",
            deliveries.c.rows_quarantined > 0,
            deliveries.c.superseded_at.is_(None),
            replays.c.replay_id.is_(None),
        )
        .order_by(deliveries.c.source, deliveries.c.dataset, deliveries.c.batch_date, deliveries.c.version)
    )
    return query if source is None else query.where(deliveries.c.source == source)
