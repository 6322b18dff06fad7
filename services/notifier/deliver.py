"""Deliveries into mailboxes and endpoints: the only step that cannot be undone.

    claim due, under a lease -> lanes: lease long enough? -> open address -> render -> channel.send -> journal, many in one transaction

Nothing is sent twice unless a process froze or died between sending and journal; then it is sent again with the same id. `claim` counts what is in hand, so
one slow destination never fills all places. Stopping claims nothing new and finishes what is being sent.
"""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, cast

import structlog

from services.notifier.attempt import Messages, Render, published_at, result_of, told
from services.notifier.channels.outcome import Channel, Outcome, Reason, Retry, Sent
from services.notifier.housekeeping import Housekeeping
from services.notifier.journal import Journal
from services.notifier.metrics import NotifierMetrics
from services.notifier.pace import LateBudget, Pace
from services.notifier.recent import Recent
from services.notifier.settings import NotifierSettings
from services.notifier.waiting import woken
from services.runtime.clock import Clock
from services.runtime.errors import Rejected, Unavailable
from services.store import queue
from services.store.engine import Store
from services.store.health import Breaker
from services.store.journal import Result
from services.store.queue import Claimed
from services.store.secrets import Cipher
from services.store.wake import Waker

log = structlog.get_logger()

DELIVERIES = "deliveries"
"""The channel on which the deliverer is woken."""

LAST_WRITES = timedelta(seconds=3)
"""How long the journal may take for what was cut off."""

MARGIN = timedelta(seconds=5)
"""Beyond a channel's own deadline: then the attempt is cut."""

AHEAD = 4
"""So many times what is being sent at once is in hand: being sent, waiting for its turn, or waiting for the journal."""

LOOK = timedelta(seconds=1)
"""How often it is looked for attempts to cut."""

HELD = timedelta(milliseconds=250)
"""Until the next look at what is due and may not be sent yet: a brake is on, a rate or the budget of late ones is used up."""


