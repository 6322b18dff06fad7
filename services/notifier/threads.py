"""Which event a signal belongs to, and what it changes there (design, section 6). Values in, values out.

place(signal, candidates, now, means)
  the item tells a candidate already  -> what does its new verdict change?   Joined | Advanced | Corrected | Withdrawn | Left
  "no"                                -> Unplaced
  same measure, same direction        -> Joined | Advanced | Corrected       (context: Joined only)
  same measure, opposite direction    -> Reversed, or Held until it is sure
  nothing like it                     -> Opened, or Held when its source may not open
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from schemas.events.event import EventSource, PolicyEvent, Relation
from schemas.events.signal import Evidence, Facts, PolicySignal
from services.notifier import likeness, material
from services.notifier.likeness import Closeness, Likeness, Profile

NEAR = timedelta(days=5)
"""The same act is told within five days (taxonomy 5.4)."""
WINDOW = timedelta(days=180)
"""How long a measure can rise to its next stage, or be reversed, and be known as the same."""
HOLD = timedelta(hours=24)
LATE = timedelta(days=7)
"""A find that was published longer ago than this is history, unless the gazette has it."""
_PLAN = timedelta(days=60)
"""A plan that becomes a rule later than this, and names no document, is written anew; so is what undoes no product by name."""
_UNORDERED = timedelta(minutes=15)
"""Outlets' clocks and our queues do not order two reports that are this close."""
_TURN = timedelta(days=30)
"""How soon the opposite act for the same firms and group of products counts as undoing the first."""
_WAVE = timedelta(days=1)
"""So soon after one another, reports of one direction in other words tell one act, even when a report between them says the opposite: more often that is misread."""
_UNDOING = ("shelve", "suspend", "rescind", "reinstate", "delay", "list_remove", "licence_revoke")
_PERMITTING = ("exempt", "extend", "rescind", "licence_grant", "licence_deny", "licence_revoke")
_LISTING = ("list_add", "list_remove")
_UNDONE = ("reverses", "suspends")
"""Relations of an event to one that does not hold any more."""
_SOON = timedelta(hours=72)
SOURCES = 100
"""So many sources an event lists; one more that changes nothing makes no new version."""
_DENIES = "denies"
"""Why a denial joined: told once, whoever repeats it."""
_QUOTED = 300
"""Characters of any source that are passed on."""

Headline = Callable[[Facts], str]
Mint = Callable[[], str]
Heard = Callable[[frozenset[str]], Sequence[PolicySignal]]
"""The standing verdicts on these items, as far as they are kept."""


def plain_headline(facts: Facts) -> str:
    """Stage and action, for who has no templates."""
    return f"{facts.stage or 'rumour'}: {facts.action or 'other'}".upper()


def _unheard(_items: frozenset[str]) -> Sequence[PolicySignal]:
    return ()


@dataclass(frozen=True)
class Means:
    """What placing needs from outside: a new event's id, the headline of its facts, earlier verdicts, how close two titles are in meaning, and a free name."""

    mint: Mint
    headline: Headline = plain_headline
    heard: Heard = _unheard
    closeness: Closeness | None = None
    free_slug: Callable[[str], str] = str


@dataclass(frozen=True)
class Opened:
    """The first signal of a new event."""

    event: PolicyEvent
    changes: tuple[str, ...]
    fresh: bool
    why_joined: tuple[str, ...] = ()


@dataclass(frozen=True)
class Joined:
    """One more source of a known event; nothing material."""

    event: PolicyEvent
    why_joined: tuple[str, ...]
    changes: tuple[str, ...] = ()
    fresh: bool = False


@dataclass(frozen=True)
class Advanced:
    """Something material on the closed list was added to a known event."""

    event: PolicyEvent
    changes: tuple[str, ...]
    fresh: bool
    why_joined: tuple[str, ...]


