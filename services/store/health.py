"""When a destination that keeps failing is left alone, and when it is well again. Pure.

failures in a row -> open: paused for a while -> half open: one probe -> well, or paused twice as long
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True)
class Health:
    """How a destination has been doing: failures in a row, and until when it is left alone."""

    failures: int = 0
    paused_until: datetime | None = None


@dataclass(frozen=True)
class Breaker:
    """When a destination that keeps failing is left alone: after `failures` in a row, for `pause`, doubled with each further failure up to `longest`."""

    failures: int = 5
    pause: timedelta = timedelta(seconds=10)
    longest: timedelta = timedelta(minutes=15)

    def is_open(self, failures: int) -> bool:
        """Whether so many failures in a row are too many: then one attempt at a time is made, after each pause."""
        return failures >= self.failures

    def after(self, health: Health, failed: int, now: datetime, *, jitter: float = 1.0) -> Health:
        """The state after `failed` more failures. Those that were under way when it opened do not lengthen the pause: only probes do.

        `jitter` from 1 to 0 shortens the pause by up to a fifth, so that destinations which went down together are not probed together.
        """
        if health.paused_until is not None and health.paused_until > now:
            return health
        failures = health.failures + 1 if self.is_open(health.failures) else min(health.failures + failed, self.failures)
        if not self.is_open(failures):
            return Health(failures, None)
        pause = min(self.pause * 2 ** min(failures - self.failures, 16), self.longest)
        return Health(failures, now + pause * (0.8 + 0.2 * jitter))


def health_after(before: Health, *, sent: int, failed: int, asked: timedelta | None, now: datetime, breaker: Breaker, jitter: float = 1.0) -> Health:
    """A success makes all well; a receiver that `asked` for a pause gets it; the rest is the breaker's."""
    if sent:
        return Health()
    health = breaker.after(before, failed, now, jitter=jitter)
    if asked is None:
        return health
    return Health(health.failures, max(now + asked, health.paused_until or now))
