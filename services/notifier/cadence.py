"""At once or later: what a destination's subscriptions, quiet hours and daily cap say of one alert. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from schemas.config.times import Times
from schemas.events.event import PolicyEvent
from services.notifier.hours import next_digest, quiet_until
from services.store.digests import HELD

_ORDER = ("immediate", "hourly", "daily", "weekly")
_OVERFLOW = "daily"
"""The digest that takes what is beyond the daily cap."""
_PATIENCE = {"daily": timedelta(hours=6), "weekly": timedelta(days=2)}
"""A digest that could not come in time still comes so much later; then it goes into the next. Hourly ones always come."""


@dataclass(frozen=True)
class Later:
    """An alert that waits: for quiet hours to end (`held`), or for a digest."""

    cadence: str
    due_at: datetime


def soonest(cadences: Iterable[str], *, rank: int, kind: str) -> str:
    """The soonest of what several subscriptions ask for. By rank: push at 4 and 5, hourly at 3, daily below; a reversal is pushed always (taxonomy 5.3, 5.4)."""
    by_rank = "immediate" if rank >= 4 or kind == "reversal" else "hourly" if rank == 3 else "daily"
    return min((by_rank if cadence == "by_rank" else cadence for cadence in cadences), key=_ORDER.index)


def breaks_through(times: Times, event: PolicyEvent) -> bool:
    """Whether the event is so severe that neither quiet hours nor the cap hold it back."""
    return times.break_through is not None and (event.facts.severity or 0) >= times.break_through


def later(times: Times, cadence: str, event: PolicyEvent, *, told_today: int, now: datetime) -> Later | None:
    """How long an alert waits that is told at this cadence; None when it is told at once."""
    if cadence != "immediate":
        return Later(cadence, next_digest(times, cadence, now))
    if breaks_through(times, event):
        return None
    if (until := quiet_until(times, now)) is not None:
        return Later(HELD, until)
    if times.most_a_day is not None and told_today >= times.most_a_day:
        return Later(_OVERFLOW, next_digest(times, _OVERFLOW, now))
    return None


def correction_later(times: Times, told_at: Iterable[datetime], now: datetime) -> Later | None:
    """A correction waits for quiet hours to end, unless what it corrects was told within quiet hours itself."""
    until = quiet_until(times, now)
    if until is None or any(quiet_until(times, at) is not None for at in told_at):
        return None
    return Later(HELD, until)


def postponed(times: Times, cadence: str, due_at: datetime, now: datetime) -> datetime | None:
    """Until when something waits on that was due, because it is quiet now, or because its digest is too late to come by itself; None when it is told now."""
    if cadence != HELD and now - due_at > _PATIENCE.get(cadence, timedelta.max):
        return next_digest(times, cadence, now)
    return quiet_until(times, now)


def kind_for(kind: str, *, told_before: bool) -> str:
    """An update of what somebody never heard of is news to them."""
    return "new" if kind == "update" and not told_before else kind
