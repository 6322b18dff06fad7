"""The task that asks: one doubt after the other, beside the line and never in its way.

    doubt -> known answer?  -> budget, breaker -> endpoint -> signal with the opinion -> policy.signals.v1

The first verdict stands until a second one comes, and for good when none does.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from schemas.events.signal import Opinion, PolicySignal
from schemas.topics import POLICY_SIGNALS
from services.classifier.classify import Verdict, overruled
from services.classifier.judge import signal_id, signal_of
from services.classifier.opinion.answer import Answer, Reply
from services.classifier.opinion.breaker import Breaker
from services.classifier.opinion.endpoint import Endpoint, NoAnswer
from services.classifier.opinion.ledger import SOURCE, Ledger
from services.classifier.opinion.metrics import OpinionMetrics
from services.classifier.opinion.question import Form, Question
from services.classifier.opinion.settle import Doubt, outcome_of
from services.runtime import codec, logs
from services.runtime.broker import Broker, Record
from services.runtime.clock import Clock
from services.runtime.errors import Unavailable
from services.runtime.retry import Backoff, pause, until

log = logs.logger()

TRIES = 3
"""So often a question is asked that gets no answer."""
JUST_AFTER = timedelta(microseconds=1)
"""A second opinion is newer than the verdict it was asked about, and older than whatever judges later."""


class Opinions:
    """Doubts in, signals out. `offer` and `run` belong to one event loop."""

    def __init__(
        self, form: Form, endpoint: Endpoint, ledger: Ledger, broker: Broker, *, clock: Clock, metrics: OpinionMetrics, queue: int, late: timedelta
    ) -> None:
        self.form = form
        self._endpoint = endpoint
        self._ledger = ledger
        self._broker = broker
        self._clock = clock
        self._metrics = metrics
        self._doubts: asyncio.Queue[Doubt] = asyncio.Queue(queue)
        self._late = late.total_seconds()
        self._breaker = Breaker()

    def offer(self, doubts: Iterable[Doubt]) -> None:
        """Takes them if there is room. Never waits."""
        for doubt in doubts:
            try:
                self._doubts.put_nowait(doubt)
            except asyncio.QueueFull:
                self._metrics.outcomes["full"].inc()
        self._metrics.waiting.set(self._doubts.qsize())

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop` is set; the question in hand is finished first."""
        await until(stop, self._ledger.read.wait())
        while (doubt := await until(stop, self._doubts.get())) is not None:
            self._metrics.waiting.set(self._doubts.qsize())
            await self._settle(doubt, stop)
        self._metrics.outcomes["stopped"].inc(self._doubts.qsize())

    async def _settle(self, doubt: Doubt, stop: asyncio.Event) -> None:
        try:
            await self._look_into(doubt, stop)
        except Exception:
            self._metrics.outcomes["failed"].inc()
            log.exception("opinion_failed", item=doubt.item.id)  # a bug in what is optional must not stop what is not

    async def _look_into(self, doubt: Doubt, stop: asyncio.Event) -> None:
        question = self.form.question(doubt.item)
        if known := self._ledger.answer(question.hash):
            self._metrics.cached.inc()
            await self._tell(doubt, question, Reply(*known, 0, 0), stop, cached=True)
        elif reason := self._why_not(doubt, question.most):
            self._metrics.outcomes[reason].inc()
        else:
            await self._ask(doubt, question, stop)

    def _why_not(self, doubt: Doubt, cost: int) -> str | None:
        """Why it is not asked, if so: one of NOT_ASKED."""
        if doubt.is_history:
            return "history"
        if self._clock.monotonic() - doubt.since > self._late:
            return "late"
        return None if self._ledger.affords(cost) else "budget"

    async def _ask(self, doubt: Doubt, question: Question, stop: asyncio.Event) -> None:
        """Tries a few times, no sooner than the breaker allows. What failed attempts may have cost is told with the answer, or without one."""
        lost, reason = 0, "unanswered"
        for _ in range(TRIES):
            await pause(self._breaker.wait(self._clock.monotonic()), clock=self._clock, stop=stop)
            if why := "stopped" if stop.is_set() else self._why_not(doubt, question.most + lost):
                reason = why
                break
            try:
                reply = await self._attempt(question)
            except NoAnswer as exc:
                lost += exc.cost
                if exc.again:
                    continue
                break
            await self._tell(doubt, question, replace(reply, tokens_in=reply.tokens_in + lost), stop)
            return
        if lost:
            await self._tell(doubt, question, Reply(Answer(None, instead="unanswered"), self._endpoint.model, lost, 0), stop)
        else:
            self._metrics.outcomes[reason].inc()

    async def _attempt(self, question: Question) -> Reply:
        began = self._clock.monotonic()
        try:
            reply = await self._endpoint.ask(question, reasons=self.form.wording.reasons)
        except NoAnswer as exc:
            self._metrics.failures.inc()
            self._breaker.failed(self._clock.monotonic(), chance=random.random(), asked=exc.retry_after)  # noqa: S311 jitter is no secret
            log.warning("opinion_unanswered", reason=str(exc), failures=self._breaker.failures)
            raise
        else:
            self._breaker.succeeded()
            return reply
        finally:
            self._metrics.seconds.observe(self._clock.monotonic() - began)
            self._metrics.breaker.set(self._breaker.is_open)

    async def _tell(self, doubt: Doubt, question: Question, reply: Reply, stop: asyncio.Event, *, cached: bool = False) -> None:
        """Publishes what came of it, and counts it."""
        now = self._clock.now()
        opinion = opinion_of(doubt, question, reply, now, cached=cached)
        self._book(opinion)  # first: what is paid is paid, whatever follows
        signal = second_signal(doubt, question, opinion)
        record = codec.encode(POLICY_SIGNALS, signal, key=signal.item.id, id=signal.id, source=SOURCE, time=now, traceparent=doubt.traceparent)
        await self._publish(record, stop)
        self._metrics.outcomes[opinion.outcome].inc()
        cost = opinion.tokens_in + opinion.tokens_out
        log.info("opinion", item=signal.item.id, outcome=opinion.outcome, before=opinion.before, said=opinion.said, cached=cached, cost=cost)

    def _book(self, opinion: Opinion) -> None:
        self._ledger.note(opinion)
        self._metrics.tokens["question"].inc(opinion.tokens_in)
        self._metrics.tokens["answer"].inc(opinion.tokens_out)

    async def _publish(self, record: Record, stop: asyncio.Event) -> None:
        """Until it is safe, or the broker is away and the process is told to stop."""
        for failures in itertools.count(1):
            try:
                await self._broker.publish([record])
            except Unavailable as exc:
                if stop.is_set():
                    log.warning("opinion_lost", reason=str(exc))
                    return
                await pause(Backoff().delay(failures, chance=0.5), clock=self._clock, stop=stop)
            else:
                return


