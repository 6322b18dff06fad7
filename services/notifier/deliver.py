"""Deliveries into mailboxes and endpoints: the only step that cannot be undone.

    claim due, under a lease -> lease long enough? -> open address -> render -> channel.send -> journal, many in one transaction

Nothing is sent twice unless a process froze or died between sending and journal; then it is sent again with the same id. `claim` counts what is in hand, so
one slow destination never fills all places. Stopping claims nothing new and finishes what is being sent.
"""

from __future__ import annotations

import asyncio
import random
import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

import structlog

from schemas.events.event import PolicyEvent
from services.notifier.channels.outcome import Channel, Final, Message, Outcome, Reason, Retry, Sent
from services.notifier.journal import Journal
from services.notifier.metrics import NotifierMetrics
from services.notifier.settings import NotifierSettings
from services.notifier.waiting import woken
from services.runtime.clock import Clock
from services.runtime.errors import Rejected, Unavailable
from services.store import delivery
from services.store.delivery import Breaker, Claimed, Queue, Result, Tidied
from services.store.engine import Store
from services.store.secrets import Cipher
from services.store.wake import Waker

log = structlog.get_logger()

DELIVERIES = "deliveries"
"""The channel on which the deliverer is woken."""

SCHEDULE = tuple(
    timedelta(seconds=seconds) for seconds in (5, 30, 120, 600, 1800, 2 * 3600, 5 * 3600, 10 * 3600, 10 * 3600, 12 * 3600, 12 * 3600, 12 * 3600, 12 * 3600)
)
"""The waits between attempts: three days in all, dense while a restart is likely, sparse while people mend."""

LONGEST_WAIT = timedelta(hours=12)
"""What a Retry-After may ask for at most."""

LAST_WRITES = timedelta(seconds=3)
"""How long the journal may take for what was cut off."""

MARGIN = timedelta(seconds=5)
"""Beyond a channel's own deadline: then the attempt is cut."""


@dataclass(frozen=True)
class Words:
    """An alert in words, and in which language they are."""

    headline: str
    subject: str
    text: str
    language: str


Render = Callable[[Claimed], Words]


def retry_in(attempt: int, after: timedelta | None, jitter: float) -> timedelta | None:
    """How long to wait after the given attempt failed, the first being 1; None when none is left.

    `jitter` from 0 to 1 spreads the wait by 20 % either way, so that what failed together does not come back together.
    """
    if attempt > len(SCHEDULE):
        return None
    spread = 0.8 + 0.4 * jitter
    asked = min(after, LONGEST_WAIT) * (1 + 0.2 * jitter) if after else timedelta()
    return max(SCHEDULE[attempt - 1] * spread, asked)


