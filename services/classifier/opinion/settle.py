"""Which verdicts are open to a second opinion, and what becomes of one. Pure.

What a rule has settled is never open; and were it asked about all the same, no answer changes it: an article can talk a model into anything.
"""

from __future__ import annotations

from dataclasses import dataclass

from schemas.events.news import NewsItem
from schemas.events.signal import VERDICTS
from services.classifier.classify import Verdict
from services.classifier.opinion.answer import Answer
from services.classifier.rules import Ruleset

_WEIGHT = {verdict: -place for place, verdict in enumerate(VERDICTS)}


@dataclass(frozen=True, slots=True)
class Band:
    """The scores between which a verdict is unsure."""

    low: float
    high: float

    def is_open(self, verdict: Verdict) -> bool:
        """Whether the score gave this verdict, and might as well have given another."""
        return verdict.trace.rule is None and self.low <= verdict.score <= self.high


@dataclass(frozen=True, slots=True)
class Doubt:
    """A verdict that is open, with what gave it. `since` is when, by the monotonic clock in seconds."""

    item: NewsItem
    verdict: Verdict
    ruleset: Ruleset
    since: float
    traceparent: str

    @property
    def is_history(self) -> bool:
        """Nobody waits for it: it is worth an answer that is known, and no new one."""
        return self.item.backfill or self.item.replay


def outcome_of(before: Verdict, answer: Answer) -> str:
    """What becomes of an answer: one of OPINION_OUTCOMES."""
    if answer.said is None:
        return answer.instead or "unusable"
    if answer.said == before.verdict:
        return "agreed"
    if before.trace.rule is not None:
        return "kept"
    return "raised" if _WEIGHT[answer.said] > _WEIGHT[before.verdict] else "lowered"
