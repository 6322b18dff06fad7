"""Who is told about an event, and why. Pure.

    Index.replace(account, subscriptions) ... Index.matching(event) -> {destination: subscriptions}      few of many are looked at
    route(event, subscriptions)           -> {destination: why}                                          each is looked at: for a few, and to measure against

Filters are made of parts that must all hold, and share those that are written alike. A part is kept under the values of which an event must have one, and a
filter under its rarest part: so an event meets the parts under its own values, asks each once, and looks at the filters of those that hold.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Generic, Protocol, TypeVar

from schemas.config.subscriptions import When
from schemas.events.event import PolicyEvent
from services.notifier.filters import Filter, Seen, Test, Token, share
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
    reasons = tuple(f"{one.id}: {'; '.join(_ready(one.when, names).held(seen)) or 'everything'}" for one in told)
    return Match(reasons, tuple(one.cadence for one in told), told[0].language)


def route(event: PolicyEvent, subscriptions: Iterable[Subscription[K]], names: Names) -> dict[K, Match]:
    """The destinations that are told, each with every subscription that matched."""
    seen = Seen.of(event, names)
    matched: defaultdict[K, list[Subscription[K]]] = defaultdict(list)
    for one in subscriptions:
        if _ready(one.when, names).holds(seen):
            matched[one.destination].append(one)
    return {key: match(seen, ones, names) for key, ones in matched.items()}


@lru_cache(maxsize=10_000)
def _ready(when: When, names: Names) -> Filter:
    return Filter.of(when, names)


@dataclass(eq=False, slots=True)
class _Clause(Generic[K]):
    """A part that many filters share: asked once for each event."""

    part: Test | Filter
    required: frozenset[Token] | None
    is_found: bool
    """Holds whenever it is met under what it requires."""
    used: int = 0
    alone: set[_Entry[K]] = field(default_factory=set)
    """Filters that have no other part."""
    leads: set[_Entry[K]] = field(default_factory=set)
    """Filters of which it is the rarest part: they are looked at only when it holds."""

    @property
    def share(self) -> float:
        """How many of all events it lets through, roughly."""
        return 1.0 if self.required is None else share(self.required)


@dataclass(eq=False, slots=True)
class _Entry(Generic[K]):
    """One filter, and the subscriptions that are written so, by account."""

    clauses: frozenset[_Clause[K]]
    among: set[_Entry[K]]
    """Where it is kept."""
    members: dict[str, list[Subscription[K]]] = field(default_factory=dict)
    everyone: list[tuple[datetime, K, Subscription[K]]] = field(default_factory=list)
    """Since when, where, which: side by side, since most of the time of a match goes into fetching them."""


class Index(Generic[K]):
    """Many subscriptions, among which few are looked at."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._entries: dict[When, _Entry[K]] = {}
        self._clauses: dict[Test | Filter, _Clause[K]] = {}
        self._by_token: defaultdict[Token, set[_Clause[K]]] = defaultdict(set)
        self._unbound: set[_Clause[K]] = set()
        self._open: set[_Entry[K]] = set()
        """Filters without parts: they let everything through."""
        self._of_account: dict[str, set[When]] = {}

    def replace(self, account_id: str, subscriptions: Sequence[Subscription[K]]) -> None:
        """Makes these the subscriptions of the account."""
        for when in self._of_account.pop(account_id, ()):
            self._leave(when, account_id)
        for one in subscriptions:
            entry = self._entries.get(one.when) or self._enter(one.when)
            entry.members.setdefault(account_id, []).append(one)
            entry.everyone.append((one.since, one.destination, one))
        if subscriptions:
            self._of_account[account_id] = {one.when for one in subscriptions}

    def matching(self, event: PolicyEvent, *, until: datetime) -> dict[K, list[Subscription[K]]]:
        """The destinations that are told, each with the subscriptions that matched and are not younger than `until`."""
        matched: dict[K, list[Subscription[K]]] = {}
        for entry in self._found(Seen.of(event, self._names)):
            for since, destination, one in entry.everyone:
                if since > until:
                    continue
                if destination in matched:
                    matched[destination].append(one)
                else:
                    matched[destination] = [one]
        return matched

    def _found(self, seen: Seen) -> list[_Entry[K]]:
        near = self._unbound.union(*(clauses for token in seen.tokens() if (clauses := self._by_token.get(token))))
        holding = {clause for clause in near if clause.is_found or clause.part.holds(seen)}
        found = [*self._open]
        for clause in holding:
            found += clause.alone
            found += [entry for entry in clause.leads if entry.clauses <= holding]
        return found

    def _enter(self, when: When) -> _Entry[K]:
        clauses = frozenset(self._clause(part) for part in Filter.of(when, self._names).clauses())
        rarest = min(clauses, key=lambda clause: clause.share, default=None)
        among = self._open if rarest is None else rarest.alone if len(clauses) == 1 else rarest.leads
        entry = self._entries[when] = _Entry[K](clauses, among)
        among.add(entry)
        for clause in clauses:
            clause.used += 1
        return entry

    def _leave(self, when: When, account_id: str) -> None:
        entry = self._entries[when]
        del entry.members[account_id]
        entry.everyone = [(one.since, one.destination, one) for ones in entry.members.values() for one in ones]
        if entry.members:
            return
        del self._entries[when]
        entry.among.discard(entry)
        for clause in entry.clauses:
            clause.used -= 1
            if not clause.used:
                self._forget(clause)

    def _clause(self, part: Test | Filter) -> _Clause[K]:
        if (known := self._clauses.get(part)) is not None:
            return known
        clause = self._clauses[part] = _Clause[K](part, part.required(), part.is_found)
        for clauses in self._kept_under(clause):
            clauses.add(clause)
        return clause

    def _forget(self, clause: _Clause[K]) -> None:
        del self._clauses[clause.part]
        for clauses in self._kept_under(clause):
            clauses.discard(clause)

    def _kept_under(self, clause: _Clause[K]) -> Iterable[set[_Clause[K]]]:
        return [self._unbound] if clause.required is None else [self._by_token[token] for token in clause.required]