@dataclass(frozen=True)
class Reversed:
    """A new event that undoes a known one; it names it among its relations."""

    event: PolicyEvent
    changes: tuple[str, ...]
    fresh: bool
    why_joined: tuple[str, ...]


@dataclass(frozen=True)
class Corrected:
    """What was told was wrong in its direction or imposer, or is denied."""

    event: PolicyEvent
    changes: tuple[str, ...]
    fresh: bool
    why_joined: tuple[str, ...]


@dataclass(frozen=True)
class Withdrawn:
    """The event stands on no verdict of tier 2 or better any more."""

    event: PolicyEvent
    changes: tuple[str, ...]
    fresh: bool
    why_joined: tuple[str, ...] = ()


@dataclass(frozen=True)
class Left:
    """The item does not tell the event any more, which stands on others."""

    event: PolicyEvent
    changes: tuple[str, ...] = ()
    fresh: bool = False
    why_joined: tuple[str, ...] = ()


@dataclass(frozen=True)
class Held:
    """Not told yet: it waits for a better source until then."""

    until: datetime
    reason: str


@dataclass(frozen=True)
class Unplaced:
    """Belongs to no event that stands, and opens none. `event` is the one that an operator has taken back."""

    reason: str
    event: str | None = None


Told = Opened | Joined | Advanced | Reversed | Corrected | Withdrawn | Left
"""What brings a new version of an event; only the hundred and first source of one brings none."""
Placement = Told | Held | Unplaced

KINDS: dict[type[Told], str] = {Opened: "new", Advanced: "update", Reversed: "reversal", Corrected: "correction", Withdrawn: "withdrawal"}
"""What is material, and the kind of alert it makes."""


def place(signal: PolicySignal, candidates: Sequence[PolicyEvent], now: datetime, means: Means, held: Sequence[PolicySignal] = ()) -> Placement:
    """Where `signal` belongs among `candidates`. `held` are other signals that wait: two independent ones can confirm each other."""
    return place_among(signal, [Candidate.of(event) for event in candidates], now, means, held)


@dataclass(frozen=True)
class Candidate:
    """An event with its profile, made once for many comparisons."""

    event: PolicyEvent
    profile: Profile

    @classmethod
    def of(cls, event: PolicyEvent) -> Candidate:
        return cls(event, likeness.profile_of_event(event))


def place_among(signal: PolicySignal, candidates: Sequence[Candidate], now: datetime, means: Means, held: Sequence[PolicySignal] = ()) -> Placement:
    """`place`, for who keeps the candidates' profiles."""
    desk = _Desk(signal, now, means)
    if retracted := next((each.event for each in candidates if each.event.status == "retracted" and _source_in(each.event, signal.item.id)), None):
        return Unplaced("an operator has taken back what it tells", retracted.id)
    candidates = [candidate for candidate in candidates if candidate.event.status == "open"]
    home = max((each.event for each in candidates if _source_in(each.event, signal.item.id)), key=lambda event: (event.opened_at, event.id), default=None)
    if home and (again := desk.again(home)):
        return again
    if signal.verdict not in ("alert", "context"):
        return Unplaced("its verdict is no")
    profile = likeness.profile_of_signal(signal)
    like = [(each.event, found) for each in candidates if (found := likeness.likeness(profile, each.profile, means.closeness))]
    rival = _rival(signal, like)
    best = _best((event, found) for event, found in like if _joins(signal, event, found, rival))
    if best is not None:
        return desk.join(*best)
    if signal.verdict == "context":
        return Unplaced("context of no known event")
    return desk.reverse(*rival, held) if rival is not None else desk.open()


def release(event: PolicyEvent, held: Sequence[PolicySignal], now: datetime, means: Means) -> list[tuple[PolicySignal, Told]]:
    """Those of the `held` that an event lets go which has just opened or changed: each with what it brings, in their order."""
    freed: list[tuple[PolicySignal, Told]] = []
    for signal in held:
        placement = place(signal, [event], now, means)
        if isinstance(placement, Joined | Advanced | Corrected):
            event = placement.event
            freed.append((signal, placement))
    return freed


