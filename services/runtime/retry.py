"""How long to wait before trying again: a pure function of the attempt, and a wait that stopping cuts short."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from services.runtime.clock import Clock

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Backoff:
    """Doubles from `first` up to `most`. Half of each delay is chance, so that many who fail together do not return together."""

    first: timedelta = timedelta(milliseconds=500)
    most: timedelta = timedelta(seconds=30)
    longest_asked: timedelta = timedelta(minutes=5)
    """What the other side asks for is granted up to here."""

    def delay(self, attempt: int, *, chance: float, asked: timedelta | None = None) -> timedelta:
        """The wait after failure number `attempt` (from 1). `chance` is in [0, 1); `asked` is the other side's Retry-After, never undercut."""
        grown: timedelta = min(self.most, self.first * 2 ** min(attempt - 1, 30))
        return max(grown * (0.5 + chance / 2), min(asked or timedelta(0), self.longest_asked))


async def until(stop: asyncio.Event, work: Coroutine[Any, Any, T]) -> T | None:
    """What the work returns or raises; None when stopping is asked for first, and the work is given up then."""
    doing, stopping = asyncio.create_task(work, name="until-stop"), asyncio.create_task(stop.wait(), name="stop")
    try:
        await asyncio.wait({doing, stopping}, return_when=asyncio.FIRST_COMPLETED)
        return doing.result() if doing.done() else None
    finally:
        for task in (doing, stopping):
            task.cancel()
        await asyncio.gather(doing, stopping, return_exceptions=True)


async def pause(duration: timedelta, *, clock: Clock, stop: asyncio.Event) -> None:
    """Waits, or returns as soon as stopping is asked for."""
    waits = {asyncio.create_task(clock.sleep(duration), name="pause"), asyncio.create_task(stop.wait(), name="pause-stop")}
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
