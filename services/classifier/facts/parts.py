"""The document by sentence, as the facts look at it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from services.classifier.document import Document, Sentence
from services.classifier.terms import Hit

MOST_SENTENCES = 40
"""What a change is, an article says early; a book is not read to its end."""


MOST_HITS = 80
"""So many hits of a sentence are weighed: real ones have fewer, and pairs of verbs and objects grow with their square."""


@dataclass(frozen=True, slots=True)
class Part:
    """A sentence with what was found in it. `place` counts from 0; the title, where there is one, is 0. `concepts` holds the kinds too."""

    sentence: Sentence
    hits: tuple[Hit, ...]
    place: int
    text: str
    concepts: frozenset[str]

    def of(self, kind: str) -> Iterator[Hit]:
        """The hits of a kind, in order."""
        return (hit for hit in self.hits if hit.kind == kind)

    def words(self, hit: Hit) -> str:
        """The folded words of a hit."""
        return self.text[hit.start - self.sentence.start : hit.end - self.sentence.start]

    def before(self, hit: Hit, length: int) -> str:
        """The folded words right before a hit, within the sentence."""
        at = hit.start - self.sentence.start
        return self.text[max(at - length, 0) : at]

    def after(self, hit: Hit, length: int) -> str:
        """The folded words right behind a hit, within the sentence."""
        at = hit.end - self.sentence.start
        return self.text[at : at + length]


def parts(document: Document, names: Mapping[str, frozenset[str]]) -> tuple[Part, ...]:
    """The first sentences, each with its hits. `names` are what each concept may be called: its id, its kind, `chip_company`."""
    hits: dict[int, list[Hit]] = defaultdict(list)
    for hit in document.hits:
        hits[hit.sentence].append(hit)
    return tuple(
        _part(document, sentence, tuple(hits[sentence.index][:MOST_HITS]), place, names) for place, sentence in enumerate(document.sentences[:MOST_SENTENCES])
    )


def _part(document: Document, sentence: Sentence, hits: tuple[Hit, ...], place: int, names: Mapping[str, frozenset[str]]) -> Part:
    concepts = frozenset().union(*(names.get(hit.concept, frozenset((hit.concept, hit.kind))) for hit in hits))
    return Part(sentence, hits, place, document.words(sentence), concepts)
