"""The relay: outbox rows become records of policy.events.v1, in the order in which they were written.

    take the lease -> oldest rows -> publish -> forget them -> again, until none is left -> wait to be woken

A crash between publish and forget repeats records, and never loses one. One relay works at a time, so that the versions of an event stay ascending.
"""

from __future__ import annotations

import asyncio
import uuid
from contextlib import suppress
from datetime import timedelta

from services.notifier.place import OUTBOX
from services.runtime.broker import Broker
from services.runtime.clock import Clock
from services.runtime.errors import Unavailable
from services.store import leases, threads
from services.store.engine import Connection, Store
from services.store.wake import Waker

_LEASE = "outbox"


class Relay:
    """Publishes what placing left in the outbox. `run` is the task."""

    def __init__(
        self,
        store: Store,
        broker: Broker,
        clock: Clock,
        waker: Waker,
        *,
        batch: int = 500,
        lease: timedelta = timedelta(seconds=30),
        look_every: timedelta = timedelta(seconds=5),
    ) -> None:
        self._store = store
        self._broker = broker
        self._clock = clock
        self._waker = waker
        self._batch = batch
        self._lease = lease
        self._look_every = look_every
        self._token = uuid.uuid4().hex

    async def run(self, stop: asyncio.Event) -> None:
        """Relays until `stop`. A broker or a database that is away is waited for."""
        while not stop.is_set():
            try:
                more = await self.relay() > 0
            except Unavailable:
                more = False
            if not more:
                await self._waker.wait(OUTBOX, stop, self._look_every)
        with suppress(Unavailable):  # then the lease ends by itself
            await self._store.run(lambda db: leases.give_back(db, _LEASE, self._token))

    async def relay(self) -> int:
        """Publishes one batch and forgets it; how many records that were. None while another relay has its turn. Raises Unavailable."""
        rows = await self._store.run(lambda db: threads.waiting_records(db, self._batch) if self._has_turn(db) else [])
        if not rows:
            return 0
        try:
            async with asyncio.timeout(self._lease.total_seconds() / 2):  # later, another relay might be publishing newer versions
                await self._broker.publish([record for _, record in rows])
        except TimeoutError as exc:
            raise Unavailable("the broker took no events within half the relay's turn") from exc
        await self._store.run(lambda db: threads.forget_records(db, [seq for seq, _ in rows]))
        return len(rows)

    def _has_turn(self, db: Connection) -> bool:
        return leases.take(db, _LEASE, self._token, self._clock.now(), self._lease)
