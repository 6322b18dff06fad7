"""One batch of items becomes signals. A batch is judged by one rule set, whatever is loaded meanwhile.

"no" is counted and goes no further, except where it may replace a verdict that went on before: a later revision of an item, or a replay.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from schemas.events.news import NewsItem
from schemas.events.signal import PolicySignal
from schemas.topics import POLICY_SIGNALS
from services.classifier.classify import Verdict, classify
from services.classifier.metrics import ClassifierMetrics
from services.classifier.opinion.settle import Band, Doubt
from services.classifier.quarantine import guilty
from services.classifier.rules import Ruleset
from services.runtime import codec, logs
from services.runtime.broker import Record
from services.runtime.clock import Clock
from services.runtime.tracing import onward

log = logs.logger()

SOURCE = "/chipwire/classifier"


class Judge:
    """Judges batches with the rule set of the moment. A rule that fails or is slow is taken out of it, and the batch is judged anew.

    `doubts` are the verdicts of the last batch that a second judge may be asked about: those within `band`, where there is one.
    """

    def __init__(self, ruleset: Ruleset, *, clock: Clock, metrics: ClassifierMetrics, turn: timedelta, rule_limit: timedelta, band: Band | None = None) -> None:
        self._clock = clock
        self._metrics = metrics
        self._turn = turn.total_seconds()
        self._rule_limit = rule_limit
        self._band = band
        self.doubts: tuple[Doubt, ...] = ()
        self.ruleset = ruleset
        self.use(ruleset)

    def use(self, ruleset: Ruleset) -> None:
        """From the next batch on."""
        self.ruleset = ruleset
        self._metrics.open(ruleset)

    async def handle(self, records: Sequence[Record]) -> Sequence[Record]:
        """The signals of a batch of items. Raises Malformed for a record that is no item."""
        while True:
            ruleset = self.ruleset
            try:
                judged, busy = await self._judge(records, ruleset)
            except _Blamed as found:
                self._quarantine(ruleset, found.rules)
                continue
            told = [(record, item, verdict) for record, item, verdict in judged if goes_on(item, verdict)]
            self._count(judged, told, busy)
            self.doubts = tuple(self._doubts(judged, ruleset))
            return [_signal(record, item, verdict, ruleset, self._clock.now()) for record, item, verdict in told]

    async def _judge(self, records: Sequence[Record], ruleset: Ruleset) -> tuple[list[tuple[Record, NewsItem, Verdict]], float]:
        """The verdicts, and the seconds spent on them. The event loop gets its turns meanwhile."""
        judged: list[tuple[Record, NewsItem, Verdict]] = []
        busy, began = 0.0, self._clock.monotonic()
        for record in records:
            item = codec.decode(record, NewsItem)
            judged.append((record, item, self._verdict(item, ruleset)))
            if (now := self._clock.monotonic()) - began > self._turn:
                busy += now - began
                await asyncio.sleep(0)
                began = self._clock.monotonic()
        return judged, busy + self._clock.monotonic() - began

    def _doubts(self, judged: Sequence[tuple[Record, NewsItem, Verdict]], ruleset: Ruleset) -> Iterator[Doubt]:
        for record, item, verdict in judged:
            if self._band is not None and self._band.is_open(verdict):
                yield Doubt(item, verdict, ruleset, self._clock.monotonic(), onward(record))

    def _verdict(self, item: NewsItem, ruleset: Ruleset) -> Verdict:
        began = self._clock.monotonic()
        try:
            verdict = classify(item, ruleset)
        except Exception:
            self._blame(item, ruleset)
            raise
        if self._clock.monotonic() - began > self._rule_limit.total_seconds():
            self._blame(item, ruleset)
        return verdict

    def _blame(self, item: NewsItem, ruleset: Ruleset) -> None:
        """Raises _Blamed when rules are the reason."""
        if rules := guilty(item, ruleset, monotonic=self._clock.monotonic, limit=self._rule_limit):
            raise _Blamed(rules)

    def _quarantine(self, ruleset: Ruleset, rules: Mapping[str, str]) -> None:
        if ruleset is not self.ruleset:
            return  # another has been loaded meanwhile, and is tried first
        self.use(ruleset.without(rules, now=self._clock.now()))
        for rule, why in rules.items():
            log.error("rule_quarantined", rule=rule, why=why, ruleset=self.ruleset.hash)

    def _count(self, judged: Sequence[tuple[Record, NewsItem, Verdict]], told: Sequence[tuple[Record, NewsItem, Verdict]], seconds: float) -> None:
        self._metrics.count((verdict.verdict for _, _, verdict in judged), (hit for _, _, verdict in judged for hit in verdict.rules), seconds)
        self._metrics.replaced.inc(sum(verdict.verdict == "no" for _, _, verdict in told))


class _Blamed(Exception):
    """Rules to be taken out, with the reason for each."""

    def __init__(self, rules: Mapping[str, str]) -> None:
        self.rules = rules
        super().__init__(", ".join(rules))


def goes_on(item: NewsItem, verdict: Verdict) -> bool:
    """Whether somebody downstream needs this verdict."""
    return verdict.verdict != "no" or item.revised or item.replay


def _signal(record: Record, item: NewsItem, verdict: Verdict, ruleset: Ruleset, now: datetime) -> Record:
    """The first verdict on an item, as it travels."""
    signal = signal_of(item, verdict, ruleset, now)
    return codec.encode(POLICY_SIGNALS, signal, key=item.id, id=signal.id, source=SOURCE, time=now, traceparent=onward(record))


def signal_of(item: NewsItem, verdict: Verdict, ruleset: Ruleset, now: datetime) -> PolicySignal:
    """A verdict as a signal."""
    return PolicySignal(
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


def signal_id(item: NewsItem, ruleset: Ruleset, question: str = "") -> str:
    """The same item, revision, rule set and question to a second judge give the same id for ever."""
    parts = (item.id, item.revision, ruleset.hash, *([question] if question else []))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]
