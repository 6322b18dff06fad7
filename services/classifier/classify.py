"""The verdict on one item, as a value: no clock, no I/O, no settings, no metrics.

    gate -> document -> facts -> rules -> score -> thresholds

What decided is in the trace, so that metrics and explanations stay outside.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from schemas.config.rule import Rule
from schemas.config.tables import Score
from schemas.events.news import NewsItem
from schemas.events.signal import Evidence, Facts, LanguageGuess, RuleHit
from services.classifier import conditions
from services.classifier.document import Document, read
from services.classifier.facts import Findings, find, guessed
from services.classifier.facts.quote import to_evidence
from services.classifier.facts.severity import confidence
from services.classifier.rules import Ruleset
from services.classifier.score import features, is_seen, score

NO_FACTS = Facts()
UNKNOWN = LanguageGuess(tag="und", confidence=0.0)
CAUTIOUS_FIRST = ("no", "context", "alert")
"""Where rules disagree the most cautious counts: a rule that knows why something is no news was written against one that alerts too much."""


@dataclass(frozen=True, slots=True)
class Trace:
    """Why: what decided, and what each feature added to the score before it was squashed."""

    decided: str
    terms: Mapping[str, float] = field(default_factory=dict)
    change: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """alert, context or no, with everything that explains it. `score` is 0 to 1."""

    verdict: str
    score: float
    language: LanguageGuess
    facts: Facts = NO_FACTS
    evidence: tuple[Evidence, ...] = ()
    rules: tuple[RuleHit, ...] = ()
    trace: Trace = Trace("gate: no subject with a lever")


def classify(item: NewsItem, ruleset: Ruleset) -> Verdict:
    """Judges one item from its title and text alone."""
    sighting = ruleset.terms.look(item)
    if not ruleset.terms.passes(sighting):
        return Verdict("no", 0.0, UNKNOWN)
    document = read(item, ruleset.terms, sighting)
    found = find(document, ruleset.tables, ruleset.terms)
    fired = [rule for rule in ruleset.rules if conditions.evaluate(rule.when, document, found.facts) is not None]
    return _judge(document, found, fired, ruleset)


def _judge(document: Document, found: Findings, fired: Sequence[Rule], ruleset: Ruleset) -> Verdict:
    item, table = document.item, ruleset.tables.score
    scored = score(features(found, item.published.at.year if item.published else None, table), table)
    active = [rule for rule in fired if rule.status == "active"]
    verdict, decided = _decide(found, scored.score, active, table)
    hits = tuple(RuleHit(id=rule.id, status=rule.status) for rule in fired)
    trace = Trace(decided, scored.terms, _told(found))
    if verdict == "no":
        return Verdict("no", scored.score, document.language, rules=hits, trace=trace)
    if verdict == "alert":
        found = guessed(document, found, ruleset.tables, ruleset.terms)
    sure = max(scored.score, table.alert) if verdict == "alert" else scored.score
    facts = _set(found.facts, active).model_copy(update={"confidence": confidence(sure, found.facts.stage or "", item.tier, ruleset.tables.stages)})
    return Verdict(verdict, scored.score, document.language, facts, to_evidence(document, found.quotes), hits, trace)


def _decide(found: Findings, reached: float, active: Sequence[Rule], table: Score) -> tuple[str, str]:
    for verdict in CAUTIOUS_FIRST:
        for rule in active:
            if rule.verdict == verdict:
                return verdict, f"rule {rule.id}"
    return _by_score(found, reached, table)


def _by_score(found: Findings, reached: float, table: Score) -> tuple[str, str]:
    if reached < table.alert:
        reason = f"score {reached:.2f} below {table.alert}"
    elif found.change is None or not _may_alert(found, table):
        reason = f"score {reached:.2f}, but the lead names no change of a lever on chips"
    else:
        return "alert", f"score {reached:.2f} reaches {table.alert}"
    return "context" if all(is_seen(feature, found) for feature in table.topic) else "no", reason


def _may_alert(found: Findings, table: Score) -> bool:
    return all(any(is_seen(feature, found) for feature in group) for group in table.must)


def _set(facts: Facts, active: Sequence[Rule]) -> Facts:
    """Facts that rules set; the first rule that sets one counts. Checked like any other facts."""
    stated = {name: value for rule in reversed(active) for name, value in rule.sets.items()}
    graver = max((rule.severity for rule in active if rule.severity is not None), default=None)
    if graver is not None:
        stated.setdefault("severity", max(graver, facts.severity or 1))
    return Facts.model_validate(facts.model_dump() | stated) if stated else facts


def _told(found: Findings) -> str | None:
    change = found.change
    if change is None:
        return None
    return f"{change.verb_class} x {change.object_class} in sentence {change.part.place}"
