"""The journal's pen: what many deliveries have to say, written in few transactions.

    write(result) waits -> all that is waiting -> one transaction -> everybody goes on

While one transaction runs, the next one gathers. A delivery keeps its place until it is written, so that a database that is away stops the sending too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from services.runtime.clock import Clock
from services.runtime.errors import Unavailable
from services.store import delivery
from services.store.delivery import Breaker, Claimed, Result
from services.store.engine import Connection, Store

log = structlog.get_logger()

MOST = 500
"""Entries in one transaction: more would hold SQLite's write lock for too long."""


@dataclass(frozen=True)
class _Entry:
    what: Result | Claimed
    written: asyncio.Future[bool]


class Journal:
    """Group commit for attempts. `run` is its task."""

    def __init__(self, store: Store, *, clock: Clock, breaker: Breaker, patience: timedelta) -> None:
        self._store = store
        self._clock = clock
        self._breaker = breaker
        self._patience = patience
        self._waiting: asyncio.Queue[_Entry] = asyncio.Queue()

    async def write(self, result: Result) -> bool:
        """Returns when the end of an attempt is safe; False when the lease had gone to somebody else, and nothing was written."""
        return await self._enter(result)

    async def release(self, claimed: Claimed) -> None:
        """Returns when a delivery that was never begun is back in the queue."""
        await self._enter(claimed)

    async def run(self) -> None:
        """Writes until cancelled."""
        while True:
            entries = [await self._waiting.get()]
            while len(entries) < MOST and not self._waiting.empty():
                entries.append(self._waiting.get_nowait())
            await self._commit(entries)

    async def _enter(self, what: Result | Claimed) -> bool:
        entry = _Entry(what, asyncio.get_running_loop().create_future())
        self._waiting.put_nowait(entry)
        return await entry.written

    async def _commit(self, entries: Sequence[_Entry]) -> None:
        """Again and again while the database is away: what was sent is not forgotten while this process lives."""
        while (fenced := await self._try(entries)) is None:
            await self._clock.sleep(self._patience)
        for entry in entries:
            if not entry.written.done():
                entry.written.set_result(_id(entry.what) not in fenced)

    async def _try(self, entries: Sequence[_Entry]) -> set[str] | None:
        now = self._clock.now()
        try:
            return await self._store.run(lambda db: self._write(db, entries, now))
        except Unavailable as exc:
            log.warning("journal_waits", reason=str(exc), entries=len(entries))
            return None

    def _write(self, db: Connection, entries: Sequence[_Entry], now: datetime) -> set[str]:
        delivery.release(db, [entry.what for entry in entries if isinstance(entry.what, Claimed)], now)
        fenced = delivery.journal(db, [entry.what for entry in entries if isinstance(entry.what, Result)], now, self._breaker)
        return {result.delivery.id for result in fenced}


def _id(what: Result | Claimed) -> str:
    return what.id if isinstance(what, Claimed) else what.delivery.id
