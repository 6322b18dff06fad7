"""Placing: a batch of verdicts becomes event versions, alerts and outbox rows, in one transaction under the placement lock.

    records -> decode -> newest verdict per item -> candidates by key -> threads.place -> store.write -> wake fan-out and relay

Serial on purpose (design, section 3): who places next sees everything that was placed before, whichever process did it. A repeated batch changes nothing.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from itertools import groupby

import structlog
from ulid import ULID

from schemas.events.event import PolicyEvent
from schemas.events.signal import PolicySignal
from services.notifier import keys, threads, timers, versions
from services.notifier.likeness import Closeness
from services.notifier.memory import Known, Memory
from services.notifier.threads import Headline, Held, Means, Mint, Placement, Unplaced
from services.notifier.waiting import woken
from services.runtime import codec
from services.runtime.broker import Record
from services.runtime.clock import Clock
from services.runtime.errors import Unavailable
from services.store import threads as kept
from services.store import timers as calendar
from services.store.engine import Connection, Store, place_lock
from services.store.timers import Timer
from services.store.wake import Waker, notify

TIMER_OUTCOMES = ("told", "stale", "dropped")
"""What becomes of a timer: told, reached too late to be pushed, or dropped because the event or the date is another now."""
ALERTS, OUTBOX = "alerts", "outbox"
"""The channels on which fan-out and relay are woken."""
OUTCOMES = ("opened", "joined", "advanced", "reversed", "corrected", "withdrawn", "left", "held", "unplaced", "repeated", "stale", "expired")
"""What is counted: each placement by its kind, and besides it what was material but not fresh, and what waited in vain."""

log = structlog.get_logger()


class UlidMint:
    """New events' ids: they sort in the order in which they were minted here, within a millisecond too (ULID specification, Monotonicity)."""

    def __init__(self) -> None:
        self._last = ULID.from_int(0)

    def __call__(self) -> str:
        fresh = ULID()
        self._last = fresh if fresh > self._last else ULID.from_int(int(self._last) + 1)
        return str(self._last)


