"""What the deliverer does beside sending: leases taken back, the queue measured, the brake watched, old rows deleted.

every few seconds    expired leases -> back into the queue · unwanted -> withheld · depth, age and brakes -> metrics
every hour           attempts and deliveries that are kept no longer -> deleted, in portions
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from services.notifier.metrics import NotifierMetrics
from services.notifier.owner import WARNED
from services.notifier.pace import LateBudget
from services.notifier.settings import NotifierSettings
from services.notifier.waiting import woken
from services.runtime.clock import Clock
from services.runtime.errors import Unavailable
from services.store import brakes, notices, queue, retention, timers
from services.store.engine import Connection, Store
from services.store.queue import Queue, Tidied

log = structlog.get_logger()

FORGET_EVERY = timedelta(hours=1)


class Sent:
    """How many deliveries were sent lately: more than so many within a while put the brake on. Pure."""

    def __init__(self, most: int, within: timedelta) -> None:
        self._most = most
        self._within = within.total_seconds()
        self._seconds: deque[tuple[float, int]] = deque()
        self._count = 0

    def note(self, count: int, now: float) -> bool:
        """Counts so many more. True when they are too many; the counting then starts anew."""
        if not self._most or not count:
            return False
        self._seconds.append((now, count))
        self._count += count
        while self._seconds[0][0] <= now - self._within:
            self._count -= self._seconds.popleft()[1]
        if self._count <= self._most:
            return False
        self._seconds.clear()
        self._count = 0
        return True


class Housekeeping:
    """`run` is the task. `wake` is called when there is something to send again."""

    def __init__(self, store: Store, *, settings: NotifierSettings, clock: Clock, metrics: NotifierMetrics, late: LateBudget, wake: Callable[[], None]) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock
        self._metrics = metrics
        self._late = late
        self._wake = wake
        self._sent = Sent(settings.brake_at, settings.brake_within)
        self._brake_wanted = False
        self._braking = asyncio.Event()
        self._fresh = 0
        self._depth: int | None = None
        self._measured_at = clock.monotonic()
        self._forgotten_at: float | None = None

    def claimed(self, fresh: int) -> None:
        """So many deliveries were claimed that were never tried before."""
        self._fresh += fresh

    def sent(self, count: int) -> None:
        """So many deliveries were sent. Too many, and the brake goes on."""
        if self._sent.note(count, self._clock.monotonic()):
            self._brake_wanted = True
            self._braking.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Keeps house until stopped. While the database is away it waits."""
        while not stop.is_set():
            try:
                await self._round(self._clock.now())
            except Unavailable as exc:
                log.warning("housekeeping_waits", reason=str(exc))
            self._braking.clear()
            if not self._brake_wanted:
                await woken(stop, self._braking, within=self._settings.housekeeping, clock=self._clock)

    async def _round(self, now: datetime) -> None:
        if self._brake_wanted:
            await self._put_brake_on(now)
        tidied = await self._store.run(lambda db: queue.tidy(db, now))
        await self._give_up(now)
        waiting, braked, (dates, next_date) = await self._store.read(lambda db: (queue.queue(db), brakes.list_brakes(db), timers.ahead(db)))
        self._report(tidied, waiting, now)
        self._metrics.brakes.set(len(braked))
        self._metrics.timers_waiting.set(dates)
        self._metrics.timers_overdue_seconds.set(max(0.0, (now - next_date).total_seconds()) if next_date else 0.0)
        await self._forget(now)

    async def _put_brake_on(self, now: datetime) -> None:
        why = f"more than {self._settings.brake_at} deliveries were sent within {self._settings.brake_within}"
        await self._store.run(lambda db: brakes.pause(db, brakes.ALL, why, now))
        self._brake_wanted = False
        log.error("deliveries_paused", reason=why, then="look whether that is right, then `chipwire deliveries resume`")

    async def _give_up(self, now: datetime) -> None:
        """Switches off what has failed for too long."""
        after, failures = self._settings.disable_after, self._settings.breaker_failures
        if not after:
            return
        given_up = await self._store.run(lambda db: notices.give_up(db, now, after=after, warned=min(WARNED, after / 2), failures=failures))
        for key in given_up:
            log.warning("destination_given_up", account=key.account_id, destination=key.id, reason=f"it took nothing for {after}")
        self._metrics.disabled.inc(len(given_up))

    def _report(self, tidied: Tidied, waiting: Queue, now: datetime) -> None:
        self._metrics.leases_expired.inc(tidied.expired)
        self._metrics.withheld.inc(tidied.withheld)
        self._metrics.queue_depth.set(waiting.depth)
        self._metrics.oldest_due_seconds.set(max(0.0, (now - waiting.oldest_due_at).total_seconds()) if waiting.oldest_due_at else 0.0)
        self._measure_income(waiting.depth)
        if tidied.expired:
            log.warning("leases_expired", deliveries=tidied.expired)
            self._wake()

    def _measure_income(self, depth: int) -> None:
        """What came in is what the queue grew by, and what was taken out of it."""
        at = self._clock.monotonic()
        if self._depth is not None:
            self._late.came_in(depth - self._depth + self._fresh, at - self._measured_at)
        self._depth, self._fresh, self._measured_at = depth, 0, at

    async def _forget(self, now: datetime) -> None:
        at = self._clock.monotonic()
        if self._forgotten_at is not None and at - self._forgotten_at < FORGET_EVERY.total_seconds():
            return
        self._forgotten_at = at
        goes_on = True
        while goes_on:
            goes_on = (await self._store.run(lambda db: self._one_portion(db, now))).goes_on

    def _one_portion(self, db: Connection, now: datetime) -> retention.Forgotten:
        return retention.forget(db, attempts_before=now - self._settings.keep_attempts, deliveries_before=now - self._settings.keep_deliveries)