def rank(event: PolicyEvent, now: datetime) -> int:
    """How loudly an event is told, 1 to 5: its severity, one more when it takes effect within 72 hours, one less when a single outlet reports it (taxonomy 5.3)."""
    effective = (date.moment.at for date in event.facts.dates if date.kind == "effective")
    soon = any(timedelta(0) <= at - now <= _SOON for at in effective)
    alone = event.facts.stage in ("rumour", "reported") and event.origins <= 1
    return min(5, max(1, (event.facts.severity or 3) + soon - alone))


def is_fresh(signal: PolicySignal, first_seen_at: datetime | None = None) -> bool:
    """Whether an alert may be pushed: no backfill, no replay, no late find of a source other than the gazette."""
    item = signal.item
    if item.backfill or item.replay:
        return False
    seen = first_seen_at or item.observed_at
    return item.tier == 0 or item.published is None or seen - item.published.end <= LATE


@dataclass(frozen=True)
class _Desk:
    """One signal on the table, and what is needed to place it."""

    signal: PolicySignal
    now: datetime
    means: Means

    @property
    def tier(self) -> int:
        return self.signal.item.tier

    def open(self) -> Opened | Held:
        if not material.may_open(self.signal):
            return self._held("a rumour alone opens no event" if self.signal.facts.stage == "rumour" else "an aggregator alone opens no event")
        return Opened(self._new_event(()), ("opened",), is_fresh(self.signal))

    def join(self, event: PolicyEvent, found: Likeness) -> Joined | Advanced | Corrected:
        if self.signal.verdict == "context":
            return Joined(self._version(event, event.facts, (), found.reasons), found.reasons)
        if self._denies(event):
            reasons = (_DENIES, *found.reasons)
            return Corrected(self._version(event, material.denied(event.facts), ("denied",), reasons), ("denied",), is_fresh(self.signal), reasons)
        return self._merge(event, found.reasons)

    def reverse(self, event: PolicyEvent, found: Likeness, held: Sequence[PolicySignal]) -> Reversed | Opened | Held:
        if not _is_later(self.signal, event):
            return self._held("told earlier than what it would reverse")
        if _told_by(self.signal) < _first_told(event):
            return self.open()  # the older of the two comes second, by minutes: it reverses nothing
        if not self._may_reverse(event, held):
            return self._held("a reversal needs a leading source or two independent ones")
        relation = Relation(event=event.id, relation="suspends" if self.signal.facts.action == "suspend" else "reverses")
        reasons = (f"{relation.relation}:{event.slug}", *found.reasons)
        return Reversed(self._new_event((relation,), reasons), ("opened",), is_fresh(self.signal), reasons)

    def _may_reverse(self, event: PolicyEvent, held: Sequence[PolicySignal]) -> bool:
        if not material.may_open(self.signal):
            return False
        mine = likeness.origin_of(self.signal)
        return self.tier <= 1 or any(likeness.origin_of(other) != mine and _confirms(other, event) for other in held)

    def again(self, home: PolicyEvent) -> Told | None:
        """A newer verdict on an item that tells `home`. None when the item now tells the opposite while others still tell `home`: it is placed anew."""
        item, facts = self.signal.item.id, _as_settled(home, self.signal.facts)
        stands = [other for other in home.sources if other.item != item and other.verdict == "alert" and other.tier <= 2]
        why = next(source.why_joined for source in home.sources if source.item == item)
        if self.signal.verdict not in ("alert", "context"):
            return self._taken_back(home, stands)
        if self.signal.verdict == "context":
            return Joined(self._version(home, home.facts, (), why), why)
        if stands and likeness.OPPOSITE.get(facts.direction or "") == home.facts.direction:
            return None
        if stands:
            return self._merge(home, why)
        return self._told(home, facts, material.replaced(home.facts, facts), why)

    def _taken_back(self, home: PolicyEvent, stands: Sequence[EventSource]) -> Withdrawn | Left:
        sources = tuple(source for source in home.sources if source.item != self.signal.item.id)
        if stands:
            return Left(self._next(home, home.facts, (), sources))
        event = self._next(home, home.facts, ("withdrawn",), home.sources).model_copy(update={"status": "withdrawn"})
        return Withdrawn(event, ("withdrawn",), fresh=not self.signal.item.replay)

    def _told(self, event: PolicyEvent, facts: Facts, changes: tuple[str, ...], why: tuple[str, ...]) -> Joined | Advanced | Corrected:
        source = _source_in(event, self.signal.item.id)
        version = self._version(event, facts, changes, why)
        fresh = is_fresh(self.signal, source.first_seen_at if source else None)
        if not changes:
            return Joined(version, why)
        outcome = Corrected if {"direction_corrected", "imposer_corrected"} & set(changes) else Advanced
        return outcome(version, changes, fresh, why)

    def _denies(self, event: PolicyEvent) -> bool:
        """The first official word on a mere report that changes nothing itself."""
        told_before = any(_DENIES in source.why_joined for source in event.sources)
        return not told_before and material.denies(self.signal) and material.is_report(event.facts)

    def _merge(self, event: PolicyEvent, why: tuple[str, ...]) -> Joined | Advanced | Corrected:
        known = _source_in(event, self.signal.item.id)
        told = _as_settled(event, self.signal.facts) if known else self.signal.facts
        merged, changes = material.merged(event.facts, told, self.tier)
        facts = self._in_order(event, merged)
        return self._told(event, facts, changes if facts != event.facts else (), why)

    def _in_order(self, event: PolicyEvent, merged: Facts) -> Facts:
        """The facts as they would be, had the signals come in the order in which the world told them: queues do not keep it."""
        if event.settled:
            return merged  # no signal holds what an operator has set
        standing = [source for source in event.sources if source.verdict == "alert"]
        latest = max(map(likeness.told_at, standing), default=event.opened_at)
        if not latest - _UNORDERED <= likeness.told_at(self.signal) <= latest:
            return merged
        others = frozenset(source.item for source in standing) - {self.signal.item.id}
        heard = [signal for signal in self.means.heard(others) if signal.verdict == "alert"]
        return material.retold([*heard, self.signal]) if len(heard) == len(others) else merged

    def _held(self, reason: str) -> Held:
        return Held(self.now + HOLD, reason)

    def _new_event(self, relations: tuple[Relation, ...], why: tuple[str, ...] = ()) -> PolicyEvent:
        facts = self.signal.facts
        return PolicyEvent(
            id=self.means.mint(),
            slug=self.means.free_slug(slug(facts, likeness.told_at(self.signal))),
            version=1,
            headline=self.means.headline(facts),
            facts=facts,
            changes=("opened",),
            relations=relations,
            sources=(self._source(why),),
            opened_at=self.now,
            updated_at=self.now,
        )

    def _version(self, event: PolicyEvent, facts: Facts, changes: tuple[str, ...], why: tuple[str, ...]) -> PolicyEvent:
        known = _source_in(event, self.signal.item.id)
        source = self._source(why)
        if known is None and not changes and len(event.sources) >= SOURCES:
            return event
        if known is None:
            return self._next(event, facts, changes, (*event.sources, source))
        source = source.model_copy(update={"first_seen_at": known.first_seen_at})
        return self._next(event, facts, changes, tuple(source if other is known else other for other in event.sources))

    def _next(self, event: PolicyEvent, facts: Facts, changes: tuple[str, ...], sources: tuple[EventSource, ...]) -> PolicyEvent:
        return next_version(event, self.now, self.means.headline, facts=facts, changes=changes, sources=sources)

    def _source(self, why: tuple[str, ...]) -> EventSource:
        item = self.signal.item
        return EventSource(
            item=item.id,
            outlet=item.outlet,
            source=item.source,
            url=item.url,
            tier=item.tier,
            verdict=self.signal.verdict,
            language=self.signal.language.tag if self.signal.language.tag != "und" else item.language,
            published=item.published,
            first_seen_at=item.observed_at,
            title=item.title,
            origin=self.signal.facts.origin,
            stage=self.signal.facts.stage,
            evidence=tuple(_quoted(self.signal.evidence)),
            amounts=self.signal.facts.amounts,
            dates=self.signal.facts.dates,
            why_joined=why,
        )


