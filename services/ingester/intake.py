"""The one way into the line, for visits and pushes alike: new or changed? -> publish -> remember.

Remembering comes last: what a crash forgets is published again, under the same id.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from schemas.events.news import NewsItem
from schemas.topics import NEWS_ITEMS
from services.ingester.metrics import IngesterMetrics
from services.runtime import codec
from services.runtime.broker import Broker, Record
from services.runtime.clock import Clock
from services.store import ingest
from services.store.engine import Store

_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of some items: never seen before, seen in other words, seen as they are."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0


NOTHING = Taken()


class Intake:
    """Publishes what is new or changed."""

    def __init__(self, broker: Broker, store: Store, clock: Clock, metrics: IngesterMetrics) -> None:
        self._broker = broker
        self._store = store
        self._clock = clock
        self._metrics = metrics
        self._in_hand: dict[str, asyncio.Future[None]] = {}

    async def take(self, items: Sequence[NewsItem]) -> Taken:
        """Returns when all are safe. Raises Unavailable; what was published by then is published again next time."""
        taken = NOTHING
        for start in range(0, len(items), _AT_ONCE):
            taken = _sum(taken, await self._take(items[start : start + _AT_ONCE]))
        return taken

    async def _take(self, items: Sequence[NewsItem]) -> Taken:
        async with self._alone(items):
            return await self._publish(items)

    @asynccontextmanager
    async def _alone(self, items: Sequence[NewsItem]) -> AsyncIterator[None]:
        """Holds these items. Another visit or push that has one of them in hand is waited for: what it publishes is known afterwards, and goes out once."""
        while others := {self._in_hand[item.id] for item in items if item.id in self._in_hand}:
            await asyncio.wait(others)
        over = asyncio.get_running_loop().create_future()
        self._in_hand |= dict.fromkeys((item.id for item in items), over)
        try:
            yield
        finally:
            for item in items:
                self._in_hand.pop(item.id, None)
            over.set_result(None)

    async def _publish(self, items: Sequence[NewsItem]) -> Taken:
        known = await self._store.read(lambda db: ingest.revisions(db, [item.id for item in items]))
        new = [item for item in items if item.id not in known]
        changed = [item.model_copy(update={"revised": True}) for item in items if known.get(item.id, item.revision) != item.revision]
        if new or changed:
            await self._broker.publish([_record(item) for item in (*new, *changed)])
            self._metrics.observe_ages(new, self._clock.now())
        seen = [ingest.SeenItem(item.id, item.revision, item.source) for item in items]
        await self._store.run(lambda db: ingest.remember(db, seen, self._clock.now()))
        return Taken(len(new), len(changed), len(items) - len(new) - len(changed))


def _record(item: NewsItem) -> Record:
    return codec.encode(NEWS_ITEMS, item, key=item.id, id=f"{item.id}.{item.revision}", source="/chipwire/ingester", time=item.observed_at)


def _sum(one: Taken, other: Taken) -> Taken:
    return Taken(one.new + other.new, one.changed + other.changed, one.unchanged + other.unchanged)
