"""The document by sentence, as the facts look at it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from services.classifier.document import Document, Sentence
from services.classifier.terms import Hit

MOST_SENTENCES = 40
"""What a change is, an article says early; a book is not read to its end."""


@dataclass(frozen=True, slots=True)
class Part:
    """A sentence with what was found in it. `place` counts from the first sentence, the title included."""

    sentence: Sentence
    hits: tuple[Hit, ...]
    place: int
    text: str
    concepts: frozenset[str]

    def of(self, kind: str) -> Iterator[Hit]:
        """The hits of a kind, in order."""
        return (hit for hit in self.hits if hit.kind == kind)

    def slice(self, start: int, end: int) -> str:
        """Folded text between two offsets of the field."""
        base = self.sentence.start
        return self.text[max(start - base, 0) : max(end - base, 0)]


def parts(document: Document) -> tuple[Part, ...]:
    """The first sentences, each with its hits."""
    hits: dict[int, list[Hit]] = defaultdict(list)
    for hit in document.hits:
        hits[hit.sentence].append(hit)
    return tuple(_part(document, sentence, tuple(hits[sentence.index]), place) for place, sentence in enumerate(document.sentences[:MOST_SENTENCES]))


def _part(document: Document, sentence: Sentence, hits: tuple[Hit, ...], place: int) -> Part:
    folded = document.title if sentence.field == "title" and document.title else document.text
    return Part(sentence, hits, place, folded.text[sentence.start : sentence.end], frozenset(hit.concept for hit in hits))