class Placer:
    """Places verdicts into events. `handle` is the worker's handler, `recheck` the task that lets held items go and follows the calendar."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        waker: Waker,
        *,
        headline: Headline,
        count: Callable[[str], None],
        count_timer: Callable[[str, str], None] = lambda _kind, _outcome: None,
        mint: Mint | None = None,
        closeness: Closeness | None = None,
        recheck_every: timedelta = timedelta(minutes=1),
    ) -> None:
        self._store = store
        self._clock = clock
        self._waker = waker
        self._headline = headline
        self._count = count
        self._count_timer = count_timer
        self._mint = mint or UlidMint()
        self._closeness = closeness
        self._recheck_every = recheck_every
        self._memory = Memory()

    async def handle(self, records: Sequence[Record]) -> Sequence[Record]:
        """Places a batch of policy.signals.v1, all or nothing. Publishes nothing itself: the outbox does. Raises Malformed."""
        signals = [codec.decode(record, PolicySignal) for record in records]
        traces = {signal.item.id: trace for signal, record in zip(signals, records, strict=True) if (trace := record.header("traceparent"))}
        await self._commit(traces, lambda batch: batch.place_new(signals))
        return ()

    async def recheck(self, stop: asyncio.Event) -> None:
        """The task that looks, now and then, at what is held and at what the calendar has reached."""
        while not stop.is_set():
            within = self._recheck_every
            with suppress(Unavailable):  # the database is away: next time
                await self.recheck_due()
                await self.strike_due()
                within = await self._until_next()
            await woken(stop, within=within, clock=self._clock)

    async def _until_next(self) -> timedelta:
        """Until the next date, where that is sooner than the next look. What is overdue still waits for the next look: a bug is not tried in a circle."""
        _, due = await self._store.read(calendar.ahead)
        now = self._clock.now()
        return min(due - now, self._recheck_every) if due is not None and due > now else self._recheck_every

    async def recheck_due(self) -> None:
        """Places again what was held until now; what still nothing confirms is let go. Raises Unavailable."""
        await self._commit({}, lambda batch: batch.place_due())

    async def strike_due(self) -> None:
        """Tells what the calendar has brought, each timer in a transaction of its own: a bug in one must not stop the others. Raises Unavailable."""
        for timer in await self._store.read(lambda db: calendar.due(db, self._clock.now())):
            try:
                await self._commit({}, partial(_Batch.strike, timer=timer), count=partial(self._count_timer, timer.kind))
            except Unavailable:
                raise
            except Exception:  # this is the loop; the timer waits on, and the metric of overdue ones rises
                log.exception("timer_bug", event=timer.event_id, kind=timer.kind)

    async def _commit(self, traces: dict[str, str], place: Callable[[_Batch], list[str]], count: Callable[[str], None] | None = None) -> None:
        """Runs a batch in one transaction. What it knows of events is remembered once that has held."""

        def work(db: Connection) -> tuple[list[str], list[Known]]:
            batch = _Batch(db, self._clock.now(), self._mint, self._headline, self._closeness, self._memory, traces)
            return place(batch), list(batch.known.values())

        outcomes, known = await self._store.run(work)
        self._memory.keep(known)
        for outcome in outcomes:
            (count or self._count)(outcome)
        if set(outcomes) - {"held", "unplaced", "repeated", "expired"}:
            self._waker.wake(ALERTS)
            self._waker.wake(OUTBOX)


@dataclass
class _Held:
    """What waits, found by the keys it is waiting for."""

    signals: dict[str, PolicySignal] = field(default_factory=dict)
    by_key: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    def add(self, signal: PolicySignal) -> None:
        self.signals[signal.item.id] = signal
        for key in keys.wanted(signal).all:
            self.by_key[key].add(signal.item.id)

    def remove(self, item: str) -> None:
        self.signals.pop(item, None)

    def sharing(self, found_by: Iterable[str]) -> list[PolicySignal]:
        """Those that wait for any of these keys, in a fixed order."""
        items = {item for key in found_by for item in self.by_key.get(key, ())}
        return [self.signals[item] for item in sorted(items) if item in self.signals]


@dataclass
class _Batch:
    """One transaction's view: the events it may touch, by key, and what it has decided so far."""

    db: Connection
    now: datetime
    mint: Mint
    headline: Headline
    closeness: Closeness | None
    memory: Memory
    traces: dict[str, str]
    known: dict[str, Known] = field(default_factory=dict)
    by_key: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    held: _Held = field(default_factory=_Held)
    told: list[kept.NewVersion] = field(default_factory=list)
    judged: dict[str, kept.NewVerdict] = field(default_factory=dict)
    outcomes: list[str] = field(default_factory=list)

    @property
    def means(self) -> Means:
        return Means(self.mint, self.headline, self._heard, self.closeness, self._free_slug)

    def place_new(self, signals: Sequence[PolicySignal]) -> list[str]:
        """Places the newest verdict of each item."""
        place_lock(self.db)
        standing = kept.standing(self.db, {signal.item.id for signal in signals})
        newest = _newest(signals, standing)
        self.outcomes += ["repeated"] * (len(signals) - len(newest))
        self._load(newest, {known.event_id for known in standing.values() if known.event_id})
        for signal in newest:
            self._place(signal)
        return self._write()

    def place_due(self) -> list[str]:
        """Places again what was held and is due; what is held still is let go."""
        place_lock(self.db)
        due = kept.due_signals(self.db, self.now)
        self._load(due, set())
        for signal in due:
            if signal.item.id in self.held.signals and isinstance(self._place(signal), Held):
                self.judged[signal.item.id] = kept.NewVerdict(signal)
                self.held.remove(signal.item.id)
                self.outcomes[-1] = "expired"
        return self._write()

    def strike(self, *, timer: Timer) -> list[str]:
        """Tells what a timer brings, unless another process has done so already."""
        place_lock(self.db)
        if not calendar.take(self.db, timer):
            return []
        (event,) = kept.events_by_id(self.db, [timer.event_id])
        near = kept.candidates(self.db, (), [(keys.index_of(event.facts), timer.due_at, self.now)])
        others = [*kept.naming(self.db, [event.id, *event.merged]), *kept.events_by_id(self.db, near)]
        reached = timers.strike(event, timer, others, self.now, self.means)
        if isinstance(reached, timers.Spent):
            calendar.end(self.db, timer, self.now, state="dropped", why=reached.why)
            return ["dropped"]
        calendar.end(self.db, timer, self.now)
        self._add(reached.event, reached.kind, fresh=reached.fresh)
        if reached.quiet:
            self._add(reached.quiet)
        for waiting in kept.held_signals(self.db, keys.index(reached.event)):
            self.held.add(waiting)
        self._release(reached.event)
        self._write()
        return ["told" if reached.fresh else "stale"]

    def _load(self, signals: Sequence[PolicySignal], homes: set[str]) -> None:
        """Reads what these signals may belong to, with few queries: one for each month that they tell of."""
        if not signals:
            return
        for waiting in kept.held_signals(self.db, {key for signal in signals for key in keys.wanted(signal).all | keys.index_of(signal.facts)}):
            self.held.add(waiting)
        versions = kept.standing_versions(self.db, homes)
        for _, alike in groupby(sorted(signals, key=_month), key=_month):
            versions |= _candidates(self.db, list(alike))
        for known in self.memory.recall(versions):
            self._know(known)
        for event in kept.events_by_id(self.db, versions.keys() - self.known.keys()):
            self._know(Known.of(event))

    def _place(self, signal: PolicySignal) -> Placement:
        """Places one signal; what it opened or raised may be what a held one waited for."""
        item, wanted = signal.item.id, keys.wanted(signal).all
        self.held.remove(item)
        near = {event for key in (*wanted, f"item:{item}") for event in self.by_key.get(key, ())}
        candidates = [self.known[each].candidate for each in sorted(near)]
        placement = threads.place_among(signal, candidates, self.now, self.means, self.held.sharing(wanted))
        self.outcomes.append(type(placement).__name__.lower())
        match placement:
            case Held(until, reason):
                self.held.add(signal)
                self.judged[item] = kept.NewVerdict(signal, None, until, reason, wanted)
            case Unplaced(_, event_id):
                self.judged[item] = kept.NewVerdict(signal, event_id)
            case _:
                self._tell(signal, placement)
                self._release(placement.event)
        return placement

    def _tell(self, signal: PolicySignal, placement: threads.Told) -> None:
        event, kind = placement.event, threads.KINDS.get(type(placement))
        self.judged[signal.item.id] = kept.NewVerdict(signal, event.id)
        if event.id in self.known and self.known[event.id].event is event:
            return
        self._add(event, kind, fresh=placement.fresh, traceparent=self.traces.get(signal.item.id))

    def _add(self, event: PolicyEvent, kind: str | None = None, *, fresh: bool = False, traceparent: str | None = None) -> None:
        self.told.append(versions.to_write(event, self.now, kind=kind, fresh=fresh, traceparent=traceparent))
        if kind and not fresh:
            self.outcomes.append("stale")
        self._know(Known.of(event))

    def _release(self, event: PolicyEvent) -> None:
        """Lets held signals join an event that has just changed, where that is what they waited for."""
        for signal, placement in threads.release(event, self.held.sharing(keys.index(event)), self.now, self.means):
            self.held.remove(signal.item.id)
            self.outcomes.append(type(placement).__name__.lower())
            self._tell(signal, placement)

    def _heard(self, items: frozenset[str]) -> list[PolicySignal]:
        """The verdicts on these items: of this batch, and those that stand."""
        fresh = [self.judged[item].signal for item in items if item in self.judged]
        return fresh + kept.signals_of(self.db, items - set(self.judged))

    def _free_slug(self, slug: str) -> str:
        return kept.free_slug(self.db, slug, {known.event.slug for known in self.known.values()})

    def _know(self, known: Known) -> None:
        self.known[known.event.id] = known
        for key in known.keys:
            self.by_key[key].add(known.event.id)

    def _write(self) -> list[str]:
        kept.write(self.db, self.told, list(self.judged.values()), self.now)
        if self.told:
            notify(self.db, OUTBOX)
        if any(new.kind and new.fresh for new in self.told):
            notify(self.db, ALERTS)
        return self.outcomes


