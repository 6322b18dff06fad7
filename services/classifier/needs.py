"""What must be in a text for a condition to hold, so that a rule is looked at only where it could fire.

    all: [{phrase: quantum comput*}, any: [{term: licence}, {phrase: permit}]]   ->   "quantum comput" and (licence or "permit")

Every need is necessary, none is sufficient: edges of words, positions and `none` are left to the condition itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import reduce

from schemas.config.rule import Condition
from services.classifier.regex import literal_of
from services.classifier.spelling import Spelling, spellings

_SHORTEST = 2
"""A literal of one Latin letter is in every text."""


@dataclass(frozen=True, slots=True)
class Need:
    """One of these is there: a spelling in the flat text, or a name that a concept of the lexicon is called by."""

    spellings: frozenset[Spelling] = frozenset()
    names: frozenset[str] = frozenset()

    @property
    def shortest(self) -> int:
        """The length of its shortest literal; wide characters count double."""
        return min((_length(one.literal) for one in self.spellings), default=0)


def needs(condition: Condition) -> tuple[Need, ...]:
    """All of these. Raises ValueError for a phrase that cannot be looked for."""
    return tuple(dict.fromkeys(_needs(condition)))


def _needs(condition: Condition) -> Iterator[Need]:
    for part in condition.all_of:
        yield from _needs(part)
    if condition.any_of:
        yield from _one_of(condition.any_of)
    if condition.term is not None:
        yield Need(names=frozenset({condition.term}))
    elif condition.near is not None:
        yield from (Need(names=frozenset({name})) for name in condition.near.terms)
        yield from map(_of_phrase, condition.near.phrases)
    elif condition.phrase is not None:
        yield _of_phrase(condition.phrase)
    elif condition.regex is not None and (literal := literal_of(condition.regex)) is not None:
        yield Need(frozenset({Spelling(literal, starts=False, ends=False)}))


def _of_phrase(phrase: str) -> Need:
    return Need(frozenset(spellings(phrase, "any")))


def _one_of(alternatives: Iterable[Condition]) -> Iterator[Need]:
    """The most telling need of each alternative; nothing where one needs nothing."""
    best = [most_telling(needs(part)) for part in alternatives]
    found = [need for need in best if need is not None]
    if len(found) == len(best):
        yield reduce(lambda one, other: Need(one.spellings | other.spellings, one.names | other.names), found)


def most_telling(all_of: Iterable[Need]) -> Need | None:
    """The one to wait for: literals before names, long ones before short ones, few names before many."""
    usable = [need for need in all_of if not need.spellings or need.shortest >= _SHORTEST]
    return max(usable, key=lambda need: (not need.names, need.shortest, -len(need.names)), default=None)


def _length(literal: str) -> int:
    return sum(2 if char >= "\u2e80" else 1 for char in literal)
