"""The words an event is found by: what `likeness` could find in common, as index keys. Values in, values out.

An event and a signal that `likeness` would call alike share a key; sharing a key promises nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import chain, combinations

from schemas.events.event import PolicyEvent
from schemas.events.signal import Facts, PolicySignal
from services.notifier import likeness
from services.notifier.likeness import Traits

_KINDS = "icn"
"""instruments, companies, names of products: what tells measures apart."""


@dataclass(frozen=True)
class Wanted:
    """What to look for: by `lasting` at any time, by `timely` within the window, by `brief` within days."""

    lasting: frozenset[str]
    timely: frozenset[str]
    brief: frozenset[str]

    @property
    def all(self) -> frozenset[str]:
        return self.lasting | self.timely | self.brief


def wanted(signal: PolicySignal) -> Wanted:
    """The keys of the events that a signal may belong to. One that names products needs only those events by group or firm that name none."""
    traits = likeness.traits_of(signal.facts)
    whose = (*traits.imposers, "?") if traits.imposers else ("any",)
    brief = frozenset(f"imposer:{imposer}:{kinds}" for imposer in traits.imposers for kinds in _incomparable(_kinds(traits)))
    return Wanted(_lasting(traits), frozenset(f"{who}:{key}" for who in whose for key in _wanted_subjects(traits)), brief)


def index(event: PolicyEvent) -> frozenset[str]:
    """The keys an event is found by, and those of its relations."""
    return index_of(event.facts) | {f"relates:{relation.event}" for relation in event.relations}


def index_of(facts: Facts) -> frozenset[str]:
    """The keys an event with these facts is found by."""
    traits = likeness.traits_of(facts)
    timely = {f"{who}:{key}" for who in (*(traits.imposers or ("?",)), "any") for key in _subjects(traits)}
    imposers = {f"imposer:{imposer}:{_kinds(traits)}" for imposer in traits.imposers}
    return _lasting(traits) | timely | imposers


def span(event: PolicyEvent) -> tuple[datetime, datetime]:
    """The first and the last time an event can be near to: its tellings, and the dates it names."""
    told = [(likeness.told_at(source), source.published.end if source.published else source.first_seen_at) for source in event.sources]
    dates = [(event.opened_at, event.opened_at)] if not told else []
    named = [date.moment.end for date in event.facts.dates if date.kind in likeness.TIMED]
    first, last = min(at for at, _ in (told or dates)), max(at for _, at in (told or dates))
    return first, max((last, *named))


def window(signal: PolicySignal, reach: timedelta) -> tuple[datetime, datetime]:
    """The times within reach of what the signal tells and when it was told."""
    periods = likeness.periods_of(signal)
    return min(start for start, _ in periods) - reach, max(end for _, end in periods) + reach


def _lasting(traits: Traits) -> frozenset[str]:
    return frozenset(f"instrument:{each}" for each in traits.instruments)


def _subjects(traits: Traits) -> Iterator[str]:
    yield from (f"product:{name}" for name in traits.names)
    yield from (f"group:{group}:any" for group in traits.groups)
    yield from (f"company:{company}:any" for company in traits.companies)
    if not traits.specific:
        yield from (f"group:{group}:loose" for group in traits.groups)
    if not traits.names:
        yield from (f"company:{company}:loose" for company in traits.companies)


def _wanted_subjects(traits: Traits) -> Iterator[str]:
    yield from (f"product:{name}" for name in traits.names)
    yield from (f"group:{group}:{'loose' if traits.specific else 'any'}" for group in traits.groups)
    yield from (f"company:{company}:{'loose' if traits.names else 'any'}" for company in traits.companies)


def _kinds(traits: Traits) -> str:
    return "".join(kind for kind, values in zip(_KINDS, (traits.instruments, traits.companies, traits.names), strict=True) if values)


@lru_cache
def _incomparable(kinds: str) -> tuple[str, ...]:
    """Every set of kinds that shares none with these."""
    rest = [kind for kind in _KINDS if kind not in kinds]
    return tuple("".join(some) for some in chain.from_iterable(combinations(rest, size) for size in range(len(rest) + 1)))
