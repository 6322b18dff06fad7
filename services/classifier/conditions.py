"""Whether a condition of a rule holds for a document, and what it saw. Pure: values in, a value out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import Any

import re2

from schemas.config.rule import GROUPS, Condition, Near
from schemas.events.signal import Facts
from services.classifier.document import Document
from services.classifier.terms import Hit

_NO_FACTS = Facts()
_OPENING = 5
"""Words before what stands in the opening of a title."""
_WIDE = re.compile("[\u2e80-\U0010ffff]")


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """Words that were seen, in folded offsets of a field."""

    field: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Match:
    """A condition that holds, and the words it saw; none where it looks at no words."""

    spans: tuple[Span, ...] = ()


def evaluate(condition: Condition, document: Document, facts: Facts = _NO_FACTS) -> Match | None:
    """What the condition saw, or None where it does not hold."""
    return _CHECKS[condition.test](condition, document, facts) if condition.test else _grouped(condition, document, facts)


def parts(condition: Condition) -> Iterator[Condition]:
    """The condition and all below it."""
    yield condition
    for group in GROUPS:
        yield from chain.from_iterable(map(parts, getattr(condition, f"{group}_of")))


def _grouped(condition: Condition, document: Document, facts: Facts) -> Match | None:
    if any(evaluate(part, document, facts) is not None for part in condition.none_of):
        return None
    seen: list[Match] = []
    for part in condition.all_of:
        match = evaluate(part, document, facts)
        if match is None:
            return None
        seen.append(match)
    if condition.any_of:
        matches = [match for part in condition.any_of if (match := evaluate(part, document, facts)) is not None]
        if not matches:
            return None
        seen += matches
    return Match(tuple(sorted({span for match in seen for span in match.spans})))


def _term(condition: Condition, document: Document, _: Facts) -> Match | None:
    return _seen(condition, document, document.called.get(condition.term or "", ()))


def _phrase(condition: Condition, document: Document, _: Facts) -> Match | None:
    return _seen(condition, document, document.called.get(f"phrase:{condition.phrase}", ()))


def _seen(condition: Condition, document: Document, hits: Sequence[Hit]) -> Match | None:
    if not hits:
        return None
    spans = {Span(hit.field, hit.start, hit.end) for hit in hits if _in_position(condition, document, hit.sentence, hit.start)}
    return Match(tuple(sorted(spans))) if spans else None


def _in_position(condition: Condition, document: Document, sentence: int, start: int) -> bool:
    if condition.position is None:
        return True
    if condition.position == "lead":
        return sentence < (2 if document.title is None else 3)
    if document.title is None or sentence > 0:
        return False
    return condition.position == "title" or _count_words(document.title.text[:start]) <= _OPENING


def _regex(condition: Condition, document: Document, _: Facts) -> Match | None:
    pattern = _compiled(condition.regex or "")
    spans = [
        Span(sentence.field, start, sentence.start + found.end())
        for sentence in document.sentences
        for found in pattern.finditer(document.words(sentence))
        if _in_position(condition, document, sentence.index, start := sentence.start + found.start())
    ]
    return Match(tuple(spans)) if spans else None


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re2._Regexp:
    return re2.compile(pattern)


def _near(condition: Condition, document: Document, _: Facts) -> Match | None:
    near = condition.near
    assert near is not None  # noqa: S101 evaluate looked
    for anchor in document.called.get(near.terms[0], ()):
        if _in_position(condition, document, anchor.sentence, anchor.start):
            others = [_closest(term, anchor, near, document) for term in near.terms[1:]]
            found = [hit for hit in others if hit is not None]
            if len(found) == len(others):
                return Match(tuple(sorted({Span(hit.field, hit.start, hit.end) for hit in (anchor, *found)})))
    return None


def _closest(term: str, anchor: Hit, near: Near, document: Document) -> Hit | None:
    candidates = [
        (distance, hit)
        for hit in document.called.get(term, ())
        if hit.field == anchor.field and (hit.sentence == anchor.sentence or not near.same_sentence)
        if (distance := _words_between(anchor, hit, document)) <= near.within
    ]
    return min(candidates, key=lambda pair: pair[0])[1] if candidates else None


def _words_between(one: Hit, other: Hit, document: Document) -> int:
    first, second = sorted((one, other), key=lambda hit: hit.start)
    return _count_words(document.folded(one.field).text[first.end : second.start])


def _count_words(folded: str) -> int:
    """Two Chinese or Japanese characters count as one word."""
    return len(_WIDE.sub(" ", folded).split()) + len(_WIDE.findall(folded)) // 2


def _fact(condition: Condition, _: Document, facts: Facts) -> Match | None:
    return Match() if all(_fits(getattr(facts, name), wanted) for name, wanted in (condition.fact or {}).items()) else None


def _fits(found: Any, wanted: Any) -> bool:
    """Whether a fact has a value, or one of several, that is wanted. Companies go by their id."""
    values = found if isinstance(found, tuple) else (found,)
    return not {getattr(value, "id", value) for value in values}.isdisjoint(wanted if isinstance(wanted, tuple) else (wanted,))


def _source(condition: Condition, document: Document, _: Facts) -> Match | None:
    wanted, item = condition.source, document.item
    assert wanted is not None  # noqa: S101 evaluate looked
    fits = (not wanted.tier or item.tier in wanted.tier) and (not wanted.id or item.source in wanted.id)
    return Match() if fits else None


def _language(condition: Condition, document: Document, _: Facts) -> Match | None:
    tag = document.language.tag
    return Match() if tag in (condition.language or ()) or tag.split("-")[0] in (condition.language or ()) else None


_CHECKS: Mapping[str, Callable[[Condition, Document, Facts], Match | None]] = {
    "term": _term,
    "phrase": _phrase,
    "regex": _regex,
    "near": _near,
    "fact": _fact,
    "source": _source,
    "language": _language,
}
