"""The cheap first test. It reads what the one pass of the automaton saw and says "no" to nearly everything within microseconds.

An item passes when it has something of every group of the lexicon's gate, or a phrase without which some rule cannot fire.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from schemas.config.lexicon import LexiconFile
from services.classifier.entries import Entry
from services.classifier.spelling import Spelling


class Gate:
    """For each literal of the automaton, which groups its entries belong to, as bits."""

    def __init__(self, lexicon: LexiconFile, openers: Collection[str], names: Mapping[str, frozenset[str]], entries: Iterable[Sequence[Entry]]) -> None:
        self._groups = lexicon.gate.groups if lexicon.gate else ()
        self._every = (1 << len(self._groups)) - 1
        self._openers = frozenset(f"phrase:{phrase}" for phrase in openers)
        known = {concept: self._bits(concept, called) for concept, called in names.items()}
        self._opens = [self._openings(same, known) for same in entries]

    def passes(self, flat: str, literals: Iterable[tuple[int, int, int]]) -> bool:
        """Whether the flat text, with these literals in it, is worth reading."""
        missing = self._every
        for literal, start, end in literals:
            for spelling, bits in self._opens[literal]:
                if bits & missing and spelling.fit(flat, start, end) is not None:
                    missing &= ~bits
                    if not missing:
                        return True
        return not missing

    def _openings(self, same: Sequence[Entry], known: Mapping[str, int]) -> tuple[tuple[Spelling, int], ...]:
        pairs = ((entry.spelling, known.get(entry.concept, 0) or self._bits(entry.concept, ())) for entry in same if entry.role == "term")
        return tuple((spelling, bits) for spelling, bits in pairs if bits)

    def _bits(self, concept: str, called: Collection[str]) -> int:
        if concept in self._openers:
            return self._every
        return sum(1 << place for place, group in enumerate(self._groups) if not frozenset(group).isdisjoint(called))
