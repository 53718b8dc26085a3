"""A department's PostgreSQL is queried like any database source: typed, windowed, repeatable."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
import sqlalchemy as sa

from ingestion.delivery import DeliveryIncomplete
from tests.ingestion.broken import Party, column, contract, dataset

NEXT = date(2026, 3, 3)
QUERY = (
    "select ticket_no, content, paid_amount, opened_at::text as opened_at from ticket"
    " where posted_date > cast(:since as date) and posted_date <= cast(:until as date) order by ticket_no"
)
COLUMNS = (
    column("ticket_no", key=True),
    column("content"),
    column("paid_amount", "DECIMAL(18,2)"),
    column("opened_at", "TIMESTAMPTZ"),
)


@pytest.fixture
def tickets(server: str) -> Iterator[sa.Engine]:
    engine = sa.create_engine(server)
    with engine.begin() as connection:
        connection.execute(sa.text("drop table if exists ticket"))
        connection.execute(
            sa.text(
                "create table ticket (ticket_no text primary key, content text, paid_amount numeric(18,2),"
                " opened_at timestamp, posted_date date)"
            )
        )
        connection.execute(
            sa.text(
                "insert into ticket values ('T1', '还款 ''咨询''', 12.50, '2026-02-01 08:00:00', '2026-02-01'),"
                " ('T2', null, 99999999999999.99, '2026-03-02 23:59:59', '2026-03-02'),"
                " ('T3', E'line\\nfeed', null, '2026-03-03 00:00:00', '2026-03-03')"
            )
        )
    yield engine
    engine.dispose()


def declare(party: Party, url: str) -> None:
    party.agree(contract("party", dataset(*COLUMNS, reader="database", query=QUERY), connection=url))


def test_each_date_brings_its_own_rows_and_the_first_all_before(party: Party, server: str, tickets: sa.Engine) -> None:
    declare(party, server)
    party.land()
    assert [str(value) for value in party.rows("ticket_no", "content", "paid_amount")] == [
        "('T1', \"还款 '咨询'\", Decimal('12.50'))",
        "('T2', None, Decimal('99999999999999.99'))",
    ]
    party.land(NEXT)
    assert party.rows("ticket_no", "content")[-1] == ("T3", "line\nfeed")
    before = party.stored()
    party.land(NEXT)
    assert party.stored() == before


def test_a_restated_row_supersedes_the_date_it_came_with(party: Party, server: str, tickets: sa.Engine) -> None:
    declare(party, server)
    party.land()
    with tickets.begin() as connection:
        connection.execute(sa.text("update ticket set paid_amount = 13.00 where ticket_no = 'T1'"))
    (entry,) = party.land().arrivals
    assert "0 rows added, 0 removed, 1 changed" in entry.difference
    assert str(party.rows("paid_amount")[0][0]) == "13.00"


def test_a_server_that_is_down_is_reported_in_a_sentence(party: Party, tmp_path: Path) -> None:
    declare(party, f"postgresql+psycopg://loan@/postgres?host={tmp_path}")
    with pytest.raises(DeliveryIncomplete, match=r"party\.rows of 2026-03-02: the database did not answer"):
        party.land()
