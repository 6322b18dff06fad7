"""What operators do to events by hand: each verb is one transaction under the placement lock, with a reason, and is written down.

retract   it was wrong: the event does not stand any more            -> a withdrawal to exactly those who were told
correct   some of its facts were wrong; they are set, and stay set   -> a correction to exactly those who were told
split     some items tell another event: they become one             -> a correction of the old one; the new one is told as news while it is news
merge     two events are one: the first goes into the second         -> nothing is sent; who was told of either hears of later corrections
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from schemas.events.event import EventSource, PolicyEvent
from schemas.events.signal import Facts, PolicySignal
from services.notifier import likeness, material, versions
from services.notifier.threads import LATE, Means, is_fresh, next_version, slug
from services.runtime.errors import Rejected
from services.store import digests, interventions
from services.store import threads as kept
from services.store.engine import Connection, place_lock
from services.store.interventions import Intervention
from services.store.wake import notify

ALERTS, OUTBOX = "alerts", "outbox"


@dataclass(frozen=True)
class By:
    """Who acts, when and why."""

    operator: str
    reason: str
    at: datetime

    def __post_init__(self) -> None:
        if not self.reason.strip():
            raise Rejected("say why: the reason is written down, and those who are corrected read it")


@dataclass(frozen=True)
class Done:
    """What a verb has done: the event as it stands now, the other one, and how many destinations are corrected."""

    event: PolicyEvent
    other: PolicyEvent | None
    corrects: int


def find(db: Connection, name: str) -> PolicyEvent:
    """The event with this id or slug. Raises Rejected when there is none, or when several share the slug."""
    found = kept.events_named(db, name)
    if not found:
        raise Rejected(f"no event has the id or slug {name!r}; `chipwire events list` shows what there is")
    if len(found) > 1:
        ids = ", ".join(event.id for event in found)
        raise Rejected(f"{len(found)} events have the slug {name!r}; name one by its id: {ids}")
    return found[0]


def retract(db: Connection, name: str, by: By, means: Means) -> Done:
    """Takes an event back. Raises Rejected."""
    place_lock(db)
    event = _open(db, name)
    version = next_version(event, by.at, means.headline, changes=("withdrawn",), note=by.reason, status="retracted")
    return _written(db, Intervention(by.at, by.operator, "retract", by.reason, event.id), version, "withdrawal")


def correct(db: Connection, name: str, facts: Mapping[str, object], by: By, means: Means) -> Done:
    """Sets these facts of an event, by name of the field. Raises Rejected."""
    place_lock(db)
    event = _open(db, name)
    after = event.facts.model_copy(update=dict(facts))
    changed = tuple(name for name in facts if getattr(after, name) != getattr(event.facts, name))
    if not changed:
        raise Rejected(f"{event.slug} says so already: nothing to correct")
    settled = tuple(dict.fromkeys((*event.settled, *facts)))
    version = next_version(event, by.at, means.headline, facts=after, changes=_corrections(changed), note=by.reason, settled=settled)
    what = {name: {"was": _plain(event.facts, name), "is": _plain(after, name)} for name in changed}
    return _written(db, Intervention(by.at, by.operator, "correct", by.reason, event.id, what=what), version, "correction")


def merge(db: Connection, name: str, into: str, by: By, means: Means) -> Done:
    """Lets the first event go into the second, with all its items. Nobody is told. Raises Rejected."""
    place_lock(db)
    event, target = _open(db, name), _open(db, into)
    if event.id == target.id:
        raise Rejected(f"{name!r} and {into!r} are the same event")
    have = {source.item for source in target.sources}
    sources = (*target.sources, *(source for source in event.sources if source.item not in have))
    facts, _ = material.merged(target.facts, event.facts, min((source.tier for source in event.sources), default=0))
    relations = tuple(each for each in (*target.relations, *event.relations) if each.event not in (event.id, target.id))
    merged = (*target.merged, event.id, *event.merged)
    kept_one = next_version(
        target, by.at, means.headline, facts=_settled(target, facts), sources=sources, relations=tuple(dict.fromkeys(relations)), merged=merged
    )
    gone = next_version(event, by.at, means.headline, note=by.reason, status="merged", merged_into=target.id)
    kept.write(db, [versions.to_write(each, by.at) for each in (gone, kept_one)], [], by.at)
    kept.move_items(db, [source.item for source in event.sources], event.id, target.id)
    interventions.note(db, Intervention(by.at, by.operator, "merge", by.reason, event.id, target.id))
    notify(db, OUTBOX)
    return Done(gone, kept_one, 0)


def split(db: Connection, name: str, items: Collection[str], by: By, means: Means) -> Done:
    """Makes an event of its own of the items, which are named by id or address. Raises Rejected."""
    place_lock(db)
    event = _open(db, name)
    going = _named(event, items)
    staying = tuple(source for source in event.sources if source not in going)
    if not any(source.verdict == "alert" and source.tier <= material.TRUSTED for source in staying):
        raise Rejected(f"what is left of {event.slug} would stand on nothing; retract it instead")
    heard = _heard(db, going)
    new = _split_off(event, going, heard, by.at, replace(means, free_slug=partial(kept.free_slug, db)))
    left = kept.signals_of(db, {source.item for source in staying})
    facts = material.retold(_alerts(left)) if len(left) == len(staying) else event.facts
    old = next_version(event, by.at, means.headline, facts=_settled(event, facts), sources=staying, changes=("corrected",), note=by.reason)
    kept.move_items(db, [source.item for source in going], event.id, new.id)
    fresh = any(map(is_fresh, heard)) and by.at - min(map(likeness.told_at, heard)) <= LATE
    kept.write(db, [versions.to_write(new, by.at, kind="new", fresh=fresh)], [], by.at)
    what = {"items": [source.item for source in going]}
    done = _written(db, Intervention(by.at, by.operator, "split", by.reason, event.id, new.id, what), old, "correction")
    return Done(done.event, new, done.corrects)


def _open(db: Connection, name: str) -> PolicyEvent:
    event = find(db, name)
    if event.status == "merged":
        raise Rejected(f"{event.slug} was merged into {event.merged_into}; name that one")
    if event.status != "open":
        raise Rejected(f"{event.slug} is {event.status} already: nothing is told of it any more")
    return event


def _written(db: Connection, done: Intervention, version: PolicyEvent, kind: str) -> Done:
    """Writes a version that corrects, and what was done; those who were told hear of it."""
    kept.write(db, [versions.to_write(version, done.at, kind=kind, fresh=True)], [], done.at)
    interventions.note(db, done)
    for channel in (ALERTS, OUTBOX):
        notify(db, channel)
    return Done(version, None, len(digests.told(db, version.id, version.version, merged=version.merged)))


def _corrections(changed: Sequence[str]) -> tuple[str, ...]:
    by_field = {"direction": "direction_corrected", "imposers": "imposer_corrected"}
    return tuple(dict.fromkeys(by_field.get(name, "corrected") for name in changed))


def _plain(facts: Facts, name: str) -> object:
    return facts.model_dump(mode="json", include={name})[name]


def _settled(event: PolicyEvent, facts: Facts) -> Facts:
    return facts.model_copy(update={name: getattr(event.facts, name) for name in event.settled})


def _named(event: PolicyEvent, items: Collection[str]) -> tuple[EventSource, ...]:
    going = tuple(source for source in event.sources if source.item in items or source.url in items)
    known = {name for source in event.sources for name in (source.item, source.url)}
    if missing := sorted(set(items) - known):
        raise Rejected(f"{event.slug} has no item {missing[0]!r}; `chipwire events show {event.slug}` lists its items")
    if not going:
        raise Rejected("name the items that tell another event, by id or address")
    return going


def _heard(db: Connection, sources: Sequence[EventSource]) -> list[PolicySignal]:
    """The verdicts on the items: what an event of their own is made of."""
    heard = kept.signals_of(db, {source.item for source in sources})
    if len(heard) < len(sources):
        raise Rejected("an item of known history, or of the calendar, cannot be split off: nothing has judged it")
    if not _alerts(heard):
        raise Rejected("none of these items tells a change by itself: no event can be made of them")
    return heard


def _alerts(signals: Sequence[PolicySignal]) -> list[PolicySignal]:
    return [signal for signal in signals if signal.verdict == "alert"]


def _split_off(event: PolicyEvent, sources: tuple[EventSource, ...], heard: Sequence[PolicySignal], now: datetime, means: Means) -> PolicyEvent:
    facts = material.retold(_alerts(heard))
    return PolicyEvent(
        id=means.mint(),
        slug=means.free_slug(slug(facts, min(map(likeness.told_at, heard)))),
        version=1,
        headline=means.headline(facts),
        facts=facts,
        changes=("opened",),
        sources=tuple(source.model_copy(update={"why_joined": (f"split:{event.slug}",)}) for source in sources),
        origins=max(1, len({likeness.origin_of(source) for source in sources if source.verdict == "alert"})),
        opened_at=now,
        updated_at=now,
    )
