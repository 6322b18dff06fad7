"""An item as conditions look at it. What costs is found when it is first asked for: most rules are settled by words of the folded text alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Protocol

from schemas.config.tables import Tables
from schemas.events.news import NewsItem
from schemas.events.signal import Facts
from services.classifier.document import Document, Sentence, read, sentences_of
from services.classifier.facts import Findings, find
from services.classifier.spelling import spellings
from services.classifier.terms import Sighting, Terms

MOST_SEEN = 100
"""Places of one phrase or pattern that are kept, from the beginning."""


class Likeness(Protocol):
    """How much an item is like the likest of some texts, as the cosine of their vectors. Pure: the same texts and item give the same figure."""

    def __call__(self, item: NewsItem, texts: Sequence[str]) -> float: ...


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """Words that were seen, in folded offsets of a field."""

    field: str
    start: int
    end: int


class View:
    """One item, and what is known of it so far. `likeness` is None where no sentence encoder is installed."""

    def __init__(self, item: NewsItem, sighting: Sighting, terms: Terms, tables: Tables, likeness: Likeness | None = None) -> None:
        self.item = item
        self.sighting = sighting
        self._terms = terms
        self._tables = tables
        self._likeness = likeness
        self._phrases: dict[str, tuple[Span, ...]] = {}

    @cached_property
    def sentences(self) -> tuple[Sentence, ...]:
        return sentences_of(self.sighting)

    @cached_property
    def document(self) -> Document:
        return read(self.item, self._terms, self.sighting, self.sentences)

    @cached_property
    def found(self) -> Findings:
        return find(self.document, self._tables, self._terms)

    @property
    def facts(self) -> Facts:
        return self.found.facts

    def text(self, field: str) -> str:
        """The folded field; empty where there is none."""
        folded = self.sighting.title if field == "title" else self.sighting.text
        return folded.text if folded is not None else ""

    def phrase(self, phrase: str) -> tuple[Span, ...]:
        """Where a phrase stands."""
        seen = self._phrases.get(phrase)
        if seen is None:
            seen = self._phrases[phrase] = self._places(phrase)
        return seen

    def has(self, phrase: str) -> bool:
        """Whether a phrase stands anywhere."""
        sighting = self.sighting
        return any(spelling.literal in sighting.flat and next(sighting.places(spelling), None) is not None for spelling in spellings(phrase, "any"))

    def sentence_at(self, span: Span) -> int:
        """The index of the sentence in which a span begins."""
        return max((one.index for one in self.sentences if one.field == span.field and one.start <= span.start), default=0)

    def likeness(self, texts: Sequence[str]) -> float | None:
        """How much the item is like the likest of some texts; None where nobody can say."""
        return None if self._likeness is None else self._likeness(self.item, texts)

    def quote(self, span: Span) -> tuple[int, int, str]:
        """The span in the field as the source wrote it: start, end, and the words."""
        folded = self.sighting.title if span.field == "title" and self.sighting.title is not None else self.sighting.text
        start, end = folded.original(span.start, span.end)
        return start, end, folded.source[start:end]

    def _places(self, phrase: str) -> tuple[Span, ...]:
        flat = self.sighting.flat
        there = [spelling for spelling in spellings(phrase, "any") if spelling.literal in flat]
        if not there:
            return ()
        places = sorted({place for spelling in there for place in islice(self.sighting.places(spelling), MOST_SEEN)})
        return tuple(self._span(*place) for place in places[:MOST_SEEN])

    def _span(self, start: int, end: int) -> Span:
        field, offset = self.sighting.field(start)
        return Span(field, start - offset, end - offset)