def next_version(
    event: PolicyEvent,
    now: datetime,
    headline: Headline,
    *,
    facts: Facts | None = None,
    changes: tuple[str, ...] = (),
    sources: tuple[EventSource, ...] | None = None,
    **fields: object,
) -> PolicyEvent:
    """The event one version further, with what is given changed. A note belongs to one version only."""
    facts = event.facts if facts is None else facts
    sources = event.sources if sources is None else sources
    changed = {
        "version": event.version + 1,
        "facts": facts,
        "headline": headline(facts) if facts != event.facts else event.headline,
        "changes": changes,
        "sources": sources,
        "origins": max(1, len({likeness.origin_of(source) for source in sources if source.verdict == "alert"})),
        "note": None,
        "updated_at": now,
    }
    return event.model_copy(update=changed | fields)


def slug(facts: Facts, at: datetime) -> str:
    """A readable name such as us-2025-h20-shelve; where another event has it, a number sets them apart."""
    subject = next(iter((*facts.products, *(company.id for company in facts.companies))), "chips")
    parts = ((facts.imposers or ("xx",))[0], str(at.year), subject, facts.action or "other")
    return "-".join(re.sub(r"[^a-z0-9]+", "-", part.casefold()).strip("-") for part in parts)


def _as_settled(event: PolicyEvent, facts: Facts) -> Facts:
    """The facts with those that an operator has set for the event: what is known already does not change them by being judged anew."""
    return facts.model_copy(update={name: getattr(event.facts, name) for name in event.settled})


