"""Rows are inserted by their columns' names, in whatever order the engine wants them."""

from __future__ import annotations

from itertools import permutations

import pytest

from ingestion.foundation import Settings
from ingestion.protection import load_keys
from ingestion.vault.store import Store
from ingestion.vault.tables import token_starts

ROW = {"start": 7, "subject": b"s" * 32, "kind": "mobile"}


@pytest.mark.parametrize("names", list(permutations(ROW)), ids=" ".join)
def test_columns_go_where_they_belong_in_any_order(settings: Settings, names: tuple[str, ...]) -> None:
    store = Store(settings, load_keys(settings.key_file))
    row = tuple(ROW[name] for name in names)
    with store.write() as connection:
        assert store.insert_new(connection, token_starts, names, [row]) == 1
        assert store.insert_new(connection, token_starts, names, [row]) == 0
        assert connection.execute(token_starts.select()).all() == [(7, b"s" * 32, "mobile")]
    store.engine.dispose()
