"""When a delivery is tried again. Pure."""

from __future__ import annotations

from datetime import timedelta

SCHEDULE = tuple(
    timedelta(seconds=seconds) for seconds in (5, 30, 120, 600, 1800, 2 * 3600, 5 * 3600, 10 * 3600, 10 * 3600, 12 * 3600, 12 * 3600, 12 * 3600, 12 * 3600)
)
"""The waits between attempts: three days in all, dense while a restart is likely, sparse while people mend."""

LONGEST_WAIT = timedelta(hours=12)
"""What a Retry-After may ask for at most."""


def retry_in(attempt: int, after: timedelta | None, jitter: float) -> timedelta | None:
    """How long to wait after the given attempt failed, the first being 1; None when none is left.

    `jitter` from 0 to 1 spreads the wait by 20 % either way, so that what failed together does not come back together.
    """
    if attempt > len(SCHEDULE):
        return None
    spread = 0.8 + 0.4 * jitter
    asked = min(after, LONGEST_WAIT) * (1 + 0.2 * jitter) if after else timedelta()
    return max(SCHEDULE[attempt - 1] * spread, asked)