def _source_in(event: PolicyEvent, item: str) -> EventSource | None:
    return next((source for source in event.sources if source.item == item), None)


def _best(like: Iterable[tuple[PolicyEvent, Likeness]]) -> tuple[PolicyEvent, Likeness] | None:
    """The likeliest; of equals the latest."""
    return max(like, key=lambda pair: (pair[1].points, pair[0].opened_at, pair[0].id), default=None)


def _joins(signal: PolicySignal, event: PolicyEvent, found: Likeness, rival: tuple[PolicyEvent, Likeness] | None) -> bool:
    """The evidence outweighs the doubt, and it does not tell the return of what was undone meanwhile."""
    if likeness.OPPOSITE.get(signal.facts.direction or "") == event.facts.direction:
        return False
    if rival is not None and _between(signal, event, rival[0]) and _is_return(signal.facts, event.facts, found):
        return False
    return found.has("instrument") or (found.points > 0 and found.gap <= WINDOW)


def _is_return(facts: Facts, old: Facts, found: Likeness) -> bool:
    """Whether it is another act than the first, which came back: a late telling of the first names that act, its document or its reporter, or comes in the same wave."""
    if facts.action == old.action or found.has("instrument", "origin"):
        return False
    return facts.action in _UNDOING or found.gap > _WAVE


def _rival(signal: PolicySignal, like: Iterable[tuple[PolicyEvent, Likeness]]) -> tuple[PolicyEvent, Likeness] | None:
    """The latest event on the same measure in the opposite direction that nothing has undone yet."""
    if signal.verdict != "alert":
        return None
    opposite = likeness.OPPOSITE.get(signal.facts.direction or "")
    undone = {relation.event for event, _ in like if event.facts.direction != opposite for relation in event.relations if relation.relation in _UNDONE}
    against = [(event, found) for event, found in like if opposite and event.facts.direction == opposite and undone.isdisjoint((event.id, *event.merged))]
    rivals = [(event, found) for event, found in against if _undoes(signal, event, found)]
    return max(rivals, key=lambda pair: (_first_told(pair[0]), pair[1].points), default=None)


