"""What rules would have said of past news, and what another set would have said instead. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from schemas.config.rule import Rule
from schemas.events.news import NewsItem
from schemas.events.signal import Facts
from services.classifier.classify import Verdict, classify
from services.classifier.explain import quotes_of
from services.classifier.rules import Ruleset

COMPARED = ("action", "direction", "stage", "imposers", "agency", "targets", "products", "companies", "severity")
"""Facts whose change is told."""
LONGEST_HEAD = 160
MOST_QUOTES = 3
MOST_KEPT = 500
"""So many findings of a kind are kept whole; all are counted."""


@dataclass(frozen=True, slots=True)
class Side:
    """What one set says of an item: the verdict, why, the rules that fired, the facts of an alert, and the words it rests on."""

    verdict: str
    decided: str
    rules: tuple[str, ...]
    facts: dict[str, Any]
    quotes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """An item worth telling: `kind` is gained, lost or changed with two sets, and alert with one."""

    kind: str
    id: str
    source: str
    published: str | None
    head: str
    before: Side | None
    after: Side


@dataclass(slots=True)
class Backtest:
    """The tallies of some news, and what is worth telling. `before` is what is in force, `after` the set it is held against; with one set only `after` counts."""

    items: int = 0
    verdicts: dict[str, Counter[str]] = field(default_factory=lambda: {"before": Counter(), "after": Counter()})
    hits: dict[str, Counter[str]] = field(default_factory=lambda: {"before": Counter(), "after": Counter()})
    kinds: Counter[str] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)
    _kept: Counter[str] = field(default_factory=Counter)

    def add(self, other: Backtest) -> None:
        """Adds what was found in other news."""
        self.items += other.items
        self.kinds += other.kinds
        for side in ("before", "after"):
            self.verdicts[side] += other.verdicts[side]
            self.hits[side] += other.hits[side]
        for finding in other.findings:
            self._keep(finding)

    def look(self, item: NewsItem, before: Ruleset | None, after: Ruleset) -> None:
        """Judges one item by both."""
        self.items += 1
        new = self._judged("after", item, after)
        old = self._judged("before", item, before) if before is not None else None
        kind = _kind(old, new) if before is not None else "alert" if new.verdict == "alert" else None
        if kind is not None:
            self.kinds[kind] += 1
            old_side = _side(item, old, before) if old is not None and before is not None else None
            self._keep(_finding(kind, item, old_side, _side(item, new, after)))

    def _judged(self, side: str, item: NewsItem, ruleset: Ruleset) -> Verdict:
        verdict = classify(item, ruleset)
        self.verdicts[side][verdict.verdict] += 1
        for hit in verdict.rules:
            self.hits[side][hit.id] += 1
        return verdict

    def _keep(self, finding: Finding) -> None:
        if self._kept[finding.kind] < MOST_KEPT:
            self._kept[finding.kind] += 1
            self.findings.append(finding)


def backtest(items: Iterable[NewsItem], before: Ruleset | None, after: Ruleset) -> Backtest:
    """All items, by one set or by two."""
    found = Backtest()
    for item in items:
        found.look(item, before, after)
    return found


def _kind(old: Verdict | None, new: Verdict) -> str | None:
    if old is None or old.verdict != new.verdict:
        return "gained" if new.verdict == "alert" else "lost" if old is not None and old.verdict == "alert" else "changed"
    if old.rules != new.rules or (new.verdict == "alert" and _compared(old.facts) != _compared(new.facts)):
        return "changed"
    return None


def _compared(facts: Facts) -> dict[str, Any]:
    told = facts.model_dump(mode="json", include=set(COMPARED))
    told["companies"] = [f"{company['id']} ({company['role']})" if company["role"] else company["id"] for company in told["companies"]]
    return {name: told[name] for name in COMPARED if told[name] not in (None, [])}


def _side(item: NewsItem, verdict: Verdict, ruleset: Ruleset) -> Side:
    rules = {rule.id: rule for rule in ruleset.rules}
    fired = [rules[hit.id] for hit in verdict.rules]
    shown = tuple(f"{rule.id} (shadow)" if rule.status == "shadow" else rule.id for rule in fired)
    return Side(verdict.verdict, verdict.trace.decided, shown, _compared(verdict.facts), _quotes(item, verdict, fired, ruleset))


def _quotes(item: NewsItem, verdict: Verdict, fired: list[Rule], ruleset: Ruleset) -> tuple[str, ...]:
    """The words that decided: of the rules that fired, else of the facts."""
    view = ruleset.view(item)
    seen = [quote.text for rule in fired for quote in quotes_of(rule.when, view)] or [found.text for found in verdict.evidence]
    return tuple(dict.fromkeys(seen))[:MOST_QUOTES]


def _finding(kind: str, item: NewsItem, before: Side | None, after: Side) -> Finding:
    head = " ".join((item.title or item.text).split())
    shown = head if len(head) <= LONGEST_HEAD else f"{head[: LONGEST_HEAD - 1]}…"
    return Finding(kind, item.id, item.source, str(item.published) if item.published else None, shown, before, after)
