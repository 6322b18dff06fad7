"""The journal's pen: what many deliveries have to say, written in few transactions.

    enter(result) -> all that came meanwhile -> one transaction -> written(results, fenced)

While one transaction runs, the next one gathers. What is entered stays in hand until it is written, so that a database that is away stops the sending too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import structlog

from services.runtime.clock import Clock
from services.runtime.errors import Unavailable
from services.store import journal, queue
from services.store.engine import Connection, Store
from services.store.health import Breaker
from services.store.journal import Result
from services.store.queue import Claimed

log = structlog.get_logger()

MOST = 500
"""Entries in one transaction: more would hold SQLite's write lock for too long."""

GATHER = timedelta(milliseconds=10)
"""How long a transaction waits for company while there is some: half of its cost is the same for one entry and for a hundred."""

Written = Callable[[Sequence[Result | Claimed], set[str]], None]
"""Gets what was entered and is safe now, with the ids of those whose lease had gone to somebody else: of them nothing was written."""


class Journal:
    """Group commit for attempts. `run` is its task."""

    def __init__(self, store: Store, *, clock: Clock, breaker: Breaker, patience: timedelta, jitter: Callable[[], float], written: Written) -> None:
        self._store = store
        self._clock = clock
        self._breaker = breaker
        self._patience = patience
        self._jitter = jitter
        self._written = written
        self._entries: list[Result | Claimed] = []
        self._some = asyncio.Event()

    def enter(self, entry: Result | Claimed) -> None:
        """Takes the end of an attempt; or a delivery that was never begun, to be given back."""
        self._entries.append(entry)
        self._some.set()

    async def run(self) -> None:
        """Writes until cancelled."""
        company = False
        while True:
            await self._some.wait()
            if company:
                await self._clock.sleep(GATHER)
            entries, self._entries = self._entries[:MOST], self._entries[MOST:]
            if not self._entries:
                self._some.clear()
            await self._commit(entries)
            company = len(entries) > 1

    async def _commit(self, entries: Sequence[Result | Claimed]) -> None:
        """Again and again while the database is away: what was sent is not forgotten while this process lives."""
        while (fenced := await self._try(entries)) is None:
            await self._clock.sleep(self._patience)
        self._written(entries, fenced)

    async def _try(self, entries: Sequence[Result | Claimed]) -> set[str] | None:
        now = self._clock.now()
        try:
            return await self._store.run(lambda db: self._write(db, entries, now))
        except Unavailable as exc:
            log.warning("journal_waits", reason=str(exc), entries=len(entries))
            return None

    def _write(self, db: Connection, entries: Sequence[Result | Claimed], now: datetime) -> set[str]:
        queue.release(db, [entry for entry in entries if isinstance(entry, Claimed)], now)
        results = [entry for entry in entries if isinstance(entry, Result)]
        fenced = journal.journal(db, results, now, self._breaker, jitter=self._jitter)
        return {result.delivery.id for result in fenced}
