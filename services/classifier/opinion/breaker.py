"""A circuit breaker for one caller at a time: after a few failures in a row nobody is asked for a while, then one question is a probe. Times are passed in."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from services.runtime.retry import Backoff

LIMIT = 3
"""So many failures in a row open it."""


@dataclass
class Breaker:
    """Closed, it waits a moment after a failure. Open, it waits longer after each probe that fails."""

    closed: Backoff = field(default_factory=lambda: Backoff(timedelta(seconds=1), timedelta(seconds=4)))
    opened: Backoff = field(default_factory=lambda: Backoff(timedelta(seconds=30), timedelta(minutes=15), longest_asked=timedelta(minutes=15)))
    failures: int = 0
    _until: float = 0.0

    @property
    def is_open(self) -> bool:
        return self.failures >= LIMIT

    def wait(self, now: float) -> timedelta:
        """How long until the next question may be asked. `now` is the monotonic clock in seconds."""
        return timedelta(seconds=max(0.0, self._until - now))

    def failed(self, now: float, *, chance: float, asked: timedelta | None = None) -> None:
        """`chance` is in [0, 1); `asked` is the other side's Retry-After."""
        self.failures += 1
        backoff, attempt = (self.opened, self.failures - LIMIT + 1) if self.is_open else (self.closed, self.failures)
        self._until = now + backoff.delay(attempt, chance=chance, asked=asked).total_seconds()

    def succeeded(self) -> None:
        self.failures, self._until = 0, 0.0
