"""Whether a condition of a rule holds for an item, and what it saw. Pure: values in, a value out.

Three answers (Kleene's logic): yes, no, and unknown where a model would have to look and none is there. `none` of an unknown is unknown; one "no"
settles an `all` and one "yes" an `any` whatever is unknown beside them. A rule that ends unknown does not fire.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from typing import Any

from schemas.config.rule import GROUPS, Condition, Near, Position
from services.classifier.document import Sentence
from services.classifier.regex import compiled, literal_of
from services.classifier.view import MOST_SEEN, Span, View

_OPENING = 5
"""Words before what stands in the opening of a title."""
_LEAD = 3
"""Sentences of a lead, with the title."""
_AT_AN_EDGE = re.compile(r"[\^$]|\\[AzB]|\(\?")
"""What may match at the edge of a sentence and not in the middle of a text."""
FIELDS = ("title", "text")
_WIDE = re.compile("[\u2e80-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Match:
    """Whether a condition holds, None for unknown, and the words it saw; none where it looks at no words."""

    holds: bool | None
    spans: tuple[Span, ...] = ()


Test = Callable[[View], bool | None]
"""A condition as a function: yes, no, or None for unknown."""

_COSTS: Mapping[str, int] = {"near": 1, "regex": 2, "fact": 3, "resembles": 4}
"""What is asked last. Words, source and language cost next to nothing."""

YES, NO, UNKNOWN = Match(True), Match(False), Match(None)


def evaluate(condition: Condition, view: View) -> Match:
    """Whether the condition holds, and all that it saw."""
    return _CHECKS[condition.test](condition, view) if condition.test else _grouped(condition, view)


def as_test(condition: Condition) -> Test:
    """The same as one function that answers and shows nothing. It asks what is cheap first, and stops at the part that settles it."""
    if condition.phrase is not None and condition.position is None:
        phrase = condition.phrase
        return lambda view: view.has(phrase)
    if condition.term is not None:
        return partial(_has_term, condition.term, condition.position)
    if condition.regex is not None:
        return partial(_has_match, condition)
    if condition.test:
        check = _CHECKS[condition.test]
        return lambda view: check(condition, view).holds
    required, alternatives, refused = (_cheap_first(group) for group in (condition.all_of, condition.any_of, condition.none_of))

    def answer(view: View) -> bool | None:
        held = _all(required, view)
        if held is not False and alternatives:
            held = _and(held, _first(alternatives, view))
        if held is not False and refused:
            held = _and(held, _not(_first(refused, view)))
        return held

    return answer


def _has_term(term: str, position: Position | None, view: View) -> bool:
    hits = view.document.called.get(term)
    if hits is None or position is None:
        return hits is not None
    return any(_in_position(position, view, hit.start, hit.sentence) for hit in hits)


def _cheap_first(group: Iterable[Condition]) -> tuple[Test, ...]:
    return tuple(map(as_test, sorted(group, key=_cost)))


def _cost(condition: Condition) -> int:
    return max((_COSTS.get(part.test or "", 0) for part in parts(condition)), default=0)


def _all(tests: Iterable[Test], view: View) -> bool | None:
    answer: bool | None = True
    for test in tests:
        held = test(view)
        if held is False:
            return False
        answer = _and(answer, held)
    return answer


def _first(tests: Iterable[Test], view: View) -> bool | None:
    answer: bool | None = False
    for test in tests:
        held = test(view)
        if held:
            return True
        answer = None if held is None else answer
    return answer


def _and(one: bool | None, other: bool | None) -> bool | None:
    return False if one is False or other is False else None if one is None or other is None else True


def _not(one: bool | None) -> bool | None:
    return None if one is None else not one


def parts(condition: Condition) -> Iterator[Condition]:
    """The condition and all below it."""
    yield condition
    for group in GROUPS:
        yield from chain.from_iterable(map(parts, getattr(condition, f"{group}_of")))


def _grouped(condition: Condition, view: View) -> Match:
    unknown, spans = False, set[Span]()
    for part in condition.none_of:
        match = evaluate(part, view)
        if match.holds:
            return NO
        unknown |= match.holds is None
    for part in condition.all_of:
        match = evaluate(part, view)
        if match.holds is False:
            return NO
        unknown |= match.holds is None
        spans.update(match.spans)
    if condition.any_of:
        match = _any(condition.any_of, view)
        if match.holds is False:
            return NO
        unknown |= match.holds is None
        spans.update(match.spans)
    return UNKNOWN if unknown else Match(True, tuple(sorted(spans)))


def _any(alternatives: Iterable[Condition], view: View) -> Match:
    matches = [evaluate(part, view) for part in alternatives]
    if any(match.holds for match in matches):
        return Match(True, tuple(chain.from_iterable(match.spans for match in matches if match.holds)))
    return UNKNOWN if any(match.holds is None for match in matches) else NO


def _term(condition: Condition, view: View) -> Match:
    hits = view.document.called.get(condition.term or "", ())
    return _seen(span for span, sentence in _places(hits) if _in_position(condition.position, view, span.start, sentence))


def _phrase(condition: Condition, view: View) -> Match:
    spans = view.phrase(condition.phrase or "")
    if condition.position is not None and spans:
        spans = tuple(span for span in spans if _in_position(condition.position, view, span.start, view.sentence_at(span)))
    return Match(True, spans) if spans else NO


def _seen(spans: Iterable[Span]) -> Match:
    seen = tuple(sorted(set(spans)))
    return Match(True, seen) if seen else NO


def _places(hits: Iterable[Any]) -> Iterator[tuple[Span, int]]:
    return ((Span(hit.field, hit.start, hit.end), hit.sentence) for hit in hits)


def _in_position(position: Position | None, view: View, start: int, sentence: int) -> bool:
    """Whether what starts there, in that sentence, stands in the position."""
    title = view.sighting.title
    if position is None:
        return True
    if position == "lead":
        return sentence < (_LEAD - 1 if title is None else _LEAD)
    if title is None or sentence > 0:
        return False
    return position == "title" or _count_words(title.text[:start]) <= _OPENING


def _regex(condition: Condition, view: View) -> Match:
    pattern = compiled(condition.regex or "")
    spans: list[Span] = []
    for sentence in _worth_a_look(condition, view):
        words = view.text(sentence.field)[sentence.start : sentence.end]
        found = (Span(sentence.field, sentence.start + one.start(), sentence.start + one.end()) for one in islice(pattern.finditer(words), MOST_SEEN))
        spans += [span for span in found if _in_position(condition.position, view, span.start, sentence.index)]
        if len(spans) >= MOST_SEEN:
            break
    return _seen(spans)


def _has_match(condition: Condition, view: View) -> bool:
    if condition.position == "opening":
        return bool(_regex(condition, view).holds)
    pattern = compiled(condition.regex or "")
    return any(pattern.search(view.text(one.field)[one.start : one.end]) for one in _worth_a_look(condition, view))


def _worth_a_look(condition: Condition, view: View) -> Sequence[Sentence]:
    """The sentences in which a pattern may match: those of its position, if the literal that it needs is there at all."""
    pattern, literal = condition.regex or "", literal_of(condition.regex or "")
    if literal is not None and literal not in view.sighting.flat:
        return ()
    sentences = [one for one in view.sentences[:_LEAD] if _in_position(condition.position, view, 0, one.index)] if condition.position else view.sentences
    if len(sentences) > _LEAD and _AT_AN_EDGE.search(pattern) is None and not any(compiled(pattern).search(view.text(field)) for field in FIELDS):
        return ()
    return sentences


def _near(condition: Condition, view: View) -> Match:
    near = condition.near
    assert near is not None  # noqa: S101 evaluate looked
    anchors, *others = _groups(near, view)
    if not all(others):
        return NO
    for anchor, sentence in anchors[:MOST_SEEN]:
        if _in_position(condition.position, view, anchor.start, sentence):
            closest = [_closest(anchor, sentence, group, near, view) for group in others]
            found = [span for span in closest if span is not None]
            if len(found) == len(others):
                return _seen([anchor, *found])
    return NO


def _groups(near: Near, view: View) -> list[tuple[tuple[Span, int], ...]]:
    """For each of its words, where they stand and in which sentence."""
    terms = [tuple(_places(view.document.called.get(name, ()))) for name in near.terms]
    return terms + [tuple((span, view.sentence_at(span)) for span in view.phrase(phrase)) for phrase in near.phrases]


def _closest(anchor: Span, sentence: int, others: Sequence[tuple[Span, int]], near: Near, view: View) -> Span | None:
    candidates = [
        (distance, span)
        for span, other in others[:MOST_SEEN]
        if span.field == anchor.field and (other == sentence or not near.same_sentence)
        if (distance := _words_between(anchor, span, view)) <= near.within
    ]
    return min(candidates, key=lambda pair: pair[0])[1] if candidates else None


def _words_between(one: Span, other: Span, view: View) -> int:
    first, second = sorted((one, other), key=lambda span: span.start)
    return _count_words(view.text(one.field)[first.end : second.start])


def _count_words(folded: str) -> int:
    """Two Chinese or Japanese characters count as one word."""
    return len(_WIDE.sub(" ", folded).split()) + len(_WIDE.findall(folded)) // 2


def _fact(condition: Condition, view: View) -> Match:
    assert condition.fact is not None  # noqa: S101 evaluate looked
    return YES if all(_fits(getattr(view.facts, name), wanted) for name, wanted in condition.fact.wanted().items()) else NO


def _fits(found: Any, wanted: Sequence[Any]) -> bool:
    """Whether a fact has a value that is wanted. Companies go by their id."""
    values = found if isinstance(found, tuple) else (found,)
    return not {getattr(value, "id", value) for value in values}.isdisjoint(wanted)


def _source(condition: Condition, view: View) -> Match:
    wanted, item = condition.source, view.item
    assert wanted is not None  # noqa: S101 evaluate looked
    pairs = ((wanted.tier, item.tier), (wanted.id, item.source), (wanted.jurisdiction, item.jurisdiction))
    return YES if all(not allowed or value in allowed for allowed, value in pairs) else NO


def _language(condition: Condition, view: View) -> Match:
    tag, wanted = view.document.language.tag, condition.language or ()
    return YES if tag in wanted or tag.split("-")[0] in wanted else NO


def _resembles(condition: Condition, view: View) -> Match:
    wanted = condition.resembles
    assert wanted is not None  # noqa: S101 evaluate looked
    likeness = view.likeness(wanted.texts)
    return UNKNOWN if likeness is None else YES if likeness >= wanted.at_least else NO


_CHECKS: Mapping[str, Callable[[Condition, View], Match]] = {
    "term": _term,
    "phrase": _phrase,
    "regex": _regex,
    "near": _near,
    "fact": _fact,
    "source": _source,
    "language": _language,
    "resembles": _resembles,
}
