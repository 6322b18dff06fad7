"""Which rules could fire on an item, by what must be in it: ten thousand rules cost an item as much as the few that wait for one of its words."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from schemas.config.rule import Rule
from services.classifier.conditions import Test, as_test
from services.classifier.needs import Need, most_telling, needs
from services.classifier.spelling import Spelling
from services.classifier.terms import Sighting
from services.classifier.view import View


@dataclass(frozen=True, slots=True)
class Waiting:
    """A rule and what must be there for it to fire: the `key` by which it is found, and of each of the others one of the literals or one of the names."""

    rule: Rule
    key: Need | None
    others: tuple[tuple[tuple[str, ...], frozenset[str]], ...]
    test: Test

    @property
    def opens(self) -> bool:
        """Whether it judges items that the gate does not let through: those with words of its own."""
        return self.key is not None and bool(self.key.spellings)


def waiting(rules: Iterable[Rule], names: Mapping[str, frozenset[str]]) -> tuple[Waiting, ...]:
    """The rules with their needs. Of names the rarest is the key, by how many concepts are called so. Raises ValueError for a phrase nobody can look for."""
    common = Counter(name for called in names.values() for name in called)
    return tuple(_waiting(rule, common) for rule in rules)


def watched(rules: Iterable[Waiting]) -> set[str]:
    """The literals of all keys."""
    return {spelling.literal for one in rules if one.key is not None for spelling in one.key.spellings}


class RuleIndex:
    """The rules, found by their keys."""

    def __init__(self, rules: Sequence[Waiting], numbers: Mapping[str, int]) -> None:
        by_literal: dict[int, dict[Spelling, list[int]]] = defaultdict(lambda: defaultdict(list))
        by_name: dict[str, list[int]] = defaultdict(list)
        for place, one in enumerate(rules):
            for spelling in one.key.spellings if one.key else ():
                by_literal[numbers[spelling.literal]][spelling].append(place)
            for name in one.key.names if one.key else ():
                by_name[name].append(place)
        self._rules = rules
        self._by_literal = {number: tuple((spelling, tuple(places)) for spelling, places in found.items()) for number, found in by_literal.items()}
        self._by_name = {name: tuple(places) for name, places in by_name.items()}
        self._literals = frozenset(by_literal)
        self._opens = frozenset(place for place, one in enumerate(rules) if one.opens)
        self._always = tuple(place for place, one in enumerate(rules) if one.key is None)

    def openers(self, view: View) -> list[Waiting]:
        """The rules that may fire on an item which the gate does not let through."""
        places = self._by_words(view.sighting)
        return self._could_fire([place for place in places if place in self._opens], view) if places else []

    def candidates(self, view: View) -> list[Waiting]:
        """The rules that may fire on an item that is read."""
        places = {*self._always, *self._by_words(view.sighting)}
        for name in self._by_name.keys() & view.document.called.keys():
            places.update(self._by_name[name])
        return self._could_fire(places, view)

    def _by_words(self, sighting: Sighting) -> set[int]:
        """The rules whose key stands in the text, edges and all."""
        places = set[int]()
        waited = self._literals.intersection([literal for literal, _, _ in sighting.literals])
        if not waited:
            return places
        flat = sighting.flat
        for literal, start, end in sighting.literals:
            if literal in waited:
                for spelling, waiters in self._by_literal[literal]:
                    if spelling.fit(flat, start, end) is not None:
                        places.update(waiters)
        return places

    def _could_fire(self, places: Iterable[int], view: View) -> list[Waiting]:
        flat, rules = view.sighting.flat, self._rules
        return [rules[place] for place in sorted(places) if not rules[place].others or _all_met(rules[place].others, flat, view)]


def _waiting(rule: Rule, common: Mapping[str, int]) -> Waiting:
    found = needs(rule.when)
    key = most_telling(found)
    if key is not None and key.names and not key.spellings:
        key = min((need for need in found if need.names and not need.spellings), key=lambda need: sum(common[name] for name in need.names))
    others = sorted((need for need in found if need is not key), key=lambda need: (bool(need.names), -need.shortest))
    return Waiting(rule, key, tuple((tuple(one.literal for one in need.spellings), need.names) for need in others), as_test(rule.when))


def _all_met(others: Iterable[tuple[tuple[str, ...], frozenset[str]]], flat: str, view: View) -> bool:
    for literals, names in others:
        for literal in literals:
            if literal in flat:
                break
        else:
            if not names or names.isdisjoint(view.document.called):
                return False
    return True
