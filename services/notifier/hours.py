"""When a destination is told: quiet hours and the times of digests, on the clock of its zone. Pure, and right where that clock jumps.

A time of day that the clock leaves out (spring) is the moment it jumps; of one that comes twice (autumn), quiet hours begin at the first and end
at the second, and digests come at the first. So quiet hours are never cut short, and every day that there is has one digest.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from schemas.config.times import WEEKDAYS, Times

_DAY = timedelta(days=1)
_HOUR = timedelta(hours=1)


def quiet_until(times: Times, at: datetime) -> datetime | None:
    """When the quiet hours end in which `at` lies; None when it lies in none."""
    until = _window_end(times, at)
    while until is not None and (more := _window_end(times, until)) is not None:
        until = more  # the clock jumped over what lies between two quiet hours
    return until


def _window_end(times: Times, at: datetime) -> datetime | None:
    if times.quiet is None:
        return None
    zone, over_midnight = ZoneInfo(times.zone), times.quiet.to <= times.quiet.from_
    today = at.astimezone(zone).date()
    for day in (today - _DAY, today):
        begins = _moment(zone, day, times.quiet.from_)
        ends = _moment(zone, day + _DAY if over_midnight else day, times.quiet.to, second=True)
        if begins <= at < ends:
            return ends
    return None


def next_digest(times: Times, cadence: str, after: datetime) -> datetime:
    """When the next hourly, daily or weekly digest comes, strictly later. One that would come in quiet hours comes at their end."""
    slot = _next_hour(after) if cadence == "hourly" else _next_day(times, after, weekly=cadence == "weekly")
    return quiet_until(times, slot) or slot


def day_began(times: Times, at: datetime) -> datetime:
    """When the day began in which `at` lies, on the clock of the zone."""
    zone = ZoneInfo(times.zone)
    return _moment(zone, at.astimezone(zone).date(), time())


def _next_hour(after: datetime) -> datetime:
    return after.astimezone(UTC).replace(minute=0, second=0, microsecond=0) + _HOUR


def _next_day(times: Times, after: datetime, *, weekly: bool) -> datetime:
    zone = ZoneInfo(times.zone)
    day = after.astimezone(zone).date() - _DAY
    while True:
        slot = _moment(zone, day, times.digest_at)
        if slot > after and (not weekly or day.weekday() == WEEKDAYS.index(times.digest_on)):
            return slot
        day += _DAY


@lru_cache(maxsize=10_000)
def _moment(zone: ZoneInfo, day: date, clock: time, *, second: bool = False) -> datetime:
    """The moment at which the clock of the zone shows this; `second` is the later one where it does so twice."""
    local = datetime.combine(day, clock, zone)
    first, last = local.astimezone(UTC), local.replace(fold=1).astimezone(UTC)
    if first <= last:
        return last if second else first
    return _jump(zone, last, first)  # left out: the fold counts with the offset of after the jump, and so lies before it


def _jump(zone: ZoneInfo, before: datetime, after: datetime) -> datetime:
    """The moment between the two at which the zone changes its offset."""
    old, second = before.astimezone(zone).utcoffset(), timedelta(seconds=1)
    while after - before > second:
        middle = before + (after - before) // 2
        if middle.astimezone(zone).utcoffset() == old:
            before = middle
        else:
            after = middle
    return after.replace(microsecond=0)