class Deliverer:
    """The task that delivers, woken by new deliveries and by those that ended."""

    def __init__(
        self,
        store: Store,
        cipher: Cipher,
        channels: Mapping[str, Channel],
        render: Render,
        *,
        settings: NotifierSettings,
        clock: Clock,
        metrics: NotifierMetrics,
        waker: Waker,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._store = store
        self._channels = channels
        self._messages = Messages(cipher, render)
        self._settings = settings
        self._clock = clock
        self._metrics = metrics
        self._waker = waker
        self._jitter = jitter
        self._breaker = Breaker(settings.breaker_failures, settings.breaker_pause, settings.breaker_longest)
        self._journal = Journal(store, clock=clock, breaker=self._breaker, patience=settings.poll, jitter=jitter, written=self._written)
        self._pace = Pace(places=settings.concurrency, per_destination=settings.per_destination, per_second=settings.per_destination_rate)
        self._late = LateBudget(settings.late_rate)
        self._house = Housekeeping(store, settings=settings, clock=clock, metrics=metrics, late=self._late, wake=lambda: waker.wake(DELIVERIES))
        self._published: Recent[str, datetime | None] = Recent(1000)
        self._ready: asyncio.Queue[tuple[Claimed, float] | None] = asyncio.Queue()
        self._trying: dict[asyncio.Task[Any], float] = {}
        self._overdue: set[asyncio.Task[Any]] = set()
        self._all_written = asyncio.Event()
        self._giving_up = False
        self._log = log.bind()  # once: binding it anew costs as much as the line

    async def run(self, stop: asyncio.Event) -> None:
        """Delivers until stopped; then finishes what is being sent, within the drain."""
        async with asyncio.TaskGroup() as group:
            journal = group.create_task(self._journal.run(), name="notifier.journal")
            group.create_task(self._house.run(stop), name="notifier.housekeeping")
            group.create_task(self._watch(stop), name="notifier.deadlines")
            lanes = [group.create_task(self._lane(), name=f"notifier.lane.{number}") for number in range(self._settings.concurrency)]
            while not stop.is_set():
                if not await self._take():
                    await self._wait(stop)
            await self._drain(lanes)
            journal.cancel()
            await asyncio.gather(*(channel.close() for channel in self._channels.values()))

    # ---- claiming

    async def _take(self) -> bool:
        """Claims what there is room for. False when there was nothing to claim, or not enough room to make it worth a transaction."""
        most = AHEAD * self._settings.concurrency
        room = most - self._pace.total
        if room < most / 2:
            return False
        since = self._clock.monotonic()  # from before the claim: the lease is never thought longer than it is
        for claimed in (took := await self._claim(room, since)):
            self._pace.took(claimed.destination, since, probe=claimed.probe)
            self._ready.put_nowait((claimed, since))
        self._late.spend(sum(claimed.late for claimed in took))
        self._house.claimed(sum(claimed.attempt == 1 for claimed in took))
        self._metrics.in_flight.set(self._pace.total)
        return bool(took)

    async def _claim(self, room: int, now: float) -> Sequence[Claimed]:
        token, at, offer, late = uuid.uuid4().hex, self._clock.now(), self._pace.offer(now), self._late.left(now)
        lease, breaker = self._settings.lease, self._breaker
        try:
            return await self._store.run(lambda db: queue.claim(db, token=token, limit=room, late=late, offer=offer, lease=lease, now=at, breaker=breaker))
        except Unavailable as exc:
            log.warning("delivery_waits", reason=str(exc))
            return ()

    async def _wait(self, stop: asyncio.Event) -> None:
        """Until there is something to claim: a new delivery, free places, a retry that is due, or the next look."""
        within = self._settings.poll
        if not self._pace.total:
            within = min(within, await self._until_due())
        await self._waker.wait(DELIVERIES, stop, within)

    async def _until_due(self) -> timedelta:
        try:
            due = await self._store.read(queue.next_due)
        except Unavailable:
            return self._settings.poll
        if due is None:
            return self._settings.poll
        return max(due - self._clock.now(), timedelta()) or HELD

    # ---- sending

    async def _lane(self) -> None:
        """One delivery after the other, until there shall be no more."""
        while (ready := await self._ready.get()) is not None:
            await self._deliver(*ready)

    async def _deliver(self, claimed: Claimed, since: float) -> None:
        channel = self._channels[claimed.channel]
        if self._lease_left(since) < channel.deadline + MARGIN:
            self._journal.enter(claimed)
            return
        began = self._clock.monotonic()
        outcome = await self._attempt(channel, claimed)
        seconds = self._clock.monotonic() - began
        self._metrics.attempted(claimed.channel, seconds)
        self._pace.ended(claimed.destination, sent=isinstance(outcome, Sent), seconds=seconds)
        if isinstance(outcome, Sent):
            self._measure(claimed)
        self._journal.enter(result_of(claimed, outcome, self._jitter()))

    def _measure(self, claimed: Claimed) -> None:
        if claimed.digest is not None:
            return  # it was to come later
        published = self._published.get(claimed.alert_id, lambda: published_at(claimed.event))
        if published is not None:
            self._metrics.accepted(claimed.channel, (self._clock.now() - published).total_seconds())

    def _lease_left(self, since: float) -> timedelta:
        return self._settings.lease - timedelta(seconds=self._clock.monotonic() - since)

    async def _attempt(self, channel: Channel, claimed: Claimed) -> Outcome:
        """One send, whatever happens. A bug in a channel or a template costs this attempt and is told loudly; it is mended by a release, within the schedule."""
        task = cast("asyncio.Task[Any]", asyncio.current_task())
        self._trying[task] = self._clock.monotonic() + (channel.deadline + MARGIN).total_seconds()
        try:
            return await channel.send(self._messages.of(claimed))
        except asyncio.CancelledError:
            if task in self._overdue:
                self._overdue.discard(task)
                return Retry(Reason.DEADLINE, maybe_sent=True)
            if not self._giving_up:
                raise
            return Retry(Reason.INTERRUPTED, maybe_sent=True)
        except Rejected as exc:
            log.error("delivery_unreadable", delivery=claimed.id, reason=str(exc))
            return Retry(Reason.UNREADABLE)
        except Exception:  # this is the loop: one delivery must not stop the others
            log.exception("delivery_bug", delivery=claimed.id, channel=claimed.channel)
            return Retry(Reason.BUG, maybe_sent=True)
        finally:
            del self._trying[task]

    async def _watch(self, stop: asyncio.Event) -> None:
        """Cuts off attempts whose channel does not keep its own deadline. One look at all of them costs less than a timer for each."""
        while not stop.is_set():
            now = self._clock.monotonic()
            for task in [task for task, until in self._trying.items() if until < now and task not in self._overdue]:
                self._overdue.add(task)
                task.cancel()
            await woken(stop, within=LOOK, clock=self._clock)

    # ---- written

    def _written(self, entries: Sequence[Result | Claimed], fenced: set[str]) -> None:
        """What the journal has is not in hand any more."""
        for entry in entries:
            if isinstance(entry, Result):
                self._tell(entry, "fenced" if entry.delivery.id in fenced else told(entry))
            self._pace.let_go((entry.delivery if isinstance(entry, Result) else entry).destination)
        self._house.sent(sum(isinstance(entry, Result) and entry.outcome == "sent" for entry in entries))
        self._metrics.in_flight.set(self._pace.total)
        if not self._pace.total:
            self._all_written.set()
        self._waker.wake(DELIVERIES)

    def _tell(self, result: Result, outcome: str) -> None:
        claimed = result.delivery
        self._metrics.ended(claimed.channel, outcome)
        self._log.info("delivery_attempted", delivery=claimed.id, channel=claimed.channel, attempt=claimed.attempt, outcome=outcome, reason=result.reason)

    # ---- stopping

    async def _drain(self, lanes: Sequence[asyncio.Task[None]]) -> None:
        """Gives back what was not begun, and waits for what is being sent; what takes too long is cut off and goes back into the queue."""
        while not self._ready.empty():
            if (ready := self._ready.get_nowait()) is not None:
                self._journal.enter(ready[0])
        for _ in lanes:
            self._ready.put_nowait(None)
        await asyncio.wait(lanes, timeout=self._settings.drain.total_seconds())
        self._giving_up = True
        if self._trying:
            log.warning("deliveries_cut_off", deliveries=len(self._trying))
        for task in list(self._trying):
            task.cancel()
        await asyncio.wait([*lanes, last := asyncio.ensure_future(self._last_writes())], timeout=LAST_WRITES.total_seconds())
        for task in (last, *lanes):
            task.cancel()  # the database is away: the leases run out by themselves

    async def _last_writes(self) -> None:
        while self._pace.total:
            self._all_written.clear()
            await self._all_written.wait()
