"""One visit to one source.

    fetch -> read -> normalise -> new or changed? -> publish -> remember

Gives a Visit: how it ended, what is known of the source now, and when to come again. The caller claims before and releases after.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from schemas.config.source import Source
from schemas.events.news import NewsItem
from services.ingester import schedule
from services.ingester.entry import Page
from services.ingester.fetch import Fetched, Limits, fetch
from services.ingester.intake import NOTHING, Intake, Taken
from services.ingester.normalize import to_items
from services.ingester.readers import READERS
from services.runtime.clock import Clock
from services.runtime.errors import ChipwireError, Malformed, Rejected, Unavailable
from services.runtime.http import HttpClient
from services.store.ingest import SourceState

log = structlog.get_logger("ingester")

_OUTCOMES: tuple[tuple[type[ChipwireError], str], ...] = ((Malformed, "suspect"), (Rejected, "refused"), (Unavailable, "failed"))


@dataclass(frozen=True, slots=True)
class Visit:
    """How a visit ended (one of `metrics.OUTCOMES`), what is known of the source now, and when to come again."""

    outcome: str
    state: SourceState
    wait: timedelta
    why: str = ""
    items: tuple[NewsItem, ...] = ()
    taken: Taken = NOTHING
    problems: tuple[str, ...] = ()

    @property
    def healthy(self) -> bool:
        """The source answered as a healthy one does."""
        return self.outcome in ("read", "not_modified")


class Visitor:
    """Makes visits. Raises nothing: one bad source never stops the others."""

    def __init__(
        self, intake: Intake, http: HttpClient, clock: Clock, limits: Limits, *, held_wait: timedelta, luck: Callable[[], float] = random.random
    ) -> None:
        self._intake = intake
        self._http = http
        self._clock = clock
        self._limits = limits
        self._held_wait = held_wait
        self._luck = luck

    async def visit(self, source: Source, state: SourceState) -> Visit:
        """The whole visit."""
        try:
            return await self._visit(source, state, self._clock.now())
        except Exception as exc:  # a page that trips a bug of ours, or that the broker will never take, must not stop the other sources
            log.exception("visit_broke", source=source.id)
            return self._failed(source, state, "bug", exc)

    async def _visit(self, source: Source, state: SourceState, now: datetime) -> Visit:
        try:
            fetched = await fetch(source, state, self._http, self._limits, now)
            if fetched is None:
                return self._not_modified(source, state, now)
            items, problems = await asyncio.to_thread(_items, fetched.page, source, now, backfill=_is_first(source, state))
        except (Malformed, Rejected, Unavailable) as exc:
            return self._failed(source, state, next(outcome for kind, outcome in _OUTCOMES if isinstance(exc, kind)), exc)
        try:
            taken = await self._intake.take(items)
        except Unavailable as exc:
            return Visit("held", state, min(self._held_wait, source.every), str(exc))
        return self._read(source, state, fetched, Visit("read", state, source.every, items=tuple(items), taken=taken, problems=problems), now)

    def _read(self, source: Source, state: SourceState, fetched: Fetched, visit: Visit, now: datetime) -> Visit:
        last_new_at = now if visit.taken.new or visit.taken.changed else state.last_new_at
        well = replace(_well(state, "read", now), unmodified=0, etag=fetched.etag, last_modified=fetched.last_modified, last_new_at=last_new_at)
        return replace(visit, state=well, wait=schedule.after_success(source.every, self._luck()))

    def _not_modified(self, source: Source, state: SourceState, now: datetime) -> Visit:
        well = replace(_well(state, "not_modified", now), unmodified=state.unmodified + 1)
        return Visit("not_modified", well, schedule.after_success(source.every, self._luck()))

    def _failed(self, source: Source, state: SourceState, outcome: str, exc: Exception) -> Visit:
        failures = state.failures + 1
        wait = schedule.after_failure(source.every, failures, self._luck(), getattr(exc, "retry_after", None))
        return Visit(outcome, replace(state, outcome=outcome, failures=failures), wait, str(exc) or type(exc).__name__)


def _items(page: Page, source: Source, now: datetime, *, backfill: bool) -> tuple[list[NewsItem], tuple[str, ...]]:
    """In a thread: a long page takes a while."""
    reading = READERS[source.reader](page, source)
    return to_items(reading.entries, source, now, backfill=backfill), reading.problems


def _is_first(source: Source, state: SourceState) -> bool:
    return source.backfill and state.first_success_at is None


def _well(state: SourceState, outcome: str, now: datetime) -> SourceState:
    return replace(state, outcome=outcome, failures=0, last_success_at=now, first_success_at=state.first_success_at or now)
