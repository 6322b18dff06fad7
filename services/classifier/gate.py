"""The cheap first test. It reads what the one pass of the automaton saw and says "no" to nearly everything within microseconds.

An item passes when it has something of every group of one of the lexicon's gates: each topic brings its own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from schemas.config.lexicon import LexiconFile
from services.classifier.entries import Entry
from services.classifier.spelling import Spelling


class Gate:
    """For each literal of the automaton, which groups its entries belong to, as bits."""

    def __init__(self, lexicon: LexiconFile, names: Mapping[str, frozenset[str]], entries: Iterable[Sequence[Entry]]) -> None:
        self._groups = [frozenset(group) for gate in lexicon.gates for group in gate.groups]
        self._gates = _masks(len(gate.groups) for gate in lexicon.gates)
        known = {concept: self._bits(called) for concept, called in names.items()}
        self._opens = [self._openings(same, known) for same in entries]

    def passes(self, flat: str, literals: Iterable[tuple[int, int, int]]) -> bool:
        """Whether the flat text, with these literals in it, is worth reading."""
        opens, seen = self._opens, 0
        for literal, start, end in literals:
            for spelling, bits in opens[literal]:
                if bits & ~seen and spelling.fit(flat, start, end) is not None:
                    seen |= bits
                    if any(mask & seen == mask for mask in self._gates):
                        return True
        return False

    def _openings(self, same: Sequence[Entry], known: Mapping[str, int]) -> tuple[tuple[Spelling, int], ...]:
        pairs = ((entry.spelling, known.get(entry.concept, 0)) for entry in same if entry.role == "term")
        return tuple((spelling, bits) for spelling, bits in pairs if bits)

    def _bits(self, called: Collection[str]) -> int:
        return sum(1 << place for place, group in enumerate(self._groups) if not group.isdisjoint(called))


def _masks(sizes: Iterable[int]) -> tuple[int, ...]:
    """For each gate the bits of its groups, which lie side by side."""
    masks, at = [], 0
    for size in sizes:
        masks.append(((1 << size) - 1) << at)
        at += size
    return tuple(masks)
