"""A service, as the process sees it: named tasks, checks and routes. Built by each service's `build`, run by `services.app`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from starlette.routing import BaseRoute

Task = Callable[[asyncio.Event], Awaitable[None]]
"""A long-lived task. It gets the stop event; once that is set it takes nothing new, finishes what it has, and returns."""

Check = Callable[[], Awaitable[None]]
"""Returns when all is well; raises with a sentence when not."""

PutIntoUse = Callable[[], Awaitable[None]]
"""Puts what was read into use. It is called only when every service could read its files, so that a reload is all or nothing."""


@dataclass(frozen=True)
class Service:
    """One service. A task that ends or dies before it was asked to stops the whole process, loudly."""

    name: str
    tasks: Mapping[str, Task]
    ready: Mapping[str, Check] = field(default_factory=dict)
    live: Mapping[str, Check] = field(default_factory=dict)
    routes: Sequence[BaseRoute] = ()
    read_again: Callable[[], Awaitable[PutIntoUse]] | None = None
    """Reads the hand-written files again, for a reload, and changes nothing. Raises Misconfigured."""