def published_at(event: PolicyEvent) -> datetime | None:
    """When the newest source of the event published it, where it said so to the second."""
    newest = max(event.sources, key=lambda source: source.first_seen_at, default=None)
    if newest is None or newest.published is None or newest.published.precision != "second":
        return None
    return newest.published.at


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
        self._cipher = cipher
        self._channels = channels
        self._render = render
        self._settings = settings
        self._clock = clock
        self._metrics = metrics
        self._waker = waker
        self._jitter = jitter
        self._breaker = Breaker(settings.breaker_failures, settings.breaker_pause, settings.breaker_longest)
        self._journal = Journal(store, clock=clock, breaker=self._breaker, patience=settings.poll)
        self._sending: dict[asyncio.Task[Any], Claimed] = {}
        self._trying: set[asyncio.Task[Any]] = set()
        self._giving_up = False

    async def run(self, stop: asyncio.Event) -> None:
        """Delivers until stopped; then finishes what is being sent, within the drain."""
        async with asyncio.TaskGroup() as group:
            journal = group.create_task(self._journal.run(), name="notifier.journal")
            group.create_task(self._keep_house(stop), name="notifier.housekeeping")
            while not stop.is_set():
                if not await self._take(group):
                    await self._wait(stop)
            await self._drain()
            journal.cancel()

    async def _take(self, group: asyncio.TaskGroup) -> bool:
        """Claims what there is room for and begins to send it. False when nothing was claimed."""
        room = self._settings.concurrency - len(self._sending)
        if room <= 0:
            return False
        since = self._clock.monotonic()  # from before the claim: the lease is never thought longer than it is
        for claimed in (took := await self._claim(room)):
            task = group.create_task(self._deliver(claimed, since), name=f"notifier.deliver.{claimed.id}")
            self._sending[task] = claimed
            task.add_done_callback(self._sent)
        self._metrics.in_flight.set(len(self._sending))
        return bool(took)

    async def _claim(self, room: int) -> Sequence[Claimed]:
        token, now = uuid.uuid4().hex, self._clock.now()
        in_hand = Counter(claimed.destination for claimed in self._sending.values())
        try:
            return await self._store.run(
                lambda db: delivery.claim(
                    db,
                    token=token,
                    limit=room,
                    per_destination=self._settings.per_destination,
                    in_hand=in_hand,
                    lease=self._settings.lease,
                    now=now,
                    breaker=self._breaker,
                )
            )
        except Unavailable as exc:
            log.warning("delivery_waits", reason=str(exc))
            return ()

    def _sent(self, task: asyncio.Task[Any]) -> None:
        self._sending.pop(task, None)
        self._metrics.in_flight.set(len(self._sending))
        self._waker.wake(DELIVERIES)

    async def _wait(self, stop: asyncio.Event) -> None:
        """Until there is something to claim: a new delivery, a free place, a retry that is due, or the next look."""
        within = self._settings.poll
        if not self._sending:
            within = min(within, await self._until_due())
        await self._waker.wait(DELIVERIES, stop, within)

    async def _until_due(self) -> timedelta:
        try:
            due = await self._store.read(delivery.next_due)
        except Unavailable:
            return self._settings.poll
        return self._settings.poll if due is None else max(due - self._clock.now(), timedelta(milliseconds=20))

    async def _deliver(self, claimed: Claimed, since: float) -> None:
        channel = self._channels[claimed.channel]
        if self._lease_left(since) < channel.deadline + MARGIN:
            await self._journal.release(claimed)
            return
        began = self._clock.monotonic()
        outcome = await self._attempt(channel, claimed)
        ended_at = self._clock.now()
        self._metrics.attempt_seconds.labels(claimed.channel).observe(self._clock.monotonic() - began)
        result = self._result(claimed, outcome)
        told = _told(result) if await self._journal.write(result) else "fenced"
        self._metrics.deliveries.labels(claimed.channel, told).inc()
        if told == "sent":
            self._measure(claimed, ended_at)
        log.info("delivery_attempted", delivery=claimed.id, channel=claimed.channel, attempt=claimed.attempt, outcome=told, reason=result.reason)

    def _lease_left(self, since: float) -> timedelta:
        return self._settings.lease - timedelta(seconds=self._clock.monotonic() - since)

    async def _attempt(self, channel: Channel, claimed: Claimed) -> Outcome:
        """One send, whatever happens. A bug in a channel or a template costs this attempt and is told loudly; it is mended by a release, within the schedule."""
        task = cast("asyncio.Task[Any]", asyncio.current_task())
        self._trying.add(task)
        try:
            async with asyncio.timeout((channel.deadline + MARGIN).total_seconds()):
                return await channel.send(self._message(claimed))
        except TimeoutError:
            return Retry(Reason.DEADLINE, maybe_sent=True)
        except asyncio.CancelledError:
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
            self._trying.discard(task)

    def _message(self, claimed: Claimed) -> Message:
        words = self._render(claimed)
        return Message(
            id=claimed.id,
            account_id=claimed.destination.account_id,
            destination_id=claimed.destination.id,
            address=self._cipher.decrypt(claimed.address),
            secret=None if claimed.secret is None else self._cipher.decrypt(claimed.secret),
            alert_id=claimed.alert_id,
            kind=claimed.kind,
            event=claimed.event,
            headline=words.headline,
            subject=words.subject,
            text=words.text,
            language=words.language,
            reasons=claimed.reasons,
            raised_at=claimed.raised_at,
            sequence=claimed.sequence,
            previous=claimed.previous,
            epoch=claimed.epoch,
        )

    def _result(self, claimed: Claimed, outcome: Outcome) -> Result:
        if isinstance(outcome, Sent):
            return Result(claimed, "sent", Reason.ACCEPTED, outcome.status)
        if isinstance(outcome, Final):
            return Result(claimed, "final", outcome.reason, outcome.status, disable=outcome.disable)
        wait = timedelta() if outcome.reason is Reason.INTERRUPTED else retry_in(claimed.attempt, outcome.after, self._jitter())
        pause = wait if outcome.reason is Reason.THROTTLED and outcome.after else None
        return Result(claimed, "retry", outcome.reason, outcome.status, wait, pause=pause, maybe_sent=outcome.maybe_sent)

    def _measure(self, claimed: Claimed, accepted_at: datetime) -> None:
        if (published := published_at(claimed.event)) is not None:
            self._metrics.published_to_accepted.labels(claimed.channel).observe(max(0.0, (accepted_at - published).total_seconds()))

    async def _keep_house(self, stop: asyncio.Event) -> None:
        """Takes back leases that ran out, withholds what is not wanted any more, and measures the queue."""
        while not stop.is_set():
            try:
                await self._tidy(self._clock.now())
            except Unavailable as exc:
                log.warning("housekeeping_waits", reason=str(exc))
            await woken(stop, within=self._settings.housekeeping, clock=self._clock)

    async def _tidy(self, now: datetime) -> None:
        tidied = await self._store.run(lambda db: delivery.tidy(db, now))
        self._report(tidied, await self._store.read(delivery.queue), now)

    def _report(self, tidied: Tidied, queue: Queue, now: datetime) -> None:
        self._metrics.leases_expired.inc(tidied.expired)
        self._metrics.withheld.inc(tidied.withheld)
        self._metrics.queue_depth.set(queue.depth)
        self._metrics.oldest_due_seconds.set(max(0.0, (now - queue.oldest_due_at).total_seconds()) if queue.oldest_due_at else 0.0)
        if tidied.expired:
            log.warning("leases_expired", deliveries=tidied.expired)
            self._waker.wake(DELIVERIES)

    async def _drain(self) -> None:
        """Waits for what is being sent; what takes too long is cut off and goes back into the queue."""
        if self._sending:
            await asyncio.wait(list(self._sending), timeout=self._settings.drain.total_seconds())
        self._giving_up = True
        for task in self._trying:
            task.cancel()
        if self._sending:
            log.warning("deliveries_cut_off", deliveries=len(self._sending))
            await asyncio.wait(list(self._sending), timeout=LAST_WRITES.total_seconds())
        for task in list(self._sending):
            task.cancel()  # the database is away: the leases run out by themselves


def _told(result: Result) -> str:
    """The word of the metric for how an attempt ended."""
    if result.outcome == "sent":
        return "sent"
    return "retry" if result.outcome == "retry" and result.retry_in is not None else "failed"
