"""What second opinions are counted by. All children exist from the start."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from schemas.events.signal import OPINION_OUTCOMES
from services.runtime.metrics import SECONDS

NOT_ASKED = ("full", "late", "history", "budget", "stopped", "failed")
"""Why a doubt stayed one: too many waited, it waited too long, nobody waits for it, the budget of the day is spent, the process stopped, a bug."""


class OpinionMetrics:
    """Every metric of the second opinion, on one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        prefix = "chipwire_classifier_opinion"
        outcomes = Counter(f"{prefix}s_total", "Verdicts that a second judge could be asked about, by what came of it.", ["outcome"], registry=registry)
        tokens = Counter(f"{prefix}_tokens_total", "Tokens that were charged, by side.", ["side"], registry=registry)
        self.outcomes = {outcome: outcomes.labels(outcome) for outcome in (*OPINION_OUTCOMES, *NOT_ASKED)}
        self.tokens = {side: tokens.labels(side) for side in ("question", "answer")}
        self.cached = Counter(f"{prefix}_cached_total", "Answers that were known already and cost nothing.", registry=registry)
        self.failures = Counter(f"{prefix}_failures_total", "Questions that the endpoint did not answer, each attempt.", registry=registry)
        self.seconds = Histogram(f"{prefix}_seconds", "From a question to its answer, or to its failure.", buckets=SECONDS, registry=registry)
        self.waiting = Gauge(f"{prefix}_waiting", "Verdicts that wait for their second opinion.", registry=registry)
        self.breaker = Gauge(f"{prefix}_breaker_open", "1 while the endpoint is left alone because it failed.", registry=registry)
        self.spent = Gauge(f"{prefix}_spent_tokens", "Tokens spent today (UTC) by all processes, as far as this one knows.", registry=registry)
        self.budget = Gauge(f"{prefix}_budget_tokens", "Tokens that may be spent in a day; 0 while nobody is asked.", registry=registry)
