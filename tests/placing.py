"""Placing and relaying on one store, as the notifier does it: signals in, events and alerts out."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from itertools import count

from schemas.events.base import Moment
from schemas.events.event import PolicyEvent
from schemas.events.signal import PolicySignal
from schemas.topics import POLICY_EVENTS, POLICY_SIGNALS
from services.notifier import threads as rules
from services.notifier.outbox import Relay
from services.notifier.place import Placer
from services.notifier.threads import Held, Means, Placement, Unplaced
from services.runtime import codec
from services.runtime.broker import Record
from services.store import threads
from services.store.engine import Store
from services.store.wake import Waker
from tests import make
from tests.fakes import FakeBroker, FakeClock


class Line:
    """Placing and relaying, with counted outcomes."""

    def __init__(self, store: Store, clock: FakeClock, broker: FakeBroker) -> None:
        self.store, self.clock, self.broker = store, clock, broker
        self.outcomes: Counter[str] = Counter()
        self.waker = Waker(store)
        ids = count(1)
        self.placer = Placer(
            store,
            clock,
            self.waker,
            headline=lambda facts: f"{facts.stage}: {facts.action}",
            count=lambda outcome: self.outcomes.update([outcome]),
            mint=lambda: f"event{next(ids)}",
        )
        self.relay = Relay(store, broker, clock, self.waker)

    async def place(self, *signals: PolicySignal) -> None:
        """One batch."""
        await self.placer.handle([record(signal) for signal in signals])

    async def events(self) -> list[PolicyEvent]:
        """In the order in which they were opened."""
        return sorted(await self.store.read(threads.list_events), key=lambda event: event.id)

    async def kinds(self) -> list[str]:
        """What is to be told, in order."""
        return [alert.kind for alert in await self.store.read(lambda db: threads.unfanned_alerts(db, 100))]

    async def relayed(self) -> list[PolicyEvent]:
        """Everything that other systems got to read."""
        while await self.relay.relay():
            pass
        return [codec.decode(each, PolicyEvent) async for each in self.broker.read(POLICY_EVENTS)]


def record(signal: PolicySignal, **headers: str) -> Record:
    """The signal as it travels."""
    return codec.encode(POLICY_SIGNALS, signal, key=signal.item.id, id=signal.id, source="/chipwire/test", time=make.NOW, **headers)


def told(outlet: str, at: datetime, *, tier: int = 1, title: str = "", language: str = "en", verdict: str = "alert", **facts: object) -> PolicySignal:
    """What an outlet tells at a time, seen a minute later. Facts are those given: nothing is added."""
    url = f"https://{outlet.casefold().replace(' ', '-')}.example/{at:%Y%m%d%H%M}"
    item = make.item_header(url=url, outlet=outlet, tier=tier, title=title, language=language, published=Moment.of(at), observed_at=at + timedelta(minutes=1))
    unsaid = {"targets": ("CN",), "products": (), "companies": (), "severity": 4, "confidence": 0.7}
    return make.signal(item, verdict=verdict, **(unsaid | facts))


class Desk:
    """Places signals one after the other without a store, and keeps the events, and every version `told` of them."""

    def __init__(self) -> None:
        self.events: dict[str, PolicyEvent] = {}
        self.told: list[PolicyEvent] = []
        self._held: dict[str, PolicySignal] = {}
        self._heard: dict[str, PolicySignal] = {}
        ids = count(1)
        self._means = Means(lambda: f"event{next(ids)}", heard=lambda items: [self._heard[item] for item in items])

    def place(self, signal: PolicySignal, now: datetime | None = None) -> Placement:
        """Where it belongs; what was held and can go now goes."""
        now = now or signal.item.observed_at
        self._heard[signal.item.id] = signal
        self._held.pop(signal.item.id, None)
        placement = rules.place(signal, list(self.events.values()), now, self._means, list(self._held.values()))
        if isinstance(placement, Held):
            self._held[signal.item.id] = signal
        elif not isinstance(placement, Unplaced):
            self._tell(placement.event)
            for freed, brought in rules.release(placement.event, list(self._held.values()), now, self._means):
                del self._held[freed.item.id]
                self._tell(brought.event)
        return placement

    def _tell(self, event: PolicyEvent) -> None:
        self.events[event.id] = event
        self.told.append(event)
