"""How many deliveries each destination may have in hand. Pure: the time is passed in.

    well       as many as the most for one destination; those that answer slowly share half of all places, so that they never take the last one
    failing    half as many after each failure; a single probe once its breaker is half open (services/store/health.py)
    back       one more after each success: twice as many with each round that goes well, until it is well again
    rate       never more in a second than the limit, where there is one

What is sent late, because a destination failed or was away, has a budget of its own: as much a second as comes in anew, or the floor if that is more. So a
thousand endpoints that come back together are not met by everything at once.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from services.store.accounts import DestinationKey

SLOW = 2.0
"""Seconds: who takes longer to answer, on average, is slow."""

_NEWEST = 0.3
"""Weight of the newest attempt in that average."""

_REMEMBERED = 50_000
"""Destinations whose manner is kept in mind, at most."""

_USUAL = 60.0
"""Seconds over which what comes in is averaged."""


@dataclass(slots=True)
class _Manner:
    """How a destination has been answering."""

    seconds: float = 0.0
    allowed: int | None = None
    """How many it may have, while it is not well."""
    probing: bool = False
    free_at: float = 0.0
    """When its rate allows the next one."""


class Pace:
    """What is in hand for whom, and how much more may be."""

    def __init__(self, *, places: int, per_destination: int, per_second: float = 0.0) -> None:
        self.total = 0
        self._places = places
        self._most = per_destination
        self._gap = 1 / per_second if per_second else 0.0
        self._in_hand: Counter[DestinationKey] = Counter()
        self._manners: dict[DestinationKey, _Manner] = {}

    def offer(self, now: float) -> Offer:
        """How many may be claimed at this moment, for each destination."""
        return Offer(self, Counter(self._in_hand), now)

    def took(self, key: DestinationKey, now: float, *, probe: bool) -> None:
        """One more is in hand."""
        self.total += 1
        self._in_hand[key] += 1
        if probe:
            self._manner(key).probing = True
        if self._gap:
            manner = self._manner(key)
            manner.free_at = max(manner.free_at, now - 1.0) + self._gap  # a second's worth may come at once

    def ended(self, key: DestinationKey, *, sent: bool, seconds: float) -> None:
        """An attempt of a delivery in hand ended so."""
        manner = self._manners.get(key)
        if manner is None:
            if sent and seconds < SLOW:
                return  # as almost always: nothing to keep in mind
            manner = self._manner(key)
        manner.seconds += _NEWEST * (seconds - manner.seconds)
        manner.probing = False
        if not sent:
            manner.allowed = max(1, (manner.allowed or self._in_hand[key]) // 2)
        elif manner.allowed is not None:
            manner.allowed = manner.allowed + 1 if manner.allowed + 1 < self._most else None

    def let_go(self, key: DestinationKey) -> None:
        """One less is in hand."""
        self.total -= 1
        self._in_hand[key] -= 1
        if not self._in_hand[key]:
            del self._in_hand[key]

    def share(self, key: DestinationKey, now: float) -> int:
        """How many a destination may have in hand."""
        manner = self._manners.get(key)
        if manner is None:
            return self._most
        if manner.probing:
            return 1
        if self._gap and manner.free_at > now:
            return 0
        return self._most if manner.allowed is None else manner.allowed

    def is_slow(self, key: DestinationKey) -> bool:
        """Whether it takes long to answer."""
        manner = self._manners.get(key)
        return manner is not None and manner.seconds > SLOW

    def slow_places(self) -> int:
        """How many all slow ones may have together."""
        return self._places // 2

    def _manner(self, key: DestinationKey) -> _Manner:
        if key not in self._manners and len(self._manners) >= _REMEMBERED:
            del self._manners[next(iter(self._manners))]
        return self._manners.setdefault(key, _Manner())


class Offer:
    """What may be claimed at one moment. It counts what is taken of it."""

    def __init__(self, pace: Pace, in_hand: Counter[DestinationKey], now: float) -> None:
        self._pace = pace
        self._taken = in_hand
        self._now = now
        self._slow = sum(count for key, count in in_hand.items() if pace.is_slow(key))

    def full(self) -> list[DestinationKey]:
        """Those that may have no more. Others of whom nothing is in hand may be full too; that is told when they are asked for."""
        return [key for key in self._taken if self._left(key) <= 0]

    def take(self, key: DestinationKey, *, probe: bool) -> bool:
        """Whether one more may be claimed; of a destination that is to be probed, only one."""
        if (probe and self._taken[key]) or self._left(key) <= 0:
            return False
        self._taken[key] += 1
        self._slow += self._pace.is_slow(key)
        return True

    def _left(self, key: DestinationKey) -> int:
        left = self._pace.share(key, self._now) - self._taken[key]
        return min(left, self._pace.slow_places() - self._slow) if self._pace.is_slow(key) else left


class LateBudget:
    """How much may be sent late. Averages what comes in anew, and saves at most a second's worth."""

    def __init__(self, floor: float) -> None:
        self._floor = floor
        self._usual = 0.0
        self._saved = floor
        self._at: float | None = None

    @property
    def per_second(self) -> float:
        """The budget at present."""
        return max(self._floor, self._usual)

    def left(self, now: float) -> int:
        """How many may be claimed now."""
        elapsed = 0.0 if self._at is None else max(0.0, now - self._at)
        self._at = now
        self._saved = min(self._saved + elapsed * self.per_second, self.per_second)
        return int(self._saved)

    def spend(self, count: int) -> None:
        """So many were claimed."""
        self._saved -= count

    def came_in(self, count: int, seconds: float) -> None:
        """So many new deliveries came in during the last so many seconds."""
        if seconds > 0:
            self._usual += min(1.0, seconds / _USUAL) * (max(0, count) / seconds - self._usual)
