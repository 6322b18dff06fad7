"""The same measurement on SQLite and, where there is one, on PostgreSQL."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack

from tests.bench.report import Row
from tests.bench.setting import Setting
from tests.servers import postgres

OnStore = Callable[[Setting, str, Sequence[str]], Awaitable[Row]]
"""Takes what the store is called, and the URL of an empty database for each run."""


async def on_each_store(setting: Setting, what: str, measure: OnStore) -> Sequence[Row]:
    """A row for each store. `what` names the files of SQLite."""
    rows = [await measure(setting, "SQLite", [f"sqlite:///{setting.directory / f'{what}-{run}.db'}" for run in range(setting.runs)])]
    with ExitStack() as stack:
        try:
            server = stack.enter_context(postgres.running())
        except postgres.NotAvailable:
            return rows
        databases = [stack.enter_context(server.database()) for _ in range(setting.runs)]
        return [*rows, await measure(setting, "PostgreSQL", databases)]
