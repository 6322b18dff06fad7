"""When to visit a source again. Pure: `luck` is a random number from 0 to 1, drawn by the caller."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

SHORTEST_WAIT = timedelta(minutes=1)
LONGEST_WAIT = timedelta(hours=24)
_LONGEST_BACKOFF = timedelta(hours=6)
_MOST_DOUBLINGS = 8


def after_success(every: timedelta, luck: float) -> timedelta:
    """The source's own pace, moved by up to a tenth either way so that sources do not march in step."""
    return every * (0.9 + 0.2 * luck)


def after_failure(every: timedelta, failures: int, luck: float, retry_after: timedelta | None = None) -> timedelta:
    """Twice as long with each failure in a row, up to 6 hours or the source's own pace; never sooner than the server asked."""
    backoff = min(every * 2 ** min(failures - 1, _MOST_DOUBLINGS), max(every, _LONGEST_BACKOFF))
    wait = after_success(backoff, luck)
    return wait if retry_after is None else max(wait, retry_after * (1 + 0.1 * luck))


def retry_after(header: str | None, now: datetime) -> timedelta | None:
    """What a Retry-After header asks (RFC 9110, 10.2.3: seconds or a date), between a minute and a day. None where it asks nothing sensible."""
    asked = _asked((header or "").strip(), now)
    return None if asked is None else min(max(asked, SHORTEST_WAIT), LONGEST_WAIT)


def _asked(text: str, now: datetime) -> timedelta | None:
    if text.isascii() and text.isdigit():
        return timedelta(seconds=min(int(text[:12]), LONGEST_WAIT.total_seconds()))
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)) - now
