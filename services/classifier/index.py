"""Which rules could fire on an item, by what must be in it: ten thousand rules cost an item as much as the few that wait for one of its words."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from schemas.config.rule import Rule
from services.classifier.needs import Need, most_telling, needs
from services.classifier.view import View


@dataclass(frozen=True, slots=True)
class Waiting:
    """A rule and all that must be there for it to fire; `key` is the one thing by which it is found."""

    rule: Rule
    needs: tuple[Need, ...]
    key: Need | None

    @property
    def opens(self) -> bool:
        """Whether it judges items that the gate does not let through: those with words of its own."""
        return self.key is not None and not self.key.names


def waiting(rules: Iterable[Rule], names: Mapping[str, frozenset[str]]) -> tuple[Waiting, ...]:
    """The rules with their needs. Of names the rarest is the key, by how many concepts are called so. Raises ValueError for a phrase nobody can look for."""
    common = Counter(name for called in names.values() for name in called)
    return tuple(_waiting(rule, common) for rule in rules)


def watched(rules: Iterable[Waiting]) -> set[str]:
    """The literals of all keys."""
    return set().union(*(one.key.literals for one in rules if one.key is not None))


class RuleIndex:
    """The rules, found by their keys."""

    def __init__(self, rules: Sequence[Waiting], numbers: Mapping[str, int]) -> None:
        by_literal: dict[int, list[int]] = defaultdict(list)
        by_name: dict[str, list[int]] = defaultdict(list)
        for place, one in enumerate(rules):
            for literal in one.key.literals if one.key else ():
                by_literal[numbers[literal]].append(place)
            for name in one.key.names if one.key else ():
                by_name[name].append(place)
        self._rules = rules
        self._by_literal = {number: tuple(places) for number, places in by_literal.items()}
        self._by_name = {name: tuple(places) for name, places in by_name.items()}
        self._literals = frozenset(by_literal)
        self._always = tuple(place for place, one in enumerate(rules) if one.key is None)

    def openers(self, view: View) -> list[Rule]:
        """The rules that may fire on an item which the gate does not let through."""
        seen = self._literals.intersection([literal for literal, _, _ in view.sighting.literals])
        if not seen:
            return []
        places = {place for literal in seen for place in self._by_literal[literal] if self._rules[place].opens}
        return self._could_fire(sorted(places), view)

    def candidates(self, view: View) -> list[Rule]:
        """The rules that may fire on an item that is read."""
        called = view.document.called
        places = set(self._always)
        for literal in self._literals.intersection([literal for literal, _, _ in view.sighting.literals]):
            places.update(self._by_literal[literal])
        for name in self._by_name.keys() & called.keys():
            places.update(self._by_name[name])
        return self._could_fire(sorted(places), view)

    def _could_fire(self, places: Iterable[int], view: View) -> list[Rule]:
        flat = view.sighting.flat
        return [one.rule for one in map(self._rules.__getitem__, places) if all(_met(need, flat, view) for need in one.needs)]


def _waiting(rule: Rule, common: Mapping[str, int]) -> Waiting:
    found = needs(rule.when)
    key = most_telling(found)
    if key is not None and key.names and not key.literals:
        key = min((need for need in found if need.names and not need.literals), key=lambda need: sum(common[name] for name in need.names))
    return Waiting(rule, tuple(sorted(found, key=lambda need: (bool(need.names), -need.shortest))), key)


def _met(need: Need, flat: str, view: View) -> bool:
    return any(literal in flat for literal in need.literals) or (bool(need.names) and not need.names.isdisjoint(view.document.called))
