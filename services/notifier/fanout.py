"""Alerts into deliveries: every destination that shall hear of an alert gets one, now or later.

    oldest alert not fanned out yet -> whom it reaches, by the index -> next 1,000 of them -> at once: deliveries · later: waiting -> cursor

A chunk is one transaction, and they go on until none is left. An alert is locked while a chunk of it is made, so two notifiers never work on the same; after a
crash a chunk is made again, and what is there already stays as it is. The versions of one event are fanned out one after the other.
"""

from __future__ import annotations

import asyncio
import gc
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from schemas.config.times import Times
from services.notifier.cadence import Later, correction_later, kind_for, later, soonest
from services.notifier.deliver import DELIVERIES
from services.notifier.digest import WAITING
from services.notifier.filters import Seen
from services.notifier.hours import day_began
from services.notifier.metrics import NotifierMetrics
from services.notifier.names import Names
from services.notifier.place import ALERTS
from services.notifier.route import Index, Match, Subscription, match
from services.runtime.clock import Clock
from services.runtime.errors import Unavailable
from services.store import accounts, delivery, digests, threads
from services.store.accounts import DestinationKey
from services.store.delivery import CORRECTING, NewDelivery
from services.store.digests import Told, Waiting
from services.store.engine import Connection, Store, database_now
from services.store.threads import Alert
from services.store.wake import Waker

log = structlog.get_logger()

CHUNK = 1000
"""Most destinations looked at in one transaction."""

MOST_ALERTS = 20
"""Most alerts taken up in one transaction: the others wait for its lock."""

CORRECTION_REASON = "you were told of this before"


@dataclass(frozen=True)
class Fanned:
    """What one transaction has done."""

    alerts: int
    deliveries: int
    waiting: int
    superseded: int
    goes_on: bool


