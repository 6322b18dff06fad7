"""Alerts into deliveries: every destination that shall hear of an alert gets one.

    oldest alert not fanned out yet -> next 1,000 destinations -> route -> deliveries, cursor      in one transaction, until none is left

An alert is locked while a chunk of it is made, so two notifiers never work on the same; after a crash a chunk is made again, and a delivery that is there
already stays as it is. The versions of one event are fanned out one after the other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from services.notifier.deliver import DELIVERIES
from services.notifier.metrics import NotifierMetrics
from services.notifier.place import ALERTS
from services.notifier.route import Match, route
from services.runtime.clock import Clock
from services.runtime.errors import Unavailable
from services.store import accounts, delivery, threads
from services.store.accounts import DestinationKey
from services.store.delivery import NewDelivery
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
    superseded: int
    goes_on: bool


def fan_out(db: Connection, now: datetime, *, chunk: int = CHUNK) -> Fanned:
    """Makes the next deliveries, of up to `chunk` destinations in all. Run it until nothing `goes_on`."""
    now = database_now(db, now)
    ended = made = superseded = 0
    left = chunk
    waiting = threads.unfanned_alerts(db, MOST_ALERTS)
    for alert in waiting:
        turn = delivery.take_fanout(db, alert.id)
        if turn is None:
            continue
        audience = accounts.audience(db, after=turn.after, until=alert.created_at, limit=left)
        superseded += _end_stale(db, alert, now) if turn.after is None else 0
        matches = _matches(db, alert, audience)
        superseded += delivery.supersede(db, alert.event.id, alert.event.version, now, only=matches)
        made += delivery.enqueue(db, [_delivery(alert, key, match) for key, match in sorted(matches.items())], now)
        done = len(audience) < left
        delivery.leave_fanout(db, alert.id, audience[-1] if audience else turn.after, done=done, now=now)
        ended += done
        left -= len(audience)
        if left <= 0:
            break
    return Fanned(ended, made, superseded, goes_on=ended > 0 or left < chunk)


def _end_stale(db: Connection, alert: Alert, now: datetime) -> int:
    """A correction ends what still waits of older versions everywhere: nobody shall be told now what is known to be wrong."""
    return delivery.supersede(db, alert.event.id, alert.event.version, now) if alert.kind in delivery.CORRECTING else 0


def _matches(db: Connection, alert: Alert, audience: Sequence[DestinationKey]) -> dict[DestinationKey, Match]:
    return _told(db, alert, audience) if alert.kind in delivery.CORRECTING else _routed(db, alert, audience)


def _delivery(alert: Alert, key: DestinationKey, match: Match) -> NewDelivery:
    return NewDelivery(key, alert.id, alert.event.id, alert.event.version, alert.kind, match.reasons, match.language)


def _told(db: Connection, alert: Alert, audience: Sequence[DestinationKey]) -> dict[DestinationKey, Match]:
    """A correction goes to exactly those who were told before, whatever their filters say; not to those who left since."""
    told = delivery.told(db, alert.event.id, alert.event.version)
    return {key: Match((CORRECTION_REASON,), told[key]) for key in audience if key in told}


def _routed(db: Connection, alert: Alert, audience: Sequence[DestinationKey]) -> dict[DestinationKey, Match]:
    if not audience:
        return {}
    return route(alert.event, accounts.subscriptions_of(db, audience[0], audience[-1], until=alert.created_at))


class FanOut:
    """The task that fans out: woken by alerts, it wakes the deliverer."""

    def __init__(self, store: Store, *, waker: Waker, clock: Clock, metrics: NotifierMetrics, poll: timedelta, chunk: int = CHUNK) -> None:
        self._store = store
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
            fanned = await self._store.run(lambda db: fan_out(db, now, chunk=self._chunk))
        except Unavailable as exc:
            log.warning("fanout_waits", reason=str(exc))
            return False
        self._metrics.alerts_fanned_out.inc(fanned.alerts)
        self._metrics.superseded.inc(fanned.superseded)
        if fanned.deliveries:
            log.info("fanned_out", alerts=fanned.alerts, deliveries=fanned.deliveries, superseded=fanned.superseded)
            self._waker.wake(DELIVERIES)
        return fanned.goes_on
