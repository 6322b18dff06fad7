"""What the score looks at. Every feature has a name that people can read in the trace of a verdict.

    NAME of tables/score.yaml   a concept seen in a part of the item
    change ...                  how sure the change is, how much its sentence is the news, whether the title holds it, and so on: see `_of_change`
    title:X lead:X change:X     concept X in the title, in the two sentences behind it, in the sentence of the change; names count by their kind
    title:X>Y begins:X>Y        Y right behind X; what the title begins with: who speaks and who acts shows in the order
    clause:X end clause:X       X in the first, in the last clause of the title: the measure and the reaction to it
    speaks:X before colon:X     in front of a colon: "Huang: ..." is a speaker
    action=V verb=V imposer=V   what was found as facts
    rule:ID                     an active rule that fires

Length is none of them: it tells how a text came to us, not what it says.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from schemas.config.tables import Feature, Score
from services.classifier.facts import Findings
from services.classifier.facts.change import Change
from services.classifier.facts.news import LEAD, tells_older_year
from services.classifier.facts.parts import Part
from services.classifier.terms import Hit

WEAK = ("begin", "new", "clarify")
SUBJECTS = frozenset({"subject", "product", "chip_company"})
BY_KIND = frozenset({"country", "agency", "company", "person", "product", "instrument", "outlet"})
"""Names are told by their kind: which firm or state it is must not decide whether something is news."""
STATE, FIRM = ("country", "agency"), ("company", "person")
READ = 4
"""So many sentences are looked at."""
_ASKS = re.compile("[?？؟]")
_CLAUSE = re.compile(r"[,，;；:：、?？!！|。]| [-–—] |\"")
_COLON = re.compile("(.{1,30}?)[:：](?!\\d)")


def features(found: Findings, year: int | None, fired: Iterable[str], table: Score) -> dict[str, float]:
    """Every feature that is not zero. `fired` are the ids of the rules that count."""
    values = {name: 1.0 for name, feature in table.features.items() if is_seen(feature, found)}
    values |= {name: value for name, value in _computed(found, year).items() if value}
    return values | dict.fromkeys((*_words(found), *_facts(found), *(f"rule:{rule}" for rule in fired)), 1.0)


def is_seen(feature: Feature, found: Findings) -> bool:
    """Whether one of its concepts or kinds was found where it looks."""
    return any(
        not part.concepts.isdisjoint(feature.seen) and (not feature.beside or not part.concepts.isdisjoint(feature.beside))
        for part in _where(feature.where, found)
    )


def _where(where: str, found: Findings) -> tuple[Part, ...]:
    if where == "change":
        return (found.change.part,) if found.change else ()
    return found.parts[: {"head": 1, "lead": LEAD}.get(where)]


def _computed(found: Findings, year: int | None) -> dict[str, float]:
    head = found.parts[0] if found.parts else None
    shown = {quote.fact for quote in found.quotes}
    first = None if head is None else next((hit.kind for hit in head.hits if hit.kind in (*STATE, *FIRM)), None)
    return {
        **_of_change(found.change, found),
        "reaction_first": float(head is not None and _reaction_first(head, found.change)),
        "question": float(head is not None and _ASKS.search(head.text) is not None),
        "state_first": float(first in STATE),
        "firm_first": float(first in FIRM),
        "state_acts": float(found.change is not None and _state_acts(found.change)),
        "older_year": float(any(tells_older_year(part.text, year) for part in found.parts[:LEAD])),
        "imposer": float("imposers" in shown),
        "target": float("targets" in shown),
    }


def _of_change(change: Change | None, found: Findings) -> dict[str, float]:
    if change is None:
        return {}
    place = change.part.place
    sure = max(change.strength, 0.0) / 4
    return {
        "change": sure,
        "change_news": found.news[place] / 4,
        "change_head": sure if place == 0 else 0.0,
        "subject_change": float(not change.part.concepts.isdisjoint(SUBJECTS)),
        "weak_change": float(change.verb_class in WEAK),
        "loosens": float(change.outcome.direction == "loosen"),
    }


def _state_acts(change: Change) -> bool:
    """Whether a state or a body of one stands before the verb, nearer than any firm or reaction."""
    actors = [hit for hit in change.part.hits if hit.kind in ("country", "agency", "company", "reaction") and hit.end <= change.verb.start]
    return bool(actors) and actors[-1].kind in STATE


def _reaction_first(head: Part, change: Change | None) -> bool:
    reaction = next(head.of("reaction"), None)
    return reaction is not None and (change is None or change.part is not head or reaction.start < change.verb.start)


def _words(found: Findings) -> Iterator[str]:
    """Concepts by where they stand, and in which order."""
    for part in found.parts[:READ]:
        where = "lead" if part.place else "title"
        named = [_named(hit) for hit in part.hits]
        yield from (f"{where}:{name}" for name in named)
        if part.place < LEAD:
            yield from (f"{where}:{one}>{other}" for one, other in pairwise(named))
        if found.change is not None and found.change.part is part:
            yield from (f"change:{name}" for name in named)
    if found.parts:
        yield from _of_head(found.parts[0], found.change)


def _named(hit: Hit) -> str:
    return hit.kind if hit.kind in BY_KIND else hit.concept


def _of_head(head: Part, change: Change | None) -> Iterator[str]:
    """How the title is built: who stands first, what its first and its last clause hold, who speaks."""
    named = [_named(hit) for hit in head.hits]
    yield from (f"begins:{'>'.join(named[:count])}" for count in (1, 2, 3) if named)
    yield from (f"ends:{name}" for name in named[-1:])
    yield from _of_clauses(head, named)
    colon = _COLON.match(head.text)
    if colon is not None:
        yield from _of_speaker(head, named, head.sentence.start + colon.end(), change)
    if '"' in head.text:
        yield "quotes"


def _of_clauses(head: Part, named: Sequence[str]) -> Iterator[str]:
    edges = [found.start() for found in _CLAUSE.finditer(head.text)]
    first, last = edges[0] if edges else len(head.text), edges[-1] if edges else 0
    for hit, name in zip(head.hits, named, strict=True):
        place = hit.start - head.sentence.start
        if place <= first:
            yield f"clause:{name}"
        if place > last or not edges:
            yield f"end clause:{name}"


def _of_speaker(head: Part, named: Sequence[str], colon: int, change: Change | None) -> Iterator[str]:
    before = [name for hit, name in zip(head.hits, named, strict=True) if hit.start < colon]
    yield "colon"
    yield f"speaks:{before[-1] if before else 'somebody'}"
    yield from (f"before colon:{name}" for name in before)
    if change is not None and change.part is head:
        yield f"change {'before' if change.verb.start < colon else 'behind'} colon"


def _facts(found: Findings) -> Iterator[str]:
    facts, change = found.facts, found.change
    yield from (f"{name}={value}" for name, value in (("action", facts.action), ("direction", facts.direction), ("stage", facts.stage)))
    yield from (f"imposer={state}" for state in facts.imposers)
    yield from (f"target={state}" for state in facts.targets)
    yield from (f"product={product}" for product in facts.products)
    if change is not None:
        yield f"verb={change.verb_class}"
        yield f"object={change.object_class}"
        yield f"verb={change.verb_class} object={change.object_class}"
        yield f"change in sentence {min(change.part.place, 3)}"
