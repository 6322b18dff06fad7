"""What the calendar does to an event by itself: it takes effect, its term runs out, and a week before either, who follows it is reminded. Values in, values out.

plan(event)                       the dates ahead, each at midnight where the measure is imposed; nothing less exact than a day
strike(event, timer, others ...)  Reached: a new version, or a new event that returns to what was before | Spent: nothing to tell any more, and why

A term that runs out undoes the measure: suspended curbs are back, a temporary permission is gone. That is the opposite act on the same measure, so it is a new
event that `reverses` the old one (taxonomy 5.4), and news of it joins it there. Nobody has read a notice of any of this, and every alert says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from schemas.events.base import Moment
from schemas.events.event import EventSource, PolicyEvent, Relation
from schemas.events.signal import FactDate, Facts
from services.notifier import likeness, material
from services.notifier.likeness import OPPOSITE
from services.notifier.threads import LATE, Means, next_version, slug
from services.store.timers import Timer

EFFECTIVE, LAPSE = "effective", "lapse"
_REMINDERS = {EFFECTIVE: "effective_reminder", LAPSE: "lapse_reminder"}
KINDS = (EFFECTIVE, LAPSE, *_REMINDERS.values())
_OF_TERM = (LAPSE, _REMINDERS[LAPSE])
AHEAD = timedelta(days=7)
SOURCE = "calendar"
BY_CALENDAR, REMINDER = "by_calendar", "reminder"
"""What an alert of the calendar says of itself among its changes."""
MOVED, UNDONE, OVERTAKEN = "date_moved", "undone", "overtaken"
REASONS = (MOVED, UNDONE, OVERTAKEN)
"""Why a timer is spent: the date is another now, another event has ended this one, or the day it reminds of has come itself."""

_EXACT = ("day", "second")
_ENDED = frozenset({"suspended", "court_blocked", "withdrawn", "expired", "repealed"})
_PLANS = frozenset({"propose", "shelve", "delay"})
"""Their effective date is not that of the act itself: a plan may never become a rule, and what is put off takes effect when the delay ends."""
_ENDING = frozenset({"reverses", "suspends", "supersedes", "extends"})
"""Relations of an event to one whose dates do not count any more."""
_KEPT_NAMES = frozenset({"restrict_import", "tariff"})
_RETURN = {"list_add": "list_remove", "list_remove": "list_add"}
_RETURN_TO = {"tighten": "reinstate", "loosen": "rescind"}
"""What the end of an act is called, by the direction it goes."""

_ZONES = {
    "AE": "Asia/Dubai", "AU": "Australia/Sydney", "BE": "Europe/Brussels", "BR": "America/Sao_Paulo", "BY": "Europe/Minsk", "CA": "America/Toronto",
    "CH": "Europe/Zurich", "CN": "Asia/Shanghai", "CZ": "Europe/Prague", "DE": "Europe/Berlin", "DK": "Europe/Copenhagen", "ES": "Europe/Madrid",
    "EU": "Europe/Brussels", "FI": "Europe/Helsinki", "FR": "Europe/Paris", "GB": "Europe/London", "HK": "Asia/Hong_Kong", "ID": "Asia/Jakarta",
    "IL": "Asia/Jerusalem", "IN": "Asia/Kolkata", "IR": "Asia/Tehran", "IT": "Europe/Rome", "JP": "Asia/Tokyo", "KR": "Asia/Seoul", "KZ": "Asia/Almaty",
    "MX": "America/Mexico_City", "MY": "Asia/Kuala_Lumpur", "NL": "Europe/Amsterdam", "NO": "Europe/Oslo", "PH": "Asia/Manila", "PL": "Europe/Warsaw",
    "RU": "Europe/Moscow", "SA": "Asia/Riyadh", "SE": "Europe/Stockholm", "SG": "Asia/Singapore", "TH": "Asia/Bangkok", "TR": "Europe/Istanbul",
    "TW": "Asia/Taipei", "UA": "Europe/Kyiv", "US": "America/New_York", "VN": "Asia/Ho_Chi_Minh", "ZA": "Africa/Johannesburg",
}  # fmt: skip
"""Where a state's laws change at midnight: its capital's zone, or that of its gazette. UTC for any other."""


@dataclass(frozen=True)
class Reached:
    """What a timer brings: the version to tell and the kind of alert it makes, and what else changes without being told."""

    event: PolicyEvent
    kind: str
    fresh: bool
    quiet: PolicyEvent | None = None


@dataclass(frozen=True)
class Spent:
    """The calendar has nothing to tell here any more."""

    why: str


def plan(event: PolicyEvent) -> tuple[Timer, ...]:
    """The timers of an event as it stands, those in the past too: they say what is done."""
    if event.status != "open":
        return ()
    return tuple(timer for kind, date in _turning_points(event.facts) for timer in _timers(event, kind, date))


def _turning_points(facts: Facts) -> Iterator[tuple[str, Moment]]:
    """Since when it holds, and until when it does."""
    dates = {kind: [date.moment for date in facts.dates if date.kind == kind and date.moment.precision in _EXACT] for kind in ("effective", "expires")}
    if dates["effective"] and _takes_effect(facts):
        yield EFFECTIVE, min(dates["effective"], key=lambda moment: moment.at)
    if dates["expires"] and _lapses(facts):
        yield LAPSE, max(dates["expires"], key=lambda moment: moment.at)


def _takes_effect(facts: Facts) -> bool:
    """What is announced or published takes effect by itself; a report or a draft needs somebody to make it law."""
    return facts.action not in _PLANS and facts.stage in ("announced", "published")


def _lapses(facts: Facts) -> bool:
    return facts.action != "propose" and facts.stage not in ("rumour", "proposed", None) and facts.stage not in _ENDED


def _timers(event: PolicyEvent, kind: str, date: Moment) -> Iterable[Timer]:
    at, week_before = _midnights(date, zone_of(event.facts))
    return Timer(at, event.id, kind), Timer(week_before, event.id, _REMINDERS[kind])


def zone_of(facts: Facts) -> str:
    """The zone whose midnight counts: the leading imposer's."""
    return _ZONES.get(next(iter(facts.imposers), ""), "UTC")


