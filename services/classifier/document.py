"""An item as the classifier sees it: folded, in sentences, with the terms that were found. Everything after this decides on this value alone."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from schemas.events.news import NewsItem
from schemas.events.signal import Evidence, LanguageGuess
from services.classifier import language
from services.classifier.fold import Folded
from services.classifier.terms import Hit, Sighting, Terms

_STOP = re.compile(r"""[.!?؟।]+["')\]]*(?= |$)|[!?](?=[\u2e80-\ud7a3])|[。;][\"」』)]*|\n""")
_BETWEEN = re.compile(r"[ .(\n]")
_ABBREVIATIONS = frozenset((
    "no", "nr", "art", "inc", "corp", "co", "ltd", "mr", "mrs", "ms", "dr", "st", "vs", "abs", "sec", "fed", "reg", "gov", "sen", "rep", "gen", "bzw", "ca",
    "jan", "feb", "mar", "apr", "jun", "jul", "aug", "sep", "sept", "oct", "nov", "dec", "núm", "num", "str", "ст", "г", "т",
))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence as a span of a folded field. `index` counts through the document; the title, when there is one, is sentence 0."""

    field: str
    start: int
    end: int
    index: int


@dataclass(frozen=True, slots=True)
class Document:
    """One item, read. Hits are sorted by sentence, then by where they start."""

    item: NewsItem
    title: Folded | None
    text: Folded
    sentences: tuple[Sentence, ...]
    hits: tuple[Hit, ...]
    language: LanguageGuess
    called: Mapping[str, Sequence[Hit]]
    """The hits by what a rule may call them: their concept, their kind and what else the lexicon says."""

    def folded(self, field: str) -> Folded:
        """The field by its name, `title` or `text`."""
        if field == "text":
            return self.text
        if self.title is None:
            raise ValueError("the item has no title")
        return self.title

    def words(self, sentence: Sentence) -> str:
        """The sentence, folded."""
        return self.folded(sentence.field).text[sentence.start : sentence.end]


def read(item: NewsItem, terms: Terms, sighting: Sighting | None = None, sentences: tuple[Sentence, ...] | None = None) -> Document:
    """Reads the item. `sighting` is what the gate has already looked at, if it has, and `sentences` are those of the sighting."""
    seen = sighting or terms.look(item)
    spoken = language.of_item(item.title or "", item.text, item.language)
    sentences = sentences_of(seen) if sentences is None else sentences
    hits = terms.find(seen, spoken, [_place(seen, sentence) for sentence in sentences])
    return Document(item, seen.title, seen.text, sentences, hits, spoken.item, _called(hits, terms))


def _called(hits: Sequence[Hit], terms: Terms) -> Mapping[str, Sequence[Hit]]:
    called: dict[str, list[Hit]] = {}
    for hit in hits:
        for name in terms.names.get(hit.concept, (hit.concept, hit.kind)):
            called.setdefault(name, []).append(hit)
    return called


def evidence(document: Document, fact: str, field: str, start: int, end: int, value: str | None = None) -> Evidence:
    """The words a fact rests on: offsets of the folded field in, the slice of the field as the item gives it out."""
    folded = document.folded(field)
    first, last = folded.original(start, end)
    return Evidence(fact=fact, value=value, field=field, start=first, end=last, text=folded.source[first:last])


def _place(seen: Sighting, sentence: Sentence) -> int:
    return sentence.start if sentence.field == "title" else sentence.start + seen.offset


def sentences_of(seen: Sighting) -> tuple[Sentence, ...]:
    """The title and the sentences of the text."""
    spans = [("title", 0, len(seen.title.text))] if seen.title is not None else []
    spans += [("text", start, end) for start, end in split(seen.text.text)]
    return tuple(Sentence(field, start, end, index) for index, (field, start, end) in enumerate(spans))


def split(text: str) -> list[tuple[int, int]]:
    """The sentences of a folded text, without blanks at their ends."""
    edges = [found.end() for found in _STOP.finditer(text) if not _abbreviates(text, found.start())]
    starts, ends = [0, *edges], [*edges, len(text)]
    spans = (_stripped(text, start, end) for start, end in zip(starts, ends, strict=True))
    return [(start, end) for start, end in spans if start < end]


def _abbreviates(text: str, at: int) -> bool:
    """Whether the full stop at `at` belongs to the word before it: u.s., no. 46."""
    if text[at] != ".":
        return False
    word = _BETWEEN.split(text[max(0, at - 8) : at])[-1]
    return (len(word) == 1 and not word.isdigit()) or word in _ABBREVIATIONS


def _stripped(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end
