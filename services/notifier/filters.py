"""Filters against the fields of an event. Pure: a filter is made ready once, with the names it uses looked up, and then asked about events.

Filter.of(when, names) -> holds(seen) · held(seen): the tests that held, in words · explained(seen): every clause, and which stopped it
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Self

from schemas.config.subscriptions import ORDERED, Condition, Value, When
from schemas.events.event import PolicyEvent
from schemas.events.signal import STAGES
from services.notifier.names import Names

Token = tuple[str, Value]
"""A field and one of the values that filters ask for."""

FIELDS_OF_EVENT: Mapping[str, Callable[[PolicyEvent], Iterable[Value | None]]] = {
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
EVERYBODY = "*"
"""The target of a measure against all: it meets whichever target is asked for."""

_SHARES = {
    "products": 0.05, "companies": 0.08, "tags": 0.1, "action": 0.1, "stage": 0.2, "severity": 0.25, "imposers": 0.3, "targets": 0.4, "direction": 0.5,
}  # fmt: skip
"""How many of all events have one given value, roughly: by it the test is chosen under which a filter is found."""
_SEVERITIES = (1, 2, 3, 4, 5)


@dataclass(frozen=True)
class Seen:
    """An event as filters see it: every field as the values it has, and as what they can be found by."""

    values: Mapping[str, tuple[Value, ...]]
    have: Mapping[str, frozenset[Value]]

    @classmethod
    def of(cls, event: PolicyEvent, names: Names) -> Self:
        values = {name: tuple(value for value in read(event) if value is not None) for name, read in FIELDS_OF_EVENT.items()}
        return cls(values, {name: names.had(name, found) for name, found in values.items()})

    def tokens(self) -> Iterator[Token]:
        """Everything a filter may require."""
        return ((name, value) for name, found in self.have.items() for value in found)


@dataclass(frozen=True)
class Test:
    """One field and what it must be."""

    field: str
    written: Condition
    choices: tuple[frozenset[Value], ...]
    """The event must have one of each."""
    never: frozenset[Value]
    everybody: bool
    at_least: Value | None

    @classmethod
    def of(cls, field: str, written: Condition, names: Names) -> Self:
        meant = {value: names.meant(field, value) for value in written.values}
        single = ((written.eq,) if written.eq is not None else None, written.in_, written.any_)
        choices = [frozenset().union(*(meant[value] for value in choice)) for choice in single if choice is not None]
        choices += [meant[value] for value in written.all_ or ()]
        if field == "stage" and written.gte is not None:
            choices.append(frozenset(STAGES[STAGES.index(str(written.gte)) :]))
        never = frozenset().union(*(meant[value] for value in written.not_ or ()))
        return cls(field, written, tuple(choices), never, field == "targets", written.gte if field in ORDERED and field != "stage" else None)

    def holds(self, seen: Seen) -> bool:
        """Whether the event is so. A fact that is not known meets no value, and every `not`."""
        have = seen.have[self.field]
        if self.written.exists is not None and self.written.exists != bool(have):
            return False
        if not self.never.isdisjoint(have):
            return False
        if self.at_least is not None and not any(_number(value) >= _number(self.at_least) for value in have):
            return False
        return (self.everybody and EVERYBODY in have) or not any(choice.isdisjoint(have) for choice in self.choices)

    def required(self) -> frozenset[Token] | None:
        """Of which tokens an event must have one; None when nothing of the kind can be said."""
        choices = list(self.choices)
        if self.field == "severity" and self.at_least is not None:
            choices.append(frozenset(severity for severity in _SEVERITIES if severity >= _number(self.at_least)))
        if not choices:
            return None
        fewest = min(choices, key=len)
        return frozenset((self.field, value) for value in (fewest | {EVERYBODY} if self.everybody else fewest))

    @property
    def is_found(self) -> bool:
        """Whether it holds of every event that has what it requires, so that there is nothing left to ask."""
        bounds = len(self.choices) + (self.field == "severity" and self.at_least is not None)
        return bounds == 1 and not self.never and self.written.exists is None and (self.at_least is None or self.field == "severity")

    def words(self, seen: Seen) -> str:
        """`products any of H20, H200 (H20)`: the test as written, and what the event has."""
        return f"{self.field} {self.wanted()} ({_listed(seen.values[self.field]) or 'none'})"

    def wanted(self) -> str:
        """The test as written."""
        parts = [f"{word} {_listed(wanted)}" for word, wanted in _operators(self.written) if wanted is not None]
        if self.written.exists is not None:
            parts.append("known" if self.written.exists else "unknown")
        return " and ".join(parts)


@dataclass(frozen=True)
class Clause:
    """One clause of a filter against one event. `stops` marks those for whose sake the whole does not hold."""

    path: str
    wanted: str
    has: tuple[Value, ...]
    holds: bool
    stops: bool = False
    parts: tuple[Clause, ...] = ()


@dataclass(frozen=True)
class Filter:
    """A `when` tree, ready to be asked."""

    tests: tuple[Test, ...]
    all_of: tuple[Filter, ...] = ()
    any_of: tuple[Filter, ...] = ()
    none_of: tuple[Filter, ...] = ()

    @classmethod
    def of(cls, when: When, names: Names) -> Self:
        branches = ([cls.of(branch, names) for branch in some] for some in (when.all_of, when.any_of, when.none_of))
        return cls(tuple(Test.of(name, test, names) for name, test in when.tests.items()), *map(tuple, branches))

    def holds(self, seen: Seen) -> bool:
        """Whether the event is let through."""
        return (
            all(test.holds(seen) for test in self.tests)
            and all(branch.holds(seen) for branch in self.all_of)
            and (not self.any_of or any(branch.holds(seen) for branch in self.any_of))
            and not any(branch.holds(seen) for branch in self.none_of)
        )

    def held(self, seen: Seen) -> tuple[str, ...]:
        """The tests by which it holds, in words a reader of the mail understands."""
        chosen = [branch for branch in self.any_of if branch.holds(seen)][:1]
        return (*(test.words(seen) for test in self.tests), *(words for branch in (*self.all_of, *chosen) for words in branch.held(seen)))

    def required(self) -> frozenset[Token] | None:
        """Of which tokens an event must have one to be let through: the most selective such set; None when it cannot be said."""
        parts: list[Test | Filter] = [*self.tests, *self.all_of]
        sets = [found for part in parts if (found := part.required()) is not None]
        branches = [branch.required() for branch in self.any_of]
        if branches and None not in branches:
            sets.append(frozenset().union(*(found for found in branches if found is not None)))
        return min(sets, key=share, default=None)

    @property
    def is_found(self) -> bool:
        """The same of a filter: one test, or a choice of such."""
        if self.all_of or self.none_of or len(self.tests) + bool(self.any_of) != 1:
            return False
        parts: tuple[Test | Filter, ...] = (*self.tests, *self.any_of)
        return all(part.is_found for part in parts)

    def clauses(self) -> Iterator[Test | Filter]:
        """Its parts, all of which must hold: tests, and what is left of the branches."""
        yield from self.tests
        for branch in self.all_of:
            yield from branch.clauses()
        if self.any_of:
            yield Filter((), any_of=self.any_of)
        for branch in self.none_of:
            yield Filter((), none_of=(branch,))

    def explained(self, seen: Seen, path: str = "when") -> tuple[Clause, ...]:
        """Every clause with what it wanted, what the event has, and whether it stopped it."""
        tests = [Clause(f"{path}.{test.field}", test.wanted(), seen.values[test.field], test.holds(seen), not test.holds(seen)) for test in self.tests]
        return (
            *tests,
            *_branches(self.all_of, seen, f"{path}.all", "every one holds", lambda held: all(held), stopping=False),
            *_branches(self.any_of, seen, f"{path}.any", "one of these holds", lambda held: any(held), stopping=False),
            *_branches(self.none_of, seen, f"{path}.none", "none of these holds", lambda held: not any(held), stopping=True),
        )


Place = tuple[str | int, ...]


def unknown_names(when: When, names: Names, place: Place) -> Iterator[tuple[Place, str]]:
    """Every name in a filter that means nothing to us: where it stands, and what is said of it."""
    for field, test in when.tests.items():
        written = {"eq": test.eq, "gte": test.gte, "in": test.in_, "any": test.any_, "all": test.all_, "not": test.not_}
        for operator, values in written.items():
            for number, value in enumerate(values if isinstance(values, tuple) else () if values is None else (values,)):
                if problem := names.problem(field, value):
                    yield (*place, field, operator, number), f"{value!r} {problem}"
    for word, branches in (("all", when.all_of), ("any", when.any_of), ("none", when.none_of)):
        for number, branch in enumerate(branches):
            yield from unknown_names(branch, names, (*place, word, number))


def _branches(filters: tuple[Filter, ...], seen: Seen, path: str, wanted: str, verdict: Callable[[list[bool]], bool], *, stopping: bool) -> Iterator[Clause]:
    """One clause for `all`, `any` or `none`, with its branches. Under `none` it is what holds that stops."""
    if not filters:
        return
    held = [branch.holds(seen) for branch in filters]
    whole = verdict(held)
    parts = tuple(
        _branch(branch, seen, f"{path}[{number}]", stops=not whole and holds is stopping)
        for number, (branch, holds) in enumerate(zip(filters, held, strict=True))
    )
    yield Clause(path, wanted, (), whole, not whole, parts)


def _branch(branch: Filter, seen: Seen, path: str, *, stops: bool) -> Clause:
    return Clause(path, "all of this", (), branch.holds(seen), stops, branch.explained(seen, path))


def share(tokens: frozenset[Token]) -> float:
    """How many of all events have one of these, roughly."""
    return sum(_SHARES.get(field, 1.0) for field, _ in tokens)


def _number(value: Value) -> float:
    return value if isinstance(value, int | float) else float("nan")  # not a number is never at least anything


def _operators(test: Condition) -> Iterable[tuple[str, tuple[Value, ...] | None]]:
    yield "is", None if test.eq is None else (test.eq,)
    yield "one of", test.in_
    yield "any of", test.any_
    yield "all of", test.all_
    yield "not", test.not_
    yield "at least", None if test.gte is None else (test.gte,)


def _listed(values: Iterable[Value]) -> str:
    return ", ".join(str(value) for value in values)
