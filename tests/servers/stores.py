"""Every store that a suite runs on: SQLite, and a real PostgreSQL where one can be had."""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.store import migrate
from services.store.engine import Store, metadata


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    return f"sqlite:///{tmp_path}/store.db" if request.param == "sqlite" else request.getfixturevalue("postgres_url")


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[Store]:
    """A store with all tables."""
    for module in migrate.TABLE_MODULES:
        importlib.import_module(module)
    async with Store.open(store_url) as opened:
        metadata.create_all(opened.engine)
        yield opened
