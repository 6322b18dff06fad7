"""One batch of items becomes signals. A batch is judged by one rule set, whatever is loaded meanwhile.

"no" is counted and goes no further, except where it may replace a verdict that went on before: a later revision of an item, or a replay.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta

from schemas.events.news import NewsItem
from schemas.events.signal import PolicySignal
from schemas.topics import POLICY_SIGNALS
from services.classifier.classify import Verdict, classify
from services.classifier.metrics import ClassifierMetrics
from services.classifier.rules import Ruleset
from services.runtime import codec
from services.runtime.broker import Record
from services.runtime.clock import Clock
from services.runtime.tracing import onward

SOURCE = "/chipwire/classifier"


class Judge:
    """Judges batches with the rule set of the moment."""

    def __init__(self, ruleset: Ruleset, *, clock: Clock, metrics: ClassifierMetrics, turn: timedelta) -> None:
        self._clock = clock
        self._metrics = metrics
        self._turn = turn.total_seconds()
        self.ruleset = ruleset
        self.use(ruleset)

    def use(self, ruleset: Ruleset) -> None:
        """From the next batch on."""
        self.ruleset = ruleset
        self._metrics.open(ruleset.hash, ruleset.rules, ruleset.activated_at.timestamp())

    async def handle(self, records: Sequence[Record]) -> Sequence[Record]:
        """The signals of a batch of items. Raises Malformed for a record that is no item."""
        ruleset = self.ruleset
        judged: list[tuple[Record, NewsItem, Verdict]] = []
        busy, began = 0.0, self._clock.monotonic()
        for record in records:
            item = codec.decode(record, NewsItem)
            judged.append((record, item, classify(item, ruleset)))
            if (now := self._clock.monotonic()) - began > self._turn:
                busy += now - began
                await asyncio.sleep(0)
                began = self._clock.monotonic()
        busy += self._clock.monotonic() - began
        told = [(record, item, verdict) for record, item, verdict in judged if goes_on(item, verdict)]
        self._count(judged, told, busy)
        return [_signal(record, item, verdict, ruleset, self._clock.now()) for record, item, verdict in told]

    def _count(self, judged: Sequence[tuple[Record, NewsItem, Verdict]], told: Sequence[tuple[Record, NewsItem, Verdict]], seconds: float) -> None:
        self._metrics.count((verdict.verdict for _, _, verdict in judged), (hit for _, _, verdict in judged for hit in verdict.rules), seconds)
        self._metrics.replaced.inc(sum(verdict.verdict == "no" for _, _, verdict in told))


def goes_on(item: NewsItem, verdict: Verdict) -> bool:
    """Whether somebody downstream needs this verdict."""
    return verdict.verdict != "no" or item.revised or item.replay


def _signal(record: Record, item: NewsItem, verdict: Verdict, ruleset: Ruleset, now: datetime) -> Record:
    signal = PolicySignal(
        id=signal_id(item, ruleset),
        item=item.header(),
        verdict=verdict.verdict,
        score=verdict.score,
        language=verdict.language,
        facts=verdict.facts,
        evidence=verdict.evidence,
        rules=verdict.rules,
        ruleset=ruleset.hash,
        ruleset_activated_at=ruleset.activated_at,
        judged_at=now,
    )
    return codec.encode(POLICY_SIGNALS, signal, key=item.id, id=signal.id, source=SOURCE, time=now, traceparent=onward(record))


def signal_id(item: NewsItem, ruleset: Ruleset) -> str:
    """The same item, revision and rule set give the same id for ever."""
    return hashlib.sha256(f"{item.id}\0{item.revision}\0{ruleset.hash}".encode()).hexdigest()[:32]
