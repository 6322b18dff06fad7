"""How likely it is that a change is the item's news: a line through features, each of which can be named to people.

Features come from the table `score.yaml` (a concept seen in a part of the item) and from here:

    change            how sure the verb and its object are (0 to 1.2)         change_news      how much its sentence is the news (-1 to 1.2)
    change_head       the title itself holds the change (0 to 1.2)            subject_change   chips, a chip firm or a product in the sentence of the change
    weak_change       no verb of its own: "new curbs", "in force"             imposer, target  a state is named as one
    reaction_first    the title begins with a reaction                        question         the title asks
    state_first, firm_first   who the title names first   state_acts        a state stands right before the verb
    older_year        the lead speaks of an earlier year                      loosens          the change loosens
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from schemas.config.tables import Feature, Score
from services.classifier.facts import Findings
from services.classifier.facts.change import Change
from services.classifier.facts.news import LEAD, tells_older_year
from services.classifier.facts.parts import Part

WEAK = ("begin", "new", "clarify")
QUESTION_MARKS = ("?", "؟", "？")
SUBJECTS = frozenset({"subject", "product", "chip_company"})


@dataclass(frozen=True, slots=True)
class Scored:
    """The score, 0 to 1, and what each feature added to it before squashing."""

    score: float
    terms: Mapping[str, float]


def features(found: Findings, year: int | None, table: Score) -> dict[str, float]:
    """Every feature that is not zero."""
    seen = {name: 1.0 for name, feature in table.features.items() if is_seen(feature, found)}
    return seen | {name: value for name, value in _computed(found, year).items() if value}


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
    lead = found.parts[:LEAD]
    shown = {quote.fact for quote in found.quotes}
    return {
        **_of_change(found.change, found),
        "reaction_first": float(head is not None and _reaction_first(head, found.change)),
        "question": float(head is not None and any(mark in head.text for mark in QUESTION_MARKS)),
        "state_first": float(head is not None and _first_named(head) == "state"),
        "firm_first": float(head is not None and _first_named(head) == "firm"),
        "state_acts": float(found.change is not None and _state_acts(found.change)),
        "older_year": float(any(tells_older_year(part.text, year) for part in lead)),
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


def _first_named(head: Part) -> str | None:
    """Who the title begins with: a state, a body or an official of one, or a firm."""
    named = next((hit for hit in head.hits if hit.kind in ("country", "agency", "company", "person")), None)
    return None if named is None else "firm" if named.kind in ("company", "person") else "state"


def _state_acts(change: Change) -> bool:
    """Whether a state or a body of one stands before the verb, nearer than any firm or reaction."""
    actors = [hit for hit in change.part.hits if hit.kind in ("country", "agency", "company", "reaction") and hit.end <= change.verb.start]
    return bool(actors) and actors[-1].kind in ("country", "agency")


def _reaction_first(head: Part, change: Change | None) -> bool:
    reaction = next(head.of("reaction"), None)
    return reaction is not None and (change is None or change.part is not head or reaction.start < change.verb.start)


def score(seen: Mapping[str, float], table: Score) -> Scored:
    """The sum of weights, squashed (logistic)."""
    terms = {name: value * table.weights[name] for name, value in seen.items() if name in table.weights}
    return Scored(1 / (1 + math.exp(-(table.intercept + sum(terms.values())))), terms)
