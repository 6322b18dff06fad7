"""Visits the sources that are due.

    claim -> (its turn at the host) -> visit -> account -> release

The claim is a lease in the store, so that any number of processes share the sources. Validators are stored by the release, after everything is
published: a crash anywhere before repeats the visit, and repeats are harmless. A source that never answered yet is calm: it is told once, then retried.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from urllib.parse import urlsplit

import structlog

from schemas.config.source import Source
from services.ingester.expect import too_many
from services.ingester.metrics import IngesterMetrics
from services.ingester.settings import IngesterSettings
from services.ingester.visit import Visit, Visitor
from services.runtime.clock import Clock
from services.runtime.errors import Unavailable
from services.runtime.retry import pause
from services.store import ingest
from services.store.engine import Store
from services.store.ingest import SourceState

log = structlog.get_logger("ingester")

_LONGEST_PAUSE = timedelta(seconds=5)
"""How soon a poller notices sources that another process has let go, or that were loaded anew."""


class Poller:
    """Shares the work of visiting with every other poller on the same store. `sources` may be replaced at any time."""

    def __init__(
        self, sources: Mapping[str, Source], visitor: Visitor, *, store: Store, clock: Clock, metrics: IngesterMetrics, settings: IngesterSettings
    ) -> None:
        self.sources = sources
        self._visitor = visitor
        self._store = store
        self._clock = clock
        self._metrics = metrics
        self._settings = settings
        self._hosts = _Hosts(settings.host_gap, clock)
        self._token = secrets.token_hex(16)
        self._enrolled: Mapping[str, Source] = {}
        self._unreachable: set[str] = set()
        self._told: frozenset[str] = frozenset()

    async def run(self, stop: asyncio.Event) -> None:
        """Visits until stopped; then the visits in hand end."""
        under_way: set[asyncio.Task[None]] = set()
        try:
            while not stop.is_set():
                under_way |= await self._start(self._settings.visits_at_once - len(under_way))
                await self._wait(stop, under_way)
                under_way = {visit for visit in under_way if not _over(visit)}
                if not under_way:
                    self._tell_unreachable()
            await asyncio.gather(*under_way)
        finally:
            await _cancel(under_way)

    async def _start(self, free: int) -> set[asyncio.Task[None]]:
        try:
            claimed = await self._claim(free)
        except Unavailable as exc:
            log.warning("sources_not_claimed", why=str(exc))
            return set()
        return {asyncio.create_task(self._whole_visit(state), name=f"visit {state.source}") for state in claimed}

    async def _claim(self, free: int) -> list[SourceState]:
        sources, now = self.sources, self._clock.now()
        if sources is not self._enrolled:
            await self._store.run(lambda db: ingest.enrol(db, {source.id: source.url for source in sources.values()}, now))
            self._enrolled = sources
        if not free or not sources:
            return []
        return await self._store.run(lambda db: ingest.claim(db, sources, limit=free, lease=self._settings.visit_lease, token=self._token, now=now))

    async def _wait(self, stop: asyncio.Event, under_way: set[asyncio.Task[None]]) -> None:
        """Until something is due, a visit has ended, or it is time to stop."""
        due = asyncio.create_task(pause(await self._until_due(len(under_way)), clock=self._clock, stop=stop), name="ingester until due")
        try:
            await asyncio.wait({due, *under_way}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await _cancel({due})

    async def _until_due(self, under_way: int) -> timedelta:
        if under_way >= self._settings.visits_at_once:
            return _LONGEST_PAUSE  # the end of a visit comes first
        try:
            due = await self._store.read(lambda db: ingest.next_due(db, self.sources, self._clock.now()))
        except Unavailable:
            return _LONGEST_PAUSE
        return _LONGEST_PAUSE if due is None else min(due, _LONGEST_PAUSE)

    async def _whole_visit(self, state: SourceState) -> None:
        source = self._enrolled[state.source]
        async with self._hosts.turn(source.url):
            started = self._clock.monotonic()
            visit = await self._visitor.visit(source, state)
        self._metrics.visit_seconds.observe(self._clock.monotonic() - started)
        self._account(source, state, visit)
        await self._release(visit)

    async def _release(self, visit: Visit) -> None:
        now = self._clock.now()
        try:
            ours = await self._store.run(lambda db: ingest.release(db, visit.state, token=self._token, next_visit_in=visit.wait, now=now))
        except Unavailable:
            ours = False
        if not ours:
            log.warning("visit_not_noted", source=visit.state.source, why="its lease ran out or the database is away; the visit is repeated")

    def _account(self, source: Source, before: SourceState, visit: Visit) -> None:
        self._metrics.visits.labels(source.id, visit.outcome).inc()
        if visit.outcome == "read":
            taken = visit.taken
            self._metrics.count_items(source.id, new=taken.new, changed=taken.changed, unchanged=taken.unchanged)
            self._metrics.left_out.labels(source.id).inc(len(visit.problems))
            self._account_items(source, visit)
        if visit.healthy:
            self._unreachable.discard(source.id)
            if before.failures and before.first_success_at:
                log.info("source_recovered", source=source.id, failures=before.failures)
        elif visit.outcome == "held":
            log.info("visit_held", source=source.id, why=visit.why)
        elif before.first_success_at is None:
            self._unreachable.add(source.id)
            log.debug("source_not_answering_yet", source=source.id, outcome=visit.outcome, why=visit.why)
        elif not before.failures:
            log.warning("source_failing", source=source.id, outcome=visit.outcome, why=visit.why)

    def _account_items(self, source: Source, visit: Visit) -> None:
        backfill = any(item.backfill for item in visit.items)
        suspicious = too_many(source.expect, new=visit.taken.new, backfill=backfill)
        self._metrics.suspicious.labels(source.id).set(suspicious)
        if suspicious:
            log.warning("source_suspicious", source=source.id, new=visit.taken.new, expected_at_most=source.expect.at_most)
        if visit.problems:
            log.warning("page_partly_read", source=source.id, left_out=len(visit.problems), first=visit.problems[0])
        if visit.taken.new or visit.taken.changed:
            log.info("items_found", source=source.id, new=visit.taken.new, changed=visit.taken.changed, backfill=backfill)

    def _tell_unreachable(self) -> None:
        """One line for all sources that never answered, and again only when there is one more."""
        if self._unreachable - self._told:
            log.warning("sources_not_answering_yet", sources=sorted(self._unreachable), then="retried quietly")
            self._told |= self._unreachable


class _Hosts:
    """One visit at a time to each host, with a pause in between."""

    def __init__(self, gap: timedelta, clock: Clock) -> None:
        self._gap = gap
        self._clock = clock
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._left_at: dict[str, float] = {}

    @asynccontextmanager
    async def turn(self, url: str) -> AsyncIterator[None]:
        host = urlsplit(url).hostname
        if host is None:  # a local file
            yield
            return
        async with self._locks[host]:
            since = self._clock.monotonic() - self._left_at.get(host, float("-inf"))
            if since < self._gap.total_seconds():
                await self._clock.sleep(self._gap - timedelta(seconds=since))
            try:
                yield
            finally:
                self._left_at[host] = self._clock.monotonic()


def _over(visit: asyncio.Task[None]) -> bool:
    """True when the visit has ended. Raises what it raised: a visit handles every failure of a source, so that is a bug."""
    if visit.done():
        visit.result()
    return visit.done()


async def _cancel(tasks: set[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
