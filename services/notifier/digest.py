"""What waits, told at last: alerts held in quiet hours, each by itself, and those gathered for a digest, in one delivery.

    due destination -> take -> look again: taken back? overtaken? does the filter still let it through? -> deliveries · a digest · postponed · dropped

All of it is one transaction for each destination, so a crash leaves it untold or told, never half, and a digest's id follows from destination and time:
made by two at once it is made once.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from schemas.config.times import Times
from schemas.events.event import PolicyEvent
from services.notifier.cadence import kind_for, postponed
from services.notifier.deliver import DELIVERIES
from services.notifier.hours import day_began, next_digest, quiet_until
from services.notifier.metrics import NotifierMetrics
from services.notifier.names import Names
from services.notifier.route import Match, route
from services.runtime.clock import Clock
from services.runtime.errors import Unavailable
from services.store import accounts, delivery, digests, threads
from services.store.accounts import Change, DestinationKey
from services.store.delivery import CORRECTING, NewDelivery
from services.store.digests import DIGEST, HELD, Waiting, digest_id
from services.store.engine import Connection, Store, database_now
from services.store.wake import Waker

log = structlog.get_logger()

WAITING = "waiting"
"""The channel on which the task is woken."""

MOST = 50
"""Most destinations in one transaction."""

LONGEST_LOOK = timedelta(minutes=1)
"""How often to look for what nobody announced: what another process has put off."""

_OVERFLOW = "daily"


@dataclass
class Released:
    """What one transaction has done."""

    deliveries: int = 0
    digests: int = 0
    dropped: int = 0
    destinations: int = 0

    @property
    def goes_on(self) -> bool:
        """Whether there may be more."""
        return self.destinations >= MOST


def release(db: Connection, now: datetime, names: Names, *, limit: int = MOST) -> Released:
    """Tells what is due, of up to `limit` destinations."""
    now, released = database_now(db, now), Released()
    for key in digests.due(db, now, limit):
        released.destinations += 1
        if due := digests.take(db, key, now):
            _Release(db, key, now, names, due, released).go()
    return released


def reschedule(db: Connection, changes: Iterable[Change], now: datetime) -> None:
    """What waits for destinations that may have other times now waits for these."""
    keys = [DestinationKey(change.account_id, change.id) for change in changes if change.what == "destination"]
    times = accounts.reachable(db, keys)
    for one in digests.waits(db, [*times]) if times else ():
        own = times[one.destination]
        due = (quiet_until(own, now) or now) if one.cadence == HELD else next_digest(own, one.cadence, now)
        digests.postpone(db, one.destination, [one.alert_id], due)


@dataclass
class _Release:
    """One destination, and what is due for it."""

    db: Connection
    key: DestinationKey
    now: datetime
    names: Names
    due: Sequence[Waiting]
    released: Released
    dropped: dict[str, str] = field(default_factory=dict)

    def go(self) -> None:
        times = accounts.reachable(self.db, [self.key]).get(self.key)
        if times is None:
            self._drop(self.due, "not_wanted")
        else:
            matches = self._looked_at_again()
            ready = self._ready([one for one in self.due if one.alert_id in matches], times)
            self._tell_alone([one for one in ready if one.cadence == HELD], matches, times)
            self._tell_together([one for one in ready if one.cadence != HELD], matches, times)
        digests.drop(self.db, self.key, self.dropped, self.now)
        self.released.dropped += len(self.dropped)

    def _looked_at_again(self) -> dict[str, Match]:
        """Why each alert is told still; those that are not are dropped, with the reason."""
        newest = {event.id: event for event in threads.events_by_id(self.db, {one.event_id for one in self.due})}
        subscriptions = accounts.subscriptions_of(self.db, self.key, self.key, until=self.now)
        last = {one.event_id: one.version for one in sorted(self.due, key=lambda one: one.version)}
        matches: dict[str, Match] = {}
        for one in self.due:
            event = newest[one.event_id]
            if one.version < last[one.event_id]:
                self._drop([one], "newer_version")
            elif one.kind in CORRECTING:
                self._check_correction(one, matches)
            elif event.status != "open" and not self._is_news_of(event):
                self._drop([one], "taken_back")
            elif found := route(event, [each for each in subscriptions if each.since <= one.created_at], self.names).get(self.key):
                matches[one.alert_id] = found
            else:
                self._drop([one], "no_longer_matches")
        return matches

    def _is_news_of(self, event: PolicyEvent) -> bool:
        """Whether it was merged into an event that nobody here has told of: then it is told under its own id."""
        if event.merged_into is None:
            return False
        waits = {one.event_id for one in digests.waits(self.db, [self.key])}
        return event.merged_into not in waits and self.key not in digests.told(self.db, event.merged_into, 2**31 - 1, between=(self.key, self.key))

    def _check_correction(self, one: Waiting, matches: dict[str, Match]) -> None:
        if self._told(one):
            matches[one.alert_id] = Match(("you were told of this before",), (), one.language)
        else:
            self._drop([one], "never_told")

    def _ready(self, still: Sequence[Waiting], times: Times) -> list[Waiting]:
        """What may be told now; the rest waits on."""
        waits: defaultdict[tuple[datetime, str], list[str]] = defaultdict(list)
        ready = []
        for one in still:
            until = postponed(times, one.cadence, one.due_at, self.now)
            if until is None:
                ready.append(one)
            else:
                waits[until, one.cadence].append(one.alert_id)
        for (until, cadence), alert_ids in waits.items():
            digests.postpone(self.db, self.key, alert_ids, until, cadence=cadence)
        return ready

    def _tell_alone(self, held: Sequence[Waiting], matches: Mapping[str, Match], times: Times) -> None:
        """Alerts that quiet hours held back, the weightiest first; what is beyond the daily cap goes into the digest."""
        ordered = sorted(held, key=lambda one: (one.kind not in CORRECTING, -one.rank, one.created_at, one.alert_id))
        room = self._room(times)
        news = [one for one in ordered if one.kind not in CORRECTING]
        beyond = {one.alert_id for one in news[room:]} if room is not None else set()
        now = [one for one in ordered if one.alert_id not in beyond]
        self.released.deliveries += delivery.enqueue(self.db, [self._delivery(one, matches[one.alert_id]) for one in now], self.now)
        digests.tell(self.db, self.key, [one.alert_id for one in now], self.now)
        digests.postpone(self.db, self.key, beyond, next_digest(times, _OVERFLOW, self.now), cadence=_OVERFLOW)

    def _room(self, times: Times) -> int | None:
        """How many alerts may still come at once today; None without a cap."""
        if times.most_a_day is None:
            return None
        today = digests.told_at_once(self.db, {self.key: day_began(times, self.now)})
        return max(0, times.most_a_day - today[self.key])

    def _delivery(self, one: Waiting, found: Match) -> NewDelivery:
        kind = kind_for(one.kind, told_before=one.kind == "update" and self._told(one))
        return NewDelivery(self.key, one.alert_id, one.event_id, one.version, kind, found.reasons, found.language)

    def _told(self, one: Waiting) -> bool:
        (event,) = threads.events_by_id(self.db, [one.event_id])
        return self.key in digests.told(self.db, one.event_id, one.version, merged=event.merged, between=(self.key, self.key))

    def _tell_together(self, gathered: Sequence[Waiting], matches: Mapping[str, Match], times: Times) -> None:
        """One digest. Where there is one of that time already, what came late waits for the next."""
        if not gathered:
            return
        digest = digest_id(self.key, max(one.due_at for one in gathered))
        lead = min(gathered, key=lambda one: (-one.rank, one.created_at, one.alert_id))
        reasons = tuple(dict.fromkeys(reason for one in gathered for reason in matches[one.alert_id].reasons))
        made = NewDelivery(self.key, lead.alert_id, digest, 0, DIGEST, reasons, matches[lead.alert_id].language, digest)
        if delivery.enqueue(self.db, [made], self.now):
            digests.tell(self.db, self.key, [one.alert_id for one in gathered], self.now, digest=digest)
            self.released.digests += 1
            return
        for cadence in sorted({one.cadence for one in gathered}):
            late = [one.alert_id for one in gathered if one.cadence == cadence]
            digests.postpone(self.db, self.key, late, next_digest(times, cadence, self.now))

    def _drop(self, alerts: Iterable[Waiting], why: str) -> None:
        self.dropped |= {one.alert_id: why for one in alerts}


class Digests:
    """The task that tells what waited, woken when something is put off."""

    def __init__(self, store: Store, names: Names, *, waker: Waker, clock: Clock, metrics: NotifierMetrics) -> None:
        self._store = store
        self._names = names
        self._waker = waker
        self._clock = clock
        self._metrics = metrics

    async def run(self, stop: asyncio.Event) -> None:
        """Tells what is due until stopped. While the database is away it waits."""
        while not stop.is_set():
            try:
                if not await self._release():
                    await self._waker.wait(WAITING, stop, await self._until_due())
            except Unavailable as exc:
                log.warning("digests_wait", reason=str(exc))
                await self._waker.wait(WAITING, stop, timedelta(seconds=1))

    async def _release(self) -> bool:
        now = self._clock.now()
        released = await self._store.run(lambda db: release(db, now, self._names))
        self._metrics.digests.inc(released.digests)
        self._metrics.dropped_waiting.inc(released.dropped)
        if released.destinations:
            log.info("waiting_told", deliveries=released.deliveries, digests=released.digests, dropped=released.dropped)
        if released.deliveries or released.digests:
            self._waker.wake(DELIVERIES)
        return released.goes_on

    async def _until_due(self) -> timedelta:
        due = await self._store.read(digests.next_due)
        within = LONGEST_LOOK if due is None else due - self._clock.now()
        return min(max(within, timedelta(milliseconds=20)), LONGEST_LOOK)
