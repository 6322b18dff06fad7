"""Waiting for one of several things, with a limit."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from services.runtime.clock import Clock


async def woken(*events: asyncio.Event, within: timedelta, clock: Clock) -> None:
    """Returns when one of the events is set, or after `within`."""
    if any(event.is_set() for event in events):
        return
    waits: list[asyncio.Future[Any]] = [asyncio.ensure_future(event.wait()) for event in events]
    waits.append(asyncio.ensure_future(clock.sleep(within)))
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
