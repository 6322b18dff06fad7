"""The words a fact rests on, by their place in the folded text."""

from __future__ import annotations

import re
from dataclasses import dataclass

from schemas.events.signal import Evidence
from services.classifier.document import Document, evidence
from services.classifier.facts.parts import Part
from services.classifier.terms import Hit

_LETTER = re.compile("[^\\W\\d_\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
LONGEST_WORD = 30
LONGEST = 300
"""No more of any source than this is quoted."""


@dataclass(frozen=True, slots=True)
class Quote:
    """A span of a folded field that shows one value of one fact."""

    fact: str
    value: str
    field: str
    start: int
    end: int


def quote(fact: str, value: str, part: Part, *hits: Hit) -> Quote:
    """From the first to the last of the hits, whole words: a stem is quoted with its ending."""
    start = _word_start(part, min(hit.start for hit in hits))
    end = _word_end(part, max(hit.end for hit in hits))
    if end - start > LONGEST:
        start, end = hits[0].start, hits[0].end
    return Quote(fact, value, part.sentence.field, start, end)


def _word_start(part: Part, at: int) -> int:
    first, place = part.sentence.start, at - part.sentence.start
    if not _LETTER.match(part.text, place):
        return at
    while place > 0 and first + place > at - LONGEST_WORD and _LETTER.match(part.text, place - 1):
        place -= 1
    return first + place


def _word_end(part: Part, at: int) -> int:
    first, place = part.sentence.start, at - part.sentence.start
    while place < len(part.text) and first + place < at + LONGEST_WORD and _LETTER.match(part.text, place) and _LETTER.match(part.text, place - 1):
        place += 1
    return first + place


def to_evidence(document: Document, quotes: tuple[Quote, ...]) -> tuple[Evidence, ...]:
    """The quotes as slices of the fields as given."""
    return tuple(evidence(document, one.fact, one.field, one.start, one.end, one.value) for one in quotes)
