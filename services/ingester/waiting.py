"""Waiting for time to pass, unless something happens first."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from services.runtime.clock import Clock


async def pause(duration: timedelta, clock: Clock, stop: asyncio.Event, *others: asyncio.Task[Any]) -> None:
    """Returns once `duration` has passed, `stop` is set, or one of the other tasks is done."""
    waits: set[asyncio.Task[Any]] = {
        asyncio.create_task(clock.sleep(duration), name="pause"),
        asyncio.create_task(stop.wait(), name="pause until stop"),
    }
    try:
        await asyncio.wait({*waits, *others}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await cancel(waits)


async def cancel(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancels the tasks and returns when they have ended."""
    tasks = tuple(tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
