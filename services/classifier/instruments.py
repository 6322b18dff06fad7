"""Legal ids in a text: 91 FR 1684, MOFCOM 46/2024, 15 CFR 744.23. One of them is the best single sign that a measure is meant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import re2

from schemas.config.lexicon import Instrument
from services.classifier.fold import fold
from services.classifier.spelling import flatten


@dataclass(frozen=True, slots=True)
class Instruments:
    """The patterns, each with the shape of its normalised id."""

    literals: frozenset[str]
    patterns: Sequence[tuple[re2._Regexp, str]]

    @classmethod
    def build(cls, written: Mapping[str, Instrument]) -> Instruments:
        """Compiles the patterns. Raises re2.error for one that RE2 refuses."""
        literals = frozenset(flatten(fold(literal).text) for instrument in written.values() for literal in instrument.literals)
        return cls(literals, [(re2.compile(instrument.pattern), instrument.id) for instrument in written.values()])

    def find(self, folded: str) -> Iterator[tuple[str, int, int]]:
        """Normalised id, start and end of each."""
        for pattern, shape in self.patterns:
            for match in pattern.finditer(folded):
                groups = [(group or "").upper().replace(" ", "") for group in match.groups()]
                yield shape.format(match.group(), *groups), match.start(), match.end()
