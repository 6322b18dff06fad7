"""Is a source healthy? What its file says to expect, held against what it did. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from schemas.config.source import Expectation


def silent_for(expectation: Expectation, *, first_success_at: datetime | None, last_new_at: datetime | None, now: datetime) -> timedelta | None:
    """How long a source has brought nothing new, once that is longer than expected; None while all is well.

    A source that never answered is not silent, it is unreachable: that is told elsewhere, once.
    """
    since = last_new_at or first_success_at
    if expectation.at_least_one_in is None or since is None:
        return None
    silence = now - since
    return silence if silence > expectation.at_least_one_in else None


def too_many(expectation: Expectation, *, new: int, backfill: bool) -> bool:
    """True if one visit found more than a healthy source brings: ids that change by themselves, or a page that became another. History may be long."""
    return not backfill and expectation.at_most is not None and new > expectation.at_most
