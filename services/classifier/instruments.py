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
        """Compiles the patterns. Raises ValueError for one that RE2 refuses, or an id that names a group which is not there."""
        literals = frozenset(flatten(fold(literal).text) for instrument in written.values() for literal in instrument.literals)
        return cls(literals, [_compiled(key, instrument) for key, instrument in written.items()])

    def find(self, folded: str) -> Iterator[tuple[str, int, int]]:
        """Normalised id, start and end of each."""
        for pattern, shape in self.patterns:
            for match in pattern.finditer(folded):
                groups = [(group or "").upper().replace(" ", "") for group in match.groups()]
                yield shape.format(match.group(), *groups), match.start(), match.end()


def _compiled(key: str, instrument: Instrument) -> tuple[re2._Regexp, str]:
    try:
        pattern = re2.compile(instrument.pattern)
        instrument.id.format("", *[""] * pattern.groups)
    except re2.error as exc:
        raise ValueError(f"lexicon: instrument {key}: RE2 refuses the pattern {instrument.pattern!r}") from exc
    except (IndexError, KeyError, ValueError) as exc:
        raise ValueError(f"lexicon: instrument {key}: the id {instrument.id!r} does not fit the groups of the pattern") from exc
    return pattern, instrument.id