def opinion_of(doubt: Doubt, question: Question, reply: Reply, now: datetime, *, cached: bool = False) -> Opinion:
    """What came of a question, as it is told."""
    return Opinion(
        model=reply.model,
        question=question.hash,
        asked_at=now,
        before=doubt.verdict.verdict,
        said=reply.answer.said,
        reason=reply.answer.reason,
        quote=reply.answer.quote,
        outcome=outcome_of(doubt.verdict, reply.answer),
        cached=cached,
        tokens_in=reply.tokens_in,
        tokens_out=reply.tokens_out,
    )


def second_signal(doubt: Doubt, question: Question, opinion: Opinion) -> PolicySignal:
    """The signal that replaces the first one on this item, with the verdict that came of it."""
    changed = {
        "id": signal_id(doubt.item, doubt.ruleset, question.hash),
        "ruleset_activated_at": doubt.ruleset.activated_at + JUST_AFTER,
        "opinion": opinion,
    }
    return signal_of(doubt.item, _verdict(doubt, question, opinion), doubt.ruleset, opinion.asked_at).model_copy(update=changed)


def _verdict(doubt: Doubt, question: Question, opinion: Opinion) -> Verdict:
    """The first verdict, unless the opinion changes it. An alert then rests on the words that the second judge named, too."""
    if opinion.said is None or opinion.outcome not in ("raised", "lowered"):
        return doubt.verdict
    verdict = overruled(doubt.item, doubt.ruleset, opinion.said, f"second opinion of {opinion.model}: {opinion.reason}")
    found = question.article.find(opinion.quote) if opinion.said == "alert" and opinion.quote else None
    return replace(verdict, evidence=(found, *verdict.evidence)) if found else verdict