class Audience:
    """Whom alerts reach. Keeps every subscription in memory, as it stands in the store, and of the alert being fanned out whom it reaches."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self._index: Index[DestinationKey] = Index(names)
        self._revision = 0
        self._reached: tuple[str, Mapping[DestinationKey, Sequence[Subscription[DestinationKey]]], list[DestinationKey]] | None = None

    def refresh(self, db: Connection) -> None:
        """Reads what has changed, in this process or another."""
        self._revision, changed = accounts.changed_since(db, self._revision)
        for account_id, subscriptions in changed.items():
            self._index.replace(account_id, subscriptions)
        if changed:
            self._reached = None
            gc.freeze()  # they stay: a collector that walks through 100,000 of them holds everything up for a second

    def of(self, alert: Alert) -> tuple[Mapping[DestinationKey, Sequence[Subscription[DestinationKey]]], list[DestinationKey]]:
        """The destinations that the filters let the alert through to, each with the subscriptions that did; and the same in order."""
        if self._reached is None or self._reached[0] != alert.id:
            matching = self._index.matching(alert.event, until=alert.created_at)
            self._reached = (alert.id, matching, sorted(matching))
        return self._reached[1:]


def fan_out(db: Connection, now: datetime, audience: Audience, *, chunk: int = CHUNK) -> Fanned:
    """Makes the next deliveries, of up to `chunk` destinations in all. Run it until nothing `goes_on`."""
    now = database_now(db, now)
    audience.refresh(db)
    ended = made = waiting = superseded = 0
    left = chunk
    for alert in threads.unfanned_alerts(db, MOST_ALERTS):
        turn = delivery.take_fanout(db, alert.id)
        if turn is None:
            continue
        superseded += _end_stale(db, alert, now) if turn.after is None else 0
        part = _Part.next(db, alert, audience, turn.after, left)
        superseded += _supersede(db, alert, now, only=part.matches)
        at_once, put_off = part.decided(db, now)
        made += delivery.enqueue(db, at_once, now)
        waiting += digests.put(db, put_off)
        delivery.leave_fanout(db, alert.id, part.last or turn.after, done=part.is_last, now=now)
        ended += part.is_last
        left -= part.looked_at
        if left <= 0:
            break
    return Fanned(ended, made, waiting, superseded, goes_on=ended > 0 or left < chunk)


def _supersede(db: Connection, alert: Alert, now: datetime, *, only: Mapping[DestinationKey, Match] | None = None) -> int:
    version = alert.event.version
    return delivery.supersede(db, alert.event.id, version, now, only=only) + digests.supersede(db, alert.event.id, version, now, only=only)


def _end_stale(db: Connection, alert: Alert, now: datetime) -> int:
    """A correction ends what still waits of older versions everywhere: nobody shall be told now what is known to be wrong."""
    if alert.kind not in CORRECTING:
        return 0
    return _supersede(db, alert, now) + digests.strip(db, [alert.event.id], now)


@dataclass(frozen=True)
class _Part:
    """One chunk of an alert's audience."""

    alert: Alert
    matches: Mapping[DestinationKey, Match]
    told: Mapping[DestinationKey, Told]
    times: Mapping[DestinationKey, Times]
    looked_at: int
    last: DestinationKey | None
    is_last: bool

    @classmethod
    def next(cls, db: Connection, alert: Alert, audience: Audience, after: DestinationKey | None, limit: int) -> _Part:
        """The next destinations after the cursor, of those that can be reached."""
        corrects, event = alert.kind in CORRECTING, alert.event
        told = digests.told(db, event.id, event.version, merged=event.merged) if corrects else {}
        matching, ordered = ({}, sorted(told)) if corrects else audience.of(alert)
        begin = 0 if after is None else bisect_right(ordered, after)
        keys = ordered[begin : begin + limit]
        if alert.kind == "update" and keys:
            told = digests.told(db, event.id, event.version, merged=event.merged, between=(keys[0], keys[-1]))
        times = accounts.reachable(db, keys)
        seen = Seen.of(alert.event, audience.names)
        matches = {
            key: Match((CORRECTION_REASON,), ("immediate",), told[key].language) if corrects else match(seen, matching[key], audience.names)
            for key in keys
            if key in times
        }
        return cls(alert, matches, told, times, len(keys), keys[-1] if keys else None, begin + len(keys) >= len(ordered))

    def decided(self, db: Connection, now: datetime) -> tuple[list[NewDelivery], list[Waiting]]:
        """What goes out at once, and what waits."""
        capped = {key: day_began(self.times[key], now) for key in self.matches if self.times[key].most_a_day is not None}
        today = digests.told_at_once(db, capped)
        at_once, put_off = [], []
        for key in sorted(self.matches):
            if (wait := self._later(key, today.get(key, 0), now)) is None:
                at_once.append(self._delivery(key))
            else:
                put_off.append(self._waiting(key, wait, now))
        return at_once, put_off

    def _later(self, key: DestinationKey, told_today: int, now: datetime) -> Later | None:
        if self.alert.kind in CORRECTING:
            return correction_later(self.times[key], self.told[key].at, now)
        cadence = soonest(self.matches[key].cadences, rank=self.alert.rank, kind=self.alert.kind)
        return later(self.times[key], cadence, self.alert.event, told_today=told_today, now=now)

    def _delivery(self, key: DestinationKey) -> NewDelivery:
        alert, found = self.alert, self.matches[key]
        kind = kind_for(alert.kind, told_before=key in self.told)
        return NewDelivery(key, alert.id, alert.event.id, alert.event.version, kind, found.reasons, found.language)

    def _waiting(self, key: DestinationKey, wait: Later, now: datetime) -> Waiting:
        alert = self.alert
        language = self.matches[key].language
        return Waiting(key, alert.id, alert.event.id, alert.event.version, alert.kind, alert.rank, language, wait.cadence, wait.due_at, now)


class FanOut:
    """The task that fans out: woken by alerts, it wakes the deliverer."""

    def __init__(self, store: Store, audience: Audience, *, waker: Waker, clock: Clock, metrics: NotifierMetrics, poll: timedelta, chunk: int = CHUNK) -> None:
        self._store = store
        self._audience = audience
        self._waker = waker
        self._clock = clock
        self._metrics = metrics
        self._poll = poll
        self._chunk = chunk

    async def run(self, stop: asyncio.Event) -> None:
        """Fans out until stopped. While the database is away it waits."""
        while not stop.is_set():
            if not await self._goes_on():
                await self._waker.wait(ALERTS, stop, self._poll)

    async def _goes_on(self) -> bool:
        now = self._clock.now()
        try:
            fanned = await self._store.run(lambda db: fan_out(db, now, self._audience, chunk=self._chunk))
        except Unavailable as exc:
            log.warning("fanout_waits", reason=str(exc))
            return False
        self._metrics.alerts_fanned_out.inc(fanned.alerts)
        self._metrics.superseded.inc(fanned.superseded)
        self._metrics.put_off.inc(fanned.waiting)
        if fanned.deliveries or fanned.waiting:
            log.info("fanned_out", alerts=fanned.alerts, deliveries=fanned.deliveries, waiting=fanned.waiting, superseded=fanned.superseded)
        self._wake([DELIVERIES] * (fanned.deliveries > 0) + [WAITING] * (fanned.waiting > 0))
        return fanned.goes_on

    def _wake(self, channels: Iterable[str]) -> None:
        for channel in channels:
            self._waker.wake(channel)