def _newest(signals: Iterable[PolicySignal], standing: dict[str, kept.Standing]) -> list[PolicySignal]:
    """One verdict for each item: the newest, where it is newer than the one that stands. The same again is not newer.

    In the order in which the world told it, so that a batch in which partitions mix does not place a reversal before what it reverses.
    """
    newest: dict[str, PolicySignal] = {}
    for signal in signals:
        known = newest.get(signal.item.id)
        if known is None or _order(signal) > _order(known):
            newest[signal.item.id] = signal
    fresh = (
        signal for item, signal in newest.items() if item not in standing or _order(signal) > (standing[item].observed_at, standing[item].ruleset_activated_at)
    )
    return sorted(fresh, key=lambda signal: signal.item.published.at if signal.item.published else signal.item.observed_at)


def _order(signal: PolicySignal) -> tuple[datetime, datetime]:
    return signal.item.observed_at, signal.ruleset_activated_at


def _month(signal: PolicySignal) -> tuple[int, int]:
    start, _ = keys.window(signal, timedelta(0))
    return start.year, start.month


def _candidates(db: Connection, signals: Sequence[PolicySignal]) -> dict[str, int]:
    wanted = [keys.wanted(signal) for signal in signals]
    lasting, timely, brief = (frozenset().union(*sets) for sets in zip(*((each.lasting, each.timely, each.brief) for each in wanted), strict=True))
    return kept.candidates(db, lasting, [(timely, *_reach(signals, threads.WINDOW)), (brief, *_reach(signals, threads.NEAR))])


def _reach(signals: Sequence[PolicySignal], reach: timedelta) -> tuple[datetime, datetime]:
    windows = [keys.window(signal, reach) for signal in signals]
    return min(start for start, _ in windows), max(end for _, end in windows)
