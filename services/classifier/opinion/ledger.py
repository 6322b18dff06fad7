"""What was spent today, and what was answered already: read from the signals themselves.

Every question that may have cost something is told in policy.signals.v1, by whichever process asked it. Whoever reads the last day of that topic knows what all
of them have spent and learnt, after a restart too, without a file of its own; and who goes on reading keeps one budget with the others.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import date, datetime, timedelta
from typing import cast

from schemas.events.signal import Opinion, PolicySignal
from schemas.topics import POLICY_SIGNALS
from services.classifier.opinion.answer import Answer
from services.runtime import codec, logs
from services.runtime.broker import Broker, Record
from services.runtime.clock import Clock
from services.runtime.errors import Malformed, Unavailable
from services.runtime.retry import Backoff, pause, until

log = logs.logger()

SOURCE = "/chipwire/classifier/opinion"
"""By this a record is known for a second opinion before it is decoded."""
REMEMBERED = timedelta(days=1)
OVERLAP = timedelta(minutes=1)
"""Clocks of machines differ."""
MOST_ANSWERS = 10_000


class Ledger:
    """The budget of a day (UTC) and the answers of the last one. Ready once what others wrote has been read."""

    def __init__(self, broker: Broker, clock: Clock, *, daily: int) -> None:
        self._broker = broker
        self._clock = clock
        self._daily = daily
        self._spent: dict[date, dict[tuple[str, datetime], int]] = {}
        self._answers: OrderedDict[str, tuple[Answer, str]] = OrderedDict()
        self.read = asyncio.Event()

    @property
    def spent(self) -> int:
        """Tokens, today."""
        return sum(self._spent.get(self._clock.now().date(), {}).values())

    def affords(self, tokens: int) -> bool:
        """Whether so many more can be spent today."""
        return self.spent + tokens <= self._daily

    def answer(self, question: str) -> tuple[Answer, str] | None:
        """What was answered to this very question, and by which model."""
        return self._answers.get(question)

    def note(self, opinion: Opinion) -> None:
        """Once is enough, and twice does no harm."""
        day = opinion.asked_at.date()
        if not opinion.cached and day >= self._clock.now().date():
            self._spent = {kept: uses for kept, uses in self._spent.items() if kept >= self._clock.now().date()}
            self._spent.setdefault(day, {})[opinion.question, opinion.asked_at] = opinion.tokens_in + opinion.tokens_out
        if opinion.outcome != "unanswered":
            self._remember(opinion)

    def _remember(self, opinion: Opinion) -> None:
        instead = opinion.outcome if opinion.said is None else None
        self._answers[opinion.question] = Answer(opinion.said, opinion.reason, opinion.quote, instead), opinion.model
        self._answers.move_to_end(opinion.question)
        while len(self._answers) > MOST_ANSWERS:
            self._answers.popitem(last=False)

    async def run(self, stop: asyncio.Event) -> None:
        """Reads, and goes on reading, until `stop` is set; the broker may be away meanwhile."""
        failures = 0
        while not stop.is_set():
            try:
                await until(stop, self._follow())
                failures = 0
            except Unavailable as exc:
                failures += 1
                if failures == 1:
                    log.warning("opinions_not_read", reason=str(exc))
                await pause(Backoff().delay(failures, chance=0.5), clock=self._clock, stop=stop)

    async def _follow(self) -> None:
        began = self._clock.now()
        await self._read_from(began - REMEMBERED, follow=False)
        self.read.set()
        await self._read_from(began - OVERLAP, follow=True)

    async def _read_from(self, since: datetime, *, follow: bool) -> None:
        reading = cast("AsyncGenerator[Record]", self._broker.read(POLICY_SIGNALS, since=since, follow=follow))  # as all of ours are
        async with aclosing(reading) as records:
            async for record in records:
                self._take(record)

    def _take(self, record: Record) -> None:
        if record.header("ce_source") != SOURCE:
            return
        try:
            signal = codec.decode(record, PolicySignal)
        except Malformed:
            return  # whoever consumes the topic sets it aside
        if signal.opinion is not None:
            self.note(signal.opinion)
