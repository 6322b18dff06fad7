"""Who is told about an event, and why. Pure.

    Index.replace(account, subscriptions) ... Index.matching(event) -> {destination: subscriptions}      few of many are looked at
    route(event, subscriptions)           -> {destination: why}                                          each is looked at: for a few, and to measure against

A filter is kept under the values of which an event must have one; an event meets only the filters under its own values, and those that require nothing.
Subscriptions that are written alike share one filter.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from schemas.config.subscriptions import When
from schemas.events.event import PolicyEvent
from services.notifier.filters import Filter, Seen, Token
from services.notifier.names import Names

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
    def cadence(self) -> str: ...
    @property
    def language(self) -> str: ...
    @property
    def since(self) -> datetime: ...


@dataclass(frozen=True)
class Match:
    """Why one destination is told, how soon, and in which language."""

    reasons: tuple[str, ...]
    cadences: tuple[str, ...]
    language: str


def match(seen: Seen, subscriptions: Iterable[Subscription[Hashable]], names: Names) -> Match:
    """What comes of the subscriptions of one destination that let the event through. The first of them, by id, gives the language."""
    told = sorted(subscriptions, key=lambda one: one.id)
    reasons = tuple(f"{one.id}: {'; '.join(Filter.of(one.when, names).held(seen)) or 'everything'}" for one in told)
    return Match(reasons, tuple(one.cadence for one in told), told[0].language)


def route(event: PolicyEvent, subscriptions: Iterable[Subscription[K]], names: Names) -> dict[K, Match]:
    """The destinations that are told, each with every subscription that matched."""
    seen = Seen.of(event, names)
    matched: defaultdict[K, list[Subscription[K]]] = defaultdict(list)
    for one in subscriptions:
        if Filter.of(one.when, names).holds(seen):
            matched[one.destination].append(one)
    return {key: match(seen, ones, names) for key, ones in matched.items()}


@dataclass(eq=False)
class _Entry(Generic[K]):
    """One filter, and the subscriptions that are written so, by account."""

    filter: Filter
    required: frozenset[Token] | None
    members: dict[str, list[Subscription[K]]] = field(default_factory=dict)


class Index(Generic[K]):
    """Many subscriptions, among which few are found at once."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._entries: dict[When, _Entry[K]] = {}
        self._by_token: defaultdict[Token, set[_Entry[K]]] = defaultdict(set)
        self._unbound: set[_Entry[K]] = set()
        self._of_account: dict[str, set[When]] = {}

    def replace(self, account_id: str, subscriptions: Sequence[Subscription[K]]) -> None:
        """Makes these the subscriptions of the account."""
        for when in self._of_account.pop(account_id, ()):
            self._leave(when, account_id)
        for one in subscriptions:
            entry = self._entries.get(one.when) or self._enter(one.when)
            entry.members.setdefault(account_id, []).append(one)
        if subscriptions:
            self._of_account[account_id] = {one.when for one in subscriptions}

    def matching(self, event: PolicyEvent, *, until: datetime) -> dict[K, list[Subscription[K]]]:
        """The destinations that are told, each with the subscriptions that matched and are not younger than `until`."""
        seen = Seen.of(event, self._names)
        found = self._unbound.union(*(entries for token in seen.tokens() if (entries := self._by_token.get(token))))
        matched: defaultdict[K, list[Subscription[K]]] = defaultdict(list)
        for entry in found:
            if entry.filter.holds(seen):
                for ones in entry.members.values():
                    for one in ones:
                        if one.since <= until:
                            matched[one.destination].append(one)
        return matched

    def _enter(self, when: When) -> _Entry[K]:
        ready = Filter.of(when, self._names)
        entry = self._entries[when] = _Entry[K](ready, ready.required())
        for entries in self._kept_under(entry):
            entries.add(entry)
        return entry

    def _leave(self, when: When, account_id: str) -> None:
        entry = self._entries[when]
        del entry.members[account_id]
        if not entry.members:
            del self._entries[when]
            for entries in self._kept_under(entry):
                entries.discard(entry)

    def _kept_under(self, entry: _Entry[K]) -> Iterable[set[_Entry[K]]]:
        return [self._unbound] if entry.required is None else [self._by_token[token] for token in entry.required]