def _undoes(signal: PolicySignal, event: PolicyEvent, found: Likeness) -> bool:
    """Whether the opposite act is about the same measure: by document, by product, by firm, or by group where the act is one that undoes."""
    if found.has("instrument"):
        return True
    facts, old = signal.facts, event.facts
    if not found.has("imposer") or found.apart & {"target", "company"} or not _could_undo(facts, old, found):
        return False
    if found.gap > WINDOW and not _has_date_ahead(event, likeness.told_at(signal)):
        return False
    return found.has("product") or _same_firms(facts, old, found) or (facts.action in _UNDOING and _same_field(found))


def _has_date_ahead(event: PolicyEvent, at: datetime) -> bool:
    """Whether the measure still has a date to come: a pause that runs for a year can be ended in any month of it."""
    return any(date.moment.end > at for date in event.facts.dates if date.kind in likeness.TIMED)


def _same_firms(facts: Facts, old: Facts, found: Likeness) -> bool:
    """A permission is taken from, or given back to, the firms that had it however long ago; another act turns within weeks."""
    if not (found.has("company") and found.has("group") and found.has("target", "agency")):
        return False
    return found.gap <= _TURN or (facts.action in _PERMITTING and old.action in _PERMITTING)


def _same_field(found: Likeness) -> bool:
    """What undoes names the field of the measure, or nothing that tells measures apart when it comes within days."""
    if not found.has("target", "agency"):
        return False
    if found.has("name") and found.has("agency") and found.has("target"):
        return True
    return found.gap <= (_PLAN if found.has("group", "company") else NEAR)


def _could_undo(facts: Facts, old: Facts, found: Likeness) -> bool:
    """An entry on a list is undone on the list, or for the firm it names; and only a plan can be dropped, not what is law already."""
    on_list = {facts.action in _LISTING, old.action in _LISTING}
    if len(on_list) > 1:
        return found.has("company")
    return facts.action != "shelve" or material.rank_of(old.stage) < material.rank_of("published")


def _between(signal: PolicySignal, event: PolicyEvent, rival: PolicyEvent) -> bool:
    """Whether the opposite was told after `event` and before this signal."""
    return _first_told(event) <= _first_told(rival) <= likeness.told_at(signal)


def _first_told(event: PolicyEvent) -> datetime:
    return min((likeness.told_at(source) for source in event.sources), default=event.opened_at)


def _is_later(signal: PolicySignal, event: PolicyEvent) -> bool:
    """Published after what it reverses was, or so shortly before that the order is unsure."""
    return _told_by(signal) >= _first_told(event) - _UNORDERED


def _told_by(signal: PolicySignal) -> datetime:
    """When it was published at the latest: a whole day counts by its end."""
    published = signal.item.published
    return published.end if published and published.precision != "second" else likeness.told_at(signal)


def _confirms(other: PolicySignal, event: PolicyEvent) -> bool:
    """Whether a waiting signal of tier 2 or better tells the same reversal."""
    if other.item.tier > 2 or likeness.OPPOSITE.get(other.facts.direction or "") != event.facts.direction:
        return False
    found = likeness.likeness(likeness.profile_of_signal(other), likeness.profile_of_event(event))
    return found is not None and _undoes(other, event, found) and _is_later(other, event)


def _quoted(evidence: Iterable[Evidence]) -> Iterable[Evidence]:
    """As much of the evidence as may be quoted; words given twice count once."""
    words: dict[tuple[str, int, int], int] = {}
    for each in evidence:
        words[each.field, each.start, each.end] = each.end - each.start
        if sum(words.values()) > _QUOTED:
            return
        yield each