def _midnights(date: Moment, zone: str) -> tuple[datetime, datetime]:
    """When the day begins, and when the day a week before does. A date without a zone is meant where the measure is imposed; a time of day is what it is."""
    own = ZoneInfo(date.zone or "UTC")
    there = ZoneInfo(date.zone or zone)
    local = date.at.astimezone(own)
    if date.precision == "day":
        local = datetime(local.year, local.month, local.day, tzinfo=there)
    return local.astimezone(UTC), (local - AHEAD).astimezone(UTC)


def strike(event: PolicyEvent, timer: Timer, others: Sequence[PolicyEvent], now: datetime, means: Means) -> Reached | Spent:
    """What a timer that is due brings. `others` are the events that name this one among their relations, and those that may prolong it."""
    if timer not in plan(event):
        return Spent(MOVED)
    standing = [other for other in others if other.status == "open" and other.id != event.id]
    if any(_ends(other, event) or (timer.kind in _OF_TERM and _prolongs(other, event, timer.due_at)) for other in standing):
        return Spent(UNDONE)
    if timer.kind in _REMINDERS.values():
        return _reminded(event, timer, now, means)
    fresh = now - timer.due_at <= LATE
    if timer.kind == EFFECTIVE:
        in_force = event.facts.model_copy(update={"stage": "in_force"})
        return Reached(next_version(event, now, means.headline, facts=in_force, changes=("stage_raised", BY_CALENDAR)), "update", fresh)
    return _lapsed(event, timer, now, means, fresh=fresh)


def _ends(other: PolicyEvent, event: PolicyEvent) -> bool:
    return any(relation.event in (event.id, *event.merged) and relation.relation in _ENDING for relation in other.relations)


