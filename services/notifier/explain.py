"""Why an event comes to a subscription or does not, and what a subscription would have told: for people who write filters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from schemas.config.subscriptions import Subscriptions, When
from schemas.events.event import PolicyEvent
from services.notifier import threads as judged
from services.notifier.cadence import Later, later, soonest
from services.notifier.filters import Clause, Filter, Seen
from services.notifier.hours import day_began
from services.notifier.names import Names
from services.runtime.config_files import read_yaml
from services.runtime.errors import Rejected
from services.store import accounts, delivery, digests, threads
from services.store.accounts import Subscription
from services.store.delivery import Delivery
from services.store.digests import HELD, Waiting
from services.store.engine import Connection

_MOST_EVENTS = 100_000


class Written(Protocol):
    """A subscription, kept or only written."""

    @property
    def id(self) -> str: ...
    @property
    def when(self) -> When: ...
    @property
    def cadence(self) -> str: ...


# ---- one event


@dataclass(frozen=True)
class At:
    """What becomes of the event at one destination, if it came now."""

    destination: str
    reachable: bool
    wait: Later | None


@dataclass(frozen=True)
class Explained:
    """One subscription against one event."""

    subscription: Subscription
    event: PolicyEvent
    clauses: tuple[Clause, ...]
    rank: int
    cadence: str
    places: tuple[At, ...]
    deliveries: tuple[Delivery, ...]
    waiting: tuple[Waiting, ...]

    @property
    def holds(self) -> bool:
        """Whether the filter lets the event through."""
        return not any(clause.stops for clause in self.clauses)


def explain(db: Connection, subscriptions: Sequence[Subscription], event: str, names: Names, now: datetime) -> Explained:
    """The subscription, given once for each of its destinations, against the newest version of an event, by id or slug. Raises Rejected."""
    found = threads.event(db, event)
    if found is None:
        raise Rejected(f"no event has the id or slug {event!r}; `chipwire events list` shows what there is")
    one = subscriptions[0]
    rank = judged.rank(found, now)
    cadence = soonest([one.cadence], rank=rank, kind="reversal" if _reverses(found) else "new")
    keys = [each.destination for each in subscriptions]
    times = accounts.reachable(db, keys)
    today = digests.told_at_once(db, {key: day_began(own, now) for key, own in times.items()})
    places = tuple(At(key.id, key in times, later(times[key], cadence, found, told_today=today[key], now=now) if key in times else None) for key in keys)
    sent = [each for each in delivery.list_deliveries(db, one.destination.account_id, event_id=found.id) if each.destination in keys]
    waits = [each for each in digests.waits(db, keys) if each.event_id == found.id]
    clauses = Filter.of(one.when, names).explained(Seen.of(found, names))
    return Explained(one, found, clauses, rank, cadence, places, tuple(sent), tuple(waits))


def as_lines(told: Explained) -> Iterator[str]:
    """For people."""
    yield f"{told.subscription.destination.account_id}/{told.subscription.id}  against  {told.event.slug}, version {told.event.version}: {told.event.headline}"
    yield ""
    yield from _clauses(told.clauses) if told.clauses else ["  an empty filter lets everything through"]
    yield ""
    yield from _outcome(told)
    yield from (
        f"  {one.destination.id}: {one.state}{f' ({one.why})' if one.why else ''}, {one.kind}, {one.created_at:%Y-%m-%d %H:%M}" for one in told.deliveries
    )
    yield from (f"  {one.destination.id}: waits until {one.due_at:%Y-%m-%d %H:%M} UTC ({_waits(one.cadence)})" for one in told.waiting)


def _clauses(clauses: Iterable[Clause], depth: int = 1, *, stopping: bool = True) -> Iterator[str]:
    for clause in clauses:
        stops = stopping and clause.stops
        has = f"; the event has {', '.join(map(str, clause.has)) or 'none'}" if not clause.parts else ""
        yield f"{'  ' * depth}{'yes' if clause.holds else 'no '}  {clause.path}: {clause.wanted}{has}{'   <- stops it' if stops else ''}"
        yield from _clauses(clause.parts, depth + 1, stopping=stops)


def _outcome(told: Explained) -> Iterator[str]:
    if not told.holds:
        yield "not told: the filter stops it"
    elif not told.subscription.active:
        yield "not told: the subscription is switched off"
    else:
        yield f"told: rank {told.rank}, cadence {told.subscription.cadence}{f', so {told.cadence}' if told.cadence != told.subscription.cadence else ''}"
        for place in told.places:
            yield f"  {place.destination}, if it came now: {_at(place)}"


def _at(place: At) -> str:
    if not place.reachable:
        return "nothing, since it takes no alerts"
    return "at once" if place.wait is None else f"at {place.wait.due_at:%Y-%m-%d %H:%M} UTC ({_waits(place.wait.cadence)})"


def _waits(cadence: str) -> str:
    return "when its quiet hours end" if cadence == HELD else f"in the {cadence} digest"


def as_json(told: Explained) -> dict[str, Any]:
    """For programs."""
    return {
        "subscription": f"{told.subscription.destination.account_id}/{told.subscription.id}",
        "active": told.subscription.active,
        "event": {"id": told.event.id, "slug": told.event.slug, "version": told.event.version, "headline": told.event.headline},
        "holds": told.holds,
        "clauses": [asdict(clause) for clause in told.clauses],
        "rank": told.rank,
        "cadence": told.cadence,
        "destinations": [
            {"id": place.destination, "reachable": place.reachable, "wait": asdict(place.wait) if place.wait is not None else None} for place in told.places
        ],
        "deliveries": [{"id": one.id, "destination": one.destination.id, "kind": one.kind, "state": one.state, "why": one.why} for one in told.deliveries],
        "waiting": [{"destination": one.destination.id, "cadence": one.cadence, "due_at": one.due_at.isoformat()} for one in told.waiting],
    }


def _reverses(event: PolicyEvent) -> bool:
    return event.version == 1 and any(relation.relation == "reverses" for relation in event.relations)


# ---- many events


@dataclass(frozen=True)
class WouldTell:
    """One event that would have come."""

    event: PolicyEvent
    at: datetime
    rank: int
    cadence: str
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Preview:
    """What a subscription would have told in so many days, out of so many events; the latest first."""

    days: int
    looked_at: int
    told: tuple[WouldTell, ...]

    @property
    def a_week(self) -> float:
        return len(self.told) * 7 / self.days

    def in_words(self) -> str:
        """The sum."""
        counts = Counter(one.cadence for one in self.told)
        split = ", ".join(f"{count} {cadence}" for cadence, count in sorted(counts.items()))
        return f"{len(self.told)} of {self.looked_at} events in {self.days} days, {self.a_week:.1f} a week{f': {split}' if split else ''}"

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        weeks = Counter(f"{one.at:%G-W%V}" for one in self.told)
        told = [
            {"event": one.event.id, "slug": one.event.slug, "at": one.at.isoformat(), "rank": one.rank, "cadence": one.cadence, "headline": one.event.headline, "reasons": one.reasons}
            for one in self.told
        ]  # fmt: skip
        return {
            "days": self.days,
            "looked_at": self.looked_at,
            "matched": len(told),
            "a_week": round(self.a_week, 2),
            "weeks": dict(sorted(weeks.items())),
            "events": told,
        }


def preview(db: Connection, subscription: Written, names: Names, now: datetime, *, days: int) -> Preview:
    """The events opened in the last so many days, as they stand now, against a subscription."""
    since = now - timedelta(days=days)
    events = [event for event in threads.list_events(db, since=since, limit=_MOST_EVENTS) if since <= event.opened_at <= now and event.status == "open"]
    ready = Filter.of(subscription.when, names)
    told = [found for event in events if (found := _would_tell(subscription, ready, event, Seen.of(event, names)))]
    return Preview(days, len(events), tuple(sorted(told, key=lambda one: one.at, reverse=True)))


def _would_tell(subscription: Written, ready: Filter, event: PolicyEvent, seen: Seen) -> WouldTell | None:
    if not ready.holds(seen):
        return None
    rank = judged.rank(event, event.opened_at)
    kind = "reversal" if _reverses(event) else "new"
    return WouldTell(event, event.opened_at, rank, soonest([subscription.cadence], rank=rank, kind=kind), ready.held(seen))


def written_in(file: Path, name: str) -> Written:
    """A subscription from a file that is not applied yet. Raises Misconfigured, or Rejected when it is not there."""
    account_id, _, one = name.rpartition("/")
    for account in read_yaml(file).to(Subscriptions).accounts:
        for subscription in account.subscriptions:
            if account_id in ("", account.id) and subscription.id == one:
                return subscription
    raise Rejected(f"{file} has no subscription {name!r}")
