"""The verdict on one item, as a value: no clock, no I/O, no settings, no metrics.

    gate -> document -> facts -> rules -> score -> thresholds

What decided is in the trace, so that metrics and explanations stay outside.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from schemas.config.rule import Rule
from schemas.config.tables import Score
from schemas.events.news import NewsItem
from schemas.events.signal import Evidence, Facts, LanguageGuess, RuleHit
from services.classifier.facts import Findings, guessed
from services.classifier.facts.quote import to_evidence
from services.classifier.facts.severity import confidence
from services.classifier.index import Waiting
from services.classifier.model.features import features, is_seen
from services.classifier.model.score import Scored, Why
from services.classifier.rules import Ruleset
from services.classifier.view import View

NO_FACTS = Facts()
UNKNOWN = LanguageGuess(tag="und", confidence=0.0)
CAUTIOUS_FIRST = ("no", "context", "alert")
"""Where rules disagree the most cautious counts: a rule that knows why something is no news was written against one that alerts too much."""


@dataclass(frozen=True, slots=True)
class Trace:
    """Why: what decided, and on request what each feature added to the score before it was squashed."""

    decided: str
    change: str | None = None
    rule: str | None = None
    """The rule that settled the verdict; None where the score did."""
    why: Why = field(default=dict, compare=False)

    @property
    def terms(self) -> Mapping[str, float]:
        """What each feature added, in log-odds; empty where nothing was scored."""
        return self.why()


@dataclass(frozen=True, slots=True)
class Verdict:
    """alert, context or no, with everything that explains it. `score` is 0 to 1."""

    verdict: str
    score: float
    language: LanguageGuess
    facts: Facts = NO_FACTS
    evidence: tuple[Evidence, ...] = ()
    rules: tuple[RuleHit, ...] = ()
    trace: Trace = Trace("gate: not of the topic")


NOTHING = Verdict("no", 0.0, UNKNOWN)


def classify(item: NewsItem, ruleset: Ruleset) -> Verdict:
    """Judges one item from its title and text alone."""
    view = ruleset.view(item)
    if not ruleset.terms.passes(view.sighting):
        return _by_rules_alone(view, ruleset)
    return _judge(view, fired_on(view, ruleset), ruleset)


def overruled(item: NewsItem, ruleset: Ruleset, verdict: str, decided: str) -> Verdict:
    """The item with a verdict that somebody else gave instead of the score, and the facts, evidence and confidence that go with it."""
    view = ruleset.view(item)
    fired = fired_on(view, ruleset)
    return _worded(view, fired, _scored(view, fired, ruleset), ruleset, verdict, decided)


def fired_on(view: View, ruleset: Ruleset) -> list[Rule]:
    """The rules that fire on an item which the gate lets through."""
    return _fired(ruleset.index.candidates(view), view)


def _fired(candidates: Iterable[Waiting], view: View) -> list[Rule]:
    return [one.rule for one in candidates if one.test(view)]


def _by_rules_alone(view: View, ruleset: Ruleset) -> Verdict:
    """An item that the gate does not let through. Rules with words of their own may still make something of it; the score has no say."""
    fired = _fired(ruleset.index.openers(view), view)
    if any(rule.status == "active" and rule.verdict not in (None, "no") for rule in fired):
        return _judge(view, fired, ruleset)
    return Verdict("no", 0.0, UNKNOWN, rules=_hits(fired)) if fired else NOTHING


def _hits(fired: Iterable[Rule]) -> tuple[RuleHit, ...]:
    return tuple(_hit(rule.id, rule.status) for rule in fired)


@lru_cache(maxsize=16_384)
def _hit(rule: str, status: str) -> RuleHit:
    return RuleHit(id=rule, status=status)


def weighed(view: View, fired: Iterable[Rule], ruleset: Ruleset) -> dict[str, float]:
    """What the score looks at."""
    published = view.item.published
    return features(view.found, published.at.year if published else None, (rule.id for rule in _active(fired)), ruleset.tables.score)


def decide(view: View, fired: Sequence[Rule], scored: Scored, table: Score) -> tuple[str, str]:
    """The verdict and what decided: a rule with a verdict, else the score."""
    rule = settling(fired)
    if rule is not None and rule.verdict is not None:
        return rule.verdict, f"rule {rule.id}"
    said = f"score {scored.score:.2f} of {scored.by}"
    if not scored.alerts:
        return _below(view, table), f"{said} below {scored.alert}"
    if not may_alert(view.found, table):
        return _below(view, table), f"{said} reaches {scored.alert}, but the lead names nothing of the topic"
    return "alert", f"{said} reaches {scored.alert}"


def may_alert(found: Findings, table: Score) -> bool:
    """Whether an item has what the score alone does not see to: something of the topic where its news stands."""
    return all(is_seen(feature, found) for feature in table.alert)


def _below(view: View, table: Score) -> str:
    return "context" if all(is_seen(feature, view.found) for feature in table.topic) else "no"


def settling(fired: Iterable[Rule]) -> Rule | None:
    """The rule whose verdict counts, if any has one."""
    speaking = [rule for rule in _active(fired) if rule.verdict is not None]
    return min(speaking, key=lambda rule: CAUTIOUS_FIRST.index(rule.verdict or ""), default=None)


def is_led(fired: Iterable[Rule]) -> bool:
    """Whether a rule speaks for an alert. Where none does, the score has to be surer: it knows the words of a measure, and the world has more news than it learnt from."""
    return any("alert" in (rule.verdict, rule.leans) for rule in _active(fired))


def _active(fired: Iterable[Rule]) -> list[Rule]:
    return [rule for rule in fired if rule.status == "active"]


def _judge(view: View, fired: Sequence[Rule], ruleset: Ruleset) -> Verdict:
    scored = _scored(view, fired, ruleset)
    return _worded(view, fired, scored, ruleset, *decide(view, fired, scored, ruleset.tables.score))


def _scored(view: View, fired: Sequence[Rule], ruleset: Ruleset) -> Scored:
    return ruleset.model.score(weighed(view, fired, ruleset), view.item.title or "", view.item.text, led=is_led(fired))


def _worded(view: View, fired: Sequence[Rule], scored: Scored, ruleset: Ruleset, verdict: str, decided: str) -> Verdict:
    """The verdict with all that goes with it."""
    item, document, found = view.item, view.document, view.found
    hits, rule = _hits(fired), settling(fired)
    trace = Trace(decided, _told(found), rule.id if rule is not None else None, scored.why)
    if verdict == "no":
        return Verdict("no", scored.score, document.language, rules=hits, trace=trace)
    if verdict == "alert":
        found = guessed(document, found, ruleset.tables, ruleset.terms)
    sure = max(scored.score, scored.alert) if verdict == "alert" else scored.score
    facts = _set(found.facts, _active(fired)).model_copy(update={"confidence": confidence(sure, found.facts.stage or "", item.tier, ruleset.tables.stages)})
    return Verdict(verdict, scored.score, document.language, facts, to_evidence(document, found.quotes), hits, trace)


def _set(facts: Facts, active: Sequence[Rule]) -> Facts:
    """Facts that rules set; the first rule that sets one counts. Checked like any other facts."""
    stated = {name: value for rule in reversed(active) for name, value in rule.sets.stated().items()}
    graver = max((rule.severity for rule in active if rule.severity is not None), default=None)
    if graver is not None:
        stated.setdefault("severity", max(graver, facts.severity or 1))
    return Facts.model_validate(facts.model_dump() | stated) if stated else facts


def _told(found: Findings) -> str | None:
    change = found.change
    if change is None:
        return None
    return f"{change.verb_class} x {change.object_class} in sentence {change.part.place}"
