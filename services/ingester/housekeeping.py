"""Looks at all sources once a minute: who is silent, how fresh is each; and forgets items that left their source long ago."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import structlog

from schemas.config.source import Source
from services.ingester.expect import silent_for
from services.ingester.metrics import IngesterMetrics
from services.runtime.clock import Clock
from services.runtime.errors import Unavailable
from services.runtime.retry import pause
from services.store import ingest
from services.store.engine import Store
from services.store.ingest import SourceState

log = structlog.get_logger("ingester")

EVERY = timedelta(minutes=1)


class Housekeeping:
    """Keeps the gauges of the sources true, whichever process visits them."""

    def __init__(self, sources: Callable[[], Mapping[str, Source]], store: Store, clock: Clock, metrics: IngesterMetrics, *, seen_kept: timedelta) -> None:
        self._sources = sources
        self._store = store
        self._clock = clock
        self._metrics = metrics
        self._seen_kept = seen_kept
        self._silent: frozenset[str] = frozenset()

    async def run(self, stop: asyncio.Event) -> None:
        """Looks until stopped."""
        while not stop.is_set():
            try:
                await self.look()
            except Unavailable as exc:
                log.warning("housekeeping_put_off", why=str(exc))
            await pause(EVERY, clock=self._clock, stop=stop)

    async def look(self) -> None:
        """Once. Raises Unavailable."""
        sources, now = self._sources(), self._clock.now()
        await self._store.run(lambda db: ingest.forget(db, unseen_since=now - self._seen_kept))
        states = await self._store.read(lambda db: ingest.states(db, sources))
        self._metrics.sources.set(len(sources))
        for state in states:
            self._show(state)
        self._judge({state.source: _silence(sources[state.source], state, now) for state in states})

    def _show(self, state: SourceState) -> None:
        self._metrics.failures.labels(state.source).set(state.failures)
        self._metrics.last_success.labels(state.source).set(state.last_success_at.timestamp() if state.last_success_at else 0)
        self._metrics.last_new.labels(state.source).set(state.last_new_at.timestamp() if state.last_new_at else 0)

    def _judge(self, silences: Mapping[str, timedelta | None]) -> None:
        for source, silence in silences.items():
            self._metrics.silent.labels(source).set(silence is not None)
            if silence is not None and source not in self._silent:
                log.warning("source_silent", source=source, hours=round(silence / timedelta(hours=1), 1))
        self._silent = frozenset(source for source, silence in silences.items() if silence is not None)


def _silence(source: Source, state: SourceState, now: datetime) -> timedelta | None:
    return silent_for(source.expect, first_success_at=state.first_success_at, last_new_at=state.last_new_at, now=now)
