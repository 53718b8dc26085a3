"""An empty platform for every test of one party."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.ingestion.broken import Party, make_party


@pytest.fixture
def party(tmp_path: Path) -> Party:
    return make_party(tmp_path / "home")
