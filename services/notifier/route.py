"""Who is told about an event, and why: filters against the fields of the event. Pure.

    route(event, subscriptions) -> {destination: why}

A filter that holds says which of its tests held, in words a reader of the mail understands.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

from schemas.config.subscriptions import ORDERED, Condition, Value, When
from schemas.events.event import PolicyEvent
from schemas.events.signal import STAGES

Fields = Mapping[str, tuple[Value, ...]]
"""What a filter looks at: every field as its values; none for a fact that is not known."""

_FIELDS: Mapping[str, Callable[[PolicyEvent], Iterable[Value | None]]] = {
    "imposers": lambda event: event.facts.imposers,
    "targets": lambda event: event.facts.targets,
    "products": lambda event: event.facts.products,
    "companies": lambda event: (company.id for company in event.facts.companies),
    "tags": lambda event: (event.facts.motive, *(relation.relation for relation in event.relations)),
    "action": lambda event: (event.facts.action,),
    "direction": lambda event: (event.facts.direction,),
    "stage": lambda event: (event.facts.stage,),
    "severity": lambda event: (event.facts.severity,),
    "confidence": lambda event: (event.facts.confidence,),
}


K = TypeVar("K", bound=Hashable)
K_co = TypeVar("K_co", bound=Hashable, covariant=True)


class Subscription(Protocol[K_co]):
    """A filter that points at one destination. A subscription with three destinations stands here three times."""

    @property
    def id(self) -> str: ...
    @property
    def destination(self) -> K_co: ...
    @property
    def when(self) -> When: ...
    @property
    def language(self) -> str: ...


@dataclass(frozen=True)
class Match:
    """Why one destination is told, and in which language."""

    reasons: tuple[str, ...]
    language: str


def route(event: PolicyEvent, subscriptions: Iterable[Subscription[K]]) -> dict[K, Match]:
    """The destinations that are told, each with every subscription that matched. The first of them, by id, gives the language."""
    fields = fields_of(event)
    told: dict[K, Match] = {}
    for subscription in sorted(subscriptions, key=lambda one: one.id):
        held = matches(subscription.when, fields)
        if held is None:
            continue
        before = told.get(subscription.destination, Match((), subscription.language))
        told[subscription.destination] = Match((*before.reasons, _reason(subscription, held)), before.language)
    return told


def fields_of(event: PolicyEvent) -> Fields:
    """The event as filters see it."""
    return {name: tuple(value for value in read(event) if value is not None) for name, read in _FIELDS.items()}


def matches(when: When, fields: Fields) -> tuple[str, ...] | None:
    """The tests that held, in words, or None when the filter does not let the event through."""
    held: list[str] = []
    for name, test in when.tests.items():
        if not _holds(name, test, fields[name]):
            return None
        held.append(_words(name, test, fields[name]))
    for branch in when.all_of:
        if (inner := matches(branch, fields)) is None:
            return None
        held.extend(inner)
    if when.any_of:
        chosen = next((inner for branch in when.any_of if (inner := matches(branch, fields)) is not None), None)
        if chosen is None:
            return None
        held.extend(chosen)
    if any(matches(branch, fields) is not None for branch in when.none_of):
        return None
    return tuple(held)


def _holds(name: str, test: Condition, values: tuple[Value, ...]) -> bool:
    if test.exists is not None and test.exists != bool(values):
        return False
    have = {_key(value) for value in values}
    if test.not_ is not None and have & _keys(test.not_):
        return False
    if test.gte is not None and not any(_at_least(name, value, test.gte) for value in values):
        return False
    if name == "targets" and "*" in have:
        return True  # against everybody: it meets whichever target is asked for
    wanted = ((test.eq,) if test.eq is not None else None, test.in_, test.any_)
    if any(choice is not None and not have & _keys(choice) for choice in wanted):
        return False
    return test.all_ is None or have >= _keys(test.all_)


def _keys(values: Iterable[Value]) -> set[Value]:
    return {_key(value) for value in values}


def _key(value: Value) -> Value:
    return value.casefold() if isinstance(value, str) else value


def _at_least(name: str, value: Value, least: Value) -> bool:
    if name == "stage":
        return value in STAGES and STAGES.index(str(value)) >= STAGES.index(str(least))
    return name in ORDERED and isinstance(value, int | float) and isinstance(least, int | float) and value >= least


def _reason(subscription: Subscription[Hashable], held: tuple[str, ...]) -> str:
    return f"{subscription.id}: {'; '.join(held) or 'everything'}"


def _words(name: str, test: Condition, values: tuple[Value, ...]) -> str:
    """`products any of H20, H200 (H20)`: the test as written, and what the event has."""
    parts = [f"{word} {_listed(wanted)}" for word, wanted in _operators(test) if wanted is not None]
    if test.exists is not None:
        parts.append("known" if test.exists else "unknown")
    return f"{name} {' and '.join(parts)} ({_listed(values) or 'none'})"


def _operators(test: Condition) -> Iterable[tuple[str, tuple[Value, ...] | None]]:
    yield "is", None if test.eq is None else (test.eq,)
    yield "one of", test.in_
    yield "any of", test.any_
    yield "all of", test.all_
    yield "not", test.not_
    yield "at least", None if test.gte is None else (test.gte,)


def _listed(values: Iterable[Value]) -> str:
    return ", ".join(str(value) for value in values)
