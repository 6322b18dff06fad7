"""Wakes what waits for work, so that nothing polls: in this process at once, across processes by PostgreSQL's NOTIFY.

A wake-up may be lost (a restart, a broken connection); whoever waits gives a time-out and looks anyway.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from services.store.engine import Store

_CHANNEL = "chipwire_wake"


class Waker:
    """Channels that can be waited for. One for each store in a process."""

    def __init__(self, store: Store, *, reconnect: timedelta = timedelta(seconds=5)) -> None:
        self._store = store
        self._reconnect = reconnect
        self.hearing = asyncio.Event()
        """Set while other processes are heard."""
        self._events: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)

    def wake(self, channel: str) -> None:
        """Wakes the waiters of this process. Call it on the event loop, after the transaction."""
        self._events[channel].set()

    async def wait(self, channel: str, stop: asyncio.Event, timeout: timedelta) -> None:  # noqa: ASYNC109 not a deadline: looking anyway after this time is the promise
        """Returns after a wake-up, at `stop`, or after the time-out."""
        event = self._events[channel]
        waiters = [asyncio.ensure_future(event.wait()), asyncio.ensure_future(stop.wait())]
        try:
            await asyncio.wait(waiters, timeout=timeout.total_seconds(), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for waiter in waiters:
                waiter.cancel()
            event.clear()

    async def listen(self, stop: asyncio.Event) -> None:
        """The task that hears other processes. On SQLite there are none to hear."""
        while not stop.is_set():
            if self._store.dialect == "postgresql":
                await self._hear(stop)
            else:
                await stop.wait()

    async def _hear(self, stop: asyncio.Event) -> None:
        import psycopg

        hearing = asyncio.ensure_future(self._notifications())
        stopped = asyncio.ensure_future(stop.wait())
        try:
            await asyncio.wait([hearing, stopped], return_when=asyncio.FIRST_COMPLETED)
            if hearing.done() and not isinstance(hearing.exception(), psycopg.Error):
                hearing.result()
            await asyncio.wait([stopped], timeout=0 if stop.is_set() else self._reconnect.total_seconds())
        finally:
            for task in (hearing, stopped):
                task.cancel()
            await asyncio.gather(hearing, stopped, return_exceptions=True)

    async def _notifications(self) -> None:
        import psycopg

        url = self._store.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        async with await psycopg.AsyncConnection.connect(url, autocommit=True, connect_timeout=10) as connection:
            await connection.execute(f"LISTEN {_CHANNEL}")
            self.hearing.set()
            try:
                async for notification in connection.notifies():
                    self.wake(notification.payload)
            finally:
                self.hearing.clear()


def notify(db: Connection, channel: str) -> None:
    """Wakes the waiters of all processes when this transaction commits. On SQLite, `Waker.wake` has to do."""
    if db.dialect.name == "postgresql":
        db.execute(sa.select(sa.func.pg_notify(_CHANNEL, channel)))
