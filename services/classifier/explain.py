"""Why a rule fires on an item or does not: each of its conditions, what it saw, and what it would have needed. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from schemas.config.rule import GROUPS, Condition, Rule
from schemas.events.news import NewsItem
from services.classifier.conditions import evaluate
from services.classifier.rules import Ruleset
from services.classifier.view import Span, View

MOST_QUOTES = 3


@dataclass(frozen=True, slots=True)
class Quote:
    """Words that were seen, as the source wrote them. Offsets are those of the field as given."""

    field: str
    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Step:
    """One condition: what it asks, its answer (None for unknown), and the first words it saw."""

    asks: str
    holds: bool | None
    saw: tuple[Quote, ...] = ()
    why: str | None = None
    parts: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class Explanation:
    """A rule on an item. `looked_at` is False where the gate keeps the item from rules without words of their own."""

    rule: Rule
    looked_at: bool
    step: Step

    @property
    def fires(self) -> bool:
        return self.looked_at and bool(self.step.holds)


def explain(item: NewsItem, ruleset: Ruleset) -> tuple[Explanation, ...]:
    """Every rule of the set."""
    view = ruleset.view(item)
    passes = ruleset.terms.passes(view.sighting)
    opening = {one.rule.id for one in ruleset.index.openers(view)}
    return tuple(Explanation(rule, passes or rule.id in opening, _step(rule.when, view)) for rule in ruleset.rules)


def quotes_of(condition: Condition, view: View) -> tuple[Quote, ...]:
    """The first words that a condition saw."""
    return _quotes(evaluate(condition, view).spans, view)


def _step(condition: Condition, view: View) -> Step:
    match = evaluate(condition, view)
    if condition.test:
        return Step(_asks(condition), match.holds, _quotes(match.spans, view), _why(condition, match.holds, view))
    groups = tuple(_groups(condition, view))
    return groups[0] if len(groups) == 1 else Step("all of it", match.holds, parts=groups)


def _groups(condition: Condition, view: View) -> Iterator[Step]:
    for name in GROUPS:
        steps = tuple(_step(part, view) for part in getattr(condition, f"{name}_of"))
        if steps:
            yield Step(f"{name} of", _answer(name, [step.holds for step in steps]), parts=steps)


def _answer(group: str, answers: list[bool | None]) -> bool | None:
    settling = group != "all"
    settled = None if None in answers and settling not in answers else settling in answers
    return settled if group == "any" or settled is None else not settled


def _quotes(spans: tuple[Span, ...], view: View) -> tuple[Quote, ...]:
    return tuple(Quote(span.field, *view.quote(span)) for span in spans[:MOST_QUOTES])


def _asks(condition: Condition) -> str:
    """The test in a line, much as it stands in the file."""
    name = condition.test or ""
    value = getattr(condition, name)
    if name == "near":
        words = ", ".join((*value.terms, *map(repr, value.phrases)))
        told = f"{words} within {value.within} words" + ("" if value.same_sentence else ", sentences apart or not")
    elif name == "fact":
        told = ", ".join(f"{fact} {' or '.join(map(str, wanted))}" for fact, wanted in value.wanted().items())
    elif name == "resembles":
        told = f"{' or '.join(map(repr, value.texts))} by {value.at_least}"
    elif name == "source":
        told = ", ".join(f"{field} {' or '.join(map(str, wanted))}" for field, wanted in value if wanted)
    else:
        told = " or ".join(value) if isinstance(value, tuple) else str(value)
    return f"{name} {told}" + (f" in the {condition.position}" if condition.position else "")


def _why(condition: Condition, holds: bool | None, view: View) -> str | None:
    """What there is instead."""
    if holds:
        return None
    if holds is None:
        return "unknown: no sentence encoder is installed"
    if condition.fact is not None:
        return "found " + ", ".join(f"{name} {_shown(getattr(view.facts, name))}" for name in condition.fact.wanted())
    if condition.source is not None:
        item = view.item
        return f"found tier {item.tier}, id {item.source}, jurisdiction {item.jurisdiction or 'none'}"
    if condition.resembles is not None:
        return f"found {view.likeness(condition.resembles.texts):.2f}"
    if condition.language is not None:
        return f"found {view.document.language.tag}"
    if condition.position is not None:
        elsewhere = quotes_of(condition.model_copy(update={"position": None}), view)
        return f"seen elsewhere only: “{elsewhere[0].text}”" if elsewhere else "not seen"
    return "not close together" if condition.near is not None and _all_seen(condition, view) else "not seen"


def _all_seen(condition: Condition, view: View) -> bool:
    near = condition.near
    assert near is not None  # noqa: S101 asked before
    return all(name in view.document.called for name in near.terms) and all(map(view.has, near.phrases))


def _shown(value: object) -> str:
    values = value if isinstance(value, tuple) else (value,)
    return " and ".join(str(getattr(one, "id", one)) for one in values if one is not None) or "nothing"