def _prolongs(other: PolicyEvent, event: PolicyEvent, due: datetime) -> bool:
    """Whether it extends the same measure beyond its term, though nothing says of which event it is the extension."""
    longer, facts = other.facts, event.facts
    if longer.action != "extend" or longer.direction != facts.direction or set(longer.imposers).isdisjoint(facts.imposers):
        return False
    if not any(date.kind == "expires" and date.moment.at > due for date in longer.dates):
        return False
    return _meet(longer.targets, facts.targets) and _share_subject(longer, facts)


def _meet(one: Sequence[str], other: Sequence[str]) -> bool:
    return not one or not other or "*" in (*one, *other) or not set(one).isdisjoint(other)


def _share_subject(one: Facts, other: Facts) -> bool:
    """Whether they name one thing that tells measures apart; where neither does, the same field is enough."""
    mine, theirs = likeness.traits_of(one), likeness.traits_of(other)
    if mine.instruments & theirs.instruments:
        return True
    if mine.specific and theirs.specific:
        return bool(mine.specific & theirs.specific)
    if mine.groups & theirs.groups or mine.companies & theirs.companies:
        return True
    return not (mine.names or theirs.names) and not set(one.products).isdisjoint(other.products)


def _reminded(event: PolicyEvent, timer: Timer, now: datetime, means: Means) -> Reached | Spent:
    kind = next(kind for kind, reminder in _REMINDERS.items() if reminder == timer.kind)
    if any(other.kind == kind and other.due_at <= now for other in plan(event)):
        return Spent(OVERTAKEN)
    return Reached(next_version(event, now, means.headline, changes=(REMINDER, BY_CALENDAR)), REMINDER, fresh=True)


def _lapsed(event: PolicyEvent, timer: Timer, now: datetime, means: Means, *, fresh: bool) -> Reached:
    """The end of its term. Where it has no opposite, it is only over."""
    expired = event.facts.model_copy(update={"stage": "expired"})
    facts = returned(event.facts, timer.due_at, zone_of(event.facts))
    if facts is None:
        return Reached(next_version(event, now, means.headline, facts=expired, changes=(BY_CALENDAR,)), "update", fresh)
    new = PolicyEvent(
        id=means.mint(),
        slug=means.free_slug(slug(facts, timer.due_at)),
        version=1,
        headline=means.headline(facts),
        facts=facts,
        changes=("opened", BY_CALENDAR),
        relations=(Relation(event=event.id, relation="reverses"),),
        sources=(_source(event, timer, facts, now),),
        opened_at=now,
        updated_at=now,
    )
    return Reached(new, "reversal", fresh, quiet=next_version(event, now, means.headline, facts=expired))


def returned(facts: Facts, at: datetime, zone: str) -> Facts | None:
    """The facts of what holds again when a measure's term has run out; None where it went in no direction. What was only reported can end no surer."""
    direction = OPPOSITE.get(facts.direction or "")
    if direction is None:
        return None
    action = facts.action or "other"
    known_well = material.rank_of(facts.stage) >= material.rank_of("announced")
    return facts.model_copy(
        update={
            "action": action if action in _KEPT_NAMES else _RETURN.get(action, _RETURN_TO[direction]),
            "direction": direction,
            "stage": "in_force" if known_well else facts.stage,
            "dates": (FactDate(kind="effective", moment=_day(at, zone)),),
            "amounts": (),
            "conditions": (),
            "motive": None,
            "origin": None,
        }
    )


def _source(event: PolicyEvent, timer: Timer, facts: Facts, now: datetime) -> EventSource:
    """The calendar as a source: as good as the date it was given."""
    return EventSource(
        item=f"{SOURCE}:{event.id}:{timer.kind}:{timer.due_at:%Y-%m-%d}",
        source=SOURCE,
        tier=0,
        published=_day(timer.due_at, zone_of(event.facts)),
        first_seen_at=now,
        stage=facts.stage,
        dates=facts.dates,
        why_joined=(f"reverses:{event.slug}", BY_CALENDAR),
    )


def _day(at: datetime, zone: str) -> Moment:
    return Moment.parse(f"{at.astimezone(ZoneInfo(zone)):%Y-%m-%d}", zone)
