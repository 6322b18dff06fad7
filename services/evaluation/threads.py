"""How well alerts are threaded: the labelled ones are placed in order of time as the notifier does it, and compared with the labelled events. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from schemas.events.news import NewsItem
from schemas.events.signal import Company, Facts, PolicySignal
from services.classifier.classify import Verdict
from services.evaluation.clusters import Told, b_cubed, pairwise, trivial
from services.evaluation.data import Line
from services.evaluation.measures import Score
from services.notifier import threads as notifier

LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
VALUES = ("action", "direction", "stage", "agency")
LISTS = ("targets", "products")
RISING = ("rumour", "reported", "proposed", "announced", "published", "in_force")


@dataclass(frozen=True, slots=True)
class Judged:
    """A labelled item with its verdict."""

    line: Line
    item: NewsItem
    verdict: Verdict

    @property
    def alert(self) -> bool:
        return self.verdict.verdict == "alert"


@dataclass(frozen=True, slots=True)
class Threads:
    """B-cubed is the goal; `trivial` is the score of the rule to beat."""

    items: int
    b3: Score
    pairwise: Score
    trivial: Score
    events_gold: int
    events_found: int
    pushes_per_event: float


def measure(judged: Iterable[Judged]) -> Threads:
    """Over gold alerts with an event, in order of `published`, then id. A missed alert stands alone."""
    told = sorted((one for one in judged if one.line.gold == "alert" and one.line.event), key=lambda one: (one.line.at, one.line.id))
    gold: dict[str, Hashable] = {one.item.id: one.line.event for one in told}
    placed = thread_items([one for one in told if one.alert])
    found: dict[str, Hashable] = {one.item.id: placed.clusters.get(one.item.id, ("alone", one.item.id)) for one in told}
    simple = trivial([_told(one) for one in told])
    return Threads(
        items=len(told),
        b3=b_cubed(gold, found),
        pairwise=pairwise(gold, found).score,
        trivial=b_cubed(gold, simple),
        events_gold=len(set(gold.values())),
        events_found=len(set(placed.clusters.values())),
        pushes_per_event=placed.pushes / max(expected_pushes(told), 1),
    )


@dataclass(frozen=True, slots=True)
class Placed:
    """Item id -> event id, and how many alerts would have been pushed."""

    clusters: dict[str, str]
    pushes: int


def thread_items(alerts: Sequence[Judged]) -> Placed:
    """Places the alerts one after another, each at the time it was published, as the notifier would."""
    desk = _Desk()
    for one in alerts:
        desk.place(to_signal(one), one.line.at)
    return Placed({source.item: known.event.id for known in desk.known.values() for source in known.event.sources}, desk.pushes)


@dataclass(slots=True)
class _Desk:
    """What is known, what waits, and how often somebody was told."""

    known: dict[str, notifier.Candidate] = field(default_factory=dict)
    held: list[PolicySignal] = field(default_factory=list)
    signals: dict[str, PolicySignal] = field(default_factory=dict)
    pushes: int = 0
    minted: int = 0

    def place(self, signal: PolicySignal, now: datetime) -> None:
        self.held = [other for other in self.held if now - other.judged_at <= notifier.HOLD]
        means = notifier.Means(self._mint, heard=lambda items: [self.signals[item] for item in items])
        self.signals[signal.item.id] = signal
        outcome = notifier.place_among(signal, list(self.known.values()), now, means, self.held)
        if isinstance(outcome, notifier.Held):
            self.held.append(signal)
        elif not isinstance(outcome, notifier.Unplaced):
            self._tell(outcome)
            for freed, brought in notifier.release(outcome.event, self.held, now, means):
                self.held.remove(freed)
                self._tell(brought)

    def _tell(self, outcome: notifier.Told) -> None:
        self.known[outcome.event.id] = notifier.Candidate.of(outcome.event)
        self.pushes += outcome.fresh and type(outcome) in notifier.KINDS

    def _mint(self) -> str:
        self.minted += 1
        return f"{self.minted:026d}"


def expected_pushes(told: Sequence[Judged]) -> int:
    """One for each gold event, and one for each time its gold stage rises."""
    stages: dict[str, list[str]] = defaultdict(list)
    for one in told:
        stages[one.line.event or ""].append(one.line.stage or "")
    return sum(1 + _rises(seen) for seen in stages.values())


def _rises(stages: Sequence[str]) -> int:
    highest, rises = -1, 0
    for place in (RISING.index(stage) for stage in stages if stage in RISING):
        rises += highest >= 0 and place > highest
        highest = max(highest, place)
    return rises


def to_signal(one: Judged) -> PolicySignal:
    """The verdict as it would travel, judged at the moment of publication."""
    return PolicySignal(
        id=f"{one.item.id}.{one.item.revision}",
        item=one.item.header(),
        verdict=one.verdict.verdict,
        score=one.verdict.score,
        language=one.verdict.language,
        facts=one.verdict.facts,
        evidence=one.verdict.evidence,
        ruleset="evaluation",
        ruleset_activated_at=LONG_AGO,
        judged_at=one.line.at,
    )


def with_gold(one: Judged) -> Judged:
    """The same with class and labelled facts from the data, so that threading is measured alone. On an alert an empty list is a label too."""
    line, found = one.line, one.verdict
    labels: dict[str, Any] = {name: value for name in VALUES if (value := getattr(line, name)) is not None}
    if line.gold == "alert":
        labels |= {name: getattr(line, name) for name in LISTS}
    if line.gold == "alert" and line.companies is not None:
        labels["companies"] = tuple(_company(name, found.facts) for name in line.companies)
    if line.imposer:
        labels["imposers"] = (line.imposer, *(state for state in found.facts.imposers if state != line.imposer))
    facts = Facts.model_validate(found.facts.model_dump() | labels)
    return Judged(line, one.item, Verdict(line.gold or "no", found.score, found.language, facts, found.evidence))


def _company(name: str, found: Facts) -> Company:
    """A labelled company, in the role that was found for it."""
    return next((company for company in found.companies if company.id == name), Company(id=name))


def _told(one: Judged) -> Told:
    facts = one.verdict.facts
    return Told(one.item.id, one.line.at, next(iter(facts.imposers), None), facts.direction, one.alert)
